"""Where rosters come from, and what can be added."""

from datetime import timedelta
from typing import Final, Literal

from rosterd.documents import applications, values

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
    type: Literal["directory"]
    """How it arrives: as OneRoster CSV in a folder of the daemon's machine."""
    enabled: bool = True
    """Whether new deliveries are read. What was read before stays."""
    directory: values.LocalFolder
    """The folder: with the CSV files in it, or with zips of them."""
    settle: values.Duration = timedelta(seconds=60)
    """How long nothing may have moved in the folder before it is read."""
    marker: values.PlainFileName | None = None
    """A file that is only there when a delivery is complete; manifest.csv when left out."""
    manifest: Manifest | None = None
    """For a student system that writes no manifest.csv, or an empty one."""
    retention: values.Duration = RETENTION
    """How long applications are told of records that they lost: they ask for what changed, and one
    that asks more rarely than this has to read everything again."""
