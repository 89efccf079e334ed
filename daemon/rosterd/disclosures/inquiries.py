"""Asking who could see, and who received: on record, and beside the daemon's own work.

A question about a person is itself an act with a pupil's data, so it is in the chain before it is
answered, under who asked; of the person there is only the keyed digest. The answer is read through
a connection of its own, so that no swap has to wait for an auditor.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from rosterd import chain, storage, worlds
from rosterd.disclosures import answering, background, pseudonyms
from rosterd.storage import sqlite

T = TypeVar("T")


class Inquiries:
    """Answers auditors."""

    def __init__(
        self,
        state: storage.Storage,
        path: Path,
        folder: Path,
        named: pseudonyms.Pseudonyms,
        *,
        clock: Callable[[], datetime],
        served: worlds.Worlds | None = None,
    ) -> None:
        """`path` is the store's file, `folder` the journal's. Where something is `served`, its config
        gives applications their titles.
        """
        self._state = state
        self._path = path
        self._folder = folder
        self._named = named
        self._clock = clock
        self._served = served

    async def view(self, application: str, moment: datetime) -> background.Answer:
        """What an application could see at a moment. Raises errors.InputError when it was not known
        then.
        """
        return await self._read(lambda store: answering.view(store, application, moment))

    async def turns(self, application: str, limit: int) -> list[answering.Turn]:
        """The newest moments at which what an application can see changed, the oldest first."""
        return await self._read(lambda store: answering.turns(store, application, limit))

    async def student(
        self,
        sourced_id: str,
        who: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> background.Answer:
        """Who could see and who received the records of a person, on record under `who`.

        Raises errors.InputError when nobody ever saw a person of that id.
        """
        subject = f"person:{self._named.digest(sourced_id).hex()}"
        period: Mapping[str, str] = {
            name: chain.text(moment)
            for name, moment in (("since", since), ("until", until))
            if moment is not None
        }
        note = chain.Note("inquiry", who, subject, self._clock(), period)
        await self._state.run(lambda store: store.note(note))
        folder, named = self._folder, self._named
        answer = await self._read(
            lambda store: answering.student(
                store, folder, named, sourced_id, since=since, until=until
            )
        )
        titles = self._titles()
        for each in answer["applications"]:
            each["title"] = titles.get(each["application"])
        return answer

    def _titles(self) -> dict[str, str]:
        config = self._served.current.config if self._served is not None else None
        declared = config.applications if config is not None else {}
        return {name: each.title for name, each in declared.items()}

    async def _read(self, work: Callable[[storage.Store], T]) -> T:
        return await asyncio.to_thread(self._beside, work)

    def _beside(self, work: Callable[[storage.Store], T]) -> T:
        store = sqlite.open_store(self._path, readonly=True)
        try:
            return work(store)
        finally:
            store.close()
