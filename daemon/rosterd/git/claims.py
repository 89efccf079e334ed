"""Whose key a commit's signature names, where nobody has verified it.

Buttons of forges sign with a key of the forge: that says that the forge made the commit for
somebody who was logged in, a direct edit on its page included, and nothing about a review. So the
key is named for people who look, and that is all.
"""

import base64
import binascii
import struct
from collections.abc import Iterator
from typing import Final

from rosterd import errors
from rosterd.git import people

FORGES: Final = {
    "B5690EEEBB952194": "GitHub's web-flow",
    "4AEE18F83AFDEB23": "GitHub's web-flow until 2024",
}
_SIGNATURE: Final = 2
"""The tag of a signature packet (RFC 9580)."""
_ISSUER: Final = 16
_FINGERPRINT: Final = 33


def signature(head: str) -> str:
    """What the header of a commit says of its signature: "" when it has none."""
    lines: list[str] = []
    inside = False
    for line in head.splitlines():
        word, _, rest = line.partition(" ")
        if word in {"gpgsig", "gpgsig-sha256"}:
            lines.append(rest)
            inside = True
        elif inside and line.startswith(" "):
            lines.append(line[1:])
        else:
            inside = False
    armored = "\n".join(lines)
    if not armored:
        return ""
    if "BEGIN SSH SIGNATURE" in armored:
        try:
            return f"ssh key {people.fingerprint(people.signing_key(armored))}"
        except errors.InputError:
            return "an ssh signature that cannot be read"
    if "BEGIN PGP" in armored:
        key = pgp_key(armored)
        known = f" ({FORGES[key]})" if key in FORGES else ""
        return f"pgp key {key}{known}" if key else "a pgp signature that names no key"
    return "a signature of another kind"


def pgp_key(armored: str) -> str:
    """The id of the key that a pgp signature names, in capital hexadecimal digits; "" for none."""
    try:
        lines = armored.strip().splitlines()[1:-1]
        body = lines[lines.index("") + 1 :] if "" in lines else lines
        raw = base64.b64decode("".join(line for line in body if not line.startswith("=")))
        return _issuer(_packet(raw))
    except (binascii.Error, struct.error, ValueError, IndexError):
        return ""


def _packet(raw: bytes) -> bytes:
    """The body of the first packet, which has to be a signature."""
    first = raw[0]
    if not first & 0x80:
        raise ValueError("no packet")
    if first & 0x40:
        tag, size = first & 0x3F, raw[1]
        if size < 192:
            start, length = 2, size
        elif size < 224:
            start, length = 3, ((size - 192) << 8) + raw[2] + 192
        else:
            start, length = 6, struct.unpack(">I", raw[2:6])[0]
    else:
        tag, width = (first >> 2) & 0xF, 1 << (first & 3)
        if width == 8:
            raise ValueError("no length")
        start, length = 1 + width, int.from_bytes(raw[1 : 1 + width])
    if tag != _SIGNATURE:
        raise ValueError("no signature")
    return raw[start : start + length]


def _issuer(body: bytes) -> str:
    if body[0] != 4:
        raise ValueError("of another version")
    hashed = struct.unpack(">H", body[4:6])[0]
    rest = body[6 + hashed :]
    free = struct.unpack(">H", rest[:2])[0]
    for kind, value in (*_subpackets(body[6 : 6 + hashed]), *_subpackets(rest[2 : 2 + free])):
        if kind == _ISSUER and len(value) == 8:
            return value.hex().upper()
        if kind == _FINGERPRINT and len(value) == 21:
            return value[-8:].hex().upper()
    return ""


def _subpackets(area: bytes) -> Iterator[tuple[int, bytes]]:
    while area:
        size = area[0]
        if size < 192:
            start, length = 1, size
        elif size < 255:
            start, length = 2, ((size - 192) << 8) + area[1] + 192
        else:
            start, length = 5, struct.unpack(">I", area[1:5])[0]
        if length < 1 or start + length > len(area):
            raise ValueError("cut")
        yield area[start] & 0x7F, area[start + 1 : start + length]
        area = area[start + length :]
