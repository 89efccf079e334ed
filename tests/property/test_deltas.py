"""Keeping up by asking for what changed: nothing is missed, and nobody is told of what it never had.

A school year of nights in which records come, change, go and come back, while the permission of the
application changes, ends and lives again.
"""

from random import Random

import orjson
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings

from rosterd import configs, worlds
from rosterd.oneroster import model
from tests.property import nights

DAYS_APART = 9  # at most, between two pulls


class Witness:
    """Remembers what was served, and holds every tombstone against it."""

    def __init__(self) -> None:
        self.sent: dict[tuple[str, str], dict[str, nights.Record]] = {}
        self.blank: set[tuple[str, str, str]] = set()
        self.told: set[tuple[str, str, str]] = set()
        self.tombstones = 0
        self._dead = False

    def look(self, world: worlds.World) -> None:
        if nights.refused(world):
            self._dead = True
            return
        for version in model.VERSIONS:
            for name in model.COLLECTIONS:
                records = nights.served(world, version, name)
                sent = self.sent.setdefault((version, name), {})
                active = {each["sourcedId"] for each in records if each["status"] == "active"}
                for record in records:
                    key = (version, name, record["sourcedId"])
                    if record["status"] == "active":
                        sent[record["sourcedId"]] = record
                        self.blank.discard(key)
                        self.told.discard(key)
                    else:
                        assert record["sourcedId"] not in active
                        self._judge(key, record, sent)
        self._dead = False

    def _judge(
        self, key: tuple[str, str, str], tombstone: nights.Record, sent: dict[str, nights.Record]
    ) -> None:
        version, name, sourced_id = key
        assert sourced_id in sent, "a tombstone of what was never held"
        assert name != "demographics"
        self.tombstones += 1
        last = sent[sourced_id]
        assert last["dateLastModified"] < tombstone["dateLastModified"]
        required = model.required(name, version)
        if self._dead and key not in self.told:
            self.blank.add(key)  # nobody knows any more how it was sent: it says nothing but its id
        self.told.add(key)
        if key in self.blank:
            assert b'"-"' in orjson.dumps(tombstone)
            return
        assert set(tombstone) == {"status", "dateLastModified"} | (required & set(last))
        for member in tombstone.keys() - {"status", "dateLastModified", "sourcedId"}:
            said, was = tombstone[member], last[member]
            if member == "roles":
                was = [{each: role[each] for each in ("roleType", "role", "org")} for role in was]
            assert said == was, (name, member, said, was)


async def live(
    district: nights.District, rules: list[configs.Grant | None], dice: Random, count: int
) -> Witness:
    """`count` nights; None among the grants is one that is dead."""
    clock = nights.Clock()
    alive = [each for each in rules if each is not None]
    place = nights.Place(nights.config_of(alive[0]), district.pages(), clock)
    await place.turn_day()
    consumers = [nights.Consumer(v, own) for v in model.VERSIONS for own in (False, True)]
    due = dict.fromkeys(range(len(consumers)), 0)
    witness = Witness()
    witness.look(place.worlds.current)
    for night in range(count):
        for _ in range(dice.randint(1, 3)):
            await nights.something(place, district, rules, dice)
            witness.look(place.worlds.current)
            nights.later(clock, dice)
            if nights.refused(place.worlds.current):
                continue
            for number, consumer in enumerate(consumers):
                if due[number] <= night:
                    nights_apart = dice.randint(0, DAYS_APART)
                    due[number] = night + nights_apart
                    consumer.pull(place.worlds.current, clock())
                    all_of_it = nights.everything(place.worlds.current, consumer.version)
                    wrong = list(nights.differing(consumer, all_of_it))
                    assert wrong == [], wrong[0]
            nights.later(clock, dice)
        clock.now = nights.next_night(clock.now)
    return witness


@settings(max_examples=8, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(nights.lives())
def test_who_only_pulls_deltas_holds_what_who_pulls_everything_holds(
    case: tuple[nights.District, list[configs.Grant | None], Random],
) -> None:
    district, rules, dice = case

    async def test() -> None:
        witness = await live(district, rules, dice, 25)
        event(f"tombstones: {min(witness.tombstones, 1)}+")

    nights.run(test())


@pytest.mark.soak
@settings(max_examples=12, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(nights.lives())
def test_a_year_of_deltas(
    case: tuple[nights.District, list[configs.Grant | None], Random],
) -> None:
    district, rules, dice = case

    async def test() -> None:
        await live(district, rules, dice, 365)

    nights.run(test())
