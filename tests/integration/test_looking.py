"""Operators look at records, and the event loop reads no column for it: vendors wait on that."""

import gc
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rosterd import access, previewing, rosters, storage, worlds
from rosterd.operating import looking
from tests.integration import vendors

PERMISSION = f"""\
apiVersion: rosterd/v1
kind: Permission
name: math
application: math
{vendors.MATH}people: {{where: "givenName~'o'"}}
"""
Asked = Callable[[looking.Looking], Awaitable[Any]]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[looking.Looking]:
    """Over a roster whose every view has been made, as they are when a world is swapped in."""
    served = _served()
    async with storage.open_sqlite(tmp_path / "state.db") as store:
        yield looking.Looking(
            served=served,
            store=store,
            previews=previewing.Previews(served, _noted, 2),
            clock=vendors.Clock(),
        )


def _served() -> worlds.Worlds:
    pages = vendors.Pages(vendors.district())
    made = worlds.World(vendors.config(), "a" * 40, pages, {1: vendors.NOW}, vendors.NOW.date())
    made.warm()
    return worlds.Worlds(made, vendors.Clock())


async def _noted(_who: str, _commit: str, _details: Mapping[str, str]) -> None:
    return None


LOOKS: dict[str, Asked] = {
    "select": lambda desk: desk.select("users", {"where": "givenName~'pat'"}, "grace"),
    "find": lambda desk: desk.find("sam", None, "grace"),
    "find within": lambda desk: desk.find("pat", "math", "grace"),
    "explain": lambda desk: desk.explain("math", "users", "s1", "grace"),
    "explain everywhere": lambda desk: desk.explain_everywhere("users", "s1", "grace"),
    "browse": lambda desk: desk.browse(
        "users", "grace", search="s", status="all", sort="familyName", descending=True
    ),
    "preview": lambda desk: desk.preview(PERMISSION, "grace"),
}


@pytest.mark.parametrize("look", LOOKS)
async def test_the_event_loop_reads_no_column_for_operators(
    look: str, desk: looking.Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, asked = threading.get_ident(), set()

    def watched(target: Any, name: str) -> None:
        real = getattr(target, name)

        def call(*given: Any, **more: Any) -> Any:
            asked.add((name, threading.get_ident() == loop))
            return real(*given, **more)

        monkeypatch.setattr(target, name, call)

    for name in ("leaf", "column", "order", "role_holders", "behind"):
        watched(rosters.Roster, name)
    watched(access, "view")
    watched(access, "explain")

    answer = await LOOKS[look](desk)

    assert answer
    assert asked  # else this would look at nothing
    assert not [name for name, here in asked if here]


async def test_what_was_found_for_operators_is_remembered_while_the_roster_is_served(
    desk: looking.Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await desk.browse("users", "grace", search="son", sort="familyName")
    assert before["total"] == 11

    roster = next(iter(desk.apart.values()))
    monkeypatch.setattr(roster, "_backing", None)
    monkeypatch.setattr(roster, "record", desk.served.current.generation.roster.record)  # type: ignore[union-attr]

    assert await desk.browse("users", "grace", search="son", sort="familyName") == before


async def test_rosters_that_are_served_no_more_are_let_go(desk: looking.Looking) -> None:
    await desk.find("sam", None, "grace")
    assert len(desk.apart) == 1

    async def record(_old: worlds.World, _new: worlds.World) -> None:
        return None

    await desk.served.propose_generation(vendors.Pages(vendors.district(), 2), record)
    gc.collect()  # what refers to each other is found late

    assert not desk.apart
