"""A year of nights for the store: what a hundred applications could see and did receive.

Nothing is imported: a night is a set of rows that leave and a set of rows that come, and a view is
made of bitmaps by school and subject, as permissions make them. Every application takes all that it
sees every night, which is the most that can be asked of what is kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from pyroaring import BitMap, FrozenBitMap

from rosterd import disclosures, sightings, storage
from rosterd.disclosures import journal, receiving
from rosterd.storage import shown

START: Final = datetime(2026, 1, 1, 2, tzinfo=UTC)
NAMED: Final = disclosures.Pseudonyms(b"y" * 32)
SCHOOLS: Final = 40
SUBJECTS: Final = 10
_RULES: Final = '{"1.2":{"demographics":{"sent":["sourcedId"]},"enrollments":{"sent":["sourcedId"]},"users":{"sent":["sourcedId","givenName","familyName"]}}}'
_FIELDS: Final = '{"sent": ["sourcedId", "givenName", "familyName"]}'


@dataclass(frozen=True)
class Size:
    """How much there is. Of `people`, each has a user, a demographics record and `each` enrollments."""

    nights: int
    applications: int
    people: int
    each: int
    churn: float


WHOLE: Final = Size(nights=365, applications=100, people=100_000, each=10, churn=0.01)


@dataclass
class Collection:
    """Rows that are there, and those of each school and subject, whether they are there or not."""

    name: str
    active: BitMap
    schools: list[BitMap]
    subjects: list[BitMap]
    rows: int = 0

    def add(self, dice: Random, count: int) -> BitMap:
        """New rows. A delivery lists one school after the other, so rows do as well."""
        new = BitMap()
        for school, rows in enumerate(self.schools):
            share = count * (school + 1) // SCHOOLS - count * school // SCHOOLS
            fresh = BitMap(range(self.rows, self.rows + share))
            self.rows += share
            rows.update(fresh)
            new |= fresh
        for row in new:
            self.subjects[dice.randrange(SUBJECTS)].add(row)
        self.active |= new
        return new

    def lose(self, dice: Random, count: int) -> None:
        """Rows that leave, from anywhere."""
        rows = dice.sample(range(len(self.active)), count)
        self.active -= BitMap([self.active[place] for place in rows])


@dataclass(frozen=True)
class Application:
    name: str
    schools: frozenset[int]
    subjects: frozenset[int]
    demographics: bool

    def view(self, of: Mapping[str, Collection]) -> dict[str, FrozenBitMap]:
        found = {}
        for name, collection in of.items():
            rows = BitMap.union(BitMap(), *(collection.schools[each] for each in self.schools))
            if len(self.subjects) < SUBJECTS:
                rows &= BitMap.union(*(collection.subjects[each] for each in self.subjects))
            if name == "demographics" and not self.demographics:
                rows = BitMap()
            found[name] = FrozenBitMap(rows & collection.active)
        return found


def applications(dice: Random, count: int) -> list[Application]:
    """A tenth sees everything, a third some subjects of the whole district, the rest some schools."""
    made = []
    for number in range(count):
        schools, subjects = frozenset(range(SCHOOLS)), frozenset(range(SUBJECTS))
        if number % 10:
            subjects = frozenset(dice.sample(range(SUBJECTS), dice.randint(1, SUBJECTS)))
        if number % 10 > 3:
            schools = frozenset(dice.sample(range(SCHOOLS), dice.randint(1, 12)))
        made.append(Application(f"app-{number:03d}", schools, subjects, number % 4 == 0))
    return made


def write(store: storage.Store, size: Size, seed: int = 1) -> Iterator[sightings.Views]:
    """Put a year into the store, night by night; yields what each application saw then."""
    dice = Random(seed)
    collections = {
        name: Collection(
            name, BitMap(), [BitMap() for _ in range(SCHOOLS)], [BitMap() for _ in range(SUBJECTS)]
        )
        for name in ("users", "demographics", "enrollments")
    }
    counts = {
        "users": size.people,
        "demographics": size.people,
        "enrollments": size.people * size.each,
    }
    readers = applications(dice, size.applications)
    before: sightings.Views = {}
    for night in range(size.nights):
        fresh = {}
        for name, collection in collections.items():
            lost = int(counts[name] * size.churn) if night else 0
            collection.lose(dice, lost)
            fresh[name] = collection.add(dice, lost if night else counts[name])
        views = {each.name: each.view(collections) for each in readers}
        store.keep_holdings({}, seen=[_seen(night, before, views, fresh, collections["users"])])
        store.keep_receipts(list(_receipts(night, views)))
        before = views
        yield views


def _commit(night: int) -> str:
    return f"{night // 7:040x}"  # one commit a week


def _seen(
    night: int,
    before: sightings.Views,
    views: sightings.Views,
    fresh: Mapping[str, BitMap],
    users: Collection,
) -> shown.Seen:
    changes = {}
    for name, groups in sightings.differences(before, views, fresh):
        partition = sightings.Partition.of(dict(enumerate(groups.values())))
        changes[name] = shown.Change(tuple(groups), partition)
    enrollments = FrozenBitMap(fresh["enrollments"])
    owners = [row * 7919 % users.rows for row in enrollments]
    return shown.Seen(
        time=START + timedelta(days=night),
        cause="import",
        period=shown.Period(_commit(night), night + 1, 1),
        changes=changes,
        standings=[shown.Standing(name, "", _RULES, f'{{"night":{night}}}') for name in views],
        people=[
            (NAMED.digest(f"p{row}"), name, row)
            for name in ("users", "demographics")
            for row in fresh[name]
        ],
        belongings=sightings.Partition.of_values(enrollments, owners),
    )


def _receipts(night: int, views: sightings.Views) -> Iterator[shown.Receipt]:
    moment = (START + timedelta(days=night, hours=1)).timestamp()
    for number, (name, view) in enumerate(views.items()):
        forms = ("rest", f"csv {name}") if number % 5 == 0 else ("rest",)
        for collection, rows in view.items():
            for form in forms if rows else ():
                key = journal.Key(
                    _commit(night), night + 1, 1, name, form, "1.2", collection, _FIELDS
                )
                yield receiving.receipt(journal.Outflow(key, moment, moment + 3600, BitMap(rows)))
