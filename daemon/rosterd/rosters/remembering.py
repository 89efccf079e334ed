"""Answers kept within bounds, so that strangers' questions cannot fill the memory."""

from collections.abc import Callable, Hashable
from typing import TypeVar

_Answer = TypeVar("_Answer")


def kept(
    memory: dict[Hashable, _Answer], key: Hashable, limit: int, make: Callable[[], _Answer]
) -> _Answer:
    """The remembered answer, or a new one in place of the one that was asked for longest ago."""
    answer = memory.pop(key, None)
    if answer is None:
        answer = make()
        while len(memory) >= limit:
            memory.pop(next(iter(memory)), None)
    memory[key] = answer
    return answer
