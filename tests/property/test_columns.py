"""What SQLite is asked about texts is what the one evaluator says of them."""

import tempfile
from array import array
from pathlib import Path

import hypothesis
from hypothesis import strategies as st
from pyroaring import BitMap

from rosterd.generations import asking, columns
from rosterd.oneroster import filters, model

TEXT = st.text(alphabet="aAzZ0%_\\' \0kK\u212a\u017fsSßüÜ\u0301i\u0130\u0131éE", max_size=5)
"""Letters that are others when folded, one that is two, and what means something to SQL."""


def reader(folder: Path, emails: list[str | None]) -> asking.Reader:
    """Of users with these addresses by row."""
    writer = columns.Writer(folder / "columns.db", None)
    keys = columns.plan("users").texts
    texts = [
        (row, *(mail if key == "email" else None for key in keys))
        for row, mail in enumerate(emails)
    ]
    writer.replace("users", array("I", range(len(emails))), texts, [], again=BitMap())
    writer.close()
    return asking.Reader(folder / "columns.db")


@hypothesis.given(st.lists(st.none() | TEXT, min_size=1, max_size=8), st.lists(TEXT, min_size=3))
@hypothesis.settings(max_examples=40, deadline=None)
def test_sqlite_finds_the_same_parts_of_texts_as_the_evaluator(
    emails: list[str | None], parts: list[str]
) -> None:
    path = model.path("users", "email", "1.2")
    assert path is not None
    with tempfile.TemporaryDirectory() as folder:
        asked = reader(Path(folder), emails)
        for part in (*parts, *filter(None, emails), "", "\ud800"):
            accepts = filters.predicate(filters.Leaf(path, "~", part), missing=False)
            wanted = [
                row for row, mail in enumerate(emails) if mail is not None and accepts((mail,))
            ]

            assert asked.containing("users", "email", filters.fold(part)) == BitMap(wanted)
        asked.close()
