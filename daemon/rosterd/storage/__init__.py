"""The state of the daemon: one protocol, one thread, an implementation for each database.

All state goes through one thread, reads too: the rows are few, one commit costs a tenth of a
millisecond, and one writer is what makes "one transaction" easy to believe. What is read for each
request (tokens, worlds) is held in memory by its owner.
"""

import asyncio
import functools
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Self, TypeVar

from rosterd.storage import sqlite
from rosterd.storage.checking import SanityRun
from rosterd.storage.guarded import Block, Guards, Hold, Renames
from rosterd.storage.incoming import Held, Kept, Pull
from rosterd.storage.mailing import Notice, Receiver, RevealLink
from rosterd.storage.protocol import Conflict, Store, Writes
from rosterd.storage.records import (
    FINAL,
    Access,
    Applied,
    Base,
    Change,
    Counted,
    Credential,
    Import,
    Note,
    Owed,
    Published,
    Record,
    Run,
    RunState,
    Secret,
    Token,
)

__all__ = [
    "FINAL",
    "Access",
    "Applied",
    "Base",
    "Block",
    "Change",
    "Conflict",
    "Counted",
    "Credential",
    "Guards",
    "Held",
    "Hold",
    "Import",
    "Kept",
    "Note",
    "Notice",
    "Owed",
    "Published",
    "Pull",
    "Receiver",
    "Record",
    "Renames",
    "RevealLink",
    "Run",
    "RunState",
    "SanityRun",
    "Secret",
    "Storage",
    "Store",
    "Token",
    "Writes",
    "open_sqlite",
]

T = TypeVar("T")


class Storage:
    """A store behind its own thread, for the event loop. An async context manager."""

    def __init__(self, opener: Callable[[], Store]) -> None:
        self._opener = opener
        self._thread = futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="storage")
        self._store: Store | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Open the store; raises what the opener raises."""
        if self._store is None:
            self._store = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._opener
            )

    async def run(self, work: Callable[[Store], T]) -> T:
        """Do `work` with the store, after all that was asked for before.

        Two calls of methods inside one `work` follow each other without anything between them, but
        are two transactions.
        """
        if self._store is None:
            raise RuntimeError("cannot use the store: it is not open")
        work_here = functools.partial(work, self._store)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work_here)

    async def close(self) -> None:
        """Finish what was asked for, then close; a second time does nothing."""
        if self._store is not None:
            store, self._store = self._store, None
            await asyncio.get_running_loop().run_in_executor(self._thread, store.close)
        self._thread.shutdown()  # at once: what was asked for is done


def open_sqlite(path: Path) -> Storage:
    """Storage over a SQLite file, which `open()` makes (mode 0600) when it is not there."""
    return Storage(functools.partial(sqlite.open_store, path))
