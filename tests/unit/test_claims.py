"""What a commit's header says of its signature, when nobody has verified it."""

import pytest

from rosterd.git import claims
from tests.integration import forge_buttons as buttons

SSH = (
    "-----BEGIN SSH SIGNATURE-----\n"
    "U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAg4yqqeRXOubRJ0bpQ6iooux\n"
    "puAfkJ2iRaLR2HaX0YqXcAAAADZ2l0\n"
    "-----END SSH SIGNATURE-----"
)


def header(armored: str) -> str:
    signature = armored.replace("\n", "\n ")
    return f"tree 1\nauthor a\ngpgsig {signature}\nencoding utf-8"


def test_a_forges_key_is_named() -> None:
    assert claims.signature(header(buttons.pgp_signature(buttons.WEB_FLOW))) == (
        "pgp key B5690EEEBB952194 (GitHub's web-flow)"
    )
    assert claims.signature(header(buttons.pgp_signature(buttons.INSTANCE))) == (
        "pgp key 0123456789ABCDEF"
    )


def test_an_ssh_key_is_named_by_its_fingerprint() -> None:
    assert claims.signature(header(SSH)).startswith("ssh key SHA256:")


@pytest.mark.parametrize(
    "armored, said",
    [
        ("-----BEGIN SSH SIGNATURE-----\nAAAA", "an ssh signature that cannot be read"),
        ("-----BEGIN PGP SIGNATURE-----\n\n\n-----END", "a pgp signature that names no key"),
        ("-----BEGIN PGP SIGNATURE-----\n\n////\n-----END", "a pgp signature that names no key"),
        ("-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END", "a pgp signature that names no key"),
        ("-----BEGIN SIGNED MESSAGE-----", "a signature of another kind"),
    ],
)
def test_a_signature_that_cannot_be_read_is_told_so(armored: str, said: str) -> None:
    assert claims.signature(header(armored)) == said


def test_every_cut_of_a_signature_is_read_without_failing() -> None:
    whole = buttons.pgp_signature(buttons.WEB_FLOW)
    for end in range(len(whole)):
        claims.signature(header(whole[:end] + "\n-----END PGP SIGNATURE-----"))


def test_a_commit_without_a_signature_says_nothing() -> None:
    assert claims.signature("tree 1\nauthor gpgsig\ncommitter b") == ""
