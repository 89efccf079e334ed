"""Whatever two sources deliver, in whatever order: what is served follows from what they said last."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosterd import generations, rosters
from rosterd.generations import building, layout, linking
from rosterd.oneroster import filters, model, rendering
from tests import packages

SOURCES = ("a", "b")
COUNTS = {
    "orgs": 3,
    "academicSessions": 2,
    "courses": 2,
    "classes": 3,
    "users": 4,
    "enrollments": 5,
    "demographics": 2,
    "resources": 2,
}


@pytest.fixture(autouse=True, scope="module")
def no_waiting_for_the_disk() -> Iterator[None]:
    """Hundreds of generations are built; none of them has to survive a loss of power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "sync", lambda _: None)
        patch.setattr(layout, "sync_folder", lambda _: None)
        yield


def ids(collection: str, source: str) -> list[str]:
    kind = "users" if collection == "demographics" else collection
    return [f"{source}-{kind}-{number}" for number in range(COUNTS[collection])]


def references(collection: str) -> st.SearchStrategy[str]:
    known = [each for source in SOURCES for each in ids(collection, source)]
    return st.sampled_from([*known, "never-there"])


def cells(collection: str, source: str) -> dict[str, st.SearchStrategy[str]]:
    """How each cell of a row is drawn, but for the sourcedId."""
    word = st.sampled_from(["", "alpha", "Beta", "ünder"])
    maybe = {name: st.one_of(st.just(""), references(name)) for name in COUNTS}
    several = {
        name: st.lists(references(name), min_size=1, max_size=3, unique=True).map(",".join)
        for name in COUNTS
    }
    common: dict[str, dict[str, st.SearchStrategy[str]]] = {
        "orgs": {"type": st.sampled_from(["school", "district", "ext:hub"])},
        "academicSessions": {"type": st.sampled_from(["term", "schoolYear"])},
        "courses": {"org": references("orgs"), "schoolYear": maybe["academicSessions"]},
        "classes": {
            "course": references("courses"),
            "school": references("orgs"),
            "terms": several["academicSessions"],
        },
        "users": {"agents": st.one_of(st.just(""), several["users"]), "org": maybe["orgs"]},
        "enrollments": {
            "user": references("users"),
            "class": references("classes"),
            "school": references("orgs"),
            "role": st.sampled_from(["student", "teacher", "ext:coach"]),
        },
        "demographics": {"sex": st.sampled_from(["", "male", "female"])},
        "resources": {},
    }
    parent = {name: {"parent": maybe[name]} for name in ("orgs", "academicSessions")}
    return common[collection] | parent.get(collection, {}) | {"word": word}


def row(collection: str, sourced_id: str, drawn: Mapping[str, str]) -> dict[str, str]:
    own: dict[str, dict[str, str]] = {
        "orgs": {"name": f"N{drawn['word']}", "parentSourcedId": drawn.get("parent", "")},
        "academicSessions": {
            "title": "T",
            "startDate": "2026-08-01",
            "endDate": "2027-07-01",
            "schoolYear": "2027",
            "parentSourcedId": drawn.get("parent", ""),
        },
        "courses": {
            "title": f"T{drawn['word']}",
            "orgSourcedId": drawn.get("org", ""),
            "schoolYearSourcedId": drawn.get("schoolYear", ""),
        },
        "classes": {
            "title": "T",
            "courseSourcedId": drawn.get("course", ""),
            "classType": "scheduled",
            "schoolSourcedId": drawn.get("school", ""),
            "termSourcedIds": drawn.get("terms", ""),
            "location": drawn["word"],
        },
        "users": packages.user(
            sourced_id,
            email=drawn["word"],
            agentSourcedIds=drawn.get("agents", ""),
            primaryOrgSourcedId=drawn.get("org", ""),
        ),
        "enrollments": {
            "classSourcedId": drawn.get("class", ""),
            "schoolSourcedId": drawn.get("school", ""),
            "userSourcedId": drawn.get("user", ""),
        },
        "demographics": {"cityOfBirth": drawn["word"]},
        "resources": {"vendorResourceId": "v", "title": drawn["word"]},
    }
    kept = {name: value for name, value in drawn.items() if name in ("type", "role", "sex")}
    return {"sourcedId": sourced_id} | own[collection] | kept


LINKS = {"users": "roles", "classes": "classResources", "courses": "courseResources"}
NOBODY = {
    "roles": packages.role("nothing", "nobody", "never-there"),
    "classResources": {
        "sourcedId": "nothing",
        "classSourcedId": "nobody",
        "resourceSourcedId": "never-there",
    },
    "courseResources": {
        "sourcedId": "nothing",
        "courseSourcedId": "nobody",
        "resourceSourcedId": "never-there",
    },
}


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[str, packages.Tables]:
    """(source, a bulk package of some of its collections)."""
    source = draw(st.sampled_from(SOURCES))
    tables: packages.Tables = {}
    for collection in COUNTS:
        if draw(st.integers(0, 5)) == 0:
            continue  # absent: what is known of it stays
        chosen = draw(st.lists(st.sampled_from(ids(collection, source)), unique=True))
        strategy = st.fixed_dictionaries(cells(collection, source))
        tables[collection] = [row(collection, each, draw(strategy)) for each in chosen]
        if tables[collection] and collection in LINKS:
            tables[LINKS[collection]] = [
                NOBODY[LINKS[collection]],
                *draw(links(collection, chosen)),
            ]
    return source, tables


@st.composite
def links(draw: st.DrawFn, collection: str, owners: list[str]) -> packages.Rows:
    target = "orgs" if collection == "users" else "resources"
    pairs = st.tuples(st.sampled_from(owners), references(target))
    found = []
    for number, (owner, end) in enumerate(draw(st.lists(pairs, unique=True, max_size=6))):
        if collection == "users":
            found.append(packages.role(f"link-{number}", owner, end))
        else:
            singular = model.COLLECTIONS[collection].singular
            found.append(
                {
                    "sourcedId": f"link-{number}",
                    f"{singular}SourcedId": owner,
                    "resourceSourcedId": end,
                }
            )
    return found


@dataclass
class Said:
    """What each source said last of each collection: the whole truth, kept in the plainest way."""

    records: dict[tuple[str, str], dict[str, dict[str, Any]]] = field(default_factory=dict)

    def hear(self, source: str, tables: packages.Tables) -> None:
        for collection in COUNTS:
            if tables.get(collection):
                self.records[source, collection] = {
                    each["sourcedId"]: self._record(collection, each, tables)
                    for each in tables[collection]
                }

    def _record(
        self, collection: str, cells: Mapping[str, str], tables: packages.Tables
    ) -> dict[str, Any]:
        """The references of a row by member."""
        members = {
            "parentSourcedId": "parent",
            "orgSourcedId": "org",
            "schoolYearSourcedId": "schoolYear",
            "courseSourcedId": "course",
            "schoolSourcedId": "school",
            "primaryOrgSourcedId": "primaryOrg",
            "classSourcedId": "class",
            "userSourcedId": "user",
        }
        record: dict[str, Any] = {
            members[name]: [value] for name, value in cells.items() if name in members and value
        }
        for name, member in (("termSourcedIds", "terms"), ("agentSourcedIds", "agents")):
            if cells.get(name):
                record[member] = cells[name].split(",")
        link = LINKS.get(collection)
        if link:
            owner = f"{model.COLLECTIONS[collection].singular}SourcedId"
            end, member = (
                ("orgSourcedId", "roles.org")
                if link == "roles"
                else (
                    "resourceSourcedId",
                    "resources",
                )
            )
            own = [each[end] for each in tables[link] if each[owner] == cells["sourcedId"]]
            if own:
                record[member] = own
        if collection == "demographics":
            record["user"] = [cells["sourcedId"]]
        return record

    def active(self) -> dict[str, dict[str, dict[str, list[str]]]]:
        """Collection -> sourcedId -> the references that are left."""
        wanted: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in COUNTS}
        for (_, collection), held in self.records.items():
            wanted[collection] |= held
        while True:
            lost = [
                (name, each)
                for name, held in wanted.items()
                for each, record in held.items()
                for (collection, member), target in rosters.RELATIONS.items()
                if collection == name
                and (name, member) in linking.REQUIRED
                and record.get(member)
                and not any(end in wanted[target] for end in record[member])
            ]
            if not lost:
                break
            for name, each in set(lost):
                del wanted[name][each]
        return {
            name: {
                each: {
                    member: [end for end in ends if end in wanted[rosters.RELATIONS[name, member]]]
                    for member, ends in record.items()
                }
                for each, record in held.items()
            }
            for name, held in wanted.items()
        }


class History:
    """Generations built one upon the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0
        self.generation: generations.Generation | None = None

    def bring(self, source: str, tables: packages.Tables) -> generations.Generation | None:
        delivery = packages.write(self.folder / "delivery", packages.contents(tables))
        request = building.Request(
            number=self.number + 1,
            folder=str(self.folder / "generations"),
            former=self.generation.name if self.generation else None,
            source=source,
            sources=SOURCES,
            delivery=str(delivery),
            limit=2**20,
        )
        event = building.build(request, lambda _: None)
        if event["event"] == "built":
            self.number += 1
            path = self.folder / "generations" / event["name"]
            self.generation = generations.open_generation(path)
        return self.generation


def served(generation: generations.Generation) -> dict[str, dict[str, tuple[Any, ...]]]:
    roster = generation.roster
    found = {}
    for name in model.COLLECTIONS:
        rows = list(roster.active[name])
        newer = generation.fragments(name, rows, "1.2")
        older = generation.fragments(name, rows, "1.1")
        for version in model.VERSIONS if rows else ():  # neighbours, gone ones in between or not
            between = range(rows[0], rows[-1] + 1)
            stretches = generation.stretches(name, between, version)
            one_by_one = generation.fragments(name, between, version)
            assert len(stretches) <= len(one_by_one)
            next_byte = rendering.NEXT_BYTE
            assert next_byte.join(stretches) == next_byte.join(one_by_one)
        found[name] = {
            roster.sourced_id(name, row): (roster.record(name, row), bytes(new), bytes(old))
            for row, new, old in zip(rows, newer, older, strict=True)
        }
    return found


@given(st.lists(deliveries(), min_size=1, max_size=4))
def test_active_rows_are_those_whose_needs_are_met_by_what_was_said_last(
    history: list[tuple[str, packages.Tables]],
) -> None:
    said = Said()
    with tempfile.TemporaryDirectory() as folder:
        built = History(Path(folder))
        for source, tables in history:
            said.hear(source, tables)
            generation = built.bring(source, tables)
            if generation is None:
                continue
            expected = said.active()
            roster = generation.roster
            for name in COUNTS:
                rows = {roster.sourced_id(name, row): row for row in roster.active[name]}
                assert set(rows) == set(expected[name]), name
                for each, row in rows.items():
                    for (collection, member), target in rosters.RELATIONS.items():
                        if collection == name:
                            ends = roster.relation(name, member).of(row)
                            found = [roster.sourced_id(target, end) for end in ends]
                            assert found == expected[name][each].get(member, []), (name, member)


@given(st.lists(deliveries(), min_size=1, max_size=4))
def test_a_generation_built_in_steps_serves_what_one_built_at_once_serves(
    history: list[tuple[str, packages.Tables]],
) -> None:
    latest: dict[str, packages.Tables] = {}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        built = History(Path(folder))
        for source, tables in history:
            # what a package leaves absent stays as it was
            links_told = {link for name, link in LINKS.items() if tables.get(name)}
            told = {name for name, rows in tables.items() if rows and name not in NOBODY}
            before = latest.get(source, {})
            kept = {
                name: rows
                for name, rows in before.items()
                if name not in told and name not in links_told
            }
            latest[source] = kept | {
                name: rows for name, rows in tables.items() if name in told | links_told
            }
            built.bring(source, tables)
        fresh = History(Path(other))
        for source in sorted(latest):
            fresh.bring(source, latest[source])
        if built.generation is None or fresh.generation is None:
            assert built.generation is fresh.generation
            return
        assert served(built.generation) == served(fresh.generation)


@given(st.lists(deliveries(), min_size=2, max_size=4))
def test_whatever_is_served_otherwise_counts_as_changed_and_rows_stay(
    history: list[tuple[str, packages.Tables]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        built = History(Path(folder))
        before: dict[str, dict[str, tuple[Any, ...]]] = {name: {} for name in COUNTS}
        rows: dict[tuple[str, str], int] = {}
        for source, tables in history:
            generation = built.bring(source, tables)
            if generation is None:
                continue
            now = served(generation)
            for name, records in now.items():
                for each, content in records.items():
                    row = generation.roster.row(name, each)
                    assert row is not None
                    assert rows.setdefault((name, each), row) == row
                    if before[name].get(each) != content:
                        assert generation.changed(name, row) == generation.number
                groups = generation.by_change(name)
                assert sum(map(len, groups.values())) == len(records)
            for name, records in before.items():
                for each in records.keys() - now[name].keys():
                    assert generation.changed(name, rows[name, each]) == generation.number
            before = now


TEXTS = {
    "orgs": ["name~'beta'", "type='school'", "type!='local'", "parent='a-orgs-0'", "name>'Na'"],
    "courses": ["org!='a-orgs-1'", "schoolYear='a-academicSessions-0'", "title='TBeta'"],
    "classes": ["terms='a-academicSessions-0,b-academicSessions-1'", "location!='alpha'"],
    "users": [
        "sourcedId~'A-USERS'", "sourcedId>'a-users-1'", "sourcedId<='b-users-0'",
        "sourcedId!='b-users-1'", "sourcedId>='a-users-2'", "sourcedId<'a-users-2'",
        "sourcedId~'0b-'", "sourcedId~'ü'",
        "email~'ÜN'", "email~'LPH'", "givenName~'a'",
        "email='ünder'", "email!='alpha'", "roles.org='a-orgs-0'", "orgs~'b-orgs'",
        "agents='a-users-1'", "role='student'", "primaryOrg!='b-orgs-1'",
    ],
    "enrollments": ["role='teacher'", "role!='proctor'", "user='a-users-0'", "class~'b-'"],
    "demographics": ["sex!='male'", "cityOfBirth<'b'"],
    "resources": ["title='alpha'"],
}  # fmt: skip


@given(st.lists(deliveries(), min_size=1, max_size=3))
def test_leaves_orders_and_roles_are_those_of_the_records(
    history: list[tuple[str, packages.Tables]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        built = History(Path(folder))
        for source, tables in history:
            built.bring(source, tables)
        if built.generation is None:
            return
        roster = built.generation.roster
        memory = rosters.from_records(
            {
                name: [roster.record(name, row) for row in roster.active[name]]
                for name in model.COLLECTIONS
            }
        )

        def named(name: str, of: rosters.Roster, rows: Any) -> list[str]:
            return [of.sourced_id(name, row) for row in rows]

        for name, texts in TEXTS.items():
            for text in texts:
                for version in model.VERSIONS:
                    try:
                        leaf = filters.parse(text, name, version)
                    except filters.FilterError:
                        continue
                    assert isinstance(leaf, filters.Leaf)
                    for flag in (False, True):
                        found = roster.leaf(name, leaf, missing=flag)
                        wanted = memory.leaf(name, leaf, missing=flag)
                        assert named(name, roster, found) == named(name, memory, wanted), text
                        order = roster.order(name, leaf.path, descending=flag)
                        sorted_ = memory.order(name, leaf.path, descending=flag)
                        assert named(name, roster, order) == named(name, memory, sorted_), text
        for roles in (None, {"student"}, {"teacher"}):
            holders = roster.role_holders(roles, roster.active["orgs"], None)
            expected = memory.role_holders(roles, memory.active["orgs"], None)
            assert named("users", roster, holders) == named("users", memory, expected)
