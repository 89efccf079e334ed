"""Whether the store still holds what was applied, and how it comes to hold that again.

The documents in the store are what the daemon starts from when git is away, so whoever can edit
that file could otherwise give an application more at the next start than anybody vouched for. They
are held against the digest in the chain's last record of an applied change: at each pass, and before
anything is served at a start. What differs is taken from git again and goes on record. What is
served is in memory, and no edit of the file changes it.

Covered are the documents, and the commit, plan and people of the change. The chain itself is not
mended by anybody: where it does not fit, nothing is served from the store until a person has looked.
Revisions and what applications hold are not covered: they date and name answers, they open nothing.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from rosterd import chain, configs, errors, storage
from rosterd.reconciling import candidates

_log = logging.getLogger(__name__)


class Drifted(errors.InputError):
    """The store holds something else than what was applied. `drift` says what."""

    def __init__(self, drift: "Drift") -> None:
        super().__init__(str(drift))
        self.drift = drift


@dataclass(frozen=True, slots=True)
class Drift:
    """How the store differs from the record of what was applied."""

    what: str
    commit: str = ""
    """The commit that was applied, as the record has it."""
    expected: str = ""
    """Digest of its documents; "" when the difference is none of documents."""

    @property
    def mendable(self) -> bool:
        """Whether git has what is wrong here."""
        return bool(self.expected)

    def __str__(self) -> str:
        return f"the store was changed by something other than the daemon: {self.what}"


def found(kept: storage.Store) -> Drift | None:
    """What differs in the store; None when nothing does, or nothing was ever applied."""
    applied, record = kept.applied(), kept.last_record("applied")
    if record is None:
        return None if applied is None else Drift("a change is there that is not on record")
    if sha256(record.entry).hexdigest() != record.head:
        return Drift(f"record {record.number} does not have its digest; see `rosterd audit verify`")
    said = record.read()
    if applied is None or applied.head != record.head:
        return Drift(f"the change of record {record.number} is not the last one there")
    stored = (applied.commit, applied.plan, sorted(applied.people))
    if stored != (said.get("commit"), said.get("plan"), sorted(said.get("people", ()))):
        return Drift(f"commit, plan or people are not those of record {record.number}")
    expected = said.get("documents")  # records of version 1 had no digest to hold them against
    if expected is None or chain.documents_digest(applied.documents) == expected:
        return None
    return Drift("its documents are not those that were applied", applied.commit, str(expected))


async def restore(store: storage.Storage) -> tuple[configs.Config, storage.Applied] | None:
    """What was applied last, from the store alone; None when nothing ever was.

    Raises Drifted when the store holds something else than what was applied, and errors.InputError
    when this version of rosterd cannot take those documents.
    """
    drift = await store.run(found)
    if drift is not None:
        raise Drifted(drift)
    applied = await store.run(lambda kept: kept.applied())
    if applied is None:
        return None
    candidate = candidates.checked(applied.commit, applied.documents)
    if candidate.config is None:
        raise errors.InputError(
            f"cannot serve the applied commit {applied.commit[:12]} with this version of rosterd",
            candidate.problems,
        )
    return candidate.config, applied


class Drifting:
    """Looks, and mends."""

    def __init__(
        self, store: storage.Storage, reader: candidates.Reader, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._reader = reader
        self._clock = clock
        self.corrected = 0
        """Corrections since the start."""

    async def look(self) -> Drift | None:
        """What differs now."""
        return await self._store.run(found)

    async def mend(self, drift: Drift) -> bool:
        """Take the documents from the mirror; False when it does not have them now.

        Raises Drifted when git cannot help: the chain is wrong, or names what the commit never had.
        """
        if not drift.mendable:
            raise Drifted(drift)
        files = await self._reader.files(drift.commit)
        if files is None:
            return False
        if chain.documents_digest(files) != drift.expected:
            raise Drifted(Drift(f"the record of {drift.commit[:12]} is not about its documents"))
        applied = await self._store.run(lambda kept: kept.applied())
        wrong = _differing(applied.documents if applied is not None else {}, files)
        note = chain.Note(
            "drift",
            chain.DAEMON,
            drift.commit,
            self._clock(),
            {"commit": drift.commit, "documents": drift.expected, "paths": wrong},
        )
        await self._store.run(lambda kept: kept.correct(files, notes=(note,)))
        self.corrected += 1
        _log.error("%s; corrected from git: %s", drift, ", ".join(wrong[:10]))
        return True


def _differing(stored: Mapping[str, bytes], files: Mapping[str, bytes]) -> list[str]:
    """Paths that were changed, added or taken away."""
    return sorted(
        path for path in stored.keys() | files.keys() if stored.get(path) != files.get(path)
    )
