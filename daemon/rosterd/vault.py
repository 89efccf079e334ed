"""Secrets at rest, sealed so that neither a copied database nor a moved row opens them.

Each value is sealed under AES-256-GCM for the one place it was written to: table, row and column
are authenticated with it, so a ciphertext copied into another row does not open there. The key
comes from a file of this machine (a systemd credential in production), never from the database or
from git. The file may hold several keys, one a line: the first seals, all of them open, which is
how a key is replaced without a day on which nothing opens.
"""

import base64
import binascii
import os
import secrets
import stat
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from cryptography import exceptions
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rosterd import errors

KEY_BYTES = 32
_FORMAT = b"\x01"
_ID_BYTES = 8
_NONCE_BYTES = 12
_HEADER_BYTES = len(_FORMAT) + _ID_BYTES
_FILE_LIMIT = 4096


class Vault:
    """Seals and opens values; holds the keys and nothing else."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        """`keys` are of 32 bytes each; the first one seals."""
        self._ciphers = {_identity(key): AESGCM(key) for key in keys}
        if not self._ciphers:
            raise errors.InputError("cannot make a vault without a key")
        self._sealing = next(iter(self._ciphers))

    def __repr__(self) -> str:
        return f"<Vault of {len(self._ciphers)} keys>"

    def seal(self, plain: bytes, *, table: str, row: str, column: str) -> bytes:
        """`plain` as it may be stored in that one place."""
        header = _FORMAT + self._sealing
        nonce = secrets.token_bytes(_NONCE_BYTES)
        place = _place(header, table, row, column)
        return header + nonce + self._ciphers[self._sealing].encrypt(nonce, plain, place)

    def open(self, sealed: bytes, *, table: str, row: str, column: str) -> bytes:
        """What was sealed for that place.

        Raises errors.InputError when it was sealed under a key this vault does not hold, was
        changed, or was sealed for another place.
        """
        header = sealed[:_HEADER_BYTES]
        cipher = self._ciphers.get(header[len(_FORMAT) :])
        where = f"{table}.{column}"
        if not header.startswith(_FORMAT) or cipher is None:
            raise errors.InputError(
                f"cannot open {where}: it was sealed under a key that is not in the vault's key"
                " file; put that key on a second line of the file"
            )
        nonce = sealed[_HEADER_BYTES : _HEADER_BYTES + _NONCE_BYTES]
        body = sealed[_HEADER_BYTES + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, body, _place(header, table, row, column))
        except (exceptions.InvalidTag, ValueError) as error:
            raise errors.InputError(
                f"cannot open {where}: it was changed, or belongs to another row"
            ) from error

    def is_current(self, sealed: bytes) -> bool:
        """Whether `sealed` is under the key that seals now, so that an older one could go."""
        return sealed[:_HEADER_BYTES] == _FORMAT + self._sealing


def load(path: Path) -> Vault:
    """The vault whose keys are in the file at `path`.

    Raises errors.InputError when the file is missing, others may read it, or a line is no key.
    """
    try:
        with path.open("rb") as file:
            _check_mode(path, os.fstat(file.fileno()))
            lines = file.read(_FILE_LIMIT + 1).split()
    except OSError as error:
        lost = isinstance(error, FileNotFoundError)
        made = f"; make it once: openssl rand -base64 32 > {path}" if lost else ""
        raise errors.InputError(
            f"cannot read the vault's key {path}: {error.strerror or error}{made}"
        ) from error
    if not lines:
        raise errors.InputError(f"cannot use the vault's key {path}: the file is empty")
    return Vault(_key(line, number, path) for number, line in enumerate(lines, 1))


def create_key(path: Path) -> None:
    """Write a new key to `path`, readable by its owner alone.

    Raises errors.InputError when there is a file already: a lost key loses every credential.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise errors.InputError(f"cannot create the vault's key {path}: it exists") from error
    except OSError as error:
        raise errors.InputError(
            f"cannot create the vault's key {path}: {error.strerror or error}"
        ) from error
    with os.fdopen(handle, "wb") as file:
        file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _check_mode(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise errors.InputError(f"cannot use the vault's key {path}: it is not a regular file")
    mode = stat.S_IMODE(status.st_mode)
    # systemd shows a credential as 0440 root:root, where the group bits are the mask of an ACL
    # that names the service's user alone; any other group could read the key.
    others = mode & 0o037 or (mode & 0o040 and status.st_gid != 0)
    if others:
        raise errors.InputError(
            f"cannot use the vault's key {path}: its mode is {mode:04o}, and others than its owner"
            " may use it; make it 0600"
        )


def _key(line: bytes, number: int, path: Path) -> bytes:
    try:
        key = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise errors.InputError(
            f"cannot use the vault's key {path}:{number}: a key is {KEY_BYTES} bytes in base64"
        )
    return key


def _identity(key: bytes) -> bytes:
    """Tells keys apart without telling anything of them."""
    return sha256(b"rosterd vault key\0" + key).digest()[:_ID_BYTES]


def _place(header: bytes, *names: str) -> bytes:
    """Lengths before the names, so that no two places read the same."""
    encoded = (name.encode() for name in names)
    return header + b"".join(len(name).to_bytes(4, "big") + name for name in encoded)
