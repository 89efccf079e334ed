"""Looking at single records of the roster, and at what selections and permissions would pick.

Everything heavy takes its turn, and lets requests go on in between. Looking at single people is an
act with their data: it is on record before it is answered, under who asked, without whom they
sought.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pyroaring import AbstractBitMap, BitMap

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
from rosterd.operating import picking
from rosterd.web import desk

HITS: Final = 50
"""How many records of each collection are named."""
FIRST: Final = 20
"""How many rows of a selection are shown."""
PERSONAL: Final = frozenset(("users", "enrollments", "demographics"))
_STRETCH: Final = 2_000
STATUSES: Final = ("active", "departed", "all")


@dataclass(frozen=True, kw_only=True)
class Looking:
    """Implements web.desk.Looking."""

    served: worlds.Worlds
    store: storage.Storage
    previews: previewing.Previews
    clock: Callable[[], datetime]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def select(self, collection: str, selection: Any, who: str) -> desk.Picked:
        """What a document's selection picks."""
        _known(collection, picking.COLLECTIONS)
        world, roster = self._roster()
        picked = picking.read(collection, selection)
        async with self.turn:
            if collection in PERSONAL:
                await self._looked(who, "", "select")
            rows = picking.rows(roster, picked, world.today)
        return {
            "collection": collection,
            "count": len(rows),
            "of": len(roster.active[collection]),
            "rows": [_row(roster, collection, row) for row in rows[:FIRST]],
        }

    async def find(self, text: str, application: str | None, who: str) -> desk.Found:
        """Users and classes, as one application gets them, or as they are and who sees them."""
        words = finding.words(text)
        world, roster = self._roster()
        views = {name: world.view(name) for name in self._applications(world, application)}
        hits: list[desk.Hit] = []
        totals: dict[str, int] = {}
        async with self.turn:
            await self._looked(who, application or "", "find")
            for collection in ("users", "classes"):
                if application is None:
                    rows = await _all_words(words, collection, _stored(roster, collection))
                    read: Callable[[int], Any] = _reader(roster, collection)
                else:
                    picture = world.picture(application, finding.VERSION)
                    rows = await _all_words(words, collection, _given(picture, collection))
                    read = _given_reader(picture, collection)
                totals[collection] = len(rows)
                for row in rows[:HITS]:
                    shown = finding.summary(collection, read(row))
                    hits.append(_hit(collection, shown, views))
        return {"application": application, "totals": totals, "hits": hits}

    async def explain(
        self, application: str, collection: str, sourced_id: str, who: str
    ) -> desk.Why:
        """Why the application sees the record, or does not."""
        _known(collection, list(model.COLLECTIONS))
        world, _ = self._roster()
        self._applications(world, application)
        await self._looked(who, application, "explain")
        async with self.turn:
            why = _why(world, application, collection, sourced_id)
        if why is None:
            raise errors.InputError(f"cannot explain that: no record of {collection} has that id")
        return why

    async def explain_everywhere(
        self, collection: str, sourced_id: str, who: str
    ) -> Sequence[desk.Why]:
        """Why each application sees the record, or does not."""
        _known(collection, list(model.COLLECTIONS))
        world, _ = self._roster()
        await self._looked(who, "", "explain")
        found = []
        async with self.turn:
            for name in self._applications(world, None):
                if (why := _why(world, name, collection, sourced_id)) is not None:
                    found.append(why)
                await asyncio.sleep(0)
        if not found:
            raise errors.InputError(f"cannot explain that: no record of {collection} has that id")
        return found

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
        _known(status, STATUSES)
        words = finding.words(search) if search.strip() else ()
        path = model.path(collection, sort, finding.VERSION) if sort else None
        if sort and path is None:
            raise errors.InputError(f"cannot sort {collection} by {sort}: there is no such field")
        _, roster = self._roster()
        async with self.turn:
            if collection in PERSONAL:
                await self._looked(who, "", "browse")
            active: Sequence[int] = ()
            if status != "departed":
                found = await _all_words(words, collection, _stored(roster, collection))
                active = found if words else roster.active[collection]  # type: ignore[assignment]  # bitmaps can be sliced
                if path is not None:
                    order = roster.order(collection, path, descending=descending)
                    active = [row for row in order if row in found] if words else order
            gone: Sequence[int] = ()
            if status != "active":
                gone = await _searched(roster, collection, words)
        total = len(active) + len(gone)
        rows = list(active[offset : offset + limit])
        if len(rows) < limit:
            start = max(0, offset - len(active))
            rows += gone[start : start + limit - len(rows)]
        return {
            "collection": collection,
            "total": total,
            "offset": offset,
            "rows": [_row(roster, collection, row) for row in rows],
        }

    async def preview(self, text: str, who: str) -> desk.Preview:
        """What this permission would share of the roster that is served."""
        world, _ = self._roster()
        async with self.turn:
            shown = await self.previews.share(text.encode(), who)
        view, name = shown.view, shown.application
        levels = {
            collection: desk.Level(level=level, count=count)
            for collection, (level, count) in access.levels(view).items()
        }
        known = world.config is not None and name in world.config.applications
        now = world.view(name).rows if known else {}
        users, orgs = view.rows["users"], view.roster.active["orgs"]
        roles = {
            role: view.roster.role_holders([role], orgs, None).intersection_cardinality(users)
            for role in sorted(view.roster.roles())
        }
        return {
            "application": name,
            "known": known,
            "refusal": view.refusal,
            "orgs": levels["orgs"],
            "courses": levels["courses"],
            "counts": {collection: len(rows) for collection, rows in view.rows.items()},
            "now": {collection: len(rows) for collection, rows in now.items()},
            "roles": {role: count for role, count in roles.items() if count},
            "withheld": sorted(view.grant.withheld),
            "masked": {member: str(mask) for member, mask in sorted(view.grant.masks.items())},
            "shared": sorted(view.grant.shared),
            "warnings": [str(problem) for problem in shown.problems],
        }

    def _roster(self) -> tuple[worlds.World, rosters.Roster]:
        world = self.served.current
        if world.generation is None:
            raise errors.TemporaryError("cannot look at the roster: none was imported yet")
        return world, world.generation.roster

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


# ---------------------------------------------------------------- rows


def _stored(roster: rosters.Roster, collection: str) -> finding.Ask:
    return lambda leaf: roster.leaf(collection, leaf, missing=False)


def _given(picture: pictures.Picture, collection: str) -> finding.Ask:
    return lambda leaf: picture.leaf(collection, leaf)


def _reader(roster: rosters.Roster, collection: str) -> Callable[[int], Any]:
    return lambda row: roster.record(collection, row)


def _given_reader(picture: pictures.Picture, collection: str) -> Callable[[int], Any]:
    return lambda row: picture.record(collection, row)


async def _all_words(words: Sequence[str], collection: str, ask: finding.Ask) -> AbstractBitMap:
    """Rows in which every word is; requests go on between one leaf and the next."""
    found: AbstractBitMap | None = None
    for word in words:
        here = BitMap()
        for leaf in finding.leaves(collection, word):
            here |= ask(leaf)
            await asyncio.sleep(0)
        found = here if found is None else found & here
    return BitMap() if found is None else found


async def _searched(roster: rosters.Roster, collection: str, words: Sequence[str]) -> Sequence[int]:
    """Departed rows in which every word is; leaves know active ones alone, so they are read."""
    gone = roster.gone(collection)
    if not words:
        return gone  # type: ignore[return-value]  # bitmaps can be sliced
    found = []
    for number, row in enumerate(gone):
        record = roster.record(collection, row)
        if all(finding.meant(collection, word, record) for word in words):
            found.append(row)
        if number % _STRETCH == 0:
            await asyncio.sleep(0)
    return found


def _row(roster: rosters.Roster, collection: str, row: int) -> desk.Row:
    shown = finding.summary(collection, roster.record(collection, row))
    status = "active" if row in roster.active[collection] else "departed"
    return {
        "id": shown.id,
        "name": shown.name,
        "status": status,
        "details": dict(shown.details),
    }


def _hit(collection: str, shown: finding.Summary, views: dict[str, access.View]) -> desk.Hit:
    """With those who see it; a held application may have another roster, so ids decide."""
    seeing = []
    for name, view in views.items():
        row = view.roster.row(collection, shown.id)
        if row is not None and row in view.rows[collection]:
            seeing.append(name)
    return {
        "collection": collection,
        "id": shown.id,
        "name": shown.name,
        "details": dict(shown.details),
        "applications": seeing,
    }


def _why(
    world: worlds.World, application: str, collection: str, sourced_id: str
) -> desk.Why | None:
    """None when the roster that it is served from has no such record."""
    view = world.view(application)
    row = view.roster.row(collection, sourced_id)
    if row is None:
        return None
    return {
        "application": application,
        "collection": collection,
        "id": sourced_id,
        "name": finding.summary(collection, view.roster.record(collection, row)).name,
        "sees": row in view.rows[collection],
        "held": world.of(application) is not world,
        "reason": _reason(access.explain(view, collection, row)),
    }


def _reason(reason: access.Reason) -> desk.Reason:
    return {
        "holds": reason.holds,
        "says": reason.says,
        "either": reason.either,
        "parts": [_reason(part) for part in reason.parts],
    }
