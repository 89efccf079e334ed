"""Finding a person or a class, who sees it, and why.

Everything here tells of single people, so it is for operators, each question is on record, and
questions come in forms: no name and no id is ever part of an address.
"""

from collections.abc import Mapping
from typing import Any, Final

from rosterd import errors
from rosterd.oneroster import model
from rosterd.web.console import pages


async def _empty(asked: pages.Asked) -> pages.Context:
    application = asked.text("application")
    return {**await _shown(asked), "application": application}


async def _find(asked: pages.Asked) -> pages.Context:
    told = await _shown(asked)
    if not told["text"]:
        return {**told, "problem": "Write a name, an id, an email address or a username."}
    try:
        found = await asked.desk.find(told["text"], told["application"] or None, asked.who.name)
    except (errors.InputError, errors.TemporaryError) as error:
        return {**told, "problem": str(error)}
    return {**told, "found": found}


async def _explain(asked: pages.Asked) -> pages.Context:
    told = await _shown(asked)
    collection = asked.one_of("collection", tuple(model.COLLECTIONS), "users")
    sourced_id = asked.given.get("id", "")[: pages.LONGEST * 2]
    if told["application"]:
        why = await asked.desk.explain(told["application"], collection, sourced_id, asked.who.name)
        return {**told, "why": why}
    every = await asked.desk.explain_everywhere(collection, sourced_id, asked.who.name)
    seeing = sorted(every, key=lambda each: (not each["sees"], told["titles"][each["application"]]))
    return {**told, "everywhere": [(each, decisive(each["reason"])) for each in seeing]}


def decisive(reason: Mapping[str, Any]) -> str:
    """The condition that settled it: the first that failed, or the last of those that hold."""
    same = [part for part in reason["parts"] if part["holds"] == reason["holds"]]
    if not same:
        return str(reason["says"])
    return decisive(same[-1] if reason["holds"] else same[0])


async def _shown(asked: pages.Asked) -> dict[str, Any]:
    listed = await asked.desk.applications()
    return {
        "applications": sorted(listed, key=lambda each: each["title"].casefold()),
        "titles": {each["name"]: each["title"] for each in listed},
        "application": asked.text("application"),
        "text": asked.text("text"),
        "found": None,
        "why": None,
        "everywhere": None,
        "problem": "",
    }


PAGES: Final = (
    pages.Page("/find", "find.html", _empty, label="Find", role="operator"),
    pages.Page("/find", "find.html", _find, role="operator", method="POST"),
    pages.Page("/explain", "find.html", _explain, role="operator", method="POST", under="/find"),
)
