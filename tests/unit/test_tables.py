"""Tables on terminals of any width, and in pipes."""

import click
import pytest

from rosterd.cli import tables

COLUMNS = ["name", "title", "users", "note"]
ROWS = [
    ["family-messenger", "Family Messenger", "1,998", ""],
    ["nothing", "Homework Harbor", "0", "its permission says access: none"],
]


def _lines(window: int | None) -> list[str]:
    laid = tables.layout(COLUMNS, ROWS, right=["users"], below=["note"], window=window)
    return [click.unstyle(line) for line in laid]


def test_in_a_pipe_each_row_is_one_line_without_blanks_at_its_end() -> None:
    assert _lines(None) == [
        "name              title             users  note",
        "family-messenger  Family Messenger  1,998",
        "nothing           Homework Harbor       0  its permission says access: none",
    ]


@pytest.mark.parametrize("window", [34, 40, 60, 80, 120])
def test_a_table_fits_the_window_and_breaks_no_word(window: int) -> None:
    lines = _lines(window)
    assert max(map(len, lines)) <= window
    words = {word for row in [COLUMNS, *ROWS] for cell in row for word in cell.split()}
    assert {word for line in lines for word in line.split()} - {"note:"} <= words


def test_what_finds_no_room_goes_below_its_row() -> None:
    assert _lines(34) == [
        "name              title      users",
        "family-messenger  Family     1,998",
        "                  Messenger",
        "nothing           Homework       0",
        "                  Harbor",
        "    note: its permission says",
        "      access: none",
    ]


def test_a_window_that_is_too_narrow_for_the_words_keeps_them_whole() -> None:
    assert any("family-messenger" in line for line in _lines(10))


def test_names_in_any_script_stand_below_each_other() -> None:
    rows = [["学校", "1"], ["Zoe\N{COMBINING DIAERESIS}", "2"], ["한국", "3"], ["plain", "4"]]

    lines = [click.unstyle(line) for line in tables.layout(["school", "n"], rows)]

    assert lines == ["school  n", "学校    1", "Zoe\u0308     2", "한국    3", "plain   4"]


def test_only_a_whole_cell_is_an_answer() -> None:
    found = [tables._colour(text) for text in ("yes", "no", "unknown", "no roster", "yes, but")]

    assert found == ["green", "red", "yellow", None, None]


@pytest.mark.parametrize(
    "text, shown",
    [
        ("\x1b[31mred\x1b[0m", "\ufffd[31mred\ufffd[0m"),
        ("\x9b2Jgone", "\ufffd2Jgone"),
        ("over\rwritten", "over written"),
        ("bell\x07", "bell\ufffd"),
        ("left\u202eright", "left\ufffdright"),
        ("two\nlines", "two lines"),
        ("Zoë 学校", "Zoë 学校"),
        ("\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",) * 2,
    ],
)
def test_nothing_in_a_value_is_obeyed_by_the_terminal(text: str, shown: str) -> None:
    assert tables.plain(text) == shown


def test_text_of_strangers_keeps_its_lines_and_nothing_that_a_terminal_obeys() -> None:
    told = tables.harmless("cannot read a\x1b[2Jb\u202ec:\n  d\r\x9b31me")

    assert told == "cannot read a\ufffd[2Jb\ufffdc:\n  d\ufffd\ufffd31me"
