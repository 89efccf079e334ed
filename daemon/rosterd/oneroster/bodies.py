"""Records read from the bodies of another OneRoster server: what `rendering` does, the other way.

Servers differ: numbers and booleans come as JSON or as texts, references as ids, as hrefs, or as
both, and 1.1 has one role for all orgs. A member that says nothing is left out; one that cannot be
meant is a fault that is counted, without its value, and the record goes on without it when it can.
"""

import re
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from rosterd.oneroster import model, vocabularies

OrgType = Callable[[str], str | None]

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PROFILE: Final = "urn:rosterd:profile:"


@dataclass(frozen=True, slots=True)
class Received:
    """One record as it came. `record` is canonical, and None when it cannot be kept."""

    record: model.Record | None
    status: str
    modified: datetime | None
    faults: tuple[str, ...]
    """Members that could not be read, or that are missing though their standard requires them."""


class _Fault(Exception):
    """A value that is not of its member's kind."""


def read(collection: str, body: object, version: str, org_type: OrgType) -> Received:
    """The record in one object of a page; never raises, whatever the object is.

    `org_type` gives the type of an org by its sourcedId (None when unknown): 1.1 calls every
    administrator the same.
    """
    if not isinstance(body, Mapping):
        return Received(None, "active", None, ("(not an object)",))
    sourced_id = _scalar(body.get("sourcedId"))
    status = _status(body.get("status"))
    modified = _instant(body.get("dateLastModified"))
    if not sourced_id or status not in vocabularies.VOCABULARIES["status"].words:
        missing = "status" if sourced_id else "sourcedId"
        return Received(None, status, modified, (missing,))
    record: model.Record = {"sourcedId": sourced_id}
    faults: list[str] = []
    for field in model.COLLECTIONS[collection].members(version):
        if field.name == "children":  # derived from the parents
            continue
        try:
            value = _READ[field.kind](body.get(field.name), field)
        except _Fault:
            faults.append(field.name)
            continue
        if value:
            record[field.name] = value
    if version == "1.1":
        record = vocabularies.from_1p1(collection, record, org_type)
    faults += sorted(_needed(collection) - record.keys())
    usable = status != "active" or not (_needed(collection) - record.keys())
    return Received(record if usable else None, status, modified, tuple(dict.fromkeys(faults)))


def _status(value: object) -> str:
    """`inactive` is read as what it became: a pupil who left must not stay shared for a word."""
    text = _scalar(value) or "active"
    return "tobedeleted" if text == vocabularies.INACTIVE else text


def _needed(collection: str) -> frozenset[str]:
    """Without these no record can be made; what has a stand-in is not among them."""
    stand_ins = {*vocabularies.STAND_INS.get(collection, ()), "enabledUser"}
    return model.required(collection, "1.2") - stand_ins


# ---------------------------------------------------------------- values


def _text(value: object) -> str:
    """Texts and numbers, trimmed; control characters go, as they do when CSV is read."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _Fault
    return _CONTROLS.sub("", str(value)).strip()


def _instant(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the first and the last day have no time zones
        return None


def _plain(value: object, field: model.Field) -> str:
    text = _text(value)
    if text and field.vocabulary is not None:
        return _word(text, field.vocabulary)
    return text


def _word(text: str, vocabulary: str) -> str:
    """The word itself, or a district's own; what is neither becomes an own one if it may."""
    table = vocabularies.VOCABULARIES[vocabulary]
    if table.allows(text, "1.2") or table.allows(text, "1.1"):
        return text
    own = f"ext:{re.sub(r'[^a-zA-Z0-9.-]', '_', text)}"
    if not table.allows(own, "1.2"):
        raise _Fault
    return own


def _flag(value: object, _: model.Field) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = _text(value).lower()
    if text not in {"", "true", "false"}:
        raise _Fault
    return text


def _date(value: object, _: model.Field) -> str:
    """The day; some servers send a time behind it."""
    text = _text(value)
    if not text:
        return ""
    if _DATE.match(text) is None:
        raise _Fault
    try:
        return datetime.fromisoformat(text[:10]).date().isoformat()
    except ValueError:
        raise _Fault from None


def _listed(value: object) -> Sequence[object]:
    """1.1 servers send one text where several may stand."""
    if value is None or value == "":
        return ()
    return value if isinstance(value, list) else [value]


def _texts(value: object, field: model.Field) -> list[str]:
    found = dict.fromkeys(_plain(each, field) for each in _listed(value))
    return [text for text in found if text]


def _ref(value: object, _: model.Field) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        if named := _text(value.get("sourcedId")):
            return named
        try:
            path = urllib.parse.urlsplit(_text(value.get("href"))).path
        except ValueError:
            raise _Fault from None
        return urllib.parse.unquote(path.rstrip("/").rpartition("/")[2])
    return _text(value)


def _refs(value: object, field: model.Field) -> list[str]:
    found = dict.fromkeys(_ref(each, field) for each in _listed(value))
    return [sourced_id for sourced_id in found if sourced_id]


def _objects(value: object) -> Sequence[Mapping[str, object]]:
    found = _listed(value)
    if not all(isinstance(each, Mapping) for each in found):
        raise _Fault
    return [each for each in found if isinstance(each, Mapping)]


def _roles(value: object, field: model.Field) -> list[dict[str, str]]:
    found = []
    for each in _objects(value):
        role = {
            "roleType": _word(_text(each.get("roleType")) or "primary", "roleType"),
            "role": _word(_text(each.get("role")), "role"),
            "org": _ref(each.get("org"), field),
            "userProfile": _profile_id(each.get("userProfile")),
            "beginDate": _date(each.get("beginDate"), field),
            "endDate": _date(each.get("endDate"), field),
        }
        if not role["org"]:
            raise _Fault
        found.append({name: text for name, text in role.items() if text})
    return found


def _ids(value: object, _: model.Field) -> list[dict[str, str]]:
    found = [
        {"type": _text(each.get("type")), "identifier": _text(each.get("identifier"))}
        for each in _objects(value)
    ]
    return [each for each in found if all(each.values())]


def _profiles(value: object, _: model.Field) -> list[dict[str, Any]]:
    found = []
    for each in _objects(value):
        sourced_id = _profile_id(each.get("profileId"))
        if not sourced_id:
            raise _Fault
        profile: dict[str, Any] = {"sourcedId": sourced_id}
        for name in ("profileType", "vendorId", "applicationId", "description"):
            if text := _text(each.get(name)):
                profile[name] = text
        if credentials := [_credential(one) for one in _objects(each.get("credentials"))]:
            profile["credentials"] = credentials
        found.append(profile)
    return found


def _credential(given: Mapping[str, object]) -> dict[str, str]:
    named = {name: _text(given.get(name)) for name in ("type", "username", "password")}
    return {name: text for name, text in named.items() if text}


def _profile_id(value: object) -> str:
    """The id inside a URI of ours; another server's URI is an id as it is."""
    text = _text(value)
    if text.startswith(_PROFILE):
        return urllib.parse.unquote(text.removeprefix(_PROFILE))
    return text


def _metadata(value: object, _: model.Field) -> dict[str, str]:
    """Keys with plain values; what is nested has no place in a roster."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _Fault
    found = {}
    for key, each in value.items():
        text = ("true" if each else "false") if isinstance(each, bool) else _scalar(each)
        if text and _text(key):
            found[_text(key)] = text
    return found


def _scalar(value: object) -> str:
    """The text of a plain value, "" for everything else."""
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return _text(value) if plain else ""


_READ: Final[Mapping[model.Kind, Callable[[object, model.Field], Any]]] = {
    model.Kind.TEXT: _plain,
    model.Kind.TOKEN: _plain,
    model.Kind.FLAG: _flag,
    model.Kind.DATE: _date,
    model.Kind.YEAR: _plain,
    model.Kind.TEXTS: _texts,
    model.Kind.REF: _ref,
    model.Kind.REFS: _refs,
    model.Kind.ROLES: _roles,
    model.Kind.IDS: _ids,
    model.Kind.PROFILES: _profiles,
    model.Kind.METADATA: _metadata,
}
