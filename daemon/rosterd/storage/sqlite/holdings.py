"""What applications hold: opaque parts, written with the change that moves them."""

from collections.abc import Iterable, Mapping, Sequence

from rosterd.storage import connecting, guarded, protocol, records, shown
from rosterd.storage.sqlite import chained, guards, seeing


class Holdings(chained.Chained, seeing.Seeing, guards.Guards):
    def keep_holdings(
        self,
        held: protocol.Writes,
        *,
        seen: Sequence[shown.Seen] = (),
        guards: guarded.Guards | None = None,
        revoked: Iterable[str] = (),
        notes: Sequence[records.Note] = (),
    ) -> None:
        with self._write():
            self._hold(held)
            self._see(seen)
            self._guard(guards)
            self._many("DELETE FROM tokens WHERE application=?", ((name,) for name in revoked))
            self._note(notes)

    def holdings(self) -> Mapping[tuple[str, str], bytes]:
        with connecting.translated(self._path):
            rows = self._all("SELECT application, part, content FROM holdings")
        return {(application, part): content for application, part, content in rows}

    def _hold(self, held: protocol.Writes) -> None:
        """Inside the caller's transaction."""
        self._many(
            "DELETE FROM holdings WHERE application=? AND part=?",
            (key for key, content in held.items() if content is None),
        )
        self._many(
            "INSERT INTO holdings VALUES (?,?,?)"
            " ON CONFLICT DO UPDATE SET content=excluded.content",
            ((*key, content) for key, content in held.items() if content is not None),
        )
