"""A small district in which every text tries to become markup, a script, or a formula."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rosterd import samples

MARKUP: Final = (
    "<script>alert(document.cookie)</script>",
    '"><img src=x onerror=alert(1)>',
    "</td></table><svg/onload=alert(2)>",
    "{{ 7 * 7 }}<a href=javascript:alert(3)>x</a>",
    "=HYPERLINK(\"http://x.invalid\")' onfocus=alert(4) autofocus x='",
)
"""What is put in front of the texts; each begins another way out of where it stands."""
_FILES: Final = {
    "orgs.csv": ("name",),
    "courses.csv": ("title", "courseCode", "subjects"),
    "classes.csv": ("title", "classCode", "location"),
    "academicSessions.csv": ("title",),
    "users.csv": ("givenName", "familyName", "middleName", "username", "email", "identifier"),
    "resources.csv": ("title",),
}


def district(folder: Path, users: int = 60) -> Path:
    """The district as a folder of CSV."""
    folder.mkdir(parents=True)
    samples.write_district(
        lambda name: (folder / name).open("wb"), users=users, seed=3, enrollments_per_user=4
    )
    for name, columns in _FILES.items():
        path = folder / name
        if path.exists():
            _spoil(path, columns)
    return folder


def _spoil(path: Path, columns: tuple[str, ...]) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    turns = _turns()
    for row in rows:
        for column in columns:
            if column in row:
                row[column] = f"{next(turns)} {row[column]}"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _turns() -> Iterator[str]:
    while True:
        yield from MARKUP
