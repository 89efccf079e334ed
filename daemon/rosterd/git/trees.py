"""The files of a commit, with every trick refused that would make a path mean two things.

Symbolic links, submodules, names that are no UTF-8 or differ only in case; and more, longer or
larger files than a config repository has. What is too much is refused before it costs anything:
whoever may push decides how a tree looks.
"""

import unicodedata
from dataclasses import dataclass

from rosterd import errors

FILE_BYTES = 2**20
FILES = 10_000
TREE_BYTES = 64 * 2**20
PATH_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree."""

    blob: str
    size: int


def entries(listing: bytes) -> dict[str, Entry]:
    """Path -> file of `ls-tree -r -z -l`; errors.InputError names all that is not taken."""
    found: dict[str, Entry] = {}
    problems = []
    spellings: dict[str, str] = {}
    total = 0
    if listing.count(b"\0") > FILES:
        problem = errors.Problem(".", 0, 0, f"more than {FILES} files", "tree")
        raise errors.InputError("cannot take this commit's files", [problem])
    for item in listing.split(b"\0"):
        if not item:
            continue
        facts, _, raw = item.partition(b"\t")
        mode, _, blob, size = facts.decode().split()
        shown = raw[:PATH_BYTES].decode(errors="backslashreplace")
        path, reason = _path(raw, mode, size, spellings)
        if reason:
            problems.append(errors.Problem(shown, 0, 0, reason, "tree"))
            continue
        found[path] = Entry(blob, int(size))
        total += int(size)
    if total > TREE_BYTES:
        problems.append(errors.Problem(".", 0, 0, f"more than {TREE_BYTES} bytes", "tree"))
    if problems:
        raise errors.InputError("cannot take this commit's files", problems[:100])
    return found


_MODES = {
    "120000": "a symbolic link; only files are taken",
    "160000": "a submodule; only files are taken",
}


def _path(raw: bytes, mode: str, size: str, spellings: dict[str, str]) -> tuple[str, str]:
    """(path, why it is refused or "")."""
    if len(raw) > PATH_BYTES:
        return "", f"the path is longer than {PATH_BYTES} bytes"
    try:
        path = raw.decode()
    except UnicodeDecodeError:
        return "", "the name is not UTF-8"
    if mode in _MODES:
        return path, _MODES[mode]
    if any(unicodedata.category(character) == "Cc" for character in path):
        return path, "the name holds control characters"
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        return path, "the path is not plain"
    if int(size) > FILE_BYTES:
        return path, f"the file is larger than {FILE_BYTES} bytes"
    for depth in range(1, len(parts) + 1):
        place = "/".join(parts[:depth])
        folded = unicodedata.normalize("NFC", place).casefold()
        if spellings.setdefault(folded, place) != place:
            return path, f"differs from {spellings[folded]} only in its spelling"
    return path, ""
