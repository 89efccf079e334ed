"""Open requests as data: what strangers ask for, kept where it can never be taken for more.

A head of a pull request may come from anybody's fork. It is fetched into a bare repository of its
own, apart from the mirror that candidates and statements are read from: nothing in here can be
accepted, and no statement counts because it came along with a request. Nothing of it runs. How
much a stranger can make the daemon fetch is bounded by number, by bytes on the disk, and by time.
"""

import asyncio
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from rosterd import errors, settings
from rosterd.git import mirrors, running

REQUESTS: Final = "refs/rosterd/requests"
_BLOCK: Final = 512
_LONGEST_LIST: Final = 16 * 2**20
_COMMITS: Final = 500
"""A request with more commits is not asked for statements: to read them all is work for free."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of one request at the forge."""

    number: int
    ref: str
    commit: str


@dataclass(frozen=True, slots=True)
class Merged:
    """What accepting a head would make of the accepted commit.

    `tree` names the documents, None when there is none, for the reason given.
    """

    tree: str | None
    reason: str = ""
    accepted: bool = False
    """Whether the head is part of what is accepted."""


class Inbox(mirrors.Mirror):
    """A repository for requests; beside them it has the branch and the statements, as the mirror."""

    def __init__(self, machine: settings.Settings) -> None:
        super().__init__(machine.requests_mirror, machine.repository)
        self._patterns = [pattern(text) for text in machine.requests.refs]
        self._texts = machine.requests.refs
        self._bytes = machine.requests.max_bytes

    async def heads(self) -> list[Head]:
        """All heads that the settings' refs name, the newest request first."""
        self.beat()
        answer = await self.programs.git(
            *("--git-dir=.", "ls-remote", "--quiet", "--", self._repository.url, *self._texts),
            folder=self.folder,
            limit=_LONGEST_LIST,
        )
        found = []
        for line in answer.output.decode(errors="replace").splitlines():
            commit, _, ref = line.partition("\t")
            # git takes the patterns for the ends of names; a branch may be called like one
            numbers = [match[1] for each in self._patterns if (match := each.fullmatch(ref))]
            if numbers and mirrors.is_id(commit):
                found.append(Head(int(numbers[0]), ref, commit))
        return sorted(found, key=lambda head: (-head.number, head.ref))

    async def bring(self, heads: Sequence[Head]) -> Mapping[str, str]:
        """Have exactly these; gives (ref → why) for those that could not be fetched.

        One that is refused keeps no other from coming.
        """
        there = await self._there()
        gone = there.keys() - {_place(head.ref) for head in heads}
        if gone:
            given = "".join(f"delete {ref}\n" for ref in sorted(gone)).encode()
            await self._git("update-ref", "--no-deref", "--stdin", given=given)
        wanted = [head for head in heads if there.get(_place(head.ref)) != head.commit]
        refused = await self._fetched(wanted) if wanted else {}
        if await asyncio.to_thread(self._size) > 4 * self._bytes:
            # Made anew by the next pass: what was refused or closed piles up otherwise.
            await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)
            raise errors.TemporaryError("the repository of requests grew too large and begins anew")
        return refused

    async def _fetched(self, wanted: Sequence[Head]) -> dict[str, str]:
        try:
            await self._fetch_heads(wanted)
        except errors.TemporaryError as error:
            if len(wanted) == 1:
                return {wanted[0].ref: str(error)}
        else:
            return {}
        refused: dict[str, str] = {}
        for head in wanted:
            refused |= await self._fetched([head])
        return refused

    async def _fetch_heads(self, wanted: Sequence[Head]) -> None:
        try:
            await self._bounded(
                *("-c", "fetch.unpackLimit=1", "--git-dir=.", "fetch", "--quiet", "--no-tags"),
                *("--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance"),
                *("--", self._repository.url),
                *(f"+{head.ref}:{_place(head.ref)}" for head in wanted),
            )
        finally:
            for left in (self.folder / "objects" / "pack").glob("tmp_*"):
                left.unlink(missing_ok=True)

    async def _there(self) -> dict[str, str]:
        answer = await self._git(
            "for-each-ref", "--format=%(objectname) %(refname)", f"{REQUESTS}/"
        )
        pairs = (line.split(" ", 1) for line in answer.output.decode().splitlines())
        return {ref: commit for commit, ref in pairs}

    # ------------------------------------------------------------ asking it

    async def merged(self, accepted: str, head: str) -> Merged:
        """The documents that the branch would have: the head's own when it goes on from what is
        accepted, else those of a merge. A conflict is none of ours to settle.
        """
        if await self.is_ancestor(head, accepted):
            return Merged(None, "it is part of what is accepted", accepted=True)
        if await self.is_ancestor(accepted, head):
            return Merged(head)
        answer = await self._bounded(
            *("--git-dir=.", "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages"),
            *(accepted, head),
            fine=(0, 1, 128),
        )
        first, *names = answer.output.split(b"\0")
        tree = first.decode(errors="replace").strip()
        if answer.status == 0 and mirrors.is_id(tree):
            return Merged(tree)
        if answer.status == 1:
            shown = sorted({name.decode(errors="backslashreplace")[:200] for name in names if name})
            return Merged(None, f"it conflicts with what is accepted: {', '.join(shown[:5])}")
        return Merged(None, "it has no history in common with what is accepted")

    async def few_commits(self, accepted: str, head: str) -> bool:
        """Whether it is worth asking who signed what of it."""
        lines = await self.commits(f"--max-count={_COMMITS + 1}", head, f"^{accepted}")
        return len(lines) <= _COMMITS

    async def statements_digest(self) -> str:
        """Moves whenever a statement comes or goes."""
        answer = await self._git(
            *("for-each-ref", "--format=%(objectname) %(refname)"),
            *(mirrors.STATEMENTS, mirrors.COMMITS),
        )
        return _digest(answer.output)

    async def _bounded(self, *arguments: str, fine: Iterable[int] = (0,)) -> running.Answer:
        """Run git so that no file it writes grows beyond the limit."""
        self.beat()
        answer = await self.programs.run(
            *("sh", "-c", 'ulimit -f "$0" && exec "$@"', str(self._bytes // _BLOCK)),
            *("git", *self.programs.options, "-C", str(self.folder), *arguments),
        )
        if answer.status not in fine:
            raise errors.TemporaryError(
                f"cannot take it: {answer.words or f'git ended with {answer.status}'}"[:500]
            )
        return answer

    def _size(self) -> int:
        if not self.folder.is_dir():
            return 0
        return sum(each.stat().st_size for each in self.folder.rglob("*") if each.is_file())


def pattern(text: str) -> re.Pattern[str]:
    """What refs a pattern of the settings names; its star stands for a number."""
    before, _, behind = text.partition("*")
    return re.compile(f"{re.escape(before)}([1-9][0-9]{{0,8}}){re.escape(behind)}")


def _place(ref: str) -> str:
    return f"{REQUESTS}/{ref.removeprefix('refs/')}"


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()
