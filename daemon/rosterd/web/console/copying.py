"""A permission that begins as a copy of another application's, and goes on as text.

A form cannot keep what a person wrote between the fields. So a copy is shown as the text that it is,
comments and all, and what is typed there is counted and read as a commit would be.
"""

import re
from typing import Final

from rosterd import editing, errors
from rosterd.web.console import pages

LONGEST: Final = 12_000
"""Characters of a permission that is edited here; longer ones are for an editor."""
_NAMED: Final = re.compile(r"^(name|application):[ \t]*([a-z0-9-]+)[ \t]*$", re.MULTILINE)


async def text(asked: pages.Asked, origin: str, name: str) -> tuple[str | None, list[str]]:
    """The permission of `name` as it was typed, or as `origin` has it; and what is wrong with it."""
    if "permission" in asked.given:
        try:
            return _renamed(lines(asked, "permission"), name), []
        except errors.InputError as error:
            return None, words(error)
    dossier = await asked.desk.dossier(origin)
    found = [each for each in dossier["papers"] if each["path"].startswith("permissions/")]
    if not found:
        return None, [f"{origin} has no permission that could be copied."]
    try:
        copied = editing.permission(name, found[0]["path"], found[0]["text"])
    except errors.InputError as error:
        return None, words(error)
    if len(copied) > LONGEST:
        command = f"rosterd app copy-permission {origin} {name}"
        return None, [f"It is too long to be edited here: run {command} in a clone."]
    return copied, []


def lines(asked: pages.Asked, name: str) -> str:
    """Text of several lines, as git keeps it; browsers send it with other ends.

    Raises errors.InputError for one that is too long: what is cut might withhold something.
    """
    said = asked.given.get(name, "").replace("\r\n", "\n").replace("\r", "\n")
    if len(said) > LONGEST:
        raise errors.InputError(
            f"This text is too long to be edited here: {LONGEST:,} characters are the most."
        )
    return said.rstrip("\n") + "\n"


def _renamed(said: str, name: str) -> str:
    """The text under the name that stands in the field above it now."""
    return _NAMED.sub(lambda found: f"{found[1]}: {name}", said)


def words(error: errors.InputError) -> list[str]:
    """What is wrong, with the line where one is known."""
    found = [
        f"{each.message[:1].upper()}{each.message[1:]} (line {each.line} of {each.path})"
        if each.line
        else each.message[:1].upper() + each.message[1:]
        for each in error.problems
    ]
    return found or [str(error)]
