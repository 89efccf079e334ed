"""The steps of all applications at one swap of the world."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from pyroaring import AbstractBitMap, FrozenBitMap

from rosterd import access, configs, rosters
from rosterd.holdings import held, stepping

Next = Mapping[str, stepping.Change | held.Holding]
"""Application -> its step, or the holding that it keeps."""


class Generation(Protocol):
    """A roster and where its rows come from."""

    @property
    def number(self) -> int: ...

    @property
    def roster(self) -> rosters.Roster: ...

    def by_change(self, collection: str) -> Mapping[int, FrozenBitMap]: ...

    def by_source(self, collection: str, rows: AbstractBitMap) -> Mapping[str, AbstractBitMap]: ...


class World(Protocol):
    """What is served, or shall be."""

    @property
    def config(self) -> configs.Config | None: ...

    @property
    def generation(self) -> Generation | None: ...

    @property
    def today(self) -> date: ...

    @property
    def held(self) -> Mapping[str, held.Holding]: ...

    def of(self, application: str) -> "World":
        """Where the application is served from."""
        ...

    def grant(self, application: str) -> configs.Grant | None: ...

    def view(self, application: str) -> access.View: ...


def ended(old: World, new: World) -> dict[str, held.Holding]:
    """Holdings of the grants that end with this swap, or have ended. To be asked first, and where
    the old roster is at home: what it remembers is not shared between threads.
    """
    found = {}
    for application in new.config.applications if new.config is not None else ():
        holding, view = old.held.get(application), _last(old, application)
        grant = new.grant(application)
        if holding is None or grant is None:
            continue
        if grant.refusal(new.today) is not None:
            found[application] = holding if view is None else stepping.frozen(holding, view)
    return found


def steps(old: World, new: World, kept: Mapping[str, held.Holding]) -> Generator[None, None, Next]:
    """The step of every application; `kept` are the holdings that `ended` gave.

    Without a roster nothing is served, and all holdings stay as they are. Rows are numbers of one
    line of generations: where it was broken (the published one could not be opened, and another was
    built from nothing), what was held says nothing any more, and each application begins anew.
    """
    if new.config is None:
        return {}
    names = new.config.applications
    if new.generation is None:
        return {name: holding for name, holding in old.held.items() if name in names}
    found: dict[str, stepping.Change | held.Holding] = {}
    changed: dict[str, FrozenBitMap] = {}
    if new.generation is not old.generation:
        for name in held.COLLECTIONS:
            changed[name] = new.generation.by_change(name).get(new.generation.number, held.NONE)
            yield
    swap = _Swap(old, new, changed, {})
    for application in names:
        yield
        if new.view(application).refusal is None:
            found[application] = yield from _step(swap, application)
        elif application in old.held:
            found[application] = kept.get(application, old.held[application])
    return found


@dataclass(frozen=True, slots=True)
class _Swap:
    old: World
    new: World
    changed: Mapping[str, FrozenBitMap]
    memory: dict[tuple[str, str, int], bytes]


def _step(swap: _Swap, application: str) -> Generator[None, None, stepping.Change | held.Holding]:
    was, now = swap.old.of(application), swap.new.of(application)
    view, holding = swap.new.view(application), swap.old.held.get(application)
    changed = swap.changed if now.generation is swap.new.generation else {}
    if holding is None or was.generation is None or now.generation is None:
        return (yield from stepping.first(view, changed))
    if holding.kinds is not None:
        before = stepping.Before(view, now.generation.by_source, swap.memory)
        return (yield from stepping.revived(holding, view, before))
    if was is now:
        return holding  # kept where it was
    last = _last(swap.old, application)
    if last is None:
        return (yield from stepping.first(view, changed))
    before = stepping.Before(last, was.generation.by_source, swap.memory)
    meanwhile = _meanwhile(was.generation, now.generation, changed)
    return (yield from stepping.step(holding, before, view, changed, meanwhile))


def _meanwhile(was: Generation, now: Generation, changed: stepping.Rows) -> stepping.Rows:
    """Rows whose record changed in generations that the application did not get: it was kept at a
    former one. Their records say an older moment than the one at which it gets them.
    """
    if was is now:
        return {}
    found = {}
    for name in held.COLLECTIONS:
        later = [rows for number, rows in now.by_change(name).items() if was.number < number]
        if later:
            found[name] = FrozenBitMap.union(*later) - changed.get(name, held.NONE)
    return found


def settled(
    found: Next, moment: datetime, retention: stepping.Retention
) -> dict[str, held.Holding]:
    """The holdings, once it is known at which moment they become true."""
    return {
        application: each
        if isinstance(each, held.Holding)
        else stepping.taken(each, moment, retention)
        for application, each in found.items()
    }


def newest(holdings: Mapping[str, held.Holding]) -> datetime:
    """The latest moment of all."""
    return max((each.newest() for each in holdings.values()), default=held.EPOCH)


def _last(world: World, application: str) -> access.View | None:
    """The view as it was served last: its rows are those of the holding, whatever the day."""
    holding, source = world.held.get(application), world.of(application)
    if holding is None or source.config is None or source.generation is None:
        return None
    if application not in source.config.applications:
        return None
    grant, roster = source.config.grant(application), source.generation.roster
    return access.View(roster, grant, source.today, None, holding.rows, {})
