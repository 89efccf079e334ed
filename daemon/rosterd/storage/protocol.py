"""What every database has to offer the daemon.

The methods are blocking and each is one transaction: it is kept whole, or not at all. They are
called through `Storage.run`, on the one thread that owns the store, so no caller thinks of locks
and no reader sees half of a write:

    applied = await storage.run(lambda store: store.applied())

A caller that is cancelled while it waits does not undo the work: it is done or not done, as ever.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from rosterd import errors
from rosterd.storage import checking, guarded, incoming, mailing, records, shown

Writes = Mapping[tuple[str, str], bytes | None]
"""(application, part) of what applications hold -> its bytes; None takes it away."""


class Conflict(errors.TemporaryError):
    """The store holds something else than the caller took for granted: look again, then decide."""


class Store(
    shown.Shown,
    guarded.Guarded,
    incoming.Incoming,
    mailing.Mailing,
    checking.Checking,
    Protocol,
):
    """The state, apart from the rosters themselves."""

    def close(self) -> None:
        """End it; everything that returned is already on disk."""

    # -- config

    def applied(self) -> records.Applied | None:
        """What was applied last; None before the first change."""

    def apply(
        self,
        applied: records.Applied,
        *,
        previous: str,
        notes: Sequence[records.Note],
        counted: records.Counted | None = None,
        credentials: Sequence[records.Credential] | None = None,
        revoked: Iterable[str] = (),
        held: Writes | None = None,
        seen: Sequence[shown.Seen] = (),
        guards: guarded.Guards | None = None,
        renames: guarded.Renames | None = None,
    ) -> str:
        """Make `applied` what is served; gives its head, the digest of the record of this change.

        `previous` is the head of the change that this one was planned on ("" for none); when the
        store has another, Conflict is raised and nothing is kept. The first of `notes` is the change
        itself, of the kind "applied"; the others go on record with it. `counted` says which
        statements count no more. `credentials`, when given, are *all* credentials from now on;
        `revoked` names the applications whose tokens end now. `held` is what changes of what
        applications hold, `seen` what changes of who sees what, `guards` all who are kept back,
        when they are given; what is kept about documents in `renames` goes on under their new
        names. Secrets of documents that are gone stay until somebody deletes them.
        """

    def correct(self, documents: Mapping[str, bytes], *, notes: Sequence[records.Note]) -> None:
        """Put the documents that were applied back in place of others, on record with `notes`."""

    def history(self, limit: int = 50) -> list[records.Change]:
        """Applied changes, the newest first."""

    def used_statements(self, digests: Iterable[str]) -> frozenset[str]:
        """Those of `digests` that were counted for an applied change."""

    def turns(
        self, paths: Iterable[str]
    ) -> Mapping[tuple[str, str | None], tuple[datetime | None, datetime | None]]:
        """(path, content) -> when applied changes last (led the path away from it, led it there)."""

    def rewritten(self) -> str | None:
        """The commit with which the history began anew, when it was last rewritten; else None."""

    def set_revisions(self, revisions: Mapping[str, int]) -> None:
        """Replace the revisions of all applications, for a change that came from the roster."""

    # -- what is on record

    def note(self, *notes: records.Note) -> list[records.Record]:
        """Put on record what changes nothing else in the store; gives the records made of it.

        What does change something takes its notes with it, so that neither is without the other.
        """

    def head(self) -> tuple[int, str]:
        """Number and digest of the newest record; (0, "") for none."""

    def recorded(self, after: int = 0, limit: int = 1000) -> list[records.Record]:
        """The chain from the record behind `after` on, the oldest first."""

    def last_record(self, kind: str) -> records.Record | None:
        """The newest of one kind."""

    # -- generations and imports

    def publish_generation(
        self,
        published: records.Published,
        *,
        imported: records.Import | None = None,
        revisions: Mapping[str, int] | None = None,
        held: Writes | None = None,
        seen: Sequence[shown.Seen] = (),
        guards: guarded.Guards | None = None,
        notes: Sequence[records.Note] = (),
    ) -> None:
        """Make a generation the served one, and record the import that made it.

        Raises Conflict unless its number is greater than every one before.
        """

    def keep_holdings(
        self,
        held: Writes,
        *,
        seen: Sequence[shown.Seen] = (),
        guards: guarded.Guards | None = None,
        revoked: Iterable[str] = (),
        notes: Sequence[records.Note] = (),
    ) -> None:
        """Change what applications hold, for a swap that stores nothing else: a new
        day, a block.
        """

    def holdings(self) -> Mapping[tuple[str, str], bytes]:
        """(application, part) -> its bytes: all that applications hold, as it was written."""

    def generation(self) -> records.Published | None:
        """The generation that is served."""

    def publications(self) -> Mapping[int, datetime]:
        """Every published generation's number -> when it was."""

    def record_import(self, imported: records.Import) -> None:
        """Keep an import that led to no generation."""

    def imports(self, limit: int = 50) -> list[records.Import]:
        """The newest first."""

    def last_import(self, source: str) -> records.Import | None:
        """The newest of one source."""

    # -- credentials, tokens, secrets

    def credentials(self) -> list[records.Credential]:
        """All, by application and generation."""

    def replace_credentials(
        self,
        application: str,
        rows: Sequence[records.Credential],
        *,
        notes: Sequence[records.Note] = (),
    ) -> None:
        """Make `rows` all the credentials of one application."""

    def add_token(self, token: records.Token) -> None: ...

    def tokens(self, now: datetime) -> list[records.Token]:
        """Those that have not expired."""

    def delete_tokens(self, application: str) -> int:
        """End every token of one application; gives how many."""

    def expire_tokens(self, now: datetime) -> int:
        """Forget the expired ones; gives how many."""

    def set_secret(self, secret: records.Secret, *, notes: Sequence[records.Note] = ()) -> None:
        """Keep it; one with the same name is replaced, its document too."""

    def secret(self, name: str) -> records.Secret | None: ...

    def secrets(self) -> list[records.Secret]:
        """All, by name."""

    def delete_secret(self, name: str) -> bool:
        """Whether there was one."""

    # -- what ran and what left

    def save_run(self, run: records.Run) -> None:
        """Insert or replace the run of (target, slot).

        Raises Conflict when that run is final: what was delivered stays delivered.
        """

    def export_run(self, target: str, slot: str) -> records.Run | None: ...

    def export_runs(
        self,
        limit: int = 100,
        *,
        target: str | None = None,
        states: Iterable[records.RunState] | None = None,
    ) -> list[records.Run]:
        """By start, the newest first."""

    def export_bases(self, target: str) -> list[records.Base]:
        """What it holds by slot: of the last one delivered, and of the one tried since."""

    def keep_export_base(self, base: records.Base, beside: str | None) -> None:
        """Keep it, and of this target only that of the slot `beside` besides it."""

    def forget_export_bases(self, but: Iterable[str]) -> None:
        """Drop those of all targets but these."""

    def owed(self) -> Mapping[str, records.Owed]:
        """By target."""

    def set_owed(self, owed: records.Owed) -> None:
        """Insert or replace that of one target."""

    def forget_owed(self, target: str) -> None: ...

    def last_successes(self) -> tuple[Mapping[str, datetime], Mapping[str, datetime]]:
        """Target -> its last delivery, and source -> its last delivery that was read."""

    def note_access(self, accesses: Iterable[records.Access]) -> None:
        """Add to the counts of (application, kind, status, hour)."""

    def accesses(self, limit: int = 200, *, application: str | None = None) -> list[records.Access]:
        """The newest first."""

    def forget_accesses(self, before: datetime) -> int:
        """Drop what is older; gives how many rows."""
