"""One application: what it sees and since when, by whose statements, and what it did with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rosterd import errors, sanity
from rosterd.oneroster import model
from rosterd.web import desk
from rosterd.web.console import applications, charts, pages

_ACCESSES: Final = 20
_RUNS: Final = 500
_SIGHTS: Final = 24
_GRAVEST: Final = ("error", "warning", "note")


async def _page(asked: pages.Asked) -> pages.Context:
    return await _told(asked)


async def _told(asked: pages.Asked) -> pages.Context:
    status = asked.desk.status()
    found = [each for each in await applications.rows(asked.desk, status) if _is(each, asked.name)]
    if not found:
        raise pages.Missing(f"no application is called {asked.name}")
    sights = await asked.desk.sights(asked.name, _SIGHTS)
    runs = [each for each in await asked.desk.exports(_RUNS) if each["application"] == asked.name]
    accesses = await asked.desk.accesses(_ACCESSES, asked.name)
    held = [each for each in status["guards"]["holds"] if each["application"] == asked.name]
    return {
        "row": found[0],
        "app": found[0].shown,
        "dossier": await asked.desk.dossier(asked.name),
        "sights": list(reversed(sights)),
        "chart": charts.steps(
            [(each["time"], each["records"].get("users", 0)) for each in sights], status["now"]
        ),
        "runs": runs[:8],
        "accesses": [each for each in accesses if each["kind"] != "sftp"][:12],
        "held": held,
        "collections": tuple(model.COLLECTIONS),
        "credentials": None,
        "tested": None,
        "failed": "",
        "findings": None,
        "summary": summary(await asked.desk.sanity_runs(asked.name, 1)),
    }


@dataclass(frozen=True, slots=True)
class Summary:
    """What the last run that is kept found, in a line."""

    time: str
    found: tuple[tuple[sanity.Check, int], ...]
    """Checks that found something, the gravest first."""
    fine: int
    """Checks that found nothing."""


def summary(runs: Sequence[desk.SanityRun]) -> Summary | None:
    """Of the newest run; None before the first. Checks of another version are left out."""
    if not runs:
        return None
    counts = {
        check: count
        for name, count in runs[0]["counts"].items()
        if count is not None and (check := sanity.CHECKS.get(name)) is not None
    }
    found = sorted(
        ((check, count) for check, count in counts.items() if count),
        key=lambda each: _GRAVEST.index(each[0].severity),
    )
    return Summary(runs[0]["time"], tuple(found), len(counts) - len(found))


def _is(row: applications.Row, name: str) -> bool:
    return row.shown["name"] == name


async def _credentials(asked: pages.Asked) -> pages.Context:
    """Key and secret, on record under who asked."""
    told = await _told(asked)
    return {**told, "credentials": await asked.desk.reveal(asked.name, asked.who.name)}


async def _sanity(asked: pages.Asked) -> pages.Context:
    """What a vendor would trip over; ids of records are for operators."""
    told = await _told(asked)
    samples = asked.who.may("operator")
    findings = await asked.desk.sanity(asked.name, asked.who.name, samples=samples)
    return {**told, "findings": findings}


async def _test(asked: pages.Asked) -> pages.Context:
    """Sign in at one of its targets, as deliveries do."""
    told = await _told(asked)
    target, dossier = asked.text("target"), await asked.desk.dossier(asked.name)
    if target not in {each["name"] for each in dossier["targets"]}:
        raise pages.Missing(f"{asked.name} has no SFTP target of that name")
    try:
        tested: desk.Tested = await asked.desk.test_target(target, asked.who.name)
    except (errors.InputError, errors.TemporaryError, errors.UnsafePlan) as error:
        return {**told, "failed": f"{target}: {error}"}
    return {**told, "tested": tested}


_PATH: Final = "/applications/{name}"
PAGES: Final = (
    pages.Page(_PATH, "application.html", _page, under="/"),
    pages.Page(
        f"{_PATH}/credentials",
        "application.html",
        _credentials,
        role="operator",
        method="POST",
        under="/",
    ),
    pages.Page(f"{_PATH}/sanity", "application.html", _sanity, method="POST", under="/"),
    pages.Page(
        f"{_PATH}/test", "application.html", _test, role="operator", method="POST", under="/"
    ),
)
