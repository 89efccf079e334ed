"""Records as the bodies of both versions hold them.

The members come from the tables of `model`, so a body has exactly those of its version: 1.2
closes its objects, and strict clients refuse a page for one member too many. What a body holds of
the machine is left out: the base of each `href` is a marker and dateLastModified is missing, so a
fragment is rendered once per generation and served under any URL, until the record changes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import orjson

from rosterd.oneroster import model, uris, vocabularies

# What `href` begins with in `render`. Control characters never occur in records (the importer
# removes them), and JSON keeps DEL as it is.
MARK = "\x7f"
RESOURCES_MARK = "\x7fr"
# What it begins with in a fragment. Replacing one byte is 15 times as fast as replacing two, and
# UTF-8 never uses this one; so a fragment is for `page` and `single`, not for a JSON parser.
MARK_BYTE = b"\x7f"
RESOURCES_BYTE = b"\xff"
NEXT_BYTE = b"\xfe"
"""Stands between stored fragments, for all that comes between two records of a page."""

Body = dict[str, Any]
Part: TypeAlias = bytes | memoryview
"""Rendered bytes, or where they lie: to copy them twice costs more than all else of a page."""
_Form = Callable[[Any], Any]


def render(collection: str, record: Mapping[str, Any], version: str) -> Body:
    """The REST form of a canonical record, without dateLastModified.

    Members that the version does not have are left out. `status` is the record's, else active;
    `children` is rendered when the record carries it (a list of sourcedIds).
    """
    given = vocabularies.as_given(collection, record, version)
    body: Body = {"sourcedId": given["sourcedId"], "status": given.get("status", "active")}
    for name, form in _FORMS[collection, version]:
        value = given.get(name)
        if value:
            body[name] = value if form is None else form(value)
    return body


def fragment(collection: str, record: Mapping[str, Any], version: str) -> bytes:
    """The JSON of `render` without its opening brace: `"sourcedId":…}`."""
    text = orjson.dumps(render(collection, record, version))[1:]
    return text.replace(_RESOURCES, RESOURCES_BYTE) if collection in _WITH_RESOURCES else text


def tombstone(collection: str, record: Mapping[str, Any], version: str) -> bytes:
    """The fragment of a record that is gone: status tobedeleted, and what the version requires."""
    given = vocabularies.as_given(collection, record, version)
    names = model.required(collection, version)
    left = {name: value for name, value in given.items() if name in names}
    return fragment(collection, {**left, "status": "tobedeleted"}, version)


def dated(moment: str) -> bytes:
    """What opens an object before its fragment; `moment` is the text of dateLastModified."""
    return b'{"dateLastModified":%b,' % orjson.dumps(moment)


class Records(NamedTuple):
    """Whole objects with commas between them, once `parts` are joined with `between` and NEXT_BYTE
    is replaced by `following`. What all of them begin with stands there: twice as many parts take
    twice as long to join.
    """

    parts: Sequence[Part]
    between: bytes = b""
    following: bytes = b""


def page(envelope_key: str, records: Records, roster_base: bytes, resources_base: bytes) -> bytes:
    """The body of a collection.

    A base is an absolute URL without a slash at its end; in 1.1 both are the same.
    """
    parts, between, following = records
    body = _joined(b'{"%b":[' % envelope_key.encode(), parts, between, b"]}")
    if following:  # first, while the body is short
        body = body.replace(NEXT_BYTE, following)
    return _based(body, roster_base, resources_base)


def single(
    envelope_key: str, parts: Iterable[Part], roster_base: bytes, resources_base: bytes
) -> bytes:
    """The body of one record, its parts like those of a page."""
    body = _joined(b'{"%b":' % envelope_key.encode(), parts, b"", b"}")
    return _based(body, roster_base, resources_base)


def _joined(head: bytes, parts: Iterable[Part], between: bytes, tail: bytes) -> bytes:
    if not between:
        return b"".join([head, *parts, tail])
    joined = list(parts)
    if not joined:
        return head + tail
    joined[0] = head + joined[0]
    joined[-1] = bytes(joined[-1]) + tail
    return between.join(joined)


def _based(body: bytes, roster_base: bytes, resources_base: bytes) -> bytes:
    return body.replace(MARK_BYTE, roster_base).replace(RESOURCES_BYTE, resources_base)


_RESOURCES = RESOURCES_MARK.encode()
_WITH_RESOURCES = frozenset(
    name for name in model.COLLECTIONS if "resources" in model.ref_fields(name).values()
)


# ---------------------------------------------------------------- forms of members


def _ref(target: str) -> Callable[[str], Body]:
    mark = RESOURCES_MARK if target == "resources" else MARK
    prefix = f"{mark}/{target}/"
    singular = model.COLLECTIONS[target].singular
    encoded = uris.encoded

    def form(sourced_id: str) -> Body:
        return {"href": prefix + encoded(sourced_id), "sourcedId": sourced_id, "type": singular}

    return form


def _refs(target: str) -> _Form:
    one = _ref(target)
    return lambda sourced_ids: [one(sourced_id) for sourced_id in sourced_ids]


_ORG = _ref("orgs")


def _role(role: Mapping[str, str]) -> Body:
    body: Body = {"roleType": role["roleType"], "role": role["role"], "org": _ORG(role["org"])}
    if profile := role.get("userProfile"):
        body["userProfile"] = uris.profile(profile)
    for name in ("beginDate", "endDate"):
        if date := role.get(name):
            body[name] = date
    return body


def _profile(profile: Mapping[str, Any]) -> Body:
    body: Body = {"profileId": uris.profile(profile["sourcedId"])}
    for name in ("profileType", "vendorId", "applicationId", "description"):
        if value := profile.get(name):
            body[name] = value
    if credentials := profile.get("credentials"):
        body["credentials"] = credentials  # an open object in 1.2: it goes as it is
    return body


def _roles(roles: Iterable[Mapping[str, str]]) -> list[Body]:
    return [_role(role) for role in roles]


def _profiles(profiles: Iterable[Mapping[str, Any]]) -> list[Body]:
    return [_profile(profile) for profile in profiles]


def _ids(entries: Iterable[Mapping[str, str]]) -> list[Body]:
    return [{"type": entry["type"], "identifier": entry["identifier"]} for entry in entries]


_COMPOSED: Mapping[model.Kind, _Form] = {
    model.Kind.ROLES: _roles,
    model.Kind.IDS: _ids,
    model.Kind.PROFILES: _profiles,
}


def _form(field: model.Field) -> _Form | None:
    """How a member is rendered, None when it goes as it is."""
    if field.target is None:
        return _COMPOSED.get(field.kind)
    return (_ref if field.kind is model.Kind.REF else _refs)(field.target)


# Found once, so that rendering a record asks no table what its members are.
_FORMS: Mapping[tuple[str, str], tuple[tuple[str, _Form | None], ...]] = {
    (name, version): tuple((field.name, _form(field)) for field in collection.members(version))
    for name, collection in model.COLLECTIONS.items()
    for version in model.VERSIONS
}
