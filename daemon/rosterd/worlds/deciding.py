"""Which applications go on with a proposal, and which are kept where they are.

Every proposal asks anew, about every application: what is served to it now against what it would be
served. So a hold ends by itself when a later commit or roster takes back what it was about, and ends
by a release that names it. Nobody waits for somebody else's hold.

What the config says is judged apart from what the roster does: a commit may go on for an application
that a roster holds back, on the roster that it is kept at.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, Literal

from rosterd import access, documents
from rosterd.plans import exposing, guarding
from rosterd.worlds import world as worlds

EMPTIED: Final = "nothing is left of what it saw, and nobody decided yet that this is meant"
NARROWED: Final = "what it saw was narrowed while another change of it waits for a decision"
OVERDUE: Final = "a change of what it sees waited too long for a decision"
LOST: Final = "the roster that it was kept at cannot be opened any more"
ENDED: Final = "what it was served while a change of it waits has ended: {}"

Before = Mapping[str, access.View | None]
"""Application -> what it sees now, if nobody has stopped it."""
Decisions = Generator[None, None, dict[str, worlds.Hold]]


def before(old: worlds.World, new: worlds.World) -> dict[str, access.View | None]:
    """What each application of `new` sees now. To be asked where the old roster is at home: what
    it remembers is not shared between threads.

    A World that never had a day was served to nobody by this process, nor by one before it.
    """
    if old.today == date.min:
        return {}
    names = new.config.applications if new.config is not None else ()
    return {name: old.unstopped(name) for name in names}


def decide(
    old: worlds.World,
    new: worlds.World,
    seen: Before,
    now: datetime,
    formers: Mapping[str, str] = {},
) -> Decisions:
    """The holds of `new`. Yields between applications, so that requests can go on.

    `old` speaks of applications by their names in `new`; `formers` has those that they had in its
    documents.
    """
    if new.config is None:
        return dict(old.holds)  # git has to be asked first: nothing is served until then
    found: dict[str, worlds.Hold] = {}
    for name in new.config.applications:
        if new.generation is None:
            hold = old.holds.get(name)  # nothing is served, so nothing is decided
        else:
            case = _Case(old, new, name, seen.get(name), now, formers.get(name, name))
            hold = _held(case)
        if hold is not None:
            found[name] = hold
        yield
    return found


def overdue(world: worlds.World, now: datetime) -> bool:
    """Whether some application has been held for longer than the accepted config lets it."""
    return any(not hold.stopped and _late(world, hold, now) for hold in world.holds.values())


@dataclass(frozen=True, slots=True)
class _Case:
    old: worlds.World
    new: worlds.World
    name: str
    seen: access.View | None
    now: datetime
    former: str

    @property
    def limits(self) -> documents.Limits:
        """Of the config that is accepted already: a push cannot lift what stands in its way."""
        accepted = self.old.config or self.new.config
        return documents.Limits() if accepted is None else accepted.repository.limits

    def judged(self, candidate: worlds.World) -> guarding.Verdict:
        """What becomes of the application in `candidate`, releases being counted."""
        kept = self.old.of(self.name)
        was = guarding.about(kept.config, self.name)
        becomes = guarding.about(candidate.config, self.name)
        after = candidate.newest(self.name)
        verdict = guarding.judge(was, becomes, self.seen, after, self.limits)
        if verdict.outcome == "free" or self.new.config is None:
            return guarding.FREE
        named = _change(self.name, kept, candidate)
        releases = self.new.config.repository.release
        if guarding.released(releases, named, verdict.moved, self.new.today):
            return guarding.FREE
        return verdict


def _held(case: _Case) -> worlds.Hold | None:
    old, new, name = case.old, case.new, case.name
    hold, kept = old.holds.get(name), old.of(name)
    if hold is not None and hold.lost is not None:
        return _still_lost(case, hold, hold.lost)
    if old.generation is None and hold is None:
        return _unlike(case)
    verdict = case.judged(new)
    if verdict.outcome == "free":
        return None
    since = hold.since if hold is not None else case.now
    former = hold.former if hold is not None else case.former
    if new.config is not old.config and not _together(kept, new):
        # The roster may hold it back; what its documents say now goes on all the same.
        moved = new.derived(
            generation=kept.generation, published=kept.published, today=kept.today,
            holds={}, blocks={}, _views={},
        )  # fmt: skip
        apart = case.judged(moved)
        if apart.outcome == "free":
            return worlds.Hold(moved.alone(name), since, name)
        verdict = apart
    here = old.alone(name)
    stopped = hold.stopped if hold is not None else ""
    held = worlds.Hold(here, since, former, stopped)
    return replace(held, stopped=stopped or _stop(case, held, verdict))


def _stop(case: _Case, held: worlds.Hold, verdict: guarding.Verdict) -> str:
    """Why the former state must not be served either; "" when it may."""
    old, new, name, kept = case.old, case.new, case.name, held.kept
    if verdict.outcome == "stop":
        return EMPTIED
    was = guarding.about(old.config, name)
    waits = name in old.holds and guarding.about(kept.config, name) != was
    if waits and (guarding.narrows(was, guarding.about(new.config, name)) or _takes(case)):
        # Of two changes that wait the later one takes away. To serve what it was before both would
        # serve what somebody just took away.
        return NARROWED
    if kept.config is not None:
        refusal = kept.config.grant(name).refusal(new.today)
        if refusal is not None:
            return ENDED.format(refusal)
    return OVERDUE if _late(new, held, case.now) else ""


def _takes(case: _Case) -> bool:
    """Whether the newest documents take away, whatever else they do, what is served and what those
    before them showed as well.
    """
    old, new, name, seen = case.old, case.new, case.name, case.seen
    if seen is None or new.config is old.config or old.generation is not new.generation:
        return False  # what a roster or a day takes away nobody decided
    before, now = old.newest(name), new.newest(name)
    if set(exposing.fields(before, now)[1]) & set(exposing.fields(seen, now)[1]):
        return True
    return any((seen.rows[each] & before.rows[each]) - now.rows[each] for each in now.rows)


def _unlike(case: _Case) -> worlds.Hold | None:
    """The roster that was served cannot be opened any more, and another one was built from nothing.
    Its rows say nothing of what an application held; how many there are does.
    """
    old, new, name = case.old, case.new, case.name
    holding, after = old.held.get(name), new.newest(name)
    if holding is None or holding.kinds is not None or after.refusal is not None:
        return None  # it begins, or it ends
    before = {each: len(rows) for each, rows in holding.rows.items()}
    if not guarding.unlike(before, after, case.limits):
        return None
    kept = old.derived(held={name: holding}, holds={}, blocks={})
    return worlds.Hold(kept, case.now, case.former, LOST, max(old.published, default=0))


def _still_lost(case: _Case, hold: worlds.Hold, number: int) -> worlds.Hold | None:
    """Without the roster that it was kept at nobody can compare: a release or a document that
    refuses it has to say how it goes on.
    """
    if case.new.config is None or case.new.newest(case.name).refusal is not None:
        return None
    named = guarding.roster_change(case.name, number)
    releases = case.new.config.repository.release
    return None if guarding.released(releases, named, (), case.new.today) else hold


def _late(world: worlds.World, hold: worlds.Hold, now: datetime) -> bool:
    days = world.config.repository.hold_days if world.config is not None else 0
    return now >= hold.since + timedelta(days=days)


def _together(one: worlds.World, other: worlds.World) -> bool:
    return one.generation is other.generation and one.today == other.today


def _change(name: str, kept: worlds.World, new: worlds.World) -> str:
    was, becomes = guarding.about(kept.config, name), guarding.about(new.config, name)
    if was != becomes or kept.generation is None:
        return guarding.change(was, becomes)
    day = kept.today if kept.generation is new.generation else None
    return guarding.roster_change(name, kept.generation.number, day)


# ---------------------------------------------------------------- what is told


def change(application: str, hold: worlds.Hold, new: worlds.World) -> str:
    """The name of what a hold waits for, by what is accepted in `new`."""
    if hold.lost is not None:
        return guarding.roster_change(application, hold.lost)
    return _change(application, hold.kept, new)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A hold as people are told of it. `release` is what would let it go."""

    application: str
    since: datetime
    cause: Literal["documents", "roster", "day"]
    stopped: str
    moved: tuple[guarding.Moved, ...]
    over: tuple[str, ...]
    release: documents.Release


def waiting(world: worlds.World, application: str) -> Waiting:
    """What the hold of an application is about, by what is served and accepted now."""
    hold, config = world.holds[application], world.config
    if config is None or world.generation is None:
        raise LookupError("cannot tell of a hold before there are a config and a roster")
    kept = hold.kept
    was, becomes = guarding.about(kept.config, application), guarding.about(config, application)
    limits = config.repository.limits
    verdict = guarding.FREE
    if hold.lost is None:
        seen, after = world.unstopped(application), world.newest(application)
        verdict = guarding.judge(was, becomes, seen, after, limits)
    named = change(application, hold, world)
    same = hold.lost is None and kept.generation is world.generation
    return Waiting(
        application,
        hold.since,
        "documents" if was != becomes else "day" if same else "roster",
        hold.stopped,
        verdict.moved,
        verdict.over,
        guarding.proposal(named, verdict.moved, world.today),
    )


@dataclass(frozen=True, slots=True)
class Event:
    """What a swap did to one application, beside serving it something else."""

    kind: Literal["held", "released", "stopped", "blocked", "unblocked"]
    application: str


def events(old: worlds.World, new: worlds.World) -> tuple[Event, ...]:
    """What a swap did, by application; both worlds speak of it by the same name."""
    found = []
    for name in sorted(old.holds.keys() | new.holds.keys()):
        was, now = old.holds.get(name), new.holds.get(name)
        if was is None:
            found.append(Event("held", name))
        elif now is None:
            found.append(Event("released", name))
        if now is not None and now.stopped and not (was is not None and was.stopped):
            found.append(Event("stopped", name))
    found += [Event("blocked", name) for name in sorted(new.blocks.keys() - old.blocks.keys())]
    found += [Event("unblocked", name) for name in sorted(old.blocks.keys() - new.blocks.keys())]
    return tuple(found)
