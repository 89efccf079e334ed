"""Signatures first; being filled."""

from collections.abc import Callable
from typing import BinaryIO


def write_district(
    open_file: Callable[[str], BinaryIO],
    users: int = 2000,
    seed: int = 1,
    version: str = "1.2",
    enrollments_per_user: int = 10,
) -> dict[str, int]:
    """Write an invented district as a OneRoster CSV package; gives rows per file ("users": 2000).

    `open_file` opens a file of that name ("users.csv") for writing bytes; it is closed here.
    """
    raise NotImplementedError
