"""Deltas as files: who applies them one after the other holds what every bulk package holds.

Nights in which records come, change and go, permissions change, files get lost on their way, or
arrive although nobody knows.
"""

import csv
import io
import zipfile
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings

from rosterd import configs, documents, holdings, pictures, scheduling, storage, worlds
from rosterd.exporting import bundles, deltas, links, standing
from rosterd.oneroster import model
from rosterd.oneroster.csv import files
from tests.property import nights

Rows = dict[str, dict[str, dict[str, str]]]
"""Stem of a file -> sourcedId -> cells."""
_LACKING = {"classes": {"termSourcedIds"}, "courses": {"orgSourcedId"}}
_TOLD = ("status", "dateLastModified")


def target_of(version: str, mode: str) -> documents.SftpTarget:
    return documents.SftpTarget.model_validate_json(
        '{"name": "app-sftp", "application": "app", "enabled": true, "host": "sftp.example.org",'
        ' "username": "app", "authentication": {"password": "app-password"},'
        ' "hostKeys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE5lMmWKlWWzFRC8DBzj0mzzQ2A0Pb0yd0eeRjQPj1F7"],'
        f' "export": {{"template": "oneroster-{version}", "mode": "{mode}",'
        ' "fileName": "{mode}-{date}-{time}.zip", "when": "after-import"}}'
    )


def unpacked(path: Path) -> tuple[dict[str, str], Rows]:
    """(mode of each file, rows); a file is there exactly when the manifest says so."""
    tables = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            text = archive.read(name).decode()
            tables[name.removesuffix(".csv")] = list(csv.DictReader(io.StringIO(text, newline="")))
    manifest = {row["propertyName"]: row["value"] for row in tables.pop("manifest")}
    modes = {
        name.removeprefix("file."): mode
        for name, mode in manifest.items()
        if name.startswith("file.") and mode != "absent"
    }
    assert modes.keys() == tables.keys()
    assert all(tables.values()), "a file without rows"
    rows = {name: {row["sourcedId"]: row for row in found} for name, found in tables.items()}
    assert {name: len(found) for name, found in tables.items()} == {
        name: len(found) for name, found in rows.items()
    }, "a sourcedId twice in a file"
    return modes, rows


@dataclass
class Consumer:
    """Applies what arrives."""

    held: Rows = field(default_factory=dict)

    def apply(self, modes: Mapping[str, str], rows: Rows) -> None:
        if "bulk" in modes.values():
            self.held = {}
        for name, found in rows.items():
            kept = self.held.setdefault(name, {})
            for sourced_id, row in found.items():
                if row["status"] == "tobedeleted":
                    kept.pop(sourced_id, None)
                else:
                    kept[sourced_id] = _undated(row)


def _undated(row: Mapping[str, str]) -> dict[str, str]:
    """Without what only a delta says; metadata columns are there while one record has the key."""
    return {name: cell for name, cell in row.items() if name not in _TOLD and cell}


class Post:
    """One target: what is delivered to it, and what is kept of that."""

    def __init__(self, version: str, folder: Path) -> None:
        self.version = version
        self.target = target_of(version, "delta")
        self.standing = standing.Standing(None, None, {})
        self.consumer = Consumer()
        self.deltas = self.tombstones = 0
        self.sent: bytes | None = None
        """The last zip, None when there was nothing to tell."""
        self._folder = folder
        self._slots = 0

    def deliver(self, world: worlds.World, outcome: str) -> None:
        before = self.standing
        self._slots += 1
        moment = datetime.fromtimestamp(60 * self._slots, tz=UTC)
        slot = scheduling.Slot(moment, moment, str(self._slots))
        delta, noted = standing.content(world, self.target, slot, before)
        assert noted is not None
        assert (delta is None) == (before.base is None), "bulk without a reason"
        self.sent = None
        if delta is not None and delta.empty:
            assert self._by_rest(world) == set()
            return
        picture = world.picture(nights.APPLICATION, self.version)
        bundle = self._built(picture, slot, delta, noted)
        self.sent = (self._folder / "bundle.zip").read_bytes()
        modes, rows = unpacked(self._folder / "bundle.zip")
        assert set(modes.values()) == {bundle.mode}
        if delta is not None:
            self._judge(world, rows)
            again = self._built(picture, slot, delta, self._noted())
            assert again == bundle, "another attempt gave other bytes"
        if outcome != "lost":
            self.consumer.apply(modes, rows)
        after = standing.after(world, self.target, slot, noted, before)
        assert after is not None
        kept = deltas.restored(deltas.kept("app-sftp", after))
        if outcome == "delivered":
            run = storage.Run("app-sftp", slot.key, "delivered", 1, moment, name=bundle.name)
            self.standing = standing.Standing(run, kept, {})
        else:
            maybe = links.either(links.either(before.maybe, kept.held), kept.maybe)
            self.standing = replace(before, maybe=maybe)

    def _noted(self) -> links.Links:
        base = self.standing.base
        return links.Links(None if base is None else base.held, self.standing.maybe)

    def _built(
        self,
        picture: pictures.Picture,
        slot: scheduling.Slot,
        delta: deltas.Delta | None,
        noted: links.Links,
    ) -> bundles.Bundle:
        return bundles.build(
            picture,
            self.target,
            slot,
            self._folder,
            stopped=lambda: False,
            delta=delta,
            noted=noted,
        )

    def _judge(self, world: worlds.World, rows: Rows) -> None:
        """A delta is what REST gives, and each row is as the standard wants it."""
        self.deltas += 1
        own = {
            (name, row["sourcedId"], row["status"], row["dateLastModified"])
            for name in model.COLLECTIONS
            for row in rows.get(name, {}).values()
        }
        assert own == self._by_rest(world)
        for name, found in rows.items():
            file = files.FILES[self.version][name]
            required = {column.name for column in file.columns if column.required}
            for row in found.values():
                assert row["status"] in ("active", "tobedeleted")
                assert row["dateLastModified"]
                if row["status"] == "tobedeleted":
                    self.tombstones += 1
                    filled = {each for each, cell in row.items() if cell}
                    assert filled <= required | set(_TOLD)
                    lacking = required - filled  # what these rosters do not always have
                    assert lacking <= _LACKING.get(name, set()), (name, lacking)

    def _by_rest(self, world: worlds.World) -> set[tuple[str, str, str, str]]:
        base = self.standing.base
        assert base is not None
        where = f"dateLastModified>'{holdings.timestamp(base.told)}'"
        return {
            (name, each["sourcedId"], each["status"], each["dateLastModified"])
            for name in model.COLLECTIONS
            for each in nights.served(world, self.version, name, where)
        }

    def whole(self, world: worlds.World) -> Rows:
        """What a bulk package of this world holds."""
        moment = datetime(1970, 1, 1, tzinfo=UTC)
        slot = scheduling.Slot(moment, moment, "whole")
        target = target_of(self.version, "bulk")
        picture = world.picture(nights.APPLICATION, self.version)
        bundles.build(picture, target, slot, self._folder, stopped=lambda: False)
        return undated(self._folder / "bundle.zip")


def undated(package: Path) -> Rows:
    """What a package holds, as a consumer keeps it."""
    _, rows = unpacked(package)
    return {
        name: {key: _undated(row) for key, row in found.items()} for name, found in rows.items()
    }


def differing(held: Rows, whole: Rows) -> Iterator[str]:
    for name in held.keys() | whole.keys():
        one, other = held.get(name, {}), whole.get(name, {})
        for each in one.keys() | other.keys():
            left_over = name == "demographics" and each not in other  # they leave nothing
            if one.get(each) != other.get(each) and not left_over:
                yield f"{name} {each}: {one.get(each)} is not {other.get(each)}"


async def live(
    district: nights.District,
    rules: list[configs.Grant | None],
    dice: Random,
    count: int,
    folder: Path,
) -> list[Post]:
    clock = nights.Clock()
    alive = [each for each in rules if each is not None]
    place = nights.Place(nights.config_of(alive[0]), district.pages(), clock)
    await place.turn_day()
    posts = [Post(version, folder / version) for version in model.VERSIONS]
    for _ in range(count):
        for _ in range(dice.randint(1, 3)):
            await nights.something(place, district, rules, dice)
            nights.later(clock, dice)
        world = place.worlds.current
        for post in posts if not nights.refused(world) else ():
            outcome = dice.choice(("delivered", "delivered", "delivered", "lost", "unknown", None))
            if outcome is None or (post.standing.base is None and not any(whole_rows(world))):
                continue
            post.deliver(world, outcome)
            if outcome != "lost" and post.standing.base is not None:
                wrong = list(differing(post.consumer.held, post.whole(world)))
                assert wrong == [], wrong[0]
        clock.now = nights.next_night(clock.now)
    return posts


def whole_rows(world: worlds.World) -> Iterator[bool]:
    """Whether anything is seen at all: a bulk of nothing is never delivered."""
    view = world.view(nights.APPLICATION)
    yield from (bool(rows) for rows in view.rows.values())


def _lived(case: tuple[nights.District, list[configs.Grant | None], Random], count: int) -> None:
    district, rules, dice = case
    with TemporaryDirectory() as folder:
        nights.run(_counted(live(district, rules, dice, count, Path(folder))))


async def _counted(living: Awaitable[list[Post]]) -> None:
    posts = await living
    for post in posts:
        event(f"deltas: {min(post.deltas, 1)}+, tombstones: {min(post.tombstones, 1)}+")


@settings(max_examples=8, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(nights.lives())
def test_deltas_one_after_the_other_make_what_a_bulk_package_is(
    case: tuple[nights.District, list[configs.Grant | None], Random],
) -> None:
    _lived(case, 20)


@pytest.mark.soak
@settings(max_examples=12, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(nights.lives())
def test_a_year_of_delta_files(
    case: tuple[nights.District, list[configs.Grant | None], Random],
) -> None:
    _lived(case, 365)
