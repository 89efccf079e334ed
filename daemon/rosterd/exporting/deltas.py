"""What is new to a target since its last delivery.

It is what REST gives for `dateLastModified>T`: the dates of the application's holding are the
target's as well, T being the last moment of the world that was delivered. Where that cannot be said
for sure (another server or form of the files, departures that are forgotten, a holding that began
later), everything is sent: a delta on a wrong base keeps a pupil at a vendor for ever.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import orjson
from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd import documents, holdings, pictures, rosters, storage, worlds
from rosterd.exporting import links
from rosterd.oneroster import model
from rosterd.oneroster.csv import writer


@dataclass(frozen=True, slots=True)
class Base:
    """What a target holds after one of its slots."""

    slot: str
    form: str
    told: datetime
    """The latest moment of which it was told."""
    rows: Mapping[str, FrozenBitMap]
    held: links.Held
    """Its link rows."""
    maybe: links.Held
    """Those that earlier attempts may have told, of which nobody knows whether they arrived."""

    def counts(self) -> dict[str, int]:
        """Records of each collection."""
        return {name: len(rows) for name, rows in self.rows.items()}


@dataclass(frozen=True, slots=True)
class Delta:
    """Records that came or changed, by date with the newest first, and departures."""

    dates: Mapping[str, Sequence[tuple[str, AbstractBitMap]]]
    left: Mapping[str, Sequence[holdings.Departure]]

    @property
    def empty(self) -> bool:
        return not any(self.dates.values()) and not any(self.left.values())

    def rows(self) -> dict[str, BitMap]:
        """All records in it that did not leave."""
        return {
            name: BitMap.union(BitMap(), *(BitMap(rows) for _, rows in dated))
            for name, dated in self.dates.items()
        }

    def gone(self) -> dict[str, BitMap]:
        """Those of which it only tells that they left."""
        return {
            name: BitMap.union(BitMap(), *(BitMap(each.rows) for each in left))
            for name, left in self.left.items()
        }


def since(world: worlds.World, application: str, told: datetime) -> Delta:
    """All that has a later date than `told`."""
    dated, text = world.dated(application), holdings.timestamp(told)
    names = model.COLLECTIONS
    return Delta(
        {name: [each for each in dated.dates(name) if each[0] > text] for name in names},
        {name: [each for each in dated.departures(name) if each.moment > told] for name in names},
    )


def obstacle(base: Base | None, world: worlds.World, target: documents.SftpTarget) -> str | None:
    """Why the target gets everything instead of a delta; None when it need not."""
    if base is None:
        return "nothing was delivered before"
    if base.form != form(target):
        return "other files, or another place"
    holding = world.of(target.application).held.get(target.application)
    if holding is None or holding.begun > base.told:
        return "what was held before is not known any more"
    view, dated = world.view(target.application), world.dated(target.application)
    for name, rows in base.rows.items():
        # of demographics nothing is told when they go, in REST neither
        if name != "demographics" and rows - view.rows[name] - dated.gone(name):
            return "departures were forgotten meanwhile"
    return None


def records(picture: pictures.Picture, delta: Delta) -> writer.Records:
    """Records with status and date, the oldest change first; then tombstones."""

    def of(collection: str) -> Iterator[rosters.Record]:
        for date, rows in reversed(delta.dates[collection]):
            for row in rows:
                record = picture.record(collection, row)
                yield {**record, "status": "active", "dateLastModified": date}
        for left in reversed(delta.left[collection]):
            for row, record in left.records():
                if row in left.rows:
                    yield {**record, "status": writer.GONE, "dateLastModified": left.dated}

    return of


def told(world: worlds.World, application: str) -> datetime:
    """The latest moment that anything of this application says; whatever comes is later."""
    served = world.of(application)
    holding, generation = served.held.get(application), served.generation
    moments = [served.published[generation.number]] if generation is not None else []
    return max([*moments, *([holding.newest()] if holding is not None else [])])


def form(target: documents.SftpTarget) -> str:
    """Tells apart where files go and what they are: what one place holds, another does not."""
    place = (target.host, target.port, target.username, target.directory)
    return sha256(repr((target.application, target.export.template, place)).encode()).hexdigest()


# ---------------------------------------------------------------- kept in the store


def kept(target: str, base: Base) -> storage.Base:
    """As the store keeps it."""
    rows = {name: b64encode(each.serialize()).decode() for name, each in base.rows.items()}
    return storage.Base(
        target=target,
        slot=base.slot,
        form=base.form,
        told=base.told,
        rows=orjson.dumps(rows),
        links=links.packed(base.held),
        maybe=links.packed(base.maybe),
    )


def restored(base: storage.Base) -> Base:
    """The way back."""
    rows = orjson.loads(base.rows)
    return Base(
        slot=base.slot,
        form=base.form,
        told=base.told,
        rows={name: FrozenBitMap.deserialize(b64decode(each)) for name, each in rows.items()},
        held=links.unpacked(base.links),
        maybe=links.unpacked(base.maybe),
    )
