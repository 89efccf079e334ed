"""From the changes of one row's audience to spans of time, for each reader."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Reader = TypeVar("Reader")


@dataclass(frozen=True, slots=True)
class Span(Generic[Reader]):
    """From the change `begun` until before the change `ended`, None while it goes on."""

    reader: Reader
    begun: int
    ended: int | None


def spans(changes: Iterable[tuple[int, Iterable[Reader]]]) -> list[Span[Reader]]:
    """All spans, by their beginning; `changes` are (number, audience from then on), the oldest
    first.
    """
    found: list[Span[Reader]] = []
    since: dict[Reader, int] = {}
    for number, audience in changes:
        now = frozenset(audience)
        over = [reader for reader in since if reader not in now]
        found += [Span(reader, since.pop(reader), number) for reader in over]
        for reader in now:
            since.setdefault(reader, number)
    found += [Span(reader, begun, None) for reader, begun in since.items()]
    return sorted(found, key=lambda span: span.begun)
