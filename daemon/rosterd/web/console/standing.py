"""How the daemon is: the conditions of reconciling, what is held, imports and deliveries."""

from typing import Final

from rosterd.web import desk
from rosterd.web.console import pages

_LISTED: Final = 8


async def _page(asked: pages.Asked) -> pages.Context:
    status = asked.desk.status()
    return {
        "headline": headline(status),
        "rule": status["review"]["words"],
        "imports": await asked.desk.imports(_LISTED),
        "exports": await asked.desk.exports(_LISTED),
        "listed": _LISTED,
        **status,
    }


def headline(status: desk.Status) -> dict[str, str]:
    """The one sentence that matters now: `title`, `text`, and `mood` (good, wait or stop)."""
    served, repository = status["served"], status["repository"]
    if status["silent"]:
        loops = ", ".join(status["silent"])
        return _said("stop", "A part of the daemon hangs", f"No sign of life from: {loops}.")
    if not served["ready"]:
        text = ("" if repository["missing"] else repository["reason"]) or (
            "No roster was imported yet: a document under sources/ names the folder it comes from."
            if served["commit"]
            else "No commit of the config repository is accepted yet."
        )
        return _said("stop", "Nothing is served yet", text)
    if repository["state"] == "waiting":
        text = "What was accepted before is still served."
        return _said("wait", "A change waits for statements", text)
    if repository["state"] in ("refused", "untrusted"):
        text = repository["reason"] or "The newest commit is not accepted."
        return _said("stop", "The newest commit is refused", f"{text} The former one is served.")
    if repository["state"] == "unreachable":
        text = repository["reason"] or "The last accepted config is served until it is back."
        return _said("wait", "The repository cannot be reached", text)
    late = ", ".join(each["name"] for each in status["sources"] if each["state"] == "held")
    also = f" An import of {late} is held too." if late else ""
    holds = status["guards"]["holds"]
    if holds:
        names = ", ".join(each["application"] for each in holds)
        text = f"Everybody else goes on; served as before: {names}.{also}"
        return _said("wait", "A change of what somebody sees is held", text)
    if late:
        text = f"It changes more than one import may; the former roster is served: {late}."
        return _said("wait", "An import is held", text)
    return _said("good", "All is served as the repository says", "Nothing waits for anybody.")


def _said(mood: str, title: str, text: str) -> dict[str, str]:
    return {"mood": mood, "title": title, "text": text}


PAGES: Final = (pages.Page("/status", "status.html", _page, label="Status"),)
