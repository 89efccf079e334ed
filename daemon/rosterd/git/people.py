"""Whose key is it? OpenSSH's allowed-signers file read as a list of people.

git and ssh-keygen answer for a key, the acceptance rule counts people; so each key stands for
exactly one person, and what would blur that (patterns, certificate authorities, one key for two)
is an error of the file. Two of git's own ways of judging are not used: a missing revocation file
is no hindrance there, and the validity of a key is judged by the date that a commit claims. Here
the file must be there and readable, and validity is judged by the clock, at acceptance.
"""

import base64
import binascii
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from rosterd import errors

_OPTION = re.compile(
    r'(?P<name>[a-z-]+)(="(?P<quoted>[^"]*)"|=(?P<bare>[^",\s]+))?(,|(?=\s|$))', re.IGNORECASE
)
_TYPE = re.compile(r"^(sk-)?(ssh|ecdsa)-[a-z0-9@.-]+$")
_TIME = re.compile(r"^(\d{8})(\d{4})?(\d{2})?(Z?)$")
_MOST_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Key:
    """One public key that counts now."""

    person: str
    type: str
    blob: bytes
    namespaces: frozenset[str] | None
    """Signature namespaces it is good for; None for all."""

    @property
    def text(self) -> str:
        return f"{self.type} {base64.b64encode(self.blob).decode()}"


@dataclass(frozen=True, slots=True)
class People:
    """The keys that count now, by fingerprint."""

    keys: Mapping[str, Key]
    revoked: frozenset[str] = frozenset()
    """Fingerprints of keys that count no more."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted({key.person for key in self.keys.values()}))

    def person(self, print_: str, namespace: str) -> str | None:
        """Whose key this is, if it may sign in that namespace."""
        key = self.keys.get(print_)
        if key is None or (key.namespaces is not None and namespace not in key.namespaces):
            return None
        return key.person

    def signers(self, namespace: str) -> str:
        """An allowed-signers file of these keys for that namespace alone."""
        return "".join(
            f'"{key.person}" namespaces="{namespace}" {key.text}\n'
            for key in self.keys.values()
            if key.namespaces is None or namespace in key.namespaces
        )

    @property
    def digest(self) -> str:
        """Names this list, so that what was verified under another is verified again."""
        return sha256(
            "".join(
                f"{name} {key.person} {sorted(key.namespaces or ())} {key.namespaces is None}\n"
                for name, key in sorted(self.keys.items())
            ).encode()
        ).hexdigest()


NOBODY = People(MappingProxyType({}))


def fingerprint(blob: bytes) -> str:
    """As ssh prints it: SHA256: and base64 without padding."""
    return "SHA256:" + base64.b64encode(sha256(blob).digest()).decode().rstrip("=")


def load(allowed: Path, revoked: Path, now: datetime) -> People:
    """The people of two files of the settings; errors.InputError with all that is wrong in them."""
    return read(_text(allowed), str(allowed), _text(revoked), str(revoked), now)


def read(allowed: str, allowed_path: str, revoked: str, revoked_path: str, now: datetime) -> People:
    """The same from the files' texts."""
    problems: list[errors.Problem] = []
    gone = set()
    for line, text in _lines(revoked):
        try:
            gone.add(_key(text.split())[1])
        except ValueError as error:
            problems.append(errors.Problem(revoked_path, line, 0, str(error), "key"))
    keys: dict[str, Key] = {}
    owners: dict[str, tuple[str, int]] = {}
    for line, text in _lines(allowed):
        try:
            key, counts = _signer(text, now)
            name = fingerprint(key.blob)
            owner, first = owners.setdefault(name, (key.person, line))
            if owner != key.person:
                raise ValueError(
                    f"this key stands for {owner} in line {first}: one key, one person"
                )
        except ValueError as error:
            problems.append(errors.Problem(allowed_path, line, 0, str(error), "key"))
            continue
        if counts and key.blob not in gone:
            keys[name] = key
    if problems:
        raise errors.InputError("cannot tell whose keys count", problems)
    return People(MappingProxyType(keys), frozenset(map(fingerprint, gone)))


def signing_key(armored: str) -> bytes:
    """The public key that an armored ssh signature names; errors.InputError when it names none.

    Nothing is verified here: it says whose signature to ask ssh-keygen about.
    """
    lines = armored.strip().splitlines()
    if lines[:1] != ["-----BEGIN SSH SIGNATURE-----"] or lines[-1] != "-----END SSH SIGNATURE-----":
        raise errors.InputError("cannot read a signature: it is no ssh signature")
    try:
        raw = base64.b64decode("".join(lines[1:-1]), validate=True)
        (length,) = struct.unpack(">I", raw[10:14])
    except (binascii.Error, struct.error) as error:
        raise errors.InputError("cannot read a signature: it is cut or damaged") from error
    if raw[:6] != b"SSHSIG" or len(raw) < 14 + length:
        raise errors.InputError("cannot read a signature: it is cut or damaged")
    return raw[14 : 14 + length]


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise errors.InputError(f"cannot read {path}: it is larger than {_MOST_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        hint = " (it may be empty, but it has to be there)" if not path.exists() else ""
        raise errors.InputError(f"cannot read {path}: {error.strerror}{hint}") from error
    except UnicodeDecodeError as error:
        raise errors.InputError(
            f"cannot read {path}: it is not text; binary revocation lists are not taken,"
            " list the public keys one a line"
        ) from error


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped


def _key(words: list[str]) -> tuple[str, bytes]:
    if len(words) < 2 or not _TYPE.match(words[0]) or "-cert-" in words[0]:
        raise ValueError("expected a public key: its type, then the key in base64")
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error as error:
        raise ValueError("the key is not base64: it is cut or damaged") from error
    name = words[0].encode()
    if blob[: 4 + len(name)] != struct.pack(">I", len(name)) + name:
        raise ValueError("the key is cut, damaged, or of another type than its line says")
    return words[0], blob


def _signer(text: str, now: datetime) -> tuple[Key, bool]:
    """(key, whether it counts at `now`) of one line of an allowed-signers file."""
    if text.startswith('"'):
        principals, _, rest = text[1:].partition('"')
    else:
        principals, _, rest = text.partition(" ")
    rest = rest.strip()
    if not principals or re.search(r'[*?!,\s"\\]', principals):
        raise ValueError(
            "the first word has to name exactly one person: no list, no pattern, no blank"
        )
    options: dict[str, str] = {}
    while rest and not _TYPE.match(rest.split(maxsplit=1)[0]):
        match = _OPTION.match(rest)
        if match is None:
            raise ValueError("cannot read the options before the key")
        options[match["name"].lower()] = match["quoted"] or match["bare"] or ""
        rest = rest[match.end() :].lstrip()
    unknown = options.keys() - {"namespaces", "valid-after", "valid-before"}
    if unknown:
        raise ValueError(
            f"the option {min(unknown)} is not taken: each key has to be listed for its person"
        )
    type_, blob = _key(rest.split())
    spaces = options.get("namespaces")
    namespaces = None if spaces is None else frozenset(re.split(r"[,\s]+", spaces.strip()))
    if namespaces is not None and any(re.search(r"[*?!]", space) for space in namespaces):
        raise ValueError("namespaces are taken as names, not as patterns")
    after, before = options.get("valid-after"), options.get("valid-before")
    counts = (after is None or _time(after) <= now) and (before is None or now < _time(before))
    return Key(principals, type_, blob, namespaces), counts


def _time(text: str) -> datetime:
    match = _TIME.match(text)
    if match is None:
        raise ValueError(f"cannot read the time {text!r}: expected YYYYMMDD[HHMM[SS]][Z]")
    stamp = match[1] + (match[2] or "0000") + (match[3] or "00")
    moment = datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return moment if match[4] else moment.replace(tzinfo=None).astimezone()
