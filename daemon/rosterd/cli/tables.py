"""Tables for people: aligned, plain in a pipe, coloured and as wide as the window on a terminal.

A pipe or a file gets one line for each row, however long. On a terminal a table that is too wide
breaks its texts between words; what still finds no room goes below its row.
"""

import itertools
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence

import click

_GAP = 2
_STYLES = {
    "applied": "green",
    "delivered": "green",
    "imported": "green",
    "FULL ACCESS": "green",
    "waiting": "yellow",
    "LIMITED ACCESS": "yellow",
    "refused": "red",
    "failed": "red",
    "unreachable": "red",
    "untrusted": "red",
    "NO ACCESS": "bright_black",
}
_ANSWERS = {"yes": "green", "no": "red", "unknown": "yellow"}
"""For a whole cell only: a text that begins with "no" is no answer."""


_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
"""Some scripts cannot be written without them."""


def _window() -> int | None:
    """Columns of the terminal; None where nothing has to fit."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


# ---------------------------------------------------------------- rows under headings


def show(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    right: Sequence[str] = (),
    below: Sequence[str] = (),
    empty: str = "nothing yet",
) -> None:
    """Print rows under headings; columns named in `right` hold numbers.

    Those in `below` move under their row, one by one from the last, while the window is too narrow.
    """
    if not rows:
        click.echo(click.style(empty, fg="bright_black"))
        return
    texts = [[_text(value) for value in row] for row in rows]
    for line in layout(columns, texts, right=right, below=below, window=_window()):
        click.echo(line)


def layout(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    below: Sequence[str] = (),
    window: int | None = None,
) -> Iterator[str]:
    """The lines of a table that fits the window, headings first."""
    inside, moved = list(range(len(columns))), list[int]()
    rest = [columns.index(name) for name in below]
    while window is not None and rest and _total(_least(columns, rows, inside)) > window:
        moved.insert(0, rest.pop())
        inside.remove(moved[0])
    widths = _fitting(columns, rows, inside, window)
    flush = [columns[index] in right for index in inside]
    for number, row in enumerate([columns, *rows]):
        colours = [_colour(row[index]) for index in inside] if number else []
        cells = [_broken(row[index], width) for index, width in zip(inside, widths, strict=True)]
        for parts in itertools.zip_longest(*cells, fillvalue=""):
            padded = [
                _padded(part, width, to_right=to_right)
                for part, width, to_right in zip(parts, widths, flush, strict=True)
            ]
            yield _line(padded, colours)
        for index in moved if number else ():
            if row[index]:
                yield from _hanging(f"    {columns[index]}: ", row[index], 6, window)


def _line(padded: list[str], colours: Sequence[str | None]) -> str:
    """One printed line without blanks at its end; no colours make a heading."""
    while padded and not padded[-1].strip():
        padded.pop()
    if padded:
        padded[-1] = padded[-1].rstrip()
    if not colours:
        return click.style((" " * _GAP).join(padded), bold=True)
    return (" " * _GAP).join(
        click.style(part, fg=colour) if colour else part
        for part, colour in zip(padded, colours, strict=False)
    )


def _fitting(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    inside: Sequence[int],
    window: int | None,
) -> list[int]:
    """Widths of the columns: the widest give way first, none breaks a word."""
    widths = [max(_width(row[index]) for row in (columns, *rows)) for index in inside]
    least = _least(columns, rows, inside)
    while window is not None and _total(widths) > window:
        spare = [width if width > low else 0 for width, low in zip(widths, least, strict=True)]
        if not any(spare):
            break
        widths[spare.index(max(spare))] -= 1
    return widths


def _least(
    columns: Sequence[str], rows: Sequence[Sequence[str]], inside: Sequence[int]
) -> list[int]:
    """The width of the longest word in each column."""
    return [
        max((_width(word) for row in (columns, *rows) for word in row[index].split()), default=0)
        for index in inside
    ]


def _width(text: str) -> int:
    """Columns of a terminal: two for a wide character, none for one that goes over another."""
    if text.isascii():
        return len(text)
    return sum(_columns(each) for each in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _padded(text: str, width: int, *, to_right: bool) -> str:
    blanks = " " * (width - _width(text))
    return blanks + text if to_right else text + blanks


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _text(value: object) -> str:
    text = "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    return plain(text)


def plain(text: str, *, indented: bool = False) -> str:
    """One line without anything that a terminal obeys: a roster's values are written by strangers.

    Control characters, and those that turn the direction of what follows, become a question mark.
    """
    start = text[: len(text) - len(text.lstrip(" "))] if indented else ""
    return start + harmless(" ".join(text.split()))


def harmless(text: str) -> str:
    """The same lines, with a question mark for whatever a terminal would obey."""
    return "".join(_UNKNOWN if _obeyed(each) and each != "\n" else each for each in text)


def _obeyed(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs"} and character not in _JOINERS


def _colour(text: str) -> str | None:
    """That of the words which the text is or begins with."""
    if text in _ANSWERS:
        return _ANSWERS[text]
    for words, colour in _STYLES.items():
        if text == words or text.startswith((f"{words} ", f"{words}:")):
            return colour
    return None


def _broken(text: str, width: int, start: str = "", indent: int = 0) -> list[str]:
    return textwrap.wrap(
        text,
        max(width, 1),
        initial_indent=start,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


# ---------------------------------------------------------------- names and values


def fields(pairs: Sequence[tuple[str, object]]) -> None:
    """Print names and values below each other; a value with several lines keeps its indent."""
    indent = max((len(name) for name, _ in pairs), default=0) + _GAP
    window = _window()
    for name, value in pairs:
        label = f"{name:<{indent}}"
        lines = [
            line
            for text in str(value).splitlines() or [""]
            for line in _hanging(" " * indent, plain(text, indented=True), indent, window)
        ]
        first = lines[0][indent:]
        click.echo(click.style(label, bold=True) + click.style(first, fg=_colour(first)))
        for line in lines[1:]:
            click.echo(line.rstrip())


def _hanging(start: str, text: str, indent: int, window: int | None) -> list[str]:
    """The text behind `start`; its further lines are indented."""
    if window is None or len(start) + len(text) <= window:
        return [start + text]
    return _broken(text, max(window, indent + 20), start, indent)
