"""Deliveries as they were received and as they were processed, kept for a while and then forgotten.

What a source sent is looked at when somebody asks why a pupil is missing, mostly days later and
mostly when the source has written over it. What the roster held of the source after it, "as
processed", is written from the generation that is served, once it is served. Both are everything
about everybody, so they are kept no longer than the source says, within a number of bytes, and taken
out on record.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, Literal

from rosterd import documents, errors, generations, storage, worlds
from rosterd.generations import calling, processing

KEEP: Final = timedelta(days=30)
"""For sources that are not declared any more."""
_ORPHAN: Final = 3600.0
"""Seconds after which a file that nobody knows of was left by a crash."""

_PROCESSED: Final = "import-"
"""Begins what stands for the digest of a delivery in rows of what was processed."""

Form = Literal["received", "processed"]
_log = logging.getLogger(__name__)


class Received:
    """The folders of deliveries as they were received and as they were processed."""

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
        self.processed = folder.with_name("processed")
        self._tried: set[int] = set()
        self._most_bytes = most_bytes
        self._served = served
        self._state = state
        self._clock = clock

    async def note(self, source: str, delivery: str, file: str, size: int) -> None:
        """A delivery was kept."""
        kept = storage.Kept(source, delivery, file, self._clock(), size)
        await self._state.run(lambda store: store.keep_delivery(kept))

    async def there(self) -> frozenset[tuple[str, str]]:
        """(source, delivery) of all that is kept as received."""
        kept = await self._state.run(lambda store: store.kept_deliveries())
        return frozenset((each.source, each.delivery) for each in kept if not _number(each))

    async def processed_there(self) -> frozenset[int]:
        """Numbers of the imports after which the roster is kept."""
        kept = await self._state.run(lambda store: store.kept_deliveries())
        return frozenset(filter(None, map(_number, kept)))

    async def take(self, number: int, who: str, form: Form = "received") -> BinaryIO:
        """The zip of an import, open; that it was taken is on record.

        Raises errors.InputError when there is no such import, or it is kept no more.
        """
        imported = await self._state.run(lambda store: store.import_numbered(number))
        if imported is None:
            raise errors.InputError(f"cannot give out import {number}: there is none")
        wanted = imported.delivery if form == "received" else f"{_PROCESSED}{number}"
        found = [
            each
            for each in await self._state.run(lambda store: store.kept_deliveries())
            if (each.source, each.delivery) == (imported.source, wanted)
        ]
        if not found and form == "processed" and imported.state != "imported":
            raise errors.InputError(
                f"cannot give out import {number}: nothing of it went into the roster"
            )
        if not found:
            raise errors.InputError(
                f"cannot give out import {number}: what was {form} is kept no more, or not yet"
            )
        try:
            file = await asyncio.to_thread(self._path(found[0]).open, "rb")
        except OSError as error:
            raise errors.InputError(f"cannot give out import {number}: {error.strerror}") from error
        note = storage.Note(
            f"{form}-taken", who, imported.source, self._clock(), {"import": number}
        )
        try:
            await self._state.run(lambda store: store.note(note))
        except BaseException:
            file.close()
            raise
        return file

    async def process(self, source: str) -> bool:
        """Keep what the roster holds of a source after its last import, once; whether it was due.

        The generation that is served must not go away meanwhile.
        """
        generation = self._served.current.generation
        imported = await self._state.run(lambda store: store.last_import(source))
        if imported is None or imported.state != "imported" or not imported.number:
            return False
        number = imported.number
        if number in self._tried or number in await self.processed_there():
            return False
        if not isinstance(generation, generations.Generation):
            return False
        self._tried.add(number)  # once for each life of the daemon
        name = f"{source}-{number}.zip"
        about = {
            "import": number,
            "source": source,
            "delivery": imported.delivery,
            "generation": generation.number,
            "started": imported.started.isoformat(),
            "ended": imported.ended.isoformat(),
            "report": imported.report,
        }
        request = processing.Request(
            str(generation.folder.resolve()), source, str((self.processed / name).resolve()), about
        )
        try:
            event = await calling.write(request)
        except OSError as error:  # the machine's: no process
            event = {"event": "failed", "message": error.strerror}
        if event["event"] != "processed":
            _log.warning("what import %d brought is not kept: %s", number, event.get("message"))
            return True
        kept = storage.Kept(source, f"{_PROCESSED}{number}", name, self._clock(), event["bytes"])
        await self._state.run(lambda store: store.keep_delivery(kept))
        return True

    def _path(self, kept: storage.Kept) -> Path:
        return (self.processed if _number(kept) else self.folder) / kept.file

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
                gone.append(each)
        if gone:
            # the files first: a row without its file is found again, a file without its row is not
            await asyncio.to_thread(_remove, [self._path(each) for each in gone])
            names = [each.file for each in gone]
            await self._state.run(lambda store: store.forget_deliveries(names))
            _log.info("forgot %d deliveries that were kept", len(gone))
        known = {self._path(each) for each in kept}
        for folder in (self.folder, self.processed):
            await asyncio.to_thread(_orphans, folder, known)
        return len(gone)


def _keep(source: documents.RosterSource | None) -> timedelta:
    return source.keep if source is not None else KEEP


def _number(kept: storage.Kept) -> int | None:
    """Of the import after which the roster was kept; None for a delivery as it was received."""
    number = kept.delivery.removeprefix(_PROCESSED)
    return int(number) if number != kept.delivery else None


def _remove(paths: list[Path]) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _orphans(folder: Path, known: set[Path]) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            if path not in known and time.time() - path.stat().st_mtime > _ORPHAN:
                path.unlink()
