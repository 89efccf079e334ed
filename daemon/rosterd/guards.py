"""What the guards decided, as it is kept, put on record and told.

The decisions are made where worlds are swapped; here is what they become: rows of the store that a
restart takes up again, records of the chain, and words for people.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from rosterd import chain, configs, errors, generations, loading, plans, storage, worlds
from rosterd.plans import guarding, pausing
from rosterd.worlds import deciding

_log = logging.getLogger(__name__)
_CAUSES: Final = {
    "documents": "a commit changed what it sees",
    "roster": "an import changed what it sees",
    "day": "a new day changed what it sees",
}
_MOST: Final = 10_000  # changes that are looked through for the one that a hold goes back to
_REFUSED: Final = "its documents refuse it"
_RELEASED: Final = "a release lets it go"
_OVER: Final = "nothing of it is too much any more"


# ---------------------------------------------------------------- kept


def kept(world: worlds.World) -> storage.Guards:
    """All that the store has to know of holds and blocks."""
    holds = []
    for name, hold in sorted(world.holds.items()):
        number = hold.lost
        if number is None and hold.kept.generation is not None:
            number = hold.kept.generation.number
        holds.append(
            storage.Hold(
                name,
                hold.former,
                hold.kept.commit or "",
                number or 0,
                hold.kept.today,
                hold.since,
                hold.stopped,
            )
        )
    blocks = tuple(
        storage.Block(name, each.reason, each.actor, each.time)
        for name, each in sorted(world.blocks.items())
    )
    return storage.Guards(world.today, tuple(holds), blocks)


async def restored(store: storage.Storage, folder: Path, world: worlds.World) -> worlds.World:
    """The world of the last run with its holds, its blocks and its day; `folder` is where
    generations lie.
    """
    found = await store.run(lambda state: state.guards())
    blocks = {each.application: worlds.Block(each.reason, each.actor, each.time)
              for each in found.blocks}  # fmt: skip
    opener = _Opener(store, folder, world)
    holds = {each.application: await opener.hold(each) for each in found.holds}
    return world.derived(today=found.day or date.min, holds=holds, blocks=blocks, _views={})


@dataclass(slots=True)
class _Opener:
    """Opens each former commit and generation once."""

    store: storage.Storage
    folder: Path
    world: worlds.World
    _configs: dict[str, configs.Config | None] = field(default_factory=dict)
    _generations: dict[int, worlds.Pages | None] = field(default_factory=dict)

    async def hold(self, row: storage.Hold) -> worlds.Hold:
        config, generation = await self._config(row.commit), await self._generation(row.generation)
        name = row.application
        missing = config is None or generation is None
        # Once it was lost, what is served may number its rows otherwise: nothing brings it back.
        lost = row.generation if missing or row.stopped == deciding.LOST else None
        if lost is not None:
            _log.error("what %s was kept at cannot be opened; it is refused", name)
            config, generation = self.world.config, None
        elif config is not None:
            config = configs.renamed(config, {row.former: name})
        held = {name: self.world.held[name]} if name in self.world.held else {}
        former = worlds.World(config, row.commit, generation, self.world.published, row.day, held)
        stopped = deciding.LOST if lost is not None else row.stopped
        return worlds.Hold(former, row.since, row.former, stopped, lost)

    async def _config(self, commit: str) -> configs.Config | None:
        if commit == self.world.commit:
            return self.world.config
        if commit not in self._configs:
            files = await self.store.run(lambda state: state.kept_documents(commit))
            vouched = await self.store.run(lambda state: _documents(state, commit))
            # As with what is applied: what differs from its record nobody vouched for.
            if chain.documents_digest(files) == vouched:
                self._configs[commit], _ = configs.check(loading.load(files))
            else:
                self._configs[commit] = None
        return self._configs[commit]

    async def _generation(self, number: int) -> worlds.Pages | None:
        served = self.world.generation
        if served is not None and served.number == number:
            return served
        if number not in self._generations:
            name = await self.store.run(lambda state: state.generation_name(number))
            opened = None
            if name is not None:
                try:
                    path = self.folder / name
                    opened = await asyncio.to_thread(generations.open_generation, path)
                except errors.InputError:
                    _log.exception("a roster that an application is kept at cannot be opened")
            self._generations[number] = opened
        return self._generations[number]


def _documents(state: storage.Store, commit: str) -> str | None:
    """The digest of the documents of an applied commit, by the record of it."""
    for each in state.history(_MOST):
        if each.commit == commit:
            found: str | None = each.record.read().get("documents")
            return found
    return None


# ---------------------------------------------------------------- on record


def notes(
    old: worlds.World, new: worlds.World, now: datetime, actor: str = chain.DAEMON
) -> tuple[storage.Note, ...]:
    """Records of what a swap did to applications beside serving them something else."""
    names = {}
    if old.config is not None and new.config is not None:
        names = configs.renames(old.config, new.config)
    was = old.renamed(names)
    return tuple(
        chain.Note(each.kind, actor, each.application, now, _details(was, new, each))
        for each in worlds.events(was, new)
        if each.kind in ("held", "released", "stopped")
    )


def _details(old: worlds.World, new: worlds.World, event: worlds.Event) -> dict[str, Any]:
    name = event.application
    if event.kind == "released":
        return {"commit": new.commit, "why": _why_released(old, new, name)}
    told = worlds.waiting(new, name)
    why = told.stopped if event.kind == "stopped" else _CAUSES[told.cause]
    return {
        "commit": new.commit,
        "kept": new.of(name).commit,
        "why": why,
        "change": told.release.change,
        "collections": collections(told),
    }


def _why_released(old: worlds.World, new: worlds.World, name: str) -> str:
    if new.config is None or name not in new.config.applications:
        return _REFUSED
    if new.config.grant(name).refusal(new.today) is not None:
        return _REFUSED
    named = deciding.change(name, old.holds[name], new)
    return (
        _RELEASED if any(each.change == named for each in new.config.repository.release) else _OVER
    )


# ---------------------------------------------------------------- told


def collections(told: worlds.Waiting) -> list[dict[str, Any]]:
    """What a hold moves, collection by collection; small counts of people are not told."""
    return [
        {
            "collection": each.collection,
            "gain": plans.count(each.collection, each.gained, exact=False),
            "lose": plans.count(each.collection, each.lost, exact=False),
            "over": each.collection in told.over,
        }
        for each in told.moved
    ]


def holds(world: worlds.World) -> list[dict[str, Any]]:
    """Every hold, as JSON values. `release` is the text to commit to rosterd.yaml."""
    if not world.ready:
        return []
    found = []
    for name in sorted(world.holds):
        told = worlds.waiting(world, name)
        kept_at = world.of(name)
        number = kept_at.generation.number if kept_at.generation is not None else None
        found.append(
            {
                "application": name,
                "since": chain.text(told.since),
                "cause": told.cause,
                "why": _CAUSES[told.cause],
                "stopped": told.stopped,
                "commit": kept_at.commit,
                "generation": number,
                "collections": collections(told),
                "change": told.release.change,
                "release": guarding.text(told.release),
            }
        )
    return found


def blocks(world: worlds.World) -> list[dict[str, Any]]:
    """Every block, as JSON values. One is drift while the documents say that it gets its part."""
    found = []
    for name, each in sorted(world.blocks.items()):
        grants: Mapping[str, configs.Grant] = world.config.grants if world.config else {}
        drift = name in grants and grants[name].refusal(world.today) is None
        found.append(
            {
                "application": name,
                "reason": each.reason,
                "actor": each.actor,
                "since": chain.text(each.time),
                "drift": drift,
            }
        )
    return found


def suspended(world: worlds.World, waiting: Sequence[str]) -> dict[str, Any] | None:
    """That nothing is applied or exported; `waiting` are the targets that are owed something."""
    said = world.config.repository.suspended if world.config is not None else None
    if said is None:
        return None
    days = (world.today - said.since).days
    return {
        "reason": said.reason,
        "since": said.since.isoformat(),
        "days": days,
        "long": days > pausing.LONG.days,
        "waiting": list(waiting),
    }


def frozen(world: worlds.World, now: datetime) -> str | None:
    """The name of the freeze that is on."""
    if world.config is None:
        return None
    repository = world.config.repository
    window = pausing.frozen(repository.freeze, now.astimezone(ZoneInfo(repository.timezone)))
    return None if window is None else window.name


def warnings(world: worlds.World) -> list[str]:
    """What somebody should settle: drift, and a suspension that may be forgotten."""
    found = []
    said = suspended(world, ())
    if said is not None and said["long"]:
        found.append(
            f"applying and exporting are suspended for {said['days']} days ({said['reason']}): a"
            " commit that takes `suspended` out of rosterd.yaml ends it"
        )
    found += [
        f"{each['application']} is blocked on this machine ({each['reason']}), although its"
        " documents say that it gets its part: disable it by a commit, or unblock it"
        for each in blocks(world)
        if each["drift"]
    ]
    return found
