"""Keys, tokens, and the secrets that documents name: digests and ciphertext only."""

from collections.abc import Sequence
from datetime import datetime

from rosterd.storage import records, tables
from rosterd.storage.sqlite import chained


class Credentials(chained.Chained):
    def credentials(self) -> list[records.Credential]:
        return self._read(
            tables.credential, "SELECT * FROM credentials ORDER BY application, generation"
        )

    def replace_credentials(
        self,
        application: str,
        rows: Sequence[records.Credential],
        *,
        notes: Sequence[records.Note] = (),
    ) -> None:
        if any(row.application != application for row in rows):
            raise ValueError("cannot replace credentials: a row belongs to another application")
        with self._write():
            self._connection.execute("DELETE FROM credentials WHERE application=?", (application,))
            self._many(
                "INSERT INTO credentials VALUES (?,?,?,?,?,?)", map(tables.credential_row, rows)
            )
            self._note(notes)

    def add_token(self, token: records.Token) -> None:
        row = (
            token.digest,
            token.application,
            tables.json(list(token.scopes)),
            tables.text(token.expires),
        )
        with self._write():
            self._connection.execute("INSERT INTO tokens VALUES (?,?,?,?)", row)

    def tokens(self, now: datetime) -> list[records.Token]:
        return self._read(tables.token, "SELECT * FROM tokens WHERE expires > ?", tables.text(now))

    def delete_tokens(self, application: str) -> int:
        return self._change("DELETE FROM tokens WHERE application=?", application)

    def expire_tokens(self, now: datetime) -> int:
        return self._change("DELETE FROM tokens WHERE expires <= ?", tables.text(now))

    def set_secret(self, secret: records.Secret, *, notes: Sequence[records.Note] = ()) -> None:
        row = (secret.name, secret.document, secret.value, tables.text(secret.time), secret.actor)
        with self._write():
            self._connection.execute("INSERT OR REPLACE INTO secrets VALUES (?,?,?,?,?)", row)
            self._note(notes)

    def secret(self, name: str) -> records.Secret | None:
        found = self._read(tables.secret, "SELECT * FROM secrets WHERE name=?", name)
        return found[0] if found else None

    def secrets(self) -> list[records.Secret]:
        return self._read(tables.secret, "SELECT * FROM secrets ORDER BY name")

    def delete_secret(self, name: str) -> bool:
        return self._change("DELETE FROM secrets WHERE name=?", name) > 0
