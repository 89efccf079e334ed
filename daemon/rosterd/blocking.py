"""The emergency stop: one application gets nothing from now on, without a commit.

Who finds out at night that a vendor was broken into cannot wait for a second person. So whoever may
use the control socket can take everything from one application, and give back no more than its
documents say. It is on record under their name, and shown as drift until somebody settles it.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from rosterd import credentials, disclosures, errors, guards, holdings, storage, worlds

LONGEST: Final = 500
"""Characters of a reason."""


class Blocking:
    """Blocks and unblocks. Each is kept, and true, when the call returns."""

    def __init__(
        self,
        store: storage.Storage,
        served: worlds.Worlds,
        keys: credentials.Credentials,
        clock: Callable[[], datetime],
        watch: disclosures.Watch | None = None,
    ) -> None:
        self._store = store
        self._worlds = served
        self._keys = keys
        self._clock = clock
        self._watch = watch

    async def block(self, application: str, reason: str, who: str) -> None:
        """Stop it: tokens end, REST refuses, exports underway are cut.

        Raises errors.InputError for an application that is not there or is blocked already.
        """
        reason = _reason(application, reason)
        world = self._worlds.current
        if world.config is None or application not in world.config.applications:
            raise errors.InputError(
                f"cannot block {application}: no applied config has this application"
            )
        if application in world.blocks:
            raise errors.InputError(
                f"cannot block {application}: it is blocked already, by"
                f" {world.blocks[application].actor}"
            )
        now = self._clock()
        note = storage.Note("blocked", who, application, now, {"reason": reason})
        block = worlds.Block(reason, who, now)
        await self._swap(application, block, note)
        await self._keys.sweep(self._worlds.current)

    async def unblock(self, application: str, reason: str, who: str) -> None:
        """Let it get what its documents say again. Raises errors.InputError when it is not blocked;
        one that is not declared any more can be unblocked too.
        """
        reason = _reason(application, reason)
        if application not in self._worlds.current.blocks:
            raise errors.InputError(f"cannot unblock {application}: it is not blocked")
        note = storage.Note("unblocked", who, application, self._clock(), {"reason": reason})
        await self._swap(application, None, note)

    async def _swap(self, application: str, block: worlds.Block | None, note: storage.Note) -> None:
        async def record(old: worlds.World, new: worlds.World) -> None:
            async with disclosures.noticed(self._watch, old, new) as seen:
                await self._store.run(
                    lambda store: store.keep_holdings(
                        holdings.writes(old.held, new.held),
                        seen=seen,
                        guards=guards.kept(new),
                        revoked=[application] if block is not None else (),
                        notes=[note],
                    )
                )

        # Once it is kept it has to be true, whoever gives up waiting meanwhile.
        await asyncio.shield(self._worlds.block(application, block, record))


def _reason(application: str, reason: str) -> str:
    reason = " ".join(reason.split())
    if not reason or len(reason) > LONGEST or not reason.isprintable():
        raise errors.InputError(
            f"cannot do that to {application} without a reason: write one of at most {LONGEST}"
            " characters"
        )
    return reason
