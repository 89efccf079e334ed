"""Which commits a change consists of, as they present themselves.

Author, committer and trailers are whatever somebody typed: they are told to auditors as claims and
count for nothing.
"""

from dataclasses import dataclass
from typing import Final

from rosterd.git import claims, mirrors

MOST: Final = 100
"""Commits that are listed; of the others there is a number."""
_LONGEST: Final = 200
_TRAILERS: Final = ("Reviewed-by", "Approved-by", "Acked-by", "Signed-off-by", "Co-authored-by")


@dataclass(frozen=True, slots=True)
class Claimed:
    """One commit in its own words; texts are cut at 200 characters."""

    commit: str
    author: str
    """Name and address."""
    committer: str
    trailers: tuple[str, ...]
    """Those that speak of reviews."""
    signature: str = ""
    """Whose key it names, such as that of a forge: the key, and whether it is known."""


async def commits(
    mirror: mirrors.Mirror, old: str | None, new: str
) -> tuple[int, tuple[Claimed, ...]]:
    """(how many, the newest of them first) of those that lead from `old` to `new`.

    Without `old` it is `new` alone: what lies before a pin was not judged here.
    """
    rules = (new, f"^{old}") if old is not None else ("--max-count=1", new)
    names = [name for name, *_ in await mirror.commits(*rules)]
    found = await mirror.objects(names[:MOST])
    listed = [_read(name, content) for name, content in mirrors.batch(found.output)]
    return len(names), tuple(listed)


def _read(commit: str, content: bytes) -> Claimed:
    head, _, message = content.decode("utf-8", "replace").partition("\n\n")
    said = {"author": "", "committer": ""}
    for line in head.splitlines():
        word, _, rest = line.partition(" ")
        if word in said and not said[word]:
            said[word] = _cut(rest.rpartition(">")[0] + ">" if ">" in rest else rest)
    lines = (line.strip() for line in message.splitlines())
    trailers = [_cut(line) for line in lines if line.startswith(tuple(f"{t}: " for t in _TRAILERS))]
    signature = claims.signature(head)
    return Claimed(commit, said["author"], said["committer"], tuple(trailers[:20]), signature)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
