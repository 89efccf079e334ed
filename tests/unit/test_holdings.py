"""What an application holds: one step after the other, without a store."""

import copy
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyroaring import AbstractBitMap, FrozenBitMap

from rosterd import access, configs, errors, holdings, pictures, rosters
from rosterd.holdings import held, stepping, tombstones
from rosterd.oneroster import filters, model, rendering
from tests.unit import districts
from tests.unit.districts import basic

FULL = {"access": "full"}
COURSES = {"algebra", "history", "art", "latin"}
WITHOUT_ART = basic(courses=["algebra", "history", "latin"], resources=True)
START = datetime(2026, 3, 2, 6, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class Generation:
    number: int
    roster: rosters.Roster
    changed: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def by_change(self, collection: str) -> Mapping[int, FrozenBitMap]:
        active = self.roster.active[collection]
        new = self.roster.rows(collection, self.changed.get(collection, ())) & active
        return {self.number: FrozenBitMap(new), 1: FrozenBitMap(active - new)}

    def by_source(self, collection: str, rows: AbstractBitMap) -> Mapping[str, AbstractBitMap]:
        return {"sis": rows}


@dataclass
class World:
    config: configs.Config | None
    generation: Generation | None
    today: date = districts.TODAY
    held: Mapping[str, holdings.Holding] = field(default_factory=dict)

    def of(self, application: str) -> "World":
        return self

    def grant(self, application: str) -> configs.Grant | None:
        return None if self.config is None else self.config.grants.get(application)

    def view(self, application: str) -> access.View:
        assert self.config is not None
        assert self.generation is not None
        return access.view(self.generation.roster, self.config.grant(application), self.today)


class Life:
    """One application over a district; each method is a swap, a day after the last one."""

    def __init__(self, rules: dict[str, Any], retention: timedelta = 90 * DAY) -> None:
        self.records = districts.records()
        self.gone: dict[str, set[str]] = {}
        self.retention = retention
        self.now = START
        self.published = {1: START - 10 * DAY}
        self.world = World(config_of(rules), Generation(1, rosters.from_records(self.records)))
        self._swap(World(self.world.config, self.world.generation))

    @property
    def held(self) -> holdings.Holding:
        return self.world.held["app"]

    def permit(self, rules: dict[str, Any], **application: Any) -> None:
        self._swap(World(config_of(rules, **application), self.world.generation))

    def night(
        self, collection: str, sourced_id: str, *, gone: bool | None = None, **members: Any
    ) -> None:
        self.records = copy.deepcopy(self.records)
        (record,) = [each for each in self.records[collection] if each["sourcedId"] == sourced_id]
        record.update(members)
        if gone is not None:
            left = self.gone.setdefault(collection, set())
            (left.add if gone else left.discard)(sourced_id)
        number = (self.world.generation.number if self.world.generation else 0) + 1
        roster = rosters.from_records(self.records, self.gone)
        changed = {collection: frozenset({sourced_id})}
        self._swap(World(self.world.config, Generation(number, roster, changed)))

    def day(self) -> None:
        self._swap(World(self.world.config, self.world.generation))

    def _swap(self, new: World) -> None:
        self.now += DAY
        steps = holdings.steps(self.world, new, holdings.ended(self.world, new))
        found = _all(steps)
        if new.generation is not None:
            self.published.setdefault(new.generation.number, self.now)
        new.held = holdings.settled(found, self.now, lambda _source: self.retention)
        self.world = new

    # -- as it is served

    def picture(self, version: str = "1.2") -> pictures.Picture:
        view, generation = self.world.view("app"), self.world.generation
        assert generation is not None
        dated = holdings.Dated(self.held, view.rows, self.published, generation.by_change)
        return pictures.Picture(view, version, dated)

    def since(self, collection: str, moment: datetime) -> set[str]:
        """Ids of records gained or changed after `moment`, and -ids of those that left."""
        tree = filters.parse(f"dateLastModified>'{holdings.timestamp(moment)}'", collection, "1.2")
        picture = self.picture()
        name = picture.view.roster.sourced_id
        here = {name(collection, row) for row in picture.tree(collection, tree)}
        all_gone = picture.departed.rows(collection)
        gone = picture.departed.tree(collection, tree, all_gone)
        return here | {f"-{name(collection, row)}" for row in gone}

    def yesterday(self, collection: str) -> set[str]:
        return self.since(collection, self.now - DAY / 2)

    def tombstone(self, collection: str, sourced_id: str, version: str = "1.2") -> dict[str, Any]:
        picture = self.picture(version)
        row = picture.view.roster.row(collection, sourced_id)
        assert row is not None
        return picture.departed.record(collection, row)


def config_of(rules: dict[str, Any], **application: Any) -> configs.Config:
    grant = districts.grant(rules, **application)
    applications = {"app": grant.application}
    return configs.Config(applications, {}, {}, {}, {}, None, {"app": grant})  # type: ignore[arg-type] # no step asks for the repository


def test_what_a_first_holding_has_is_dated_when_it_came() -> None:
    life = Life(FULL)

    assert life.yesterday("courses") == COURSES
    assert life.since("courses", life.now) == set()
    assert holdings.timestamp(life.now) == "2026-03-03T06:00:00.000Z"


def test_a_commit_that_shares_less_leaves_tombstones_and_touches_nothing_else() -> None:
    life = Life(FULL)

    life.permit(WITHOUT_ART)

    assert life.yesterday("courses") == {"-art"}
    assert life.yesterday("classes") == {"-art-east"}
    told = life.tombstone("courses", "art")
    assert told["status"] == "tobedeleted"
    assert told["dateLastModified"] == holdings.timestamp(life.now)


def test_a_record_that_comes_back_is_no_departure_any_more() -> None:
    life = Life(FULL)
    life.permit(WITHOUT_ART)

    life.permit(FULL)

    assert life.yesterday("courses") == {"art"}
    assert not life.held.gone.get("courses")


def test_a_field_rule_dates_its_collection_anew_and_no_other() -> None:
    life = Life(FULL)

    life.permit({**FULL, "fields": {"withhold": ["courses.subjects"]}})

    assert life.yesterday("courses") == COURSES
    assert life.yesterday("users") == set()


def test_a_reference_that_is_cut_dates_the_record_that_had_it() -> None:
    life = Life(FULL)

    life.night("resources", "map", gone=True)

    having = {
        each["sourcedId"]
        for name in ("courses", "classes", "users")
        for each in life.records[name]
        if "map" in each.get("resources", ())
    }
    assert having
    told = set().union(*(life.yesterday(name) for name in ("courses", "classes", "users")))
    assert told == having
    assert life.yesterday("resources") == {"-map"}


def test_a_parent_is_dated_anew_when_a_child_goes() -> None:
    life = Life(FULL)

    life.permit(basic(orgs=["east"]))

    assert "district" in life.yesterday("orgs")


def test_what_stands_in_for_a_reference_is_compared_itself() -> None:
    life = Life(basic(orgs=["east", "west"], courses=["algebra"]))
    life.records = copy.deepcopy(life.records)
    life.night("orgs", "district", gone=True)  # courses belong to it: a school stands in now
    before = life.picture().record("courses", 0)["org"]

    life.night("classes", "algebra-east", gone=True)

    assert life.picture().record("courses", 0)["org"] != before
    assert "algebra" in life.yesterday("courses")


def test_tombstones_say_what_was_sent_last_and_not_what_is_known_now() -> None:
    life = Life(basic(orgs=["east"], fields={"mask": {"users.familyName": "initial"}}))
    pupil = next(
        life.picture().view.roster.sourced_id("users", row)
        for row in life.picture().rows("students")
    )
    sent = life.picture().record("users", _row(life, "users", pupil))
    life.night("users", pupil, gone=True, familyName="Elsewhere", givenName="Else")

    told = life.tombstone("users", pupil)

    assert told["givenName"] == sent["givenName"]
    assert told["familyName"] == sent["familyName"]
    assert len(told["familyName"]) == 1


@pytest.mark.parametrize("version", model.VERSIONS)
def test_tombstones_have_what_their_version_requires_and_no_more(version: str) -> None:
    life = Life(FULL)
    before = {name: set(life.picture().view.rows[name]) for name in model.COLLECTIONS}

    life.permit(basic(orgs=["east"], courses=["art"]))

    for name in model.COLLECTIONS:
        lost = before[name] - set(life.picture().view.rows[name])
        picture = life.picture(version)
        assert set(picture.departed.rows(name)) == (lost if name != "demographics" else set())
        for row in picture.departed.rows(name):
            record = picture.departed.record(name, row)
            assert set(record) == {"status", "dateLastModified"} | model.required(name, version)
            assert rendering.render(name, record, version)["status"] == "tobedeleted"


def test_tombstones_are_listed_by_the_kinds_that_they_were() -> None:
    life = Life(FULL)
    pupils = set(life.picture().rows("students"))

    life.permit(basic(orgs=["east"], courses=["art"], people={"roles": ["teacher"]}))

    gone = set(life.picture().departed.rows("students"))
    assert gone == pupils - set(life.picture().view.rows["users"])
    assert gone < set(life.picture().departed.rows("users"))


def test_a_dead_grant_loses_nothing_and_tells_its_losses_when_it_lives_again() -> None:
    life = Life(FULL)
    pupil = next(iter(life.picture().rows("students")))
    name = life.picture().view.roster.sourced_id("users", pupil)
    rows = life.held.rows
    life.permit(FULL, enabled=False)
    life.night("users", name, gone=True, familyName="Elsewhere")
    assert life.held.rows is rows
    assert not life.held.gone

    life.permit(FULL)

    told = life.tombstone("users", name)
    assert told["familyName"] == told["givenName"] == tombstones.UNKNOWN
    assert pupil in life.picture().departed.rows("students")
    assert f"-{name}" in life.yesterday("users")
    assert len(life.yesterday("orgs")) == len(life.records["orgs"])  # nobody knows what changed


def test_departures_end_with_the_retention_of_their_source() -> None:
    life = Life(FULL, retention=2 * DAY)
    life.permit(basic(courses=["algebra"]))
    life.day()
    assert "-art" in life.since("courses", START)
    revision = life.held.revision

    life.day()

    assert "-art" not in life.since("courses", START)
    assert not life.held.gone.get("courses")
    assert life.held.revision > revision


def test_a_revision_moves_only_when_something_is_served_differently() -> None:
    life = Life(basic(orgs=["east"], courses=["art"]))
    revision, whole = life.held.revision, life.held

    life.day()
    life.night("courses", "history", title="Another")  # not shared
    assert life.held is whole

    life.night("courses", "art", title="Another")
    assert life.held.revision == held.milliseconds(life.now)
    assert life.held.revision > revision


def test_an_application_that_is_removed_holds_nothing() -> None:
    life = Life(FULL)
    config = configs.Config({}, {}, {}, {}, {}, None, {})  # type: ignore[arg-type] # no step asks for the repository

    life._swap(World(config, life.world.generation))

    assert life.world.held == {}


def test_after_a_broken_line_of_generations_everything_is_dated_anew() -> None:
    life = Life(FULL)
    life.permit(basic(courses=["algebra"]))
    life.world.generation = None

    life._swap(World(config_of(FULL), Generation(7, rosters.from_records(life.records))))

    assert not life.held.gone
    assert life.yesterday("courses") == COURSES


def test_old_entries_are_put_together_and_dates_never_move_back() -> None:
    rows = [held.Late(START - n * DAY, FrozenBitMap([n])) for n in range(200)]

    merged = stepping._merged(tuple(rows), START, FrozenBitMap(range(150)))

    assert [each.moment for each in merged[:-1]] == [each.moment for each in rows[:90]]
    assert merged[-1].moment == rows[90].moment
    assert merged[-1].rows == FrozenBitMap(range(90, 150))
    assert stepping._merged(merged, START, FrozenBitMap(range(150))) is merged


def test_what_is_kept_comes_back_as_it_was() -> None:
    life = Life(FULL)
    life.permit(basic(courses=["algebra"]))
    life.night("users", life.records["users"][0]["sourcedId"], gone=True)
    parts = {key: part for key, part in holdings.writes({}, life.world.held).items() if part}

    restored = holdings.restored(parts)["app"]

    assert holdings.writes({}, {"app": restored}) == parts
    assert restored.revision == life.held.revision
    assert restored.gone == life.held.gone
    for row in restored.gone["users"]:
        (batch,) = restored.departed["users"][:1]
        if row in batch.rows:
            assert batch.record(row) == life.held.departed["users"][0].record(row)


def test_only_what_changed_is_written() -> None:
    life = Life(FULL)
    before = life.world.held

    life.night("courses", "art", gone=True)

    written = holdings.writes(before, life.world.held)
    words = sorted({" ".join(part.split()[:2]) for _, part in written})
    assert "rows courses" in words
    assert "rows orgs" not in words
    assert "departed courses" in words
    assert holdings.writes(life.world.held, life.world.held) == {}
    assert all(part is None for part in holdings.writes(life.world.held, {}).values())


def test_damaged_parts_are_refused() -> None:
    with pytest.raises(errors.InputError, match="damaged"):
        holdings.restored({("app", "holding"): b"{"})


def _all(steps: Generator[None, None, holdings.Next]) -> holdings.Next:
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: holdings.Next = done.value
            return found


def _row(life: Life, collection: str, sourced_id: str) -> int:
    row = life.picture().view.roster.row(collection, sourced_id)
    assert row is not None
    return row
