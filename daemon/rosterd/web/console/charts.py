"""A line through time as numbers for an inline SVG.

The drawing is made here because the pages have no script; beside each chart stands a table that
says the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

WIDTH: Final = 640
HEIGHT: Final = 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 14, 14, 30
_LINES: Final = 4


@dataclass(frozen=True, slots=True)
class Mark:
    """A number at the side, or a day below: where, and what stands there."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`line` and `area` are paths of SVG; `levels` are heights, `days` places along the time."""

    line: str
    area: str
    levels: tuple[Mark, ...]
    days: tuple[Mark, ...]
    dots: tuple[tuple[float, float], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    base: int = HEIGHT - _BOTTOM


def steps(points: Sequence[tuple[str, int]], now: str) -> Chart | None:
    """(time, number) in order, each holding until the next and the last until `now`; None without
    any.
    """
    if not points:
        return None
    times = [datetime.fromisoformat(time).timestamp() for time, _ in points]
    end = max(datetime.fromisoformat(now).timestamp(), times[-1])
    begin = times[0]
    top = _round_up(max(number for _, number in points))
    base = HEIGHT - _BOTTOM

    def along(time: float) -> float:
        whole = (end - begin) or 1.0
        return round(_LEFT + (time - begin) / whole * (WIDTH - _LEFT - _RIGHT), 1)

    def height(number: float) -> float:
        return round(base - number / top * (base - _TOP), 1)

    dots = tuple(
        (along(time), height(number)) for time, (_, number) in zip(times, points, strict=True)
    )
    path = f"M{dots[0][0]} {dots[0][1]}"
    for place, level in dots[1:]:
        path += f"H{place}V{level}"
    path += f"H{along(end)}"
    parts = _LINES if top % _LINES == 0 else 1 if top < _LINES else 2 if top % 2 == 0 else 1
    levels = tuple(
        Mark(height(top * part / parts), f"{top * part // parts:,}".replace(",", "\u202f"))
        for part in range(parts + 1)
    )
    first, last = points[0][0][:10], now[:10]
    days = (Mark(_LEFT, first), Mark(WIDTH - _RIGHT, last if last != first else "now"))
    return Chart(path, f"{path}V{base}H{dots[0][0]}Z", levels, days, dots)


def _round_up(number: int) -> int:
    """The next number that reads well at the top of an axis."""
    if number <= 4:
        return 4
    unit: int = 10 ** (len(str(number)) - 1)
    for factor in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10):
        if number <= unit * factor:
            return int(unit * factor)
    return 10 * unit
