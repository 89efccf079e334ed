"""What operators ask of a source: read it now, or show that the way to it is open.

An import by hand goes the way of every import: blackout, thresholds and holds are the same, and a
delivery that is still being written waits. All that is left out is the wait for its time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path

from rosterd import documents, errors, sealing, sftp, storage, worlds
from rosterd.importing import fetching, sources

_TEST_SECONDS = 60.0


class ByHand:
    """Asked through the control socket; on record under who asks."""

    def __init__(
        self,
        *,
        read: Callable[[str], Awaitable[storage.Import]],
        clock: Callable[[], datetime],
        served: worlds.Worlds,
        state: storage.Storage,
        secrets: sealing.Secrets | None,
        allowed: tuple[Path, ...],
    ) -> None:
        """`read` imports a source; `allowed` are the settings' folders for sources."""
        self._read = read
        self._clock = clock
        self._served = served
        self._state = state
        self._secrets = secrets
        self._allowed = allowed
        self._underway: dict[str, asyncio.Task[storage.Import]] = {}

    async def run(self, name: str, who: str) -> storage.Import:
        """Import a source now; gives what became of it.

        It goes on when nobody waits any more. Raises errors.InputError when nothing may be read,
        errors.TemporaryError while a delivery is being written, or one import by hand goes on.
        """
        source = self._sources().get(name)
        if source is None or not source.enabled:
            raise errors.InputError(f"cannot import {name}: there is no such enabled source")
        if name in self._underway:
            raise errors.TemporaryError(f"cannot import {name}: it is being imported by hand")
        if source.type == "directory":
            await self._require_settled(source)
        note = storage.Note("import-run", who, name, self._clock())
        await self._state.run(lambda store: store.note(note))
        if name in self._underway:  # whoever was quicker meanwhile goes first
            raise errors.TemporaryError(f"cannot import {name}: it is being imported by hand")
        task = asyncio.ensure_future(self._read(name))
        self._underway[name] = task
        task.add_done_callback(lambda _: self._underway.pop(name, None))
        return await asyncio.shield(task)

    async def test(self, name: str, who: str) -> sftp.Probe:
        """Sign in at a source of type sftp and look into its folder; a disabled one too.

        Nothing is written there. Raises errors.InputError, errors.TemporaryError.
        """
        source = self._sources().get(name)
        if source is None:
            raise errors.InputError(f"cannot test {name}: there is no such SFTP target or source")
        if source.type != "sftp":
            raise errors.InputError(
                f"cannot test {name}: it is a source of type {source.type}, not sftp;"
                f" `rosterd roster import {name}` reads it"
            )
        if self._secrets is None:
            raise errors.InputError(f"cannot test {name}: nothing is fetched here")
        note = storage.Note("sftp-test", who, name, self._clock())
        await self._state.run(lambda store: store.note(note))
        endpoint = fetching.endpoint(source, await self._secrets.of(source))
        watch = sftp.Watch(min(_TEST_SECONDS, source.deadline.total_seconds()))
        return await fetching.in_thread(watch, lambda: sftp.survey(endpoint, watch=watch))

    def has(self, name: str) -> bool:
        """Whether the config has such a source."""
        return name in self._sources()

    async def close(self) -> None:
        """End what goes on."""
        tasks = list(self._underway.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _sources(self) -> Mapping[str, documents.RosterSource]:
        config = self._served.current.config
        return config.sources if config is not None else {}

    async def _require_settled(self, source: documents.RosterSource) -> None:
        """The loop watches; whoever asks at once is held to what the files' own times say."""
        sight, _ = await asyncio.to_thread(sources.look, source, self._allowed)
        newest = max((each.modified for each in sight.files), default=0) if sight else 0
        left = newest / 1e9 + source.settle.total_seconds() - self._clock().timestamp()
        if left > 0:
            raise errors.TemporaryError(
                f"cannot import {source.name} yet: its delivery changed less than `settle`"
                f" ({source.settle}) ago; it is read by itself when nothing moves any more"
            )
