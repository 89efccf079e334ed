"""Looking at single records of the roster, and at what selections and permissions would pick.

Everything heavy takes its turn on a thread of its own (`seeking`): what vendors ask goes on
meanwhile. Looking at single people is an act with their data: it is on record before it is
answered, under who asked, without whom they sought.
"""

import asyncio
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from rosterd import (
    access,
    chain,
    errors,
    finding,
    pictures,
    previewing,
    rosters,
    storage,
    worlds,
)
from rosterd.oneroster import model
from rosterd.operating import picking, seeking
from rosterd.web import desk

PERSONAL: Final = frozenset(("users", "enrollments", "demographics"))


@dataclass(frozen=True, kw_only=True)
class Looking:
    """Implements web.desk.Looking."""

    served: worlds.Worlds
    store: storage.Storage
    previews: previewing.Previews
    clock: Callable[[], datetime]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    apart: weakref.WeakKeyDictionary[rosters.Roster, rosters.Roster] = field(
        default_factory=weakref.WeakKeyDictionary
    )
    """Of rosters that are served those to ask on the thread. They remember what they found for the
    next question, and go with the roster."""

    async def select(self, collection: str, selection: Any, who: str) -> desk.Picked:
        """What a document's selection picks."""
        _known(collection, picking.COLLECTIONS)
        world, roster = self._roster()
        picked = picking.read(collection, selection)
        async with self.turn:
            if collection in PERSONAL:
                await self._looked(who, "", "select")
            return await asyncio.to_thread(seeking.select, roster, collection, picked, world.today)

    async def find(self, text: str, application: str | None, who: str) -> desk.Found:
        """Users and classes, as one application gets them, or as they are and who sees them."""
        words = finding.words(text)
        world, roster = self._roster()
        views = {name: world.view(name) for name in self._applications(world, application)}
        source: seeking.Source = roster
        if application is not None:
            source = pictures.Picture(self._away(views[application]), finding.VERSION)
        async with self.turn:
            await self._looked(who, application or "", "find")
            totals, hits = await asyncio.to_thread(seeking.find, source, words, views)
        return {"application": application, "totals": totals, "hits": hits}

    async def explain(
        self, application: str, collection: str, sourced_id: str, who: str
    ) -> desk.Why:
        """Why the application sees the record, or does not."""
        _known(collection, list(model.COLLECTIONS))
        world, _ = self._roster()
        self._applications(world, application)
        await self._looked(who, application, "explain")
        return (await self._why([self._case(world, application)], collection, sourced_id))[0]

    async def explain_everywhere(
        self, collection: str, sourced_id: str, who: str
    ) -> Sequence[desk.Why]:
        """Why each application sees the record, or does not."""
        _known(collection, list(model.COLLECTIONS))
        world, _ = self._roster()
        await self._looked(who, "", "explain")
        cases = [self._case(world, name) for name in self._applications(world, None)]
        return await self._why(cases, collection, sourced_id)

    async def _why(
        self, cases: Sequence[seeking.Case], collection: str, sourced_id: str
    ) -> Sequence[desk.Why]:
        async with self.turn:
            found = await asyncio.to_thread(
                lambda: [seeking.why(case, collection, sourced_id) for case in cases]
            )
        told = [why for why in found if why is not None]
        if not told:
            raise errors.InputError(f"cannot explain that: no record of {collection} has that id")
        return told

    def _case(self, world: worlds.World, application: str) -> seeking.Case:
        held = world.of(application) is not world
        return seeking.Case(application, self._away(world.view(application)), held)

    async def browse(
        self,
        collection: str,
        who: str,
        *,
        search: str = "",
        status: str = "active",
        sort: str = "",
        descending: bool = False,
        offset: int = 0,
        limit: int = 50,
    ) -> desk.Page:
        """A page of the roster."""
        _known(collection, list(model.COLLECTIONS))
        _known(status, seeking.STATUSES)
        words = finding.words(search) if search.strip() else ()
        path = model.path(collection, sort, finding.VERSION) if sort else None
        if sort and path is None:
            raise errors.InputError(f"cannot sort {collection} by {sort}: there is no such field")
        asked = seeking.Browsed(collection, words, status, path, descending, offset, limit)
        _, roster = self._roster()
        async with self.turn:
            if collection in PERSONAL:
                await self._looked(who, "", "browse")
            return await asyncio.to_thread(seeking.browse, roster, asked)

    async def preview(self, text: str, who: str) -> desk.Preview:
        """What this permission would share of the roster that is served."""
        world, _ = self._roster()
        async with self.turn:
            shown = await self.previews.share(text.encode(), who)
            roles = await asyncio.to_thread(seeking.roles, shown.view)
        view, name = shown.view, shown.application
        levels = {
            collection: desk.Level(level=level, count=count)
            for collection, (level, count) in access.levels(view).items()
        }
        known = world.config is not None and name in world.config.applications
        now = world.view(name).rows if known else {}
        return {
            "application": name,
            "known": known,
            "refusal": view.refusal,
            "orgs": levels["orgs"],
            "courses": levels["courses"],
            "counts": {collection: len(rows) for collection, rows in view.rows.items()},
            "now": {collection: len(rows) for collection, rows in now.items()},
            "roles": roles,
            "withheld": sorted(view.grant.withheld),
            "masked": {member: str(mask) for member, mask in sorted(view.grant.masks.items())},
            "shared": sorted(view.grant.shared),
            "warnings": [str(problem) for problem in shown.problems],
        }

    def _roster(self) -> tuple[worlds.World, rosters.Roster]:
        """What is served, and its roster for the thread."""
        world = self.served.current
        if world.generation is None:
            raise errors.TemporaryError("cannot look at the roster: none was imported yet")
        return world, self._beside(world.generation.roster)

    def _beside(self, roster: rosters.Roster) -> rosters.Roster:
        if roster not in self.apart:
            self.apart[roster] = roster.apart()
        return self.apart[roster]

    def _away(self, view: access.View) -> access.View:
        return replace(view, roster=self._beside(view.roster))

    def _applications(self, world: worlds.World, application: str | None) -> list[str]:
        """All that are asked about: errors.InputError for a name that none has."""
        every = sorted(world.config.applications) if world.config is not None else []
        if application is None:
            return every
        if application not in every:
            raise errors.InputError(f"cannot look at {application}: no application has that name")
        return [application]

    async def _looked(self, who: str, application: str, what: str) -> None:
        subject = application or "the roster"
        note = chain.Note("looked", who, subject, self.clock(), {"what": what})
        await self.store.run(lambda kept: kept.note(note))


def _known(name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise errors.InputError(f"cannot take {name!r}: it is one of {', '.join(names)}")
