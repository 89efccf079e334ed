"""What applications hold: opaque parts, written with the change that moves them."""

from collections.abc import Mapping, Sequence

from rosterd.storage import connecting, protocol, shown
from rosterd.storage.sqlite import chained, seeing


class Holdings(chained.Chained, seeing.Seeing):
    def keep_holdings(self, held: protocol.Writes, *, seen: Sequence[shown.Seen] = ()) -> None:
        with self._write():
            self._hold(held)
            self._see(seen)

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
