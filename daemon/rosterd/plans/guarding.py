"""What would go out, or go away, without anybody having said so.

A document that takes an application away, or gives it its part, says that in so many words, and who
vouched for it read them. A condition, a list of schools or a nightly import says nothing about how
much it moves: there a slip shares a district, or has a vendor archive every account. Such a change is
judged by what follows from it, for each application and collection, and what exceeds the accepted
limits is held: for that application alone.

Whatever only takes away waits for nothing; but an empty answer is served to nobody.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from typing import Any, Final, Literal

from rosterd import access, configs, documents
from rosterd.oneroster import model
from rosterd.plans import narrowing as narrowing_

Documents = Mapping[str, documents.AnyDocument]
"""Path -> document, reduced to what bears on what an application sees."""

ARCHIVED: Final = ("orgs", "courses", "classes", "users", "enrollments")
"""Collections whose emptiness makes a vendor archive classes or accounts."""
REVIEW: Final = timedelta(days=14)
"""For how long a release is proposed to count."""
_TOGGLES: Final[Mapping[str, str]] = {
    "demographics": "demographics",
    "resources": "resources",
    "guardians": "users",
    "unenrolled_users": "users",
}
"""Switch of a permission -> the collection that it is about."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Records of one collection that come or go without a document that states it."""

    collection: str
    before: int
    gained: int
    lost: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a change for one application.

    free: it is served; hold: what was served before is served on; stop: it is refused, because it
    would get an empty answer, and must not get the former one.
    """

    outcome: Literal["free", "hold", "stop"]
    moved: tuple[Moved, ...] = ()
    over: tuple[str, ...] = ()
    """Collections for which it is too much."""


FREE: Final = Verdict("free")


def about(config: configs.Config | None, application: str) -> Documents:
    """What in the documents bears on what the application sees.

    The rest of them (a title, a contact, a limit) neither holds anything back nor changes the name
    of a change, so that a release is not spoilt by a commit that has nothing to do with it. What
    only decides whether the application is refused is left out too: that is always stated.
    """
    grant = config.grants.get(application) if config is not None else None
    if config is None or grant is None:
        return {}
    repository = documents.Repository(
        title="-", timezone=config.repository.timezone, exclude=config.repository.exclude
    )
    found: dict[str, documents.AnyDocument] = {documents.REPOSITORY_FILE: repository}
    if grant.permission is not None:
        same = {"name": application, "application": application}
        bare = {"expires": None, "previously": None}
        permission = grant.permission.model_copy(update=same | bare)
        found[documents.path_of("Permission", application)] = permission
    if grant.listing is not None:
        listing = documents.Listing(
            name=grant.listing.name,
            title="-",
            company="-",
            vendor_id=grant.listing.vendor_id,
            application_id=grant.listing.application_id,
        )
        found[documents.path_of("Listing", listing.name)] = listing
    return found


def narrows(was: Documents, now: Documents) -> bool:
    """Whether the documents differ, and only in what narrows whatever the roster holds."""
    return was != now and all(
        _narrows(was.get(path), now.get(path)) for path in was.keys() | now.keys()
    )


def judge(
    was: Documents,
    now: Documents,
    before: access.View | None,
    after: access.View | None,
    limits: documents.Limits,
) -> Verdict:
    """What becomes of `after`, where `before` is served; None for no such application.

    `was` and `now` are the documents behind the two, `limits` those of the accepted config.
    """
    if after is None or after.refusal is not None:
        return FREE  # a loss that a document states: none, disabled, removed, at its end
    if before is None or before.refusal is not None:
        return FREE  # a beginning: somebody wrote that it gets its part
    same = before.roster is after.roster and before.today == after.today
    if same and narrows(was, now):
        emptied = tuple(name for name in ARCHIVED if before.rows[name] and not after.rows[name])
        return Verdict("stop", _moved(before, after, {}, {}), emptied) if emptied else FREE
    gains, losses = _stated(_permission(was), _permission(now))
    moved = _moved(before, after, gains, losses)
    over = tuple(each.collection for each in moved if _exceeds(each, after, limits))
    return Verdict("hold", moved, over) if over else Verdict("free", moved)


def unlike(before: Mapping[str, int], after: access.View, limits: documents.Limits) -> bool:
    """Whether a view has too many or too few records, where of the former one nothing is known but
    how many it had, by collection.
    """
    pairs = ((name, number, len(after.rows[name])) for name, number in before.items())
    moved = (Moved(name, was, max(0, now - was), max(0, was - now)) for name, was, now in pairs)
    return any(_exceeds(each, after, limits) for each in moved)


def _exceeds(each: Moved, after: access.View, limits: documents.Limits) -> bool:
    if each.lost and not after.rows[each.collection]:
        return True  # emptied without a word: held, whatever the limits
    gained, lost = limits.gained, limits.lost
    return gained.exceeded(each.gained, each.before) or lost.exceeded(each.lost, each.before)


def _moved(
    before: access.View,
    after: access.View,
    gains: Mapping[str, bool],
    losses: Mapping[str, bool],
) -> tuple[Moved, ...]:
    found = []
    for name in model.COLLECTIONS:
        was, now = before.rows[name], after.rows[name]
        both = was.intersection_cardinality(now)
        gained = 0 if gains.get(name) else len(now) - both
        lost = 0 if losses.get(name) else len(was) - both
        if gained or lost:
            found.append(Moved(name, len(was), gained, lost))
    return tuple(found)


def _permission(found: Documents) -> documents.Permission | None:
    return next((each for each in found.values() if isinstance(each, documents.Permission)), None)


def _stated(
    old: documents.Permission | None, new: documents.Permission | None
) -> tuple[dict[str, bool], dict[str, bool]]:
    """Collections whose gain, and whose loss, stands in a document: a raised `access`, a switch."""
    if old is None or new is None:
        return {}, {}
    gains: dict[str, bool] = {}
    losses: dict[str, bool] = {}
    if narrowing_.ORDER[new.access] > narrowing_.ORDER[old.access]:
        gains = dict.fromkeys(model.COLLECTIONS, True)
    for switch, collection in _TOGGLES.items():
        # `full` has all that a switch could add.
        was, now = (each.access == "full" or getattr(each, switch) for each in (old, new))
        if now and not was:
            gains[collection] = True
        if was and not now:
            losses[collection] = True
    return gains, losses


def _narrows(old: documents.AnyDocument | None, new: documents.AnyDocument | None) -> bool:
    if isinstance(old, documents.Repository) and isinstance(new, documents.Repository):
        # Never to share somebody narrows; to share them again, or others instead, does not.
        return old == new or (old.timezone == new.timezone and old.exclude is None)
    return narrowing_.narrowing(old, new)


# ---------------------------------------------------------------- names of changes, and releases


def change(was: Documents, now: Documents) -> str:
    """The name of what changed between two sets of documents, whatever it moves."""
    digests = (
        [path, _digest(was.get(path)), _digest(now.get(path))]
        for path in sorted(was.keys() | now.keys())
    )
    return _named([each for each in digests if each[1] != each[2]])


def roster_change(application: str, generation: int, today: date | None = None) -> str:
    """The name of what a roster changes for an application that is served from a former
    generation; with `today`, of what a new day changes since that one.
    """
    word = ["roster"] if today is None else ["day", today.isoformat()]
    return _named([application, *word, generation])


def released(
    releases: Iterable[documents.Release], named: str, moved: Sequence[Moved], today: date
) -> bool:
    """Whether one of the releases lets this change go, at its present size."""
    gain, lose = _sizes(moved)
    return any(
        each.change == named and each.until >= today and gain <= each.gain and lose <= each.lose
        for each in releases
    )


def proposal(named: str, moved: Sequence[Moved], today: date) -> documents.Release:
    """The release that would let this change go. Its ceilings are rounded up: exact counts of a
    few people are told nowhere, and a night or two may pass until enough people vouched for it.
    """
    gain, lose = _sizes(moved)
    return documents.Release(
        change=named, gain=ceiling(gain), lose=ceiling(lose), until=today + REVIEW
    )


def text(release: documents.Release) -> str:
    """What to commit, as it stands in rosterd.yaml."""
    until = release.until.isoformat()
    return (
        "release:\n"
        f"  - change: {release.change}\n"
        f"    gain: {release.gain}\n"
        f"    lose: {release.lose}\n"
        f"    until: {until}\n"
    )


def ceiling(number: int) -> int:
    """The number rounded up to two digits and zeros; 10 at least, unless it is 0."""
    if number == 0:
        return 0
    step = int(10 ** max(1, len(str(number)) - 2))
    return -(-number // step) * step


def _sizes(moved: Sequence[Moved]) -> tuple[int, int]:
    gain = max((each.gained for each in moved), default=0)
    return gain, max((each.lost for each in moved), default=0)


def _digest(document: documents.AnyDocument | None) -> str | None:
    """Of what a document says, however it is laid out; of rosterd.yaml without its releases."""
    if document is None:
        return None
    said = documents.plain(document)
    if isinstance(document, documents.Repository):
        said.pop("release", None)
    return sha256(_json(said)).hexdigest()


def _named(value: list[Any]) -> str:
    return f"sha256:{sha256(_json(value)).hexdigest()}"


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
