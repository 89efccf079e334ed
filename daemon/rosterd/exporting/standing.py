"""How a target stands before a delivery, and what it gets therefore: everything, or what is new.

What it holds is kept under the slot that brought it, before the files leave. So it is the target's
as soon as the run of that slot is on record as delivered, and after a crash nobody has to guess.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from rosterd import documents, scheduling, storage, worlds
from rosterd.exporting import bundles, deltas, links


@dataclass(frozen=True, slots=True)
class Standing:
    """What a target has got so far."""

    run: storage.Run | None
    """Its last delivery."""
    base: deltas.Base | None
    """What it holds since then, if that was kept."""
    maybe: links.Held
    """Links that attempts since then may have told it."""

    def counts(self) -> Mapping[str, int] | None:
        """Records that it holds, by collection, as far as they are known."""
        if self.base is not None:
            return self.base.counts()
        return None if self.run is None else self.run.rows


async def look(state: storage.Storage, target: str) -> Standing:
    """By what is kept."""

    def kept(store: storage.Store) -> tuple[list[storage.Run], list[storage.Base]]:
        runs = store.export_runs(1, target=target, states=["delivered"])
        return runs, store.export_bases(target)

    runs, bases = await state.run(kept)
    run = runs[0] if runs else None
    base: deltas.Base | None = None
    maybe: links.Held = {}
    for each in bases:
        one = await asyncio.to_thread(deltas.restored, each)
        if run is not None and each.slot == run.slot:
            base = one
        else:
            maybe = links.either(links.either(maybe, one.held), one.maybe)
    return Standing(run, base, maybe)


def content(
    world: worlds.World, target: documents.SftpTarget, slot: scheduling.Slot, before: Standing
) -> tuple[deltas.Delta | None, links.Links | None]:
    """(what is new, None for everything; who notes the links of a target of deltas)."""
    if target.export.mode == "bulk":
        return None, None
    base = before.base
    # a file of the same name takes the place of one that may not have been read yet
    named = before.run is not None and before.run.name == bundles.name_of(target, slot, "delta")
    if base is not None and not named and deltas.obstacle(base, world, target) is None:
        return deltas.since(world, target.application, base.told), links.Links(
            base.held, before.maybe
        )
    return None, links.Links(None, before.maybe)


def after(
    world: worlds.World,
    target: documents.SftpTarget,
    slot: scheduling.Slot,
    noted: links.Links | None,
    before: Standing,
) -> deltas.Base | None:
    """What the target holds once the slot is delivered; `noted` knows when all is written."""
    if noted is None:
        return None
    return deltas.Base(
        slot=slot.key,
        form=deltas.form(target),
        told=deltas.told(world, target.application),
        rows=world.view(target.application).rows,
        held=noted.held,
        maybe=before.maybe,
    )


async def keep(state: storage.Storage, target: str, base: deltas.Base, before: Standing) -> None:
    """Before the files leave, as nobody knows for sure afterwards whether they arrived."""
    kept = await asyncio.to_thread(deltas.kept, target, base)
    beside = None if before.run is None else before.run.slot
    await state.run(lambda store: store.keep_export_base(kept, beside))
