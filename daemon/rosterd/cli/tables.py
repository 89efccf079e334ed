"""Tables for people: aligned, plain in a pipe, coloured only on a terminal."""

import sys
from collections.abc import Sequence

import rich.console
import rich.markup
import rich.table
import rich.text


def console() -> rich.console.Console:
    """Where reports go; in a pipe or file as wide as they need to be."""
    width = None if sys.stdout.isatty() else 200
    return rich.console.Console(width=width, highlight=False, soft_wrap=not sys.stdout.isatty())


def show(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    right: Sequence[str] = (),
    empty: str = "nothing yet",
) -> None:
    """Print rows under headings; columns named in `right` hold numbers."""
    out = console()
    if not rows:
        out.print(empty, style="dim")
        return
    table = rich.table.Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    out.print(table)


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
    "NO ACCESS": "dim",
}


def _cell(value: object) -> rich.text.Text:
    text = "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    return rich.text.Text(text, style=_STYLES.get(text, ""))


def fields(pairs: Sequence[tuple[str, object]]) -> None:
    """Print names and values below each other; a value with several lines keeps its indent."""
    out = console()
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        first, *more = str(value).splitlines() or [""]
        line = rich.text.Text(f"{name:<{width}}  ", style="bold")
        line.append(first, style=_STYLES.get(first.split(":")[0].split(" ")[0], "not bold"))
        out.print(line)
        for rest in more:
            out.print(rich.text.Text(" " * (width + 2) + rest))
