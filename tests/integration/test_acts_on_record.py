"""What an operator does with people's data or with secrets is on record before it is answered.

So where nothing can be recorded (a full disk, a store that is gone, a daemon that is killed just
then) nothing is told, handed out or changed either.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rosterd import blocking, chain, credentials, errors, examining, revealing, storage, vault
from rosterd.exporting import handing
from rosterd.operating import checks, looking
from tests.integration import vendors

T = TypeVar("T")
WHO = "grace"


class Unwritten:
    """A store in which whatever brings a note to be kept is not kept."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if name == "note":
            return _refuse

        def called(*given: Any, **more: Any) -> Any:
            return _refuse() if more.get("notes") else found(*given, **more)

        return called


def _refuse(*_: Any, **__: Any) -> None:
    raise errors.TemporaryError("the disk is full")


class Refusing:
    """The daemon's store, on a full disk."""

    def __init__(self, kept: storage.Storage) -> None:
        self.kept = kept

    async def run(self, work: Callable[[Any], T]) -> T:
        return await self.kept.run(lambda store: work(Unwritten(store)))


@dataclass
class Place:
    """A daemon's parts on a store that keeps nothing."""

    service: vendors.Service
    store: Any
    spool: Path

    @property
    def looking(self) -> looking.Looking:
        nothing: Any = None
        return looking.Looking(
            served=self.service.worlds, store=self.store, previews=nothing, clock=self.service.clock
        )

    async def keys(self) -> credentials.Credentials:
        made = credentials.Credentials(
            self.store, vault.Vault([bytes(32)]), self.service.clock.seconds
        )
        await made.load()
        return made


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with vendors.service(tmp_path) as service:
        yield Place(service, Refusing(service.storage), tmp_path / "spool")


def _person(place: Place) -> str:
    generation = place.service.worlds.current.generation
    assert generation is not None
    users = generation.roster.active["users"]
    return generation.roster.sourced_id("users", users[0])


async def _reveal(place: Place) -> object:
    return await (await place.keys()).reveal("everything", WHO)


async def _spend(place: Place) -> object:
    service = place.service
    parts = (service.worlds, service.known, vendors.PUBLIC_URL, service.clock)
    link = await revealing.Links(service.storage, *parts).make("everything", WHO)
    token = link.url.rpartition("/")[2]
    known = await place.keys()
    links = revealing.Links(place.store, service.worlds, known, vendors.PUBLIC_URL, service.clock)
    return await links.spend(token)


async def _hand(place: Place) -> object:
    made = handing.Handing(
        spool=place.spool,
        served=place.service.worlds,
        state=place.store,
        clock=place.service.clock,
    )
    return await made.hand("everything", "oneroster-1.2", WHO)


async def _sanity(place: Place) -> object:
    served, clock = place.service.worlds, place.service.clock
    loop = examining.Examining(served, place.service.storage, clock)
    made = checks.Checks(served=served, store=place.store, checks_loop=loop, clock=clock)
    return await made.sanity("everything", WHO, samples=True)


async def _block(place: Place) -> object:
    service = place.service
    stop = blocking.Blocking(place.store, service.worlds, service.known, service.clock)
    try:
        await stop.block("everything", "it was broken into", WHO)
    finally:
        assert "everything" not in service.worlds.current.blocks
    return None


ACTS: dict[str, Callable[[Place], Any]] = {
    "find": lambda place: place.looking.find("a", None, WHO),
    "find within": lambda place: place.looking.find("a", "everything", WHO),
    "explain": lambda place: place.looking.explain("everything", "users", _person(place), WHO),
    "explain everywhere": lambda place: place.looking.explain_everywhere(
        "users", _person(place), WHO
    ),
    "browse": lambda place: place.looking.browse("users", WHO),
    "browse enrollments": lambda place: place.looking.browse("enrollments", WHO, search="a"),
    "select": lambda place: place.looking.select("users", "all", WHO),
    "reveal": _reveal,
    "open a link": _spend,
    "hand out": _hand,
    "sanity": _sanity,
    "block": _block,
}


async def test_what_cannot_be_put_on_record_does_not_happen(place: Place) -> None:
    for act, doing in ACTS.items():
        with pytest.raises(errors.TemporaryError):
            pytest.fail(f"{act} gave {await doing(place)}")
    assert not place.spool.exists()


async def _recorded(place: Place, act: str) -> list[chain.Record]:
    """What is on record since before the act."""
    number, _ = await place.service.storage.run(lambda store: store.head())
    made = await ACTS[act](place)
    if hasattr(made, "close"):
        made.close()
    return list(await place.service.storage.run(lambda store: store.recorded(number)))


async def test_what_is_put_on_record_is_there_once_it_is_answered(place: Place) -> None:
    """The same acts on a store that keeps, so that the refusals above are for the record's sake."""
    place.store = place.service.storage
    for act in ("find", "find within", "explain", "explain everywhere", "browse", "select"):
        (record,) = await _recorded(place, act)
        assert record.kind == "looked", act
        assert record.read()["actor"] == WHO
        assert _person(place) not in str(record.read())
    for act, kind in (("reveal", "revealed"), ("open a link", "revealed"), ("hand out", "handed")):
        assert [each.kind for each in await _recorded(place, act)] == [kind], act
