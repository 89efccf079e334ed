"""What documents pick, ready to be asked of a roster.

A selection is a conjunction: each part that is given has to agree. `where` is a tree of leaves;
whoever holds a roster answers each leaf with a bitmap, with the one evaluator that REST's filter
has too. Nothing here knows a roster.
"""

import functools
from dataclasses import dataclass

from rosterd import documents
from rosterd.oneroster import filters

VERSION = "1.2"
"""Documents speak in names of this version, whatever an application asks for."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Records of one collection; `everything` stands alone, the other parts AND together.

    `under` (orgs only) means these orgs and their descendants, `current` (classes only) those with
    a term that runs today. A record that lacks a field matches no comparison of it.
    """

    collection: str
    everything: bool = False
    ids: frozenset[str] | None = None
    under: frozenset[str] | None = None
    where: filters.Tree | None = None
    current: bool = False


@dataclass(frozen=True, slots=True)
class People:
    """Narrows people and enrollments together; None and False narrow nothing.

    `current` means enrollments whose begin and end dates hold today.
    """

    roles: frozenset[str] | None = None
    where: filters.Tree | None = None
    current: bool = False


def selection(
    picked: documents.Selected | documents.PeopleWhere | None, collection: str
) -> Selection | None:
    """The selection that a document wrote, None for none; raises filters.FilterError."""
    if picked is None:
        return None
    if picked == "all":
        return Selection(collection, everything=True)
    if isinstance(picked, tuple):
        return Selection(collection, ids=frozenset(picked))
    ids = getattr(picked, "ids", None)
    under = getattr(picked, "under", None)
    return Selection(
        collection,
        ids=None if ids is None else frozenset(ids),
        under=None if under is None else frozenset(under),
        where=None if picked.where is None else where(picked.where, collection),
        current=getattr(picked, "current", False),
    )


def people(narrowed: documents.People | None) -> People:
    """What a document says about people, narrowing nothing for None; raises filters.FilterError."""
    if narrowed is None:
        return People()
    return People(
        roles=None if narrowed.roles is None else frozenset(narrowed.roles),
        where=None if narrowed.where is None else where(narrowed.where, "users"),
        current=narrowed.current,
    )


@functools.lru_cache(maxsize=16_384)  # a commit changes few of a repository's conditions
def where(text: str, collection: str) -> filters.Tree:
    """The condition as a tree; raises filters.FilterError with the column in `text`."""
    return filters.parse(text, collection, VERSION)
