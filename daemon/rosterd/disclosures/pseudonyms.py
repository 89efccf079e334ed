"""Persons as keyed digests: the way from a sourcedId to rows, and no way back.

A bare digest of a sourcedId would be no secret: ids are short, and whoever has the database could
try them all. With a key that lies sealed in the store, it takes the vault's key as well. The key is
made once and stays the same when the vault's is replaced, or all answers would be lost with it.
"""

import hmac
import secrets
from typing import Final

from rosterd import storage, vault

SIZE: Final = 16
"""Bytes of a digest: enough that no two of a billion persons meet."""
_KEY_BYTES: Final = 32
_PLACE: Final = {"table": "pseudonyms", "row": "1", "column": "sealed"}


class Pseudonyms:
    """Makes digests; holds the key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "<Pseudonyms>"

    def digest(self, sourced_id: str) -> bytes:
        """Of a person's sourcedId, as the roster has it."""
        return hmac.digest(self._key, b"person\0" + sourced_id.encode(), "sha256")[:SIZE]


def load(store: storage.Store, chest: vault.Vault) -> Pseudonyms | None:
    """With the key in the store, None when there is none yet. Raises errors.InputError when the
    vault does not open it.
    """
    sealed = store.pseudonym()
    return None if sealed is None else Pseudonyms(chest.open(sealed, **_PLACE))


def prepare(store: storage.Store, chest: vault.Vault) -> Pseudonyms:
    """The same, with a new key when there is none, and sealed again under the vault's newest key."""
    sealed = store.pseudonym()
    key = secrets.token_bytes(_KEY_BYTES) if sealed is None else chest.open(sealed, **_PLACE)
    if sealed is None or not chest.is_current(sealed):
        store.set_pseudonym(chest.seal(key, **_PLACE))
    return Pseudonyms(key)
