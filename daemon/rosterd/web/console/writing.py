"""Letters to the developers of an application, as `rosterd app email` sends them.

A letter leaves the district, so it takes two steps: it is shown as it will be read, with its reader,
and the button below sends just that. When what it says has changed in between it is shown again.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from aiohttp import web

from rosterd import errors
from rosterd.web import desk
from rosterd.web.console import histories, pages

WORDS: Final = {
    "enabled": ("It is enabled", "with a link that shows key and secret once"),
    "disabled": ("It is disabled", "a refusal is no empty roster"),
    "credentials-rotated": ("Key and secret were replaced", "with a link that shows them once"),
    "permission-changed": ("What it gets has changed", "with counts of what it gets now"),
    "export-failing": ("Deliveries to it fail", "with what its server answered"),
}
"""Template -> what it tells the developer, and what comes with it."""
_SENT: Final = 10
_REFUSED: Final = (errors.InputError, errors.TemporaryError, errors.UnsafePlan)


async def _choose(asked: pages.Asked) -> pages.Context:
    return await _told(asked)


async def _told(asked: pages.Asked) -> dict[str, Any]:
    name = asked.name
    found = [each for each in await asked.desk.applications() if each["name"] == name]
    if not found:
        raise pages.Missing(f"no application is called {name}")
    box = await asked.desk.letterbox(name)
    usual = next((each["template"] for each in box["templates"] if not each["refusal"]), "")
    readers = tuple(each["email"] for each in box["readers"])
    return {
        "app": found[0],
        "box": box,
        "words": WORDS,
        "template": asked.one_of("template", WORDS, usual),
        "to": asked.one_of("to", readers, readers[0] if readers else ""),
        "sent": [
            each
            for each in await histories.newest(asked.desk, None, ("mailed",))
            if each.subject == name
        ][:_SENT],
        "letter": None,
        "digest": "",
        "problem": "",
        "changed": False,
    }


async def _show(asked: pages.Asked) -> pages.Context:
    """The letter as it would be sent; nothing leaves, and nothing is recorded."""
    told = await _told(asked)
    try:
        letter = await _preview(asked, told)
    except _REFUSED as error:
        return {**told, "problem": str(error)}
    return {**told, "letter": letter, "digest": _digest(letter)}


async def _send(asked: pages.Asked) -> pages.Context:
    """The very letter that was shown; else it is shown anew."""
    told = await _told(asked)
    try:
        letter = await _preview(asked, told)
        if _digest(letter) != asked.text("digest"):
            return {**told, "letter": letter, "digest": _digest(letter), "changed": True}
        await asked.desk.write(
            asked.name, told["template"], told["to"] or None, asked.who.name, preview=False
        )
    except _REFUSED as error:
        return {**told, "problem": str(error)}
    # to a page of its own, so that a reload sends nothing a second time
    raise web.HTTPSeeOther(f"{_PATH.format(name=asked.name)}#sent")


async def _preview(asked: pages.Asked, told: Mapping[str, Any]) -> desk.Letter:
    return await asked.desk.write(
        asked.name, told["template"], told["to"] or None, asked.who.name, preview=True
    )


def _digest(letter: desk.Letter) -> str:
    said = "\n".join((letter["to"], letter["subject"], letter["text"]))
    return sha256(said.encode("utf-8", "replace")).hexdigest()


_PATH: Final = "/applications/{name}/letter"
PAGES: Final = (
    pages.Page(_PATH, "letter.html", _choose, role="operator", under="/"),
    pages.Page(_PATH, "letter.html", _show, role="operator", method="POST", under="/"),
    pages.Page(f"{_PATH}/send", "letter.html", _send, role="operator", method="POST", under="/"),
)
