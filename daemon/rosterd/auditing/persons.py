"""Who could see and who received one person's records, told to people: as text and as a page.

The page may be handed to a parent. So it says in plain words what was allowed and what was sent,
names no other person, and needs nothing but itself.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rosterd.auditing import papers

Answer = Mapping[str, Any]
Row = tuple[str, ...]

_RECORDS: Final = {
    "users": "person",
    "demographics": "demographics",
    "enrollments": "class enrollments",
}
_WORDS: Final = {
    "sourcedId": "record id",
    "dateLastModified": "date of last change",
    "userIds": "other ids",
    "userMasterIdentifier": "master id",
    "enabledUser": "whether the account is enabled",
    "sms": "text message number",
    "org": "school or org",
    "orgs": "schools and orgs",
    "primaryOrg": "main school or org",
    "userProfiles": "accounts at the vendor",
    "agents": "related people (record ids)",
    "americanIndianOrAlaskaNative": "American Indian or Alaska Native",
    "blackOrAfricanAmerican": "Black or African American",
    "nativeHawaiianOrOtherPacificIslander": "Native Hawaiian or other Pacific Islander",
    "asian": "Asian",
    "demographicRaceTwoOrMoreRaces": "two or more races",
    "hispanicOrLatinoEthnicity": "Hispanic or Latino ethnicity",
}
_CARRIED: Final = frozenset({"sourcedId", "status", "dateLastModified"})
"""Members of every record, which the page names once."""
_MASKS: Final = {"initial": "first letter only", "constant": "hidden", "year": "year only"}


def records(collection: str) -> str:
    """The kind of record in plain words."""
    return _RECORDS.get(collection, collection)


def members(fields: Answer) -> str:
    """Members in plain words, with what is done to them; those that every record has only where
    there is nothing else.
    """
    masked, sent = fields.get("masked", {}), fields.get("sent", ())
    telling = [name for name in sent if name not in _CARRIED] or sent
    return ", ".join(
        f"{_word(name)} ({_MASKS.get(masked[name], masked[name])})"
        if name in masked
        else _word(name)
        for name in telling
    )


def allowed(fields: Answer) -> str:
    """The members of all versions together: which version a vendor asks for is its own choice."""
    sent: dict[str, None] = {}
    masked: dict[str, str] = {}
    for version in sorted(fields, reverse=True):
        sent.update(dict.fromkeys(fields[version].get("sent", ())))
        masked.update(fields[version].get("masked", {}))
    return members({"sent": list(sent), "masked": masked})


def way(entry: Answer) -> str:
    """How records left."""
    form, version = str(entry["by"]), entry["version"]
    target = form.removeprefix("csv ")
    said = f"REST API {version}" if form == "rest" else f"file to {target} (CSV {version})"
    return f"{said}: told that it left" if entry["fields"].get("departed") else said


def day(text: str | None) -> str:
    """A moment for people, in UTC; nothing while it goes on."""
    if text is None:
        return "today"
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M")


def seen_rows(answer: Answer) -> list[Row]:
    """(application, records, from, to, commits) of what could be seen."""
    return [
        (each["application"], records(span["records"]), day(span["from"]), day(span["to"]),
         _short(span["commits"]))
        for each in answer["applications"]
        for span in each["could_see"]
    ]  # fmt: skip


def received_rows(answer: Answer) -> list[Row]:
    """(application, records, by, first, last, commits) of what was sent."""
    return [
        (each["application"], records(entry["records"]), way(entry), day(entry["first"]),
         day(entry["last"]), _short(entry["commits"]))
        for each in answer["applications"]
        for entry in each["did_receive"]
    ]  # fmt: skip


def page(answer: Answer, *, person: str, made: datetime, version: str) -> str:
    """One HTML file about `person`, as its reader names that person."""
    paper = papers.template(
        "person.html", day=day, records=records, members=members, allowed=allowed, way=way
    )
    return paper.render(
        answer=answer,
        person=person,
        made=made.strftime("%Y-%m-%d %H:%M"),
        version=version,
        period=_period(answer),
        kinds=_kinds,
        received=[each for each in answer["applications"] if each["did_receive"]],
        allowed_only=[each for each in answer["applications"] if not each["did_receive"]],
        short=_short,
    )


def _kinds(entries: Sequence[Answer]) -> str:
    """What kinds of records there are among entries."""
    return ", ".join(dict.fromkeys(records(each["records"]) for each in entries))


def _period(answer: Answer) -> str:
    since, until = answer["since"], answer["until"]
    if since is None and until is None:
        return f"Since this is recorded ({day(answer['recorded_since'])} UTC)"
    begun = f"from {day(since)}" if since is not None else "from the beginning"
    return f"{begun} to {day(until)} UTC".capitalize()


def _word(name: str) -> str:
    head, _, rest = name.partition(".")
    if head == "metadata":
        return f"“{rest}”"
    plain = re.sub(r"(?<=[a-z])(?=[A-Z0-9])", " ", name).lower()
    return _WORDS.get(name, plain)


def _short(commits: Iterable[str]) -> str:
    named: Sequence[str] = list(commits)
    shown = [commit[:12] for commit in named[:3]]
    return ", ".join(shown) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
