"""What holds for the whole repository: guards against one change that does too much, and pauses.

The daemon always goes by the accepted commit, never by the candidate: whoever pushes cannot lift
what stands in the way of the push.
"""

import re
from datetime import date, time
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic import model_validator as validated

from rosterd.documents import selecting, values


class Limit(values.Model):
    """The larger of the two counts."""

    count: Annotated[int, Field(ge=0)]
    """Number of things."""
    percent: Annotated[int, Field(ge=0, le=100)]
    """Part of what was there before, in percent."""

    def exceeded(self, number: int, before: int) -> bool:
        """Whether `number` of what were `before` is more than both counts allow."""
        return number > self.count and number * 100 > before * self.percent


class Limits(values.Model):
    """How much may change at once. More is held back until a `release` lets it go."""

    removed: Limit = Limit(count=3, percent=10)
    """Documents of one kind that one change removes."""
    gained: Limit = Limit(count=100, percent=25)
    """Records of one collection that an application gains without a document that states it."""
    lost: Limit = Limit(count=100, percent=10)
    """Records of one collection that an application loses without a document that states it."""


_CHANGE = r"^sha256:[0-9a-f]{64}$"


def _change(value: str) -> str:
    if not re.fullmatch(_CHANGE, value):
        raise values.wrong(
            "this names no change; copy the sha256:… that `rosterd status` shows with what is held"
        )
    return value


class Release(values.Model):
    """Lets go what the guards hold: one change, up to a size, until a day."""

    change: Annotated[str, Field(json_schema_extra={"pattern": _CHANGE}), AfterValidator(_change)]
    """Which change, as `rosterd status` names it. It says what changed in documents, not how many
    records that moves."""
    gain: Annotated[int, Field(ge=0)]
    """The most records of one collection that an application may gain by it."""
    lose: Annotated[int, Field(ge=0)]
    """The most records of one collection that an application may lose by it; of a change that
    removes documents, the most documents of one kind."""
    until: values.CalendarDay
    """Its last day; later it lets nothing go any more."""


def _moment(value: object) -> object:
    if isinstance(value, date | time):
        return value
    if isinstance(value, str) and re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value, re.ASCII):
        return time.fromisoformat(value)
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise values.wrong(
        'this is neither a date such as 2027-06-30 nor a time of day in quotes such as "05:30"'
    )


def _moment_text(value: Any) -> str:
    return value.strftime("%H:%M") if isinstance(value, time) else str(value.isoformat())


Moment = Annotated[
    date | time,
    BeforeValidator(_moment),
    PlainSerializer(_moment_text),
    WithJsonSchema({"type": "string", "examples": ["2027-06-30", "05:30"]}),
]


class Freeze(values.Model):
    """A time in which no change is applied but what only takes away: from one date to another, or
    on some days of the week between two times.
    """

    name: values.Text
    """What people call it; it is told to whoever waits for it."""
    days: values.Several[values.Day] | None = None
    """Days of the week on which it begins, when it has times."""
    start: Annotated[Moment, Field(alias="from")]
    """Its first day; or, with days, the time at which it begins."""
    end: Annotated[Moment, Field(alias="to")]
    """Its last day; or, with days, the time at which it ends. One before `from` is on the next
    day."""

    @validated(mode="after")
    def _one_form(self) -> Self:
        times = isinstance(self.start, time), isinstance(self.end, time)
        if self.days is None and any(times):
            raise values.wrong("times of day need days; name them, or write dates in from and to")
        if self.days is not None and not all(times):
            raise values.wrong('days of the week need times; write "07:00" in from and to')
        if self.days is not None and self.start == self.end:
            raise values.wrong("this is no time at all; let it end later than it begins")
        if isinstance(self.start, date) and isinstance(self.end, date) and self.end < self.start:
            raise values.wrong("this ends before it begins; exchange from and to")
        return self


class Suspended(values.Model):
    """Nothing is applied or exported until a commit takes this out again."""

    reason: values.Text
    """Why; it is told to whoever waits."""
    since: values.CalendarDay
    """Since when: after two weeks `rosterd status` reminds of it."""


Level = Literal["off", "warning", "error"]


class Policies(values.Model):
    """What the district forbids itself: `off`, `warning`, or `error`, with which no commit that does
    it is accepted. To lift an error takes a commit of its own, before the one that makes use of it.
    """

    demographics_without_agreement: Annotated[
        Level, Field(alias="demographics-without-agreement")
    ] = "warning"
    """Demographics go to an application without an agreement."""
    full_access_without_agreement: Annotated[
        Level, Field(alias="full-access-without-agreement")
    ] = "warning"
    """access: full for an application without an agreement."""
    metadata_shared_without_agreement: Annotated[
        Level, Field(alias="metadata-shared-without-agreement")
    ] = "warning"
    """A metadata field is shared with an application without an agreement."""
    passwords_shared: Annotated[Level, Field(alias="passwords-shared")] = "warning"
    """users.password is shared."""
    sftp_direct_publish: Annotated[Level, Field(alias="sftp-direct-publish")] = "warning"
    """A file is written in place, so that a vendor may read half of it."""
    development_with_full_access: Annotated[Level, Field(alias="development-with-full-access")] = (
        "warning"
    )
    """access: full for an application whose listing says `development`."""
    agreement_missing: Annotated[Level, Field(alias="agreement-missing")] = "off"
    """An application gets anything without an agreement. The district's own applications, whose
    company is the district's title, need none, here and above."""
    owner_missing: Annotated[Level, Field(alias="owner-missing")] = "off"
    """An application has no owner."""
    no_expiry: Annotated[Level, Field(alias="no-expiry")] = "off"
    """A grant ends neither with its permission nor with an agreement."""

    def levels(self) -> dict[str, Level]:
        """Name of the policy, as files say it -> its level."""
        return self.model_dump(by_alias=True)


class Notification(values.Model):
    """Somebody who is told when something goes wrong, and when it is over."""

    to: values.Email | None = None
    """The address that a mail goes to; or else:"""
    webhook: values.SecretName | None = None
    """Name of the secret that holds the URL to post to."""
    format: Literal["generic", "slack"] = "generic"
    """What is posted: an object of ours, or the text that Slack and others take."""
    about: values.Several[Literal["exports", "holds", "commits", "imports", "endings"]]
    """What is told."""

    @property
    def receiver(self) -> str:
        """Names it among the others."""
        return self.to if self.to is not None else f"webhook {self.webhook}"

    @validated(mode="after")
    def _one_way(self) -> Self:
        if (self.to is None) == (self.webhook is None):
            raise values.wrong("this needs one way to go: name an address in to, or a webhook")
        return self


class Repository(values.Document):
    """What holds for the whole repository: the file rosterd.yaml at its top."""

    kind: Literal["Repository"] = "Repository"
    """What this file is."""
    name: Literal["rosterd"] = "rosterd"
    """The stem of this file's name."""
    title: values.Text
    """The district's name."""
    timezone: values.Timezone
    """Where days begin and end: for expiry, terms, freezes, and exports without a timezone of
    their own."""
    contact: values.Contact | None = None
    """Who answers for this repository."""
    exclude: selecting.PeopleWhere | None = None
    """People who are never shared, with full access neither."""
    policies: Policies = Policies()
    """What the district forbids itself."""
    limits: Limits = Limits()
    """How much may change at once."""
    hold_days: Annotated[int, Field(ge=1, le=366)] = 7
    """Days for which an application is served as before while a change of what it sees is held.
    After them it is refused until somebody decides."""
    release: tuple[Release, ...] = ()
    """Changes that were held and may go."""
    freeze: tuple[Freeze, ...] = ()
    """Times in which nothing is applied but what only takes away."""
    suspended: Suspended | None = None
    """Stops applying and exporting; what is served goes on, and so do imports."""
    notifications: tuple[Notification, ...] = ()
    """Who is told when something goes wrong."""

    @validated(mode="after")
    def _told_once(self) -> Self:
        names = [each.receiver for each in self.notifications]
        if len(set(names)) < len(names):
            raise values.wrong("somebody stands twice in notifications; name all in one about")
        return self
