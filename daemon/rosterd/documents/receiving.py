"""How rosters are fetched, and what keeps an import back: the parts of a RosterSource."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from rosterd.documents import repositories, values

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _url(value: str) -> str:
    """Where a roster comes from, and where a secret goes: nothing but https, on our own machine
    aside.
    """
    message = "this is no base of URLs; write one such as https://sis.example/ims/oneroster/v1p1"
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise values.wrong(message) from None
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    safe = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    if not (host and plain and safe) or re.search(r"[\s?#@]|/$", value):
        raise values.wrong(
            f"{message}: https, without / behind, and without a query, a user or a password"
        )
    return value


Url = Annotated[values.Text, AfterValidator(_url)]


class SourceAuthentication(values.Model):
    """How the daemon signs in at a source: by names of secrets, which are never in git themselves.
    At an SFTP server with a password or a private key, at a OneRoster server with key and secret.
    """

    password: values.SecretName | None = None
    """sftp: name of the secret that holds the password."""
    private_key: values.SecretName | None = None
    """sftp: name of the secret that holds the private key (OpenSSH format)."""
    passphrase: values.SecretName | None = None
    """sftp: name of the secret that opens the private key."""
    key: values.SecretName | None = None
    """oneroster: name of the secret that holds the key (client id)."""
    secret: values.SecretName | None = None
    """oneroster: name of the secret that holds the secret that belongs to the key."""
    token_url: Url | None = None
    """oneroster: where OAuth 2 tokens are given out. Without it requests are signed with OAuth
    1.0a, which servers of version 1.1 take."""
    scope: values.Text | None = None
    """oneroster: scopes to ask for, with blanks between; all that the key may have when left out."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """Names of the secrets by the field of the file that names them."""
        named = {
            "password": self.password,
            "privateKey": self.private_key,
            "passphrase": self.passphrase,
            "key": self.key,
            "secret": self.secret,
        }
        return {field: name for field, name in named.items() if name is not None}

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        shell = self.password, self.private_key, self.passphrase
        rest = self.key, self.secret, self.token_url, self.scope
        if any(shell) and any(rest):
            raise values.wrong(
                "a source signs in with password or privateKey (sftp), or with key and secret"
                " (oneroster), not with both"
            )
        if any(rest) and not (self.key and self.secret):
            raise values.wrong("a OneRoster server wants both; name secrets in key and secret")
        if not any(rest) and self.password is None and self.private_key is None:
            raise values.wrong("nothing to sign in with; name a secret in password or privateKey")
        if self.passphrase is not None and self.private_key is None:
            raise values.wrong("a passphrase opens a private key; name that too, as privateKey")
        if self.scope is not None and self.token_url is None:
            raise values.wrong("scopes are asked for with OAuth 2; give tokenUrl too")
        return self

    @property
    def of_sftp(self) -> bool:
        """Whether it is the way into an SFTP server."""
        return self.key is None


class Pace(values.Model):
    """When a source is asked: at a time of certain days, or again and again."""

    days: values.Several[values.Day] | None = None
    """Days on which it is asked, by name."""
    time: values.ClockTime | None = None
    """Time of day, in quotes, such as "05:30"."""
    timezone: values.Timezone | None = None
    """Where that time is read; the repository's timezone when left out."""
    every: values.Duration | None = None
    """How long after one time it is asked again, a minute at least; instead of days and time."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        slots = (self.days, self.time, self.timezone)
        if self.every is not None and any(each is not None for each in slots):
            raise values.wrong("a source is asked at a time or every so often; leave one out")
        if self.every is None and (self.days is None or self.time is None):
            raise values.wrong('a schedule needs days and a time, or every, such as "6h"')
        if self.every is not None and self.every < timedelta(minutes=1):
            raise values.wrong("this is too often; a minute is the least")
        return self


class Changes(values.Model):
    """How much one import may change in one collection. What is left out has no limit."""

    added: repositories.Limit | None = None
    """Records that come."""
    changed: repositories.Limit | None = None
    """Records that say something else than before."""
    removed: repositories.Limit | None = None
    """Records that go."""


DEFAULT_CHANGES = Changes(removed=repositories.Limit(count=50, percent=20))


class Thresholds(values.Model):
    """How much one import may change before it is held, by collection."""

    default: Changes = DEFAULT_CHANGES
    """For collections that are not named here."""
    orgs: Changes | None = None
    """For orgs."""
    academic_sessions: Changes | None = None
    """For academicSessions."""
    courses: Changes | None = None
    """For courses."""
    classes: Changes | None = None
    """For classes."""
    users: Changes | None = None
    """For users."""
    enrollments: Changes | None = None
    """For enrollments."""
    demographics: Changes | None = None
    """For demographics."""
    resources: Changes | None = None
    """For resources."""

    def of(self, collection: str) -> Changes:
        """What holds for a collection, by its name in the standard."""
        field = "academic_sessions" if collection == "academicSessions" else collection
        named: Changes | None = getattr(self, field)
        return named if named is not None else self.default


class Days(values.Model):
    """Days from one date to another, both included, in the repository's timezone."""

    start: Annotated[values.CalendarDay, Field(alias="from")]
    """The first day."""
    end: Annotated[values.CalendarDay, Field(alias="to")]
    """The last day."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end < self.start:
            raise values.wrong("this ends before it begins; exchange from and to")
        return self

    def covers(self, day: date) -> bool:
        """Whether a day is one of them."""
        return self.start <= day <= self.end


class Expected(Days):
    """Days on which much may change: what they name is not held."""

    collections: values.Several[values.Collection] | None = None
    """Of which collections; all when left out."""
    reason: values.Text
    """Why, such as the change of the school year."""


SourceType = Literal["directory", "sftp", "oneroster"]
