"""The small values that documents are made of, each refused where it stands when it is malformed.

A value is checked here as far as it can be judged alone (a port is a port, a host key is a host
key); what needs a second document to judge is a check in `configs`.
"""

import base64
import binascii
import difflib
import ipaddress
import re
import struct
import zoneinfo
from collections.abc import Hashable, Sequence
from datetime import date, time, timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    alias_generators,
)
from pydantic_core import PydanticCustomError

from rosterd.oneroster import vocabularies

Version = Literal["1.1", "1.2"]
Collection = Literal[
    "orgs",
    "academicSessions",
    "courses",
    "classes",
    "users",
    "enrollments",
    "demographics",
    "resources",
]
Check = Literal[
    "students-without-grades",
    "students-without-enrollments",
    "teachers-without-enrollments",
    "students-without-teachers",
    "classes-without-periods",
    "classes-without-students",
    "classes-without-teachers",
    "courses-without-classes",
    "users-without-primary-role",
    "users-without-email",
    "emails-used-twice",
    "usernames-used-twice",
    "users-without-identifier",
    "grades-outside-the-vocabulary",
    "guardians-of-nobody",
    "students-without-demographics",
    "classes-without-terms",
    "classes-in-ended-terms",
    "terms-without-parent",
    "schools-without-classes",
]
"""Names of the sanity checks; what they look for stands in `sanity`, which lies above."""
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
DAYS: tuple[Day, ...] = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_KEY_TYPES = frozenset(
    {"ssh-ed25519", "ssh-rsa"}
    | {f"ecdsa-sha2-nistp{bits}" for bits in (256, 384, 521)}
)  # fmt: skip
_LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*")
NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_OWN_ROLE = r"^ext:[a-zA-Z0-9.\-_]+$"
_FIELD = r"^[a-zA-Z]+(\.[a-zA-Z][a-zA-Z0-9]*)+$|^[a-zA-Z]+\.metadata\.[^\s]+$"
ROLES = tuple(sorted(vocabularies.VOCABULARIES["role"].words))
_Value = TypeVar("_Value", bound=Hashable)


class Model(BaseModel):
    """What every part of a document has in common: strict, frozen, and nothing unknown in it.

    Code builds a part by attribute name; `loading` admits the names of the files only.
    """

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        alias_generator=alias_generators.to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


def nearest(word: str, known: Sequence[str]) -> str:
    """Text that asks "did you mean …?" after a near miss of a known word, else nothing."""
    by_fold = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_fold, 1, 0.6)
    return f"; did you mean {by_fold[found[0]]}?" if found else ""


def wrong(message: str) -> PydanticCustomError:
    """An error in our words, whatever braces they contain."""
    return PydanticCustomError("wrong", "{text}", {"text": message})


def _unique(values: tuple[_Value, ...]) -> tuple[_Value, ...]:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise wrong(f"{value!r} stands here twice; once is enough")
    return values


Several = Annotated[
    tuple[_Value, ...],
    Field(min_length=1, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_unique),
]


def _seconds(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,5}[smhdw]", value, re.ASCII):
        raise wrong('this is no duration; write a number and s, m, h, d or w, such as "15m"')
    return timedelta(seconds=int(value[:-1]) * _UNITS[value[-1]])


def _duration_text(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    unit = next(unit for unit in reversed(_UNITS) if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def _clock(value: object) -> object:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not re.fullmatch(
        r"([01][0-9]|2[0-3]):[0-5][0-9]", value, re.ASCII
    ):
        raise wrong('this is no time of day; write hours and minutes in quotes, such as "05:30"')
    return time.fromisoformat(value)


def _day(value: object) -> object:
    if isinstance(value, date):
        return value
    message = "this is no date; write year-month-day, such as 2027-06-30"
    if not isinstance(value, str) or not re.fullmatch(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII
    ):
        raise wrong(message)
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise wrong(message) from None


def _zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise wrong("no timezone has this name; write one such as America/Chicago") from None
    return value


def _host(value: str) -> str:
    if len(value) <= 253 and _HOST.fullmatch(value):
        return value
    try:
        return str(ipaddress.IPv6Address(value))
    except ValueError:
        message = "this is no host; write a name such as sftp.example.com, without port or path"
        raise wrong(message) from None


def host_key_type(blob: bytes) -> str | None:
    """The type that an OpenSSH public key blob names inside, None when it is no such blob."""
    if len(blob) < 4:
        return None
    (length,) = struct.unpack(">I", blob[:4])
    if len(blob) <= 4 + length:
        return None
    return blob[4 : 4 + length].decode("ascii", errors="replace")


def _host_key(value: str) -> str:
    """`type base64`; a comment behind them is dropped, since it is no part of the key."""
    parts = value.split()
    message = (
        "this is no host key; write it as ssh-keyscan shows it after the host: ssh-ed25519 AAAA…"
    )
    if len(parts) < 2 or parts[0] not in _KEY_TYPES:
        raise wrong(message)
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except binascii.Error:
        raise wrong(message) from None
    # an ed25519 key has one length; a cut one would only be noticed at the first delivery
    if host_key_type(blob) != parts[0] or (parts[0] == "ssh-ed25519" and len(blob) != 51):
        raise wrong("this host key is damaged: copy it again, whole and on one line")
    return f"{parts[0]} {parts[1]}"


def _name(value: str) -> str:
    if not re.fullmatch(NAME, value):
        raise wrong("this is no name; write small letters, digits and hyphens, 63 at most")
    return value


def _secret_name(value: str) -> str:
    """Whoever writes the password itself here has to learn that before it is pushed."""
    if not re.fullmatch(NAME, value):
        raise wrong(
            "this is no name of a secret; write small letters, digits and hyphens, and give the"
            " value itself to `rosterd secret set`, never to git"
        )
    return value


def _role(value: str) -> str:
    if not vocabularies.VOCABULARIES["role"].allows(value, "1.2"):
        hint = nearest(value, ROLES) or f"; write one of {', '.join(ROLES)}, or ext:… for your own"
        raise wrong(f"this is no role{hint}")
    return value


def _field_name(value: str) -> str:
    if not re.fullmatch(_FIELD, value):
        raise wrong("this names no field; write collection.field, such as users.phone")
    return value


def _email(value: str) -> str:
    if len(value) > 254 or not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>.]+", value):
        raise wrong("this is no mail address; write one such as it@example.org")
    return value


def _plain(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise wrong("this text is blank, or has line breaks or control characters in it")
    return value


def remote_folder(value: str) -> str:
    """A path on another machine; raises what pydantic tells the author."""
    if ".." in value.split("/") or "\\" in value:
        raise wrong('this leaves the folder; write a path with "/" and without ".."')
    return value


def local_folder(value: str) -> str:
    """An absolute path on this machine; raises what pydantic tells the author."""
    if not value.startswith("/") or ".." in value.split("/"):
        raise wrong('this is no absolute path; begin with "/" and leave out ".."')
    return value


def _file_name(value: str) -> str:
    if value in {".", ".."} or re.search(r"[/\\]", value):
        raise wrong("this is no file name; write one without folders")
    return value


Text = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_plain)]
Name = Annotated[str, Field(json_schema_extra={"pattern": NAME}), AfterValidator(_name)]
"""Of documents: it is also a file's stem and part of a URL."""
SecretName = Annotated[
    str, Field(json_schema_extra={"pattern": NAME}), AfterValidator(_secret_name)
]
"""Of a secret, where somebody may write the secret itself."""
SourcedId = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_plain)]
Where = Annotated[str, Field(min_length=1, max_length=10_000)]
Role = Annotated[
    str,
    Field(json_schema_extra={"anyOf": [{"enum": list(ROLES)}, {"pattern": _OWN_ROLE}]}),
    AfterValidator(_role),
]
FieldName = Annotated[
    str,
    Field(json_schema_extra={"pattern": _FIELD}, examples=["users.phone", "users.metadata.bus"]),
    AfterValidator(_field_name),
]
Port = Annotated[int, Field(ge=1, le=65535)]
Duration = Annotated[
    timedelta,
    BeforeValidator(_seconds),
    PlainSerializer(_duration_text),
    WithJsonSchema(
        {"type": "string", "pattern": "^[0-9]{1,5}[smhdw]$", "examples": ["15m", "90d"]}
    ),
]
ClockTime = Annotated[
    time,
    BeforeValidator(_clock),
    PlainSerializer(lambda value: value.strftime("%H:%M")),
    WithJsonSchema(
        {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "examples": ["05:30"]}
    ),
]
CalendarDay = Annotated[
    date,
    BeforeValidator(_day),
    PlainSerializer(lambda value: value.isoformat()),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2027-06-30"]}),
]
Timezone = Annotated[str, Field(examples=["America/Chicago"]), AfterValidator(_zone)]
Host = Annotated[str, Field(examples=["sftp.example.com"]), AfterValidator(_host)]
HostKey = Annotated[
    str, Field(json_schema_extra={"pattern": "^(ssh|ecdsa)-"}), AfterValidator(_host_key)
]
Email = Annotated[str, Field(examples=["it@example.org"]), AfterValidator(_email)]
RemoteFolder = Annotated[Text, AfterValidator(remote_folder)]
PlainFileName = Annotated[Text, AfterValidator(_file_name)]


class Contact(Model):
    """A person or mailbox that is asked when something about an application is unclear."""

    name: Text
    """How the person or the team is called."""
    email: Email
    """Where mail reaches them."""


class Document(Model):
    """What every file says first."""

    api_version: Literal["rosterd/v1"] = "rosterd/v1"
    """The format of this file."""


def plain(document: Model) -> dict[str, Any]:
    """The document as a file would say it: names of the files, texts, only what was set."""
    return document.model_dump(mode="json", by_alias=True, exclude_unset=True)
