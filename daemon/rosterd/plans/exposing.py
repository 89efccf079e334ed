"""What each application gains and loses: records by collection, and fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pyroaring import FrozenBitMap

from rosterd import access
from rosterd.oneroster import model

Views = Mapping[str, access.View]
"""Application -> its view; all over one roster."""


@dataclass(frozen=True, slots=True)
class Delta:
    """Records of one collection, for one application."""

    before: int
    after: int
    gained: int
    lost: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one application gains and loses. `refused_*` say why it gets nothing, None if it gets
    its part; `levels_*` are those of access.levels.
    """

    application: str
    refused_before: str | None
    refused_after: str | None
    collections: Mapping[str, Delta]
    levels_before: Mapping[str, tuple[str, int]]
    levels_after: Mapping[str, tuple[str, int]]
    fields_gained: tuple[str, ...]
    fields_lost: tuple[str, ...]

    @property
    def gains(self) -> bool:
        """Whether the application sees anything that it does not see now."""
        return bool(self.fields_gained) or any(each.gained for each in self.collections.values())

    @property
    def loses(self) -> bool:
        return bool(self.fields_lost) or any(each.lost for each in self.collections.values())


def exposure(old: Views, new: Views) -> tuple[Exposure, ...]:
    """What each application gains and loses; those without any difference are left out."""
    found = (
        _exposure(application, old.get(application), new.get(application))
        for application in sorted(old.keys() | new.keys())
    )
    return tuple(each for each in found if each is not None)


_NONE: Final = FrozenBitMap()
_NOTHING: Final[Mapping[str, tuple[str, int]]] = {
    "orgs": ("NO ACCESS", 0),
    "courses": ("NO ACCESS", 0),
}


def _exposure(
    application: str, old: access.View | None, new: access.View | None
) -> Exposure | None:
    collections = {}
    for collection in model.COLLECTIONS:
        before = old.rows[collection] if old is not None else _NONE
        after = new.rows[collection] if new is not None else _NONE
        both = before.intersection_cardinality(after)
        delta = Delta(len(before), len(after), len(after) - both, len(before) - both)
        if delta.before or delta.after:
            collections[collection] = delta
    gained, lost = fields(old, new)
    was, is_ = _refusal(old), _refusal(new)
    moved = any(each.gained or each.lost for each in collections.values())
    if not (moved or gained or lost or was != is_):
        return None
    return Exposure(
        application,
        was,
        is_,
        collections,
        access.levels(old) if old is not None else _NOTHING,
        access.levels(new) if new is not None else _NOTHING,
        gained,
        lost,
    )


def _refusal(view: access.View | None) -> str | None:
    return "there is no such application" if view is None else view.refusal


def fields(
    old: access.View | None, new: access.View | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fields gained and lost by an application that has its part before and after.

    A mask that changes counts both ways: what it showed goes, what it shows comes.
    """
    if old is None or new is None or old.refusal is not None or new.refusal is not None:
        return (), ()
    was, is_ = old.grant, new.grant
    gained = (was.withheld - is_.withheld) | (is_.shared - was.shared)
    lost = (is_.withheld - was.withheld) | (was.shared - is_.shared)
    for field in was.masks.keys() | is_.masks.keys():
        before, after = was.masks.get(field), is_.masks.get(field)
        if before != after:
            if before is not None and field not in is_.withheld:
                gained |= {field}
            if after is not None and field not in was.withheld:
                lost |= {field}
    return tuple(sorted(gained)), tuple(sorted(lost))
