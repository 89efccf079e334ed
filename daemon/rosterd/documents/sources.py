"""Where rosters come from, and what can be added."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import (
    Field,
    ValidationInfo,
    alias_generators,
    field_validator,
    model_validator,
)

from rosterd.documents import applications, receiving, values

RETENTION: Final = timedelta(days=90)
"""For how long departures are told when a source does not say."""


class Needs(values.Model):
    """What an application cannot work without."""

    versions: values.Several[values.Version] | None = None
    """OneRoster versions that it reads."""
    collections: values.Several[values.Collection] | None = None
    """Collections that it reads."""
    fields: values.Several[values.FieldName] | None = None
    """Fields that must not be withheld, such as users.email."""
    zero: values.Several[values.Check] | None = None
    """Sanity checks that must find nothing in what it gets, such as classes-without-teachers."""


class Listing(values.Document):
    """An application of the catalogue, for whoever adds it. Adding copies; nothing is inherited."""

    kind: Literal["Listing"] = "Listing"
    """What this file is."""
    name: values.Name
    """Its name; also the stem of this file's name."""
    title: values.Text
    """What people call it."""
    company: values.Text
    """Who makes it."""
    description: values.Text | None = None
    """What it is for."""
    developers: tuple[values.Contact, ...] = ()
    """Contacts at the vendor; the first one signed the application up."""
    development: bool = False
    """Whether the vendor still develops it: shown as DEV."""
    needs: Needs | None = None
    """What it cannot work without."""
    recommended: applications.Rules | None = None
    """The permission that its vendor recommends."""
    vendor_id: values.Text | None = None
    """How users' profiles name the vendor: an application from this entry gets no other's."""
    application_id: values.Text | None = None
    """How users' profiles name the application."""


class Manifest(values.Model):
    """What is taken for said where a delivery's manifest says nothing."""

    default: Literal["bulk", "delta"]
    """Mode of files that no manifest speaks of. Bulk means that what is not in them has left. A
    delivery without a manifest is refused unless this is set."""


class RosterSource(values.Document):
    """Where a roster comes from. A record belongs to the source that brought it."""

    kind: Literal["RosterSource"] = "RosterSource"
    """What this file is."""
    name: values.Name
    """Its name; also the stem of this file's name."""
    type: receiving.SourceType
    """How it arrives. directory: as OneRoster CSV in a folder of the daemon's machine. sftp: the
    same, fetched from a folder of an SFTP server. oneroster: from the REST API of another server."""
    enabled: bool = True
    """Whether new deliveries are read. What was read before stays."""
    directory: values.Text | None = None
    """directory: the folder, as an absolute path. sftp: the folder on the server; relative ones
    count from where it lets the user in. With the CSV files in it, or with zips of them."""
    settle: values.Duration = timedelta(seconds=60)
    """How long nothing may have moved in the folder before it is read."""
    marker: values.PlainFileName | None = None
    """A file that is only there when a delivery is complete; manifest.csv when left out."""
    manifest: Manifest | None = None
    """For a student system that writes no manifest.csv, or an empty one."""
    host: values.Host | None = None
    """sftp: name or address of the server."""
    port: values.Port = 22
    """sftp: port of the server."""
    username: values.Text | None = None
    """sftp: whom the daemon signs in as."""
    host_keys: values.Several[values.HostKey] | None = None
    """sftp: keys by which the server is known, in OpenSSH form. From no other server a roster is
    taken."""
    url: receiving.Url | None = None
    """oneroster: what stands before /orgs, /users and the others."""
    resources_url: receiving.Url | None = None
    """oneroster: what stands before /resources, where that is elsewhere, as in version 1.2."""
    version: values.Version | None = None
    """oneroster: the version that the server speaks there."""
    authentication: receiving.SourceAuthentication | None = None
    """sftp and oneroster: how the daemon signs in."""
    mode: Literal["full", "delta"] = "full"
    """oneroster: full reads everything each time; delta what changed since the last time, and
    everything now and then."""
    full_every: values.Duration = timedelta(days=7)
    """oneroster with mode delta: how long after everything was read it is read again. Servers tell
    of what changed, and rarely of what they deleted."""
    page_size: Annotated[int, Field(ge=1, le=10_000)] = 1000
    """oneroster: records to ask for at once."""
    schedule: receiving.Pace | None = None
    """sftp and oneroster: when the server is asked."""
    deadline: values.Duration = timedelta(hours=1)
    """sftp and oneroster: how long one fetch may take."""
    thresholds: receiving.Thresholds = receiving.Thresholds()
    """How much an import may change. One that changes more than the larger of count and percent is
    held until somebody lets it go. The first import of a source never is."""
    expected: tuple[receiving.Expected, ...] = ()
    """Days on which much may change."""
    blackout: tuple[receiving.Days, ...] = ()
    """Days on which nothing is fetched or imported. What is served stays."""
    additions_only: tuple[receiving.Days, ...] = ()
    """Days on which nobody leaves: records that a delivery removes stay until they are over."""
    keep: values.Duration = timedelta(days=30)
    """For how long what was received is kept, so that it can be looked at."""
    stale_after: values.Duration | None = None
    """Warns when nothing was read from it for so long."""
    retention: values.Duration = RETENTION
    """For how long applications are told of records that they lost: they ask for what changed, and one
    that asks more rarely than this has to read everything again."""

    @field_validator("directory")
    @classmethod
    def _folder(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        check = values.remote_folder if info.data.get("type") == "sftp" else values.local_folder
        return check(value)

    @model_validator(mode="after")
    def _fields_of_the_type(self) -> Self:
        wanted, taken = _NEEDS[self.type], _NEEDS[self.type] | _MAY[self.type]
        for field in sorted(_TYPED - taken):
            if field in self.model_fields_set:
                types = [kind for kind in _NEEDS if field in _NEEDS[kind] | _MAY[kind]]
                raise values.wrong(
                    f"{_said(field)} belongs to sources of type {' or '.join(types)}; leave it out"
                    f" of this one, whose type is {self.type}"
                )
        missing = [_said(field) for field in sorted(wanted) if getattr(self, field) is None]
        if missing:
            raise values.wrong(f"a source of type {self.type} needs {', '.join(missing)}")
        way = self.authentication
        if way is not None and way.of_sftp != (self.type == "sftp"):
            right = "password or privateKey" if self.type == "sftp" else "key and secret"
            raise values.wrong(f"a source of type {self.type} signs in with {right}")
        if self.version == "1.2" and way is not None and way.token_url is None:
            raise values.wrong("version 1.2 knows OAuth 2 alone; give authentication.tokenUrl")
        if "full_every" in self.model_fields_set and self.mode == "full":
            raise values.wrong("fullEvery says how often a delta source reads everything; here it"
                               " always does")  # fmt: skip
        return self


_NEEDS: Final[Mapping[str, frozenset[str]]] = {
    "directory": frozenset({"directory"}),
    "sftp": frozenset({"directory", "host", "username", "host_keys", "authentication", "schedule"}),
    "oneroster": frozenset({"url", "version", "authentication", "schedule"}),
}
_MAY: Final[Mapping[str, frozenset[str]]] = {
    "directory": frozenset({"settle", "marker", "manifest"}),
    "sftp": frozenset({"settle", "marker", "manifest", "port", "deadline"}),
    "oneroster": frozenset({"resources_url", "mode", "full_every", "page_size", "deadline"}),
}
_TYPED: Final = frozenset().union(*_NEEDS.values(), *_MAY.values())
"""Fields that do not belong to every type."""


def _said(field: str) -> str:
    return alias_generators.to_camel(field)
