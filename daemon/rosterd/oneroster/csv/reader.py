"""Signatures first; being filled."""

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from rosterd.oneroster.csv import problems, rows

Opener = Callable[[], BinaryIO]


class Bundle:
    """An opened package.

    `version` is "1.1" or "1.2"; `modes` has absent/bulk/delta for every data file of the version
    by stem ("users", "roles", …). Iterate collections once each, in `files.READING_ORDER`.
    """

    version: str
    modes: Mapping[str, str]
    problems: problems.Problems

    def collection(
        self, name: str, *, org_type: Callable[[str], str | None] | None = None
    ) -> Iterator[rows.Row]:
        """The rows of one collection, link files folded in; nothing when its file is absent.

        `org_type` answers for orgs outside this package (1.1 administrators become site or
        district administrators by it). InputError for faults that make the file unusable, also in
        the middle.
        """
        raise NotImplementedError

    def links(self, name: str) -> Iterator[rows.Row]:
        """The rows of one link file unfolded, for deltas of link files."""
        raise NotImplementedError

    def untold(self, name: str) -> frozenset[str]:
        """Members of this collection's records about which the package says nothing, because
        their link file is absent: a builder keeps what it has (such as `userProfiles`)."""
        raise NotImplementedError


def read(folder: Mapping[str, Opener], *, default_mode: str | None = None) -> Bundle:
    """Open a package: file name -> opener (may be opened more than once).

    `default_mode` ("bulk" or "delta") is taken where the manifest is missing or says nothing.
    InputError with all problems for a package that cannot be used.
    """
    raise NotImplementedError
