"""Deliveries as they were received, kept for a while and then forgotten.

What a source sent is looked at when somebody asks why a pupil is missing, mostly days later and
mostly when the source has written over it. It is everything about everybody, so it is kept no
longer than its source says, within a number of bytes, and taken out on record.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from rosterd import documents, errors, storage, worlds

KEEP: Final = timedelta(days=30)
"""For sources that are not declared any more."""
_ORPHAN: Final = 3600.0
"""Seconds after which a file that nobody knows of was left by a crash."""

_log = logging.getLogger(__name__)


class Received:
    """The folder of deliveries as they were received."""

    def __init__(
        self,
        *,
        folder: Path,
        most_bytes: int,
        served: worlds.Worlds,
        state: storage.Storage,
        clock: Callable[[], datetime],
    ) -> None:
        """`most_bytes` of all files together."""
        self.folder = folder
        self._most_bytes = most_bytes
        self._served = served
        self._state = state
        self._clock = clock

    async def note(self, source: str, delivery: str, file: str, size: int) -> None:
        """A delivery was kept."""
        kept = storage.Kept(source, delivery, file, self._clock(), size)
        await self._state.run(lambda store: store.keep_delivery(kept))

    async def there(self) -> frozenset[tuple[str, str]]:
        """(source, delivery) of all that is kept."""
        kept = await self._state.run(lambda store: store.kept_deliveries())
        return frozenset((each.source, each.delivery) for each in kept)

    async def take(self, number: int, who: str) -> BinaryIO:
        """The zip of an import's delivery, open; that it was taken is on record.

        Raises errors.InputError when there is no such import, or its delivery is kept no more.
        """
        imported = await self._state.run(lambda store: store.import_numbered(number))
        if imported is None:
            raise errors.InputError(f"cannot give out import {number}: there is none")
        found = [
            each
            for each in await self._state.run(lambda store: store.kept_deliveries())
            if (each.source, each.delivery) == (imported.source, imported.delivery)
        ]
        if not found:
            raise errors.InputError(
                f"cannot give out import {number}: what was received is kept no more"
            )
        try:
            file = await asyncio.to_thread((self.folder / found[0].file).open, "rb")
        except OSError as error:
            raise errors.InputError(f"cannot give out import {number}: {error.strerror}") from error
        note = storage.Note(
            "received-taken", who, imported.source, self._clock(), {"import": number}
        )
        await self._state.run(lambda store: store.note(note))
        return file

    async def forget(self) -> int:
        """Delete what is older than its source says, the oldest beyond the most bytes, and files
        that nobody knows of; gives how many deliveries.
        """
        config = self._served.current.config
        sources = config.sources if config is not None else {}
        kept = list(await self._state.run(lambda store: store.kept_deliveries()))
        now, left = self._clock(), self._most_bytes
        gone = []
        for each in reversed(kept):  # the newest first
            left -= each.bytes
            if left < 0 or now - each.time > _keep(sources.get(each.source)):
                gone.append(each.file)
        if gone:
            # the files first: a row without its file is found again, a file without its row is not
            await asyncio.to_thread(_remove, self.folder, gone)
            await self._state.run(lambda store: store.forget_deliveries(gone))
            _log.info("forgot %d deliveries as they were received", len(gone))
        known = {each.file for each in kept}
        await asyncio.to_thread(_orphans, self.folder, known)
        return len(gone)


def _keep(source: documents.RosterSource | None) -> timedelta:
    return source.keep if source is not None else KEEP


def _remove(folder: Path, names: list[str]) -> None:
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            (folder / name).unlink()


def _orphans(folder: Path, known: set[str]) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            if path.name not in known and time.time() - path.stat().st_mtime > _ORPHAN:
                path.unlink()
