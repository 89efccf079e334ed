"""The applications that the bench asks as, by the documents that make them."""

from collections.abc import Mapping, Sequence

from tests.integration import vendors

Vendor = vendors.Vendor

FULL = "everything"
THIRD = "third"
CUT = "cut"

_WHERES = (
    "subjects~'math'",
    "subjects~'science'",
    "title~'english'",
    "grades~'05'",
    "subjects~'art' OR subjects~'music'",
)


def applications(schools: Sequence[str]) -> Mapping[str, Vendor]:
    """FULL sees all, THIRD 30 % of the schools with all that belongs to them, CUT the same without
    guardians, so that each pupil's references are pruned, and without two fields.
    """
    third = _ids(schools[: max(1, len(schools) * 3 // 10)])
    return {
        FULL: Vendor(),
        THIRD: Vendor(f"access: basic\norgs: {third}\ncourses: all\nguardians: true\n"),
        CUT: Vendor(
            f"access: basic\norgs: {third}\ncourses: all\n"
            "fields: {withhold: [users.email, users.phone]}\n"
        ),
    }


def hundred(schools: Sequence[str]) -> Mapping[str, Vendor]:
    """A hundred permissions as districts write them: few are alike."""
    return {f"vendor-{number:03d}": Vendor(_rules(number, schools)) for number in range(100)}


def _rules(number: int, schools: Sequence[str]) -> str:
    if number % 20 == 0:
        return "access: full\n"
    some = schools[number % 7 :: 2 + number % 5] or schools[:1]
    orgs = (
        "all",
        f"{{ids: [{', '.join(some)}]}}",
        "{where: \"type='school'\"}",
        f"{{where: \"name~'{('high', 'middle', 'elementary')[number % 3]}'\"}}",
    )[number % 4]
    courses = f'{{where: "{_WHERES[number % 5]}"}}' if number % 3 else "all"
    lines = ["access: basic", f"orgs: {orgs}", f"courses: {courses}"]
    if number % 6 == 1:
        lines.append("people: {roles: [teacher]}")
    if number % 6 == 2:
        lines.append("people: {where: \"grades~'05' OR grades~'09'\"}")
    if number % 4 == 1:
        lines.append("unenrolledUsers: true")
    if number % 5 in (1, 2):
        lines.append("guardians: true")
    if number % 3 == 2:
        lines.append("demographics: true")
    if number % 2:
        lines.append("resources: true")
    return "\n".join(lines) + "\n"


def _ids(ids: Sequence[str]) -> str:
    return f"{{ids: [{', '.join(ids)}]}}"
