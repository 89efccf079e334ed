"""Holdings as the parts that a store keeps, and back.

A part is a short name and some bytes. Bitmaps are never changed in place, so a part whose value is
the same object as before is the same on disk: a night writes what it changed.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import orjson
from pyroaring import FrozenBitMap

from rosterd import errors
from rosterd.holdings import held

Parts = Mapping[tuple[str, str], bytes]
Writes = dict[tuple[str, str], bytes | None]
"""(application, part) -> its bytes, None when it is gone."""

_HEAD = "holding"
_Dated = TypeVar("_Dated", held.Late, held.Departure)


def writes(old: Mapping[str, held.Holding], new: Mapping[str, held.Holding]) -> Writes:
    """What has to be written for a store that has `old` to have `new`."""
    found: Writes = {}
    for application in old.keys() | new.keys():
        before, after = old.get(application), new.get(application)
        if before is after:
            continue
        known = dict(_values(before)) if before is not None else {}
        wanted = dict(_values(after)) if after is not None else {}
        for part in known.keys() - wanted.keys():
            found[application, part] = None
        for part, value in wanted.items():
            if known.get(part) is not value:
                found[application, part] = _bytes(value)
    return found


def restored(parts: Parts) -> dict[str, held.Holding]:
    """Holdings by application; InputError when the parts do not fit each other."""
    grouped: dict[str, dict[str, bytes]] = {}
    for (application, part), content in parts.items():
        grouped.setdefault(application, {})[part] = content
    try:
        return {name: _holding(found) for name, found in grouped.items()}
    except (KeyError, ValueError, struct.error) as error:
        raise errors.InputError("cannot read what applications hold: it is damaged") from error


# ---------------------------------------------------------------- one holding

# Part names: "holding", "rows users", "kind students", "late users 1790000000000",
# and of each departure "departed users 1790000000000 source", "every …" and "records …".


def _values(holding: held.Holding) -> Iterator[tuple[str, Any]]:
    yield _HEAD, holding
    for name, rows in holding.rows.items():
        yield f"rows {name}", rows
    for name, rows in (holding.kinds or {}).items():
        yield f"kind {name}", rows
    for name, batches in holding.late.items():
        for late in batches:
            yield f"late {name} {held.milliseconds(late.moment)}", late.rows
    for name, left in holding.departed.items():
        for each in left:
            rest = f"{name} {held.milliseconds(each.moment)} {each.source}"
            yield f"departed {rest}", each.rows
            yield f"every {rest}", each.every
            yield f"records {rest}", each.chunks


def _bytes(value: Any) -> bytes:
    if isinstance(value, held.Holding):
        head = {
            "revision": value.revision,
            "rules": dict(value.rules),
            "begun": held.milliseconds(value.begun),
            "dead": value.kinds is not None,
        }
        return orjson.dumps(head, option=orjson.OPT_SORT_KEYS)
    if isinstance(value, tuple):
        return b"".join(struct.pack("<I", len(chunk)) + chunk for chunk in value)
    content: bytes = value.serialize()
    return content


def _holding(parts: Mapping[str, bytes]) -> held.Holding:
    head = orjson.loads(parts[_HEAD])
    rows: dict[str, FrozenBitMap] = {}
    kinds: dict[str, FrozenBitMap] = {}
    late: dict[str, list[held.Late]] = {name: [] for name in held.COLLECTIONS}
    departed: dict[str, list[held.Departure]] = {name: [] for name in held.COLLECTIONS}
    for part, content in parts.items():
        word, _, rest = part.partition(" ")
        name, _, rest = rest.partition(" ")
        if word == "rows":
            rows[name] = FrozenBitMap.deserialize(content)
        elif word == "kind":
            kinds[name] = FrozenBitMap.deserialize(content)
        elif word == "late":
            moment = held.from_milliseconds(int(rest))
            late[name].append(held.Late(moment, FrozenBitMap.deserialize(content)))
        elif word == "departed":
            number, _, source = rest.partition(" ")
            departed[name].append(
                held.Departure(
                    moment=held.from_milliseconds(int(number)),
                    source=source,
                    rows=FrozenBitMap.deserialize(content),
                    every=FrozenBitMap.deserialize(parts[f"every {name} {rest}"]),
                    chunks=tuple(_chunks(parts[f"records {name} {rest}"])),
                )
            )
    return held.Holding(
        revision=head["revision"],
        rules=head["rules"],
        rows={name: rows[name] for name in held.COLLECTIONS},
        late={name: _newest_first(found) for name, found in late.items()},
        departed={name: _newest_first(found) for name, found in departed.items()},
        begun=held.from_milliseconds(head.get("begun", 0)),
        kinds=kinds if head["dead"] else None,
    )


def _chunks(content: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(content):
        (size,) = struct.unpack_from("<I", content, place)
        yield content[place + 4 : place + 4 + size]
        place += 4 + size


def _newest_first(batches: list[_Dated]) -> tuple[_Dated, ...]:
    return tuple(sorted(batches, key=lambda each: each.moment, reverse=True))
