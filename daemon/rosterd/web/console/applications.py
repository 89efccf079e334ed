"""The first page: every application, what it may see, how it is doing.

Searching, filtering and sorting are links and a form that ask for the page again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rosterd.web import desk
from rosterd.web.console import pages, standing, wording

_ACCESSES: Final = 5_000
_RUNS: Final = 500
ONLY: Final = {
    "": "All applications",
    "warnings": "With warnings",
    "dev": "In development (DEV)",
    "served": "Receiving data",
    "none": "Receiving nothing",
    "full": "Full access",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    shown: desk.Application
    rest: desk.Used | None
    sftp: desk.Used | None
    warnings: tuple[str, ...]

    @property
    def users(self) -> int:
        return self.shown["counts"].get("users", 0)


async def _page(asked: pages.Asked) -> pages.Context:
    status = asked.desk.status()
    every = await rows(asked.desk, status)
    given = {
        "q": asked.text("q"),
        "only": asked.one_of("only", ONLY, ""),
        "sort": asked.one_of("sort", SORTS, ""),
        "order": asked.one_of("order", ("desc",), ""),
    }
    found = [each for each in every if _matches(each, given["q"]) and _only(each, given["only"])]
    found.sort(key=SORTS[given["sort"] or "title"], reverse=given["order"] == "desc")
    return {
        "rows": found,
        "total": len(every),
        "receiving": sum(each.shown["refusal"] is None for each in every),
        "warned": sum(bool(each.warnings) for each in every),
        "given": given,
        "choices": ONLY,
        "columns": _COLUMNS,
        "headline": standing.headline(status),
    }


async def rows(asked_desk: desk.Desk, status: desk.Status) -> list[Row]:
    """All applications with what is told about each elsewhere."""
    last = latest(await asked_desk.accesses(_ACCESSES, None))
    warned = warnings(status, await asked_desk.exports(_RUNS))
    return [
        Row(
            each,
            last.get((each["name"], "rest")),
            last.get((each["name"], "sftp")),
            (*_refused(each), *warned.get(each["name"], ())),
        )
        for each in await asked_desk.applications()
    ]


def latest(accesses: Sequence[desk.Used]) -> dict[tuple[str, str], desk.Used]:
    """(application, kind) -> its last access, whatever became of it. Tokens count as REST when
    they were refused: that is all that is seen of a vendor with a wrong secret.
    """
    found: dict[tuple[str, str], desk.Used] = {}
    for each in accesses:
        kind = each["kind"]
        if kind == "token":
            if wording.worked(each["status"]):
                continue
            kind = "rest"
        known = found.get((each["application"], kind))
        if known is None or known["time"] < each["time"]:
            found[each["application"], kind] = each
    return found


def warnings(status: desk.Status, runs: Sequence[desk.Export]) -> dict[str, list[str]]:
    """Application -> what somebody should look after."""
    found: dict[str, list[str]] = {}
    for block in status["guards"]["blocks"]:
        found.setdefault(block["application"], []).append(f"Blocked: {block['reason']}")
    for hold in status["guards"]["holds"]:
        words = hold["stopped"] or "served as before"
        found.setdefault(hold["application"], []).append(f"Held, {words}: {hold['why']}")
    seen = set()
    for run in runs:  # the newest first: what failed and was delivered since is over
        if run["target"] not in seen and run["state"] in ("failed", "refused"):
            words = f"Delivery to {run['target']} {run['state']}: {run['problem']}"
            found.setdefault(run["application"], []).append(words)
        seen.add(run["target"])
    for ending in status["endings"]:
        days = ending["days"]
        words = f"Its {ending['what']} ends on {ending['last']}, in {days} day{'s' * (days != 1)}"
        found.setdefault(ending["application"], []).append(words)
    return found


def _refused(each: desk.Application) -> list[str]:
    """What has run out is worth a look; what was never on is not."""
    refusal = each["refusal"] or ""
    return [refusal[:1].upper() + refusal[1:]] if "expired" in refusal else []


def _matches(row: Row, text: str) -> bool:
    shown = row.shown
    words = f"{shown['name']} {shown['title']} {shown.get('company') or ''}".casefold()
    return all(word in words for word in text.casefold().split())


def _only(row: Row, wanted: str) -> bool:
    found: Mapping[str, bool] = {
        "": True,
        "warnings": bool(row.warnings),
        "dev": row.shown["development"],
        "served": row.shown["refusal"] is None,
        "none": row.shown["refusal"] is not None,
        "full": row.shown["access"] == "full",
    }
    return found[wanted]


_RANKS: Final = {"FULL ACCESS": 2, "LIMITED ACCESS": 1, "NO ACCESS": 0}


def _level(level: desk.Level | None) -> tuple[int, int]:
    return (-1, 0) if level is None else (_RANKS.get(level["level"], 0), level["count"])


def _title(row: Row) -> tuple[str, str]:
    return row.shown["title"].casefold(), row.shown["name"]


SORTS: Final[Mapping[str, Callable[[Row], Any]]] = {
    "": _title,
    "title": _title,
    "state": lambda row: (row.shown["refusal"] or "", row.shown["access"], _title(row)),
    "orgs": lambda row: (_level(row.shown["orgs"]), _title(row)),
    "courses": lambda row: (_level(row.shown["courses"]), _title(row)),
    "users": lambda row: (row.users, _title(row)),
    "rest": lambda row: (row.rest["time"] if row.rest else "", _title(row)),
    "sftp": lambda row: (row.sftp["time"] if row.sftp else "", _title(row)),
    "warnings": lambda row: (len(row.warnings), _title(row)),
}
_COLUMNS: Final = (
    ("title", "Application", ""),
    ("state", "State", ""),
    ("orgs", "Org access", ""),
    ("courses", "Course access", ""),
    ("users", "Users", "number"),
    ("rest", "Last REST", ""),
    ("sftp", "Last SFTP", ""),
    ("warnings", "Warnings", ""),
)
"""Key of the sorting, words, class."""

PAGES: Final = (pages.Page("/", "applications.html", _page, label="Applications"),)
