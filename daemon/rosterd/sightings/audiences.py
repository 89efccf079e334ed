"""From sets of rows for each reader to one partition of the rows by their readers, and back.

A reader is whatever a set of rows belongs to: an application for what it could see, a channel for
what came through it. Rows are split again and again, by one reader after the other; a district with
a hundred applications ends with some hundred groups, since permissions go by schools and courses.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd.sightings import partitions

Reader = TypeVar("Reader", bound=Hashable)
Audience = tuple[Reader, ...]
Views = Mapping[str, Mapping[str, AbstractBitMap]]
"""Application -> collection -> rows that it sees; an application that sees nothing is not there."""
_NONE = FrozenBitMap()


def differences(
    old: Views, new: Views, collections: Iterable[str]
) -> Iterator[tuple[str, dict[tuple[str, ...], BitMap]]]:
    """(collection, audience from now on -> rows) for all rows whose audience is another one."""
    for collection in collections:
        changed = BitMap()
        for application in old.keys() | new.keys():
            before = old.get(application, {}).get(collection, _NONE)
            after = new.get(application, {}).get(collection, _NONE)
            if before is not after:
                changed |= before ^ after
        if changed:
            after_all = {name: rows.get(collection, _NONE) for name, rows in new.items()}
            yield collection, grouped(changed, after_all)


def grouped(
    among: AbstractBitMap, sets: Mapping[Reader, AbstractBitMap]
) -> dict[tuple[Reader, ...], BitMap]:
    """Readers -> those of `among` that are in their sets and in no other; nobody's under ()."""
    alike: dict[bytes, tuple[AbstractBitMap, list[Reader]]] = {}
    for reader, rows in sets.items():
        if hit := rows & among:
            alike.setdefault(hit.serialize(), (hit, []))[1].append(reader)
    groups: list[tuple[AbstractBitMap, tuple[Reader, ...]]] = [(BitMap(among), ())]
    for hit, readers in alike.values():
        groups = list(_split(groups, hit, tuple(readers)))
    order = {reader: place for place, reader in enumerate(sets)}
    return {
        tuple(sorted(readers, key=order.__getitem__)): BitMap(rows)
        for rows, readers in groups
        if rows
    }


def _split(
    groups: Iterable[tuple[AbstractBitMap, tuple[Reader, ...]]],
    hit: AbstractBitMap,
    readers: tuple[Reader, ...],
) -> Iterator[tuple[AbstractBitMap, tuple[Reader, ...]]]:
    for rows, known in groups:
        inside = rows & hit
        if not inside:
            yield rows, known
            continue
        yield inside, known + readers
        if len(inside) < len(rows):
            yield rows - inside, known


def followed(
    state: Mapping[int, AbstractBitMap], changes: partitions.Partition
) -> dict[int, BitMap]:
    """Mark -> rows after some rows got other marks."""
    found = {mark: BitMap(rows - changes.rows) for mark, rows in state.items()}
    for mark, rows in changes.groups().items():
        found.setdefault(mark, BitMap()).update(rows)
    return {mark: rows for mark, rows in found.items() if rows}


def unfolded(
    state: Mapping[int, AbstractBitMap], marks: Mapping[int, Iterable[Reader]]
) -> dict[Reader, BitMap]:
    """Reader -> rows; `marks` are audiences."""
    found: dict[Reader, list[BitMap]] = {}
    for mark, rows in state.items():
        for reader in marks[mark]:
            found.setdefault(reader, []).append(BitMap(rows))
    return {reader: BitMap.union(BitMap(), *rows) for reader, rows in found.items()}


def smallest(
    sets: Mapping[Reader, AbstractBitMap],
    bases: Sequence[tuple[int, Mapping[Reader, AbstractBitMap]]],
) -> tuple[int | None, dict[tuple[Reader, ...], BitMap]]:
    """(which of the bases, its number or None; the groups to be kept) for the fewest rows.

    Without a base the groups are all rows that are in a set; with one, those whose readers are
    others than there.
    """
    every = partitions.union(sets.values())
    best: tuple[int | None, AbstractBitMap] = None, every
    for number, base in bases:
        changed = BitMap()
        for reader in sets.keys() | base.keys():
            changed |= sets.get(reader, _NONE) ^ base.get(reader, _NONE)
        if len(changed) < len(best[1]):
            best = number, changed
    return best[0], grouped(best[1], sets) if best[1] else {}
