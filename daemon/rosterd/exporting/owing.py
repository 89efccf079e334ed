"""What each target is owed, by what is on record.

A target with days and a time is owed its slots from the moment its schedule was first seen: a new
or changed schedule owes nothing of the past, and one that was switched off and on again does not
catch up on its holidays. A target that delivers after imports is owed the generation that is
served, and no earlier one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rosterd import documents, ledger, scheduling, storage, worlds

CATCH_UP = timedelta(days=31)
"""Slots missed longer ago are not even recorded."""

_UNFINISHED: tuple[storage.RunState, ...] = ("running", "failed", "refused")
_MANY = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A slot to deliver now, and when to look again if there is one whose pause is not over."""

    slot: scheduling.Slot | None = None
    later: datetime | None = None


async def drop(
    state: storage.Storage, targets: Iterable[str], scheduled: Iterable[str], now: datetime
) -> None:
    """Owe nothing to those that are not in `targets` any more, and no slots to those that are not
    in `scheduled`.
    """
    names = frozenset(targets)
    owed = await state.run(lambda store: store.owed())
    for name in owed.keys() - frozenset(scheduled):
        await _forget(state, name)
    for run in await _unfinished(state, None):
        if run.target not in names:
            await _supersede(state, run, "the target was disabled or removed", now)


async def forget_bases(state: storage.Storage, targets: Iterable[documents.SftpTarget]) -> None:
    """Keep what targets hold only for those of deltas: who gets no more of them begins anew."""
    names = [each.name for each in targets if each.enabled and each.export.mode == "delta"]
    await state.run(lambda store: store.forget_export_bases(names))


async def slots(
    state: storage.Storage, world: worlds.World, target: documents.SftpTarget, now: datetime
) -> list[scheduling.Slot]:
    """Those that are owed until now, in order; the settled ones left out."""
    if world.config is None or world.generation is None:
        return []
    timezone = world.config.repository.timezone
    schedule = scheduling.schedule(target.export, timezone)
    if schedule is None:
        # one that is held goes on being owed what it is kept at, which it got already
        source = world.of(target.application).generation or world.generation
        number = source.number
        published = world.published.get(number)
        if published is None:
            return []
        return [scheduling.of_generation(number, published, target.export.timezone or timezone)]
    owed = (await state.run(lambda store: store.owed())).get(target.name)
    if owed is None or owed.schedule != str(schedule):
        fresh = storage.Owed(target.name, str(schedule), now)
        await state.run(lambda store: store.set_owed(fresh))
        return []
    return scheduling.slots(schedule, max(owed.since, now - CATCH_UP), now)


async def wanted(
    state: storage.Storage,
    target: documents.SftpTarget,
    owed: Sequence[scheduling.Slot],
    *,
    now: datetime,
    acted: datetime,
) -> Wanted:
    """What to deliver of the slots `owed` to a target that nothing is being delivered to.

    Runs that nobody waits for any more are put on record as superseded. `acted` as in ledger.due.
    """
    unfinished = await _unfinished(state, target.name)
    runs: dict[str, storage.Run] = {run.slot: run for run in unfinished}
    by_key = {slot.key: slot for slot in owed}
    for key in by_key:
        run = await _run(state, target.name, key)
        if run is not None:
            runs[key] = run
    due = ledger.due(list(by_key), runs, now, acted)
    # One by hand was owed to nobody: that it failed stays what became of it.
    gone = [
        run.slot
        for run in unfinished
        if run.slot not in by_key and not (scheduling.is_by_hand(run.slot) and run.ended)
    ]
    for key in (*due.superseded, *gone):
        run = runs.get(key) or storage.Run(
            target.name, key, "superseded", 1, now, application=target.application
        )
        await _supersede(state, run, "another slot took its place", now)
    if due.slot is not None:
        return Wanted(by_key[due.slot])
    if due.later is None and owed:
        await _settle(state, target.name, owed[-1])
    return Wanted(later=due.later)


async def _settle(state: storage.Storage, target: str, last: scheduling.Slot) -> None:
    """Nothing up to this slot is owed any more; of exports after imports there is no such mark."""
    marks: Mapping[str, storage.Owed] = await state.run(lambda store: store.owed())
    if target in marks:
        settled = replace(marks[target], since=last.time)
        await state.run(lambda store: store.set_owed(settled))


async def _forget(state: storage.Storage, target: str) -> None:
    await state.run(lambda store: store.forget_owed(target))


async def _run(state: storage.Storage, target: str, slot: str) -> storage.Run | None:
    return await state.run(lambda store: store.export_run(target, slot))


async def _unfinished(state: storage.Storage, target: str | None) -> list[storage.Run]:
    return await state.run(
        lambda store: store.export_runs(_MANY, target=target, states=_UNFINISHED)
    )


async def _supersede(state: storage.Storage, run: storage.Run, why: str, now: datetime) -> None:
    problem = f"{run.problem}; {why}" if run.problem else why
    final = replace(run, state="superseded", ended=run.ended or now, problem=problem)
    await state.run(lambda store: store.save_run(final))
