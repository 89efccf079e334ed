"""Rows and values of a picture, asked as a template asks.

Whatever leads from one record to another is read from the records as the application gets them, or
is a member that no permission can withhold. So a reference that is withheld leads nowhere here, and
one to a record outside the view does not either.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pyroaring import AbstractBitMap, BitMap

from rosterd import documents, pictures, selections, templates
from rosterd.access import FAMILY
from rosterd.oneroster import model, vocabularies

_Record = tuple[str, int]
"""(collection, row)"""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a grain: the records that its steps begin at, and its own members."""

    records: Mapping[str, _Record]
    """First step -> record; "" for the record that the row itself is."""
    own: Mapping[str, str]


class Filling:
    """The picture, asked for values; what many rows ask of one record is asked of it once."""

    def __init__(self, picture: pictures.Picture) -> None:
        self._picture = picture
        self._view = picture.view
        self._roster = picture.view.roster
        self._values: dict[tuple[str, int, str], Sequence[str]] = {}
        self._lists: dict[tuple[str, int, str], Sequence[int]] = {}
        self._teaching = self._of_role("teacher")
        self._learning = self._of_role("student")
        self._primary = self._leaf("enrollments", "primary", "=", "true")

    # ------------------------------------------------------------ rows

    def rows(self, file: documents.TemplateFile) -> Iterator[Row]:
        """The rows of a file, in the order of the records."""
        grain = templates.GRAINS[file.rows]
        rows: AbstractBitMap = self._view.rows[grain.subject]
        if file.where is not None:
            tree = selections.where(file.where, grain.subject)
            rows = rows & self._picture.tree(grain.subject, tree)
        if file.rows == "roles":
            yield from self._roles(rows, file)
        elif file.rows == "contacts":
            yield from self._contacts(rows & self._picture.rows("students"))
        else:
            for row in self._narrowed(file, rows):
                yield Row({"": (file.rows, row)}, {})

    def _narrowed(self, file: documents.TemplateFile, rows: AbstractBitMap) -> AbstractBitMap:
        if file.roles is not None:
            words = [self._of_role(role) for role in file.roles]
            rows = rows & BitMap.union(BitMap(), *map(BitMap, words))
        if file.current:  # a missing date is an open end: neither leaf accepts it
            today = self._view.today.isoformat()
            rows = rows - self._leaf(file.rows, "beginDate", ">", today)
            rows = rows - self._leaf(file.rows, "endDate", "<=", today)
        for whom in file.having or ():
            enrolled = self._teaching if whom == "teacher" else self._learning
            held = self._roster.relation("enrollments", "class").gather(enrolled)
            if file.rows == "enrollments":
                held = self._roster.inverse("enrollments", "class").gather(held)
            rows = rows & held
        return rows

    def _roles(self, rows: AbstractBitMap, file: documents.TemplateFile) -> Iterator[Row]:
        today = self._view.today.isoformat()
        for row in rows:
            seen = set()
            for role in self._picture.record("users", row).get("roles", ()):
                org = self._row("orgs", role["org"])
                if org is None or (file.roles is not None and role["role"] not in file.roles):
                    continue
                if file.current and not _covers(role, today):
                    continue
                if (org, role["role"]) in seen:
                    continue
                seen.add((org, role["role"]))
                own = {name: role.get(name, "") for name in templates.ROLE}
                own["grade"] = self._first("users", row, "grades") if _learns(role) else ""
                yield Row({"user": ("users", row), "org": ("orgs", org)}, own)

    def _contacts(self, students: AbstractBitMap) -> Iterator[Row]:
        family = BitMap.union(
            BitMap(), *(BitMap(self._leaf("users", "roles.role", "=", role)) for role in FAMILY)
        ) - self._picture.rows("students")
        agents = self._roster.relation("users", "agents")
        named_by = self._roster.inverse("users", "agents")
        for row in students:
            known = BitMap(agents.of(row)) | BitMap(named_by.of(row))
            for contact in known & family:
                if not self._related(row, contact):
                    continue
                records = {"student": ("users", row), "contact": ("users", contact)}
                yield Row(records, {"role": self._family_role(contact)})

    def _related(self, student: int, contact: int) -> bool:
        """Whether one of the two records says so as it is given."""
        name = self._roster.sourced_id
        return name("users", contact) in self._member("users", student, "agents") or (
            name("users", student) in self._member("users", contact, "agents")
        )

    def _family_role(self, row: int) -> str:
        roles = self._picture.record("users", row).get("roles", ())
        return next((it["role"] for it in roles if it["role"] in FAMILY), "")

    # ------------------------------------------------------------ values

    def value(self, row: Row, path: templates.Path) -> str:
        """The first value at the end of a path; "" when there is none."""
        return next(iter(self.every(row, path)), "")

    def every(self, row: Row, path: templates.Path) -> Sequence[str]:
        """All values of the one record that a path leads to."""
        if path.collection is None:
            return (row.own[path.member],)
        record, steps = _begin(row, path)
        for step in steps:
            found = next(iter(self._ways(*record, step)), None)
            if found is None:
                return ()
            record = templates.STEPS[record[0]][step], found
        return self._member(*record, path.member)

    def branching(self, row: Row, path: templates.Path) -> list[str]:
        """The first value of each record to which a path leads, where it leads to several."""
        if path.collection is None:
            return [row.own[path.member]]
        (collection, start), steps = _begin(row, path)
        found = [start]
        for step in steps:
            found = [each for row in found for each in self._ways(collection, row, step)]
            collection = templates.STEPS[collection][step]
        return [self._first(collection, each, path.member) for each in found]

    def listed_values(self, row: Row, over: str, path: templates.Path) -> list[str]:
        """The first value of each record of a list; "" for one that has none."""
        collection, start = row.records[""]
        target = templates.LISTS[collection][over]
        below = (
            self.value(Row({"": (target, each)}, {}), path)
            for each in self._listed(collection, start, over)
        )
        return list(below)

    def _listed(self, collection: str, row: int, name: str) -> Sequence[int]:
        """Rows of a list, the first one first."""
        key = (collection, row, name)
        if key not in self._lists:
            self._lists[key] = _LISTING[collection, name](self, row)
        return self._lists[key]

    def _ways(self, collection: str, row: int, step: str) -> Sequence[int]:
        """Rows that a step leads to; all but a few steps lead to one at the most."""
        listed = templates.FIRST_OF.get((collection, step))
        if listed is not None:
            return self._listed(collection, row, listed)
        if (collection, step) in _SAME_ID:
            target, name = templates.STEPS[collection][step], self._roster.sourced_id
            found = self._row(target, name(collection, row))
        else:
            found = self._row(templates.STEPS[collection][step], self._first(collection, row, step))
        return () if found is None else (found,)

    def _first(self, collection: str, row: int, member: str) -> str:
        return next(iter(self._member(collection, row, member)), "")

    def _member(self, collection: str, row: int, member: str) -> Sequence[str]:
        """Values of a member; grades in the order of the standard, for receivers take one."""
        key = (collection, row, member)
        values = self._values.get(key)
        if values is None:
            path = model.path(collection, member, "1.2")
            if path is None:
                raise AssertionError("a path was checked when the template was read")
            values = model.values(self._picture.record(collection, row), path)
            if member == "grades":
                values = tuple(sorted(values, key=vocabularies.grade_rank))
            if collection != "enrollments":  # each of those is a row of its own
                self._values[key] = values
        return values

    # ------------------------------------------------------------ lists

    def _teachers(self, row: int) -> Sequence[int]:
        enrolled = BitMap(self._roster.inverse("enrollments", "class").of(row)) & self._teaching
        user, shared = self._roster.relation("enrollments", "user"), self._view.rows["users"]
        best: dict[int, bool] = {}
        for each in enrolled:
            for teacher in user.of(each):
                if teacher in shared:
                    best[teacher] = best.get(teacher, False) or each in self._primary
        name = self._roster.sourced_id
        return sorted(best, key=lambda each: (not best[each], name("users", each)))

    def _terms(self, row: int) -> Sequence[int]:
        found = [
            self._row("academicSessions", each) for each in self._member("classes", row, "terms")
        ]
        dated = [
            (self._first("academicSessions", each, "startDate"), place, each)
            for place, each in enumerate(found)
            if each is not None
        ]
        return [each for _, _, each in sorted(dated)]

    def _orgs(self, row: int) -> Sequence[int]:
        record = self._picture.record("users", row)
        roles = sorted(record.get("roles", ()), key=lambda role: role["roleType"] != "primary")
        named = [record.get("primaryOrg", ""), *(role["org"] for role in roles)]
        found = (self._row("orgs", each) for each in dict.fromkeys(named))
        return [each for each in found if each is not None]

    def _schools(self, row: int) -> Sequence[int]:
        schools = self._picture.rows("schools")
        return [each for each in self._listed("users", row, "orgs") if each in schools]

    def _course_schools(self, row: int) -> Sequence[int]:
        """Its org where that is a school, then those of its classes in the order of their ids."""
        held = (
            BitMap(self._roster.inverse("classes", "course").of(row)) & self._view.rows["classes"]
        )
        schools = self._picture.rows("schools")
        named = [self._first("courses", row, "org")]
        named += sorted({self._first("classes", each, "school") for each in held})
        found = dict.fromkeys(self._row("orgs", each) for each in named)
        return [each for each in found if each is not None and each in schools]

    def _row(self, collection: str, sourced_id: str) -> int | None:
        """The row of an id, if it is shared."""
        row = self._roster.row(collection, sourced_id) if sourced_id else None
        return row if row is not None and row in self._view.rows[collection] else None

    def _of_role(self, role: str) -> AbstractBitMap:
        return self._leaf("enrollments", "role", "=", role)

    def _leaf(self, collection: str, member: str, operator: str, value: str) -> AbstractBitMap:
        condition = selections.where(f"{member}{operator}'{value}'", collection)
        return self._picture.tree(collection, condition)


_LISTING: Final[Mapping[tuple[str, str], Callable[[Filling, int], Sequence[int]]]] = {
    ("classes", "teachers"): Filling._teachers,  # noqa: SLF001 - a table of this module's own functions
    ("classes", "terms"): Filling._terms,  # noqa: SLF001 - as above
    ("users", "orgs"): Filling._orgs,  # noqa: SLF001 - as above
    ("users", "schools"): Filling._schools,  # noqa: SLF001 - as above
    ("courses", "schools"): Filling._course_schools,  # noqa: SLF001 - as above
}
_SAME_ID: Final = frozenset({("users", "demographics"), ("demographics", "user")})


def _begin(row: Row, path: templates.Path) -> tuple[_Record, Sequence[str]]:
    """Where a path begins, and the steps that are left of it."""
    first = path.steps[0] if path.steps else ""
    if first in row.records:
        return row.records[first], path.steps[1:] if first else path.steps
    return row.records[""], path.steps


def _covers(role: Mapping[str, str], today: str) -> bool:
    """Whether a role holds today; its last day is the one before endDate."""
    return role.get("beginDate", "") <= today < role.get("endDate", "9999-12-31")


def _learns(role: Mapping[str, str]) -> bool:
    return role["role"] == "student"
