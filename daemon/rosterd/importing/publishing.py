"""What an import is built on, and what becomes of it then: served, held, or on record as what went wrong."""

import asyncio
import logging
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from rosterd import (
    disclosures,
    documents,
    errors,
    generations,
    guards,
    holdings,
    storage,
    worlds,
)
from rosterd.generations import building, calling
from rosterd.importing import holding, sources

FINE: Final = ("imported", "unchanged")

_log = logging.getLogger(__name__)


class Publishing:
    """Proposes what was built, or keeps it aside."""

    def __init__(
        self,
        *,
        folder: Path,
        served: worlds.Worlds,
        state: storage.Storage,
        clock: Callable[[], datetime],
        watch: disclosures.Watch | None,
    ) -> None:
        """`folder` is where generations are kept."""
        self._folder = folder
        self._served = served
        self._state = state
        self._clock = clock
        self._watch = watch

    def today(self) -> date:
        """The day in the repository's timezone."""
        config = self._served.current.config
        zone = ZoneInfo(config.repository.timezone if config is not None else "UTC")
        return self._clock().astimezone(zone).date()

    async def request(
        self, source: documents.RosterSource, sight: sources.Sight, *, limit: int, keep: Path
    ) -> building.Request:
        """What is to be built of what was seen, on what is served now; `limit` bounds its bytes,
        and `keep` is the folder for what is kept as received.
        """
        world = self._served.current
        served = world.generation if isinstance(world.generation, generations.Generation) else None
        last = await self._state.run(lambda store: store.last_import(source.name))
        published = await self._state.run(lambda store: store.publications())
        known = served.contents.deliveries.get(source.name) if served is not None else None
        if known is not None and last is not None and last.state == "unchanged":
            known = last.delivery
        held = await self.held(source.name)
        on_it = held is not None and served is not None and held.former == served.name
        return building.Request(
            number=max(published, default=0) + 1,
            folder=str(self._folder.resolve()),
            former=served.name if served is not None else None,
            source=source.name,
            sources=tuple(sorted(world.config.sources)) if world.config is not None else (),
            delivery=str(sight.path),
            limit=limit,
            known=known,
            default_mode=source.manifest.default if source.manifest is not None else None,
            seen=sight.files,
            aside=held.delivery if held is not None and on_it else None,
            additions_only=holding.additions_only(source, self.today()),
            keep=str(keep.resolve()),
            beside=str(sight.beside) if sight.beside is not None else None,
            unread=sight.unread,
        )

    async def conclude(
        self,
        source: documents.RosterSource,
        digest: str,
        started: datetime,
        event: calling.Event,
    ) -> storage.Import:
        """Publish what was built, or record why nothing was."""
        state, report = "failed", event.get("report")
        problem = str(event.get("message", ""))
        if event["event"] == "unchanged":
            state = "unchanged"
        elif event["event"] == "aside":
            held = await self.held(source.name)
            state, problem = "held", holding.words(held) if held is not None else ""
            report = held.report if held is not None else None
        elif event["event"] == "refused":
            state, report = "refused", {"problems": event.get("problems", [])}
        elif event["event"] == "built":
            try:
                held = await self._aside(source, event)
                if held is None:
                    imported = await self._publish(source.name, started, event)
                    await self._drop(source.name)
                    return imported
                state, problem = "held", holding.words(held)
            except (errors.InputError, errors.UnsafePlan) as error:
                state, problem = "refused", str(error)
            except (errors.TemporaryError, OSError) as error:
                problem = str(error)
        imported = storage.Import(
            source=source.name,
            delivery=digest,
            state=state,  # type: ignore[arg-type] # one of the words above
            started=started,
            ended=self._clock(),
            report=report,
            problem=problem,
        )
        if state == "unchanged":
            await self._drop(source.name)  # what lies there now is what is served
        await self._state.run(lambda store: record_once(store, imported))
        if state not in FINE:
            _log.error("import of %s %s: %s", source.name, state, problem)
        return imported

    async def last(self, source: str) -> storage.Import | None:
        """The newest import of a source."""
        return await self._state.run(lambda store: store.last_import(source))

    # -- what is held

    async def held(self, source: str) -> storage.Held | None:
        """What is held of a source."""
        found = await self._state.run(lambda store: store.held_imports())
        return next((each for each in found if each.source == source), None)

    async def let_go(self) -> list[str]:
        """Serve what was released, or fits by now; forget what was built on another roster.

        Gives the sources whose delivery has to be looked at again.
        """
        again = []
        world = self._served.current
        sources = world.config.sources if world.config is not None else {}
        for held in await self._state.run(lambda store: store.held_imports()):
            source = sources.get(held.source)
            if source is None or not source.enabled:
                continue
            if held.former != _name(self._served.current):
                # another source was imported meanwhile: its rows are not in this generation
                await self._drop(held.source)
                again.append(held.source)
                continue
            if holding.paused(source, self.today()):
                continue
            if held.released or not holding.excesses(source, held.report, self.today()):
                await self._serve_held(held)
        return again

    async def _serve_held(self, held: storage.Held) -> None:
        event = {
            "name": held.name,
            "number": held.number,
            "digest": held.delivery,
            "report": dict(held.report),
        }
        try:
            await self._publish(held.source, self._clock(), event)
        except errors.InputError as error:
            _log.exception("what was held of %s cannot be opened: %s", held.source, error)
        await self._drop(held.source)

    async def _aside(
        self, source: documents.RosterSource, event: calling.Event
    ) -> storage.Held | None:
        """Keep a generation aside that changes too much; None when it may be served."""
        world = self._served.current
        generation = world.generation
        former = _name(world)
        known = (
            isinstance(generation, generations.Generation)
            and source.name in generation.contents.deliveries
        )
        if former is None or not known:
            return None  # the first import of a source has nothing to compare with
        found = holding.excesses(source, event["report"], self.today())
        if not found:
            return None
        name, digest = str(event["name"]), str(event["digest"])
        held = storage.Held(
            source=source.name,
            revision=holding.revision(source.name, name, digest, found),
            delivery=digest,
            name=name,
            number=int(event["number"]),
            former=former,
            since=self._clock(),
            report=event["report"],
            excesses=tuple(each.as_json() for each in found),
        )
        await self._state.run(lambda store: store.hold_import(held))
        return held

    async def _drop(self, source: str) -> None:
        await self._state.run(lambda store: store.drop_held_import(source))

    # -- what is served

    async def _publish(
        self, source: str, started: datetime, event: calling.Event
    ) -> storage.Import:
        path = self._folder / str(event["name"])
        generation = await asyncio.to_thread(generations.open_generation, path)
        kept: list[storage.Import] = []

        async def record(old: worlds.World, new: worlds.World) -> None:
            time_published = new.published[generation.number]
            imported = storage.Import(
                source=source,
                delivery=str(event["digest"]),
                state="imported",
                started=started,
                ended=self._clock(),
                generation=generation.number,
                report=event["report"],
            )
            published = storage.Published(
                generation.number, generation.name, time_published, event["report"]
            )
            async with disclosures.noticed(self._watch, old, new) as seen:
                await self._state.run(
                    lambda store: store.publish_generation(
                        published,
                        imported=imported,
                        held=holdings.writes(old.held, new.held),
                        seen=seen,
                        guards=guards.kept(new),
                        notes=guards.notes(old, new, imported.ended),
                    )
                )
            kept.append(imported)

        # Once it is recorded it has to be served too, whoever gives up waiting meanwhile.
        await asyncio.shield(self._served.propose_generation(generation, record))
        _log.info(
            "import of %s: generation %d, %d errors, %d warnings",
            source,
            generation.number,
            event["report"]["errors"],
            event["report"]["warnings"],
        )
        return kept[0]


def _name(world: worlds.World) -> str | None:
    """Folder of the generation that is served."""
    generation = world.generation
    return generation.name if isinstance(generation, generations.Generation) else None


def record_once(store: storage.Store, imported: storage.Import) -> None:
    """Keep an import unless the last of its source said the same: a refused delivery that lies
    there for a month is one line.
    """
    last = store.last_import(imported.source)
    said = ("delivery", "state", "problem")
    if last is None or any(getattr(last, each) != getattr(imported, each) for each in said):
        store.record_import(imported)


def unread(source: str, started: datetime, ended: datetime, problem: str) -> storage.Import:
    """The record of a pull that brought nothing that could be read."""
    return storage.Import(source, "", "failed", started, ended, problem=problem)
