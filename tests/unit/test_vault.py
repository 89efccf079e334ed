"""The vault: what opens, and everything that must not."""

import base64
import os
import stat
from pathlib import Path

import pytest

from rosterd import errors, vault

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))


def write(path: Path, *keys: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(b"\n".join(base64.b64encode(key) for key in keys) + b"\n")
    path.chmod(mode)
    return path


def test_what_was_sealed_opens_in_its_place() -> None:
    chest = vault.Vault([KEY])

    sealed = chest.seal(b"secret", table="credentials", row="math/1", column="secret")

    assert chest.open(sealed, table="credentials", row="math/1", column="secret") == b"secret"
    assert b"secret" not in sealed


def test_the_same_value_is_sealed_differently_each_time() -> None:
    chest = vault.Vault([KEY])

    assert chest.seal(b"s", table="t", row="r", column="c") != chest.seal(
        b"s", table="t", row="r", column="c"
    )


@pytest.mark.parametrize(
    "table, row, column",
    [
        ("other", "math/1", "secret"),
        ("credentials", "math/2", "secret"),
        ("credentials", "math/1", "key"),
        ("credentialsmath", "/1", "secret"),
    ],
)
def test_a_moved_value_does_not_open(table: str, row: str, column: str) -> None:
    chest = vault.Vault([KEY])
    sealed = chest.seal(b"secret", table="credentials", row="math/1", column="secret")

    with pytest.raises(errors.InputError, match="another row"):
        chest.open(sealed, table=table, row=row, column=column)


@pytest.mark.parametrize("cut", [0, 1, 5, 9, 20, 30])
def test_a_truncated_value_does_not_open(cut: int) -> None:
    chest = vault.Vault([KEY])
    sealed = chest.seal(b"secret", table="t", row="r", column="c")

    with pytest.raises(errors.InputError, match="cannot open"):
        chest.open(sealed[:cut], table="t", row="r", column="c")


def test_every_changed_byte_is_noticed() -> None:
    chest = vault.Vault([KEY])
    sealed = chest.seal(b"secret", table="t", row="r", column="c")

    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        with pytest.raises(errors.InputError, match="cannot open"):
            chest.open(bytes(changed), table="t", row="r", column="c")


def test_an_older_key_still_opens_and_the_first_one_seals() -> None:
    sealed = vault.Vault([KEY]).seal(b"secret", table="t", row="r", column="c")
    both = vault.Vault([OTHER, KEY])

    assert both.open(sealed, table="t", row="r", column="c") == b"secret"
    assert not both.is_current(sealed)
    fresh = both.seal(b"secret", table="t", row="r", column="c")
    assert both.is_current(fresh)
    with pytest.raises(errors.InputError, match="second line"):
        vault.Vault([KEY]).open(fresh, table="t", row="r", column="c")


def test_a_created_key_is_its_owners_alone_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"

    vault.create_key(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sealed = vault.load(path).seal(b"secret", table="t", row="r", column="c")
    assert vault.load(path).open(sealed, table="t", row="r", column="c") == b"secret"
    with pytest.raises(errors.InputError, match="it exists"):
        vault.create_key(path)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o660, 0o666, 0o610])
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "vault.key", KEY, mode=mode)

    with pytest.raises(errors.InputError, match=f"{mode:04o}"):
        vault.load(path)


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_a_private_key_is_taken(tmp_path: Path, mode: int) -> None:
    assert isinstance(vault.load(write(tmp_path / "vault.key", KEY, mode=mode)), vault.Vault)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a file to another group")
def test_group_reading_is_only_for_roots_group(tmp_path: Path) -> None:
    path = write(tmp_path / "vault.key", KEY, mode=0o440)
    assert isinstance(vault.load(path), vault.Vault)

    os.chown(path, -1, 65534)
    with pytest.raises(errors.InputError, match="0440"):
        vault.load(path)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"not base64!", "32 bytes"),
        (base64.b64encode(KEY[:31]), "32 bytes"),
        (base64.b64encode(KEY) + b"\nAAAA", "vault.key:2"),
    ],
)
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "vault.key"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(errors.InputError, match=message):
        vault.load(path)


def test_a_missing_key_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(errors.InputError, match="cannot read the vault's key"):
        vault.load(tmp_path / "absent")


def test_a_vault_never_shows_its_keys() -> None:
    assert repr(vault.Vault([KEY])) == "<Vault of 1 keys>"
