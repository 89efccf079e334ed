"""The bare mirror of the config repository: what a commit holds, and what changed between two.

The mirror can always be made again, so whatever is wrong with it (a lock left by a crash, a damaged
object) is answered by moving it aside and fetching anew; what must not be lost is in the store.
Whatever git answers may be as long as somebody who may push wants it: it is read beside the loop.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rosterd import errors, settings, statements
from rosterd.git import reaching, running, trees

CANDIDATE = "refs/rosterd/candidate"
ACCEPTED = "refs/rosterd/accepted"
STATEMENTS = "refs/rosterd/statements"
COMMITS = "refs/rosterd/commits"
"""Commits that an approver pushed along, so that their signatures outlive a squash."""

_ABSENT = frozenset("0")


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit and what it changed against its first parent."""

    name: str
    parents: tuple[str, ...]
    transitions: tuple[statements.Transition, ...]
    brought: frozenset[str] = frozenset()
    """Of a merge: paths that it only took over, as they are in another parent."""

    @property
    def own(self) -> tuple[statements.Transition, ...]:
        """What its signature vouches for. Who merges the branch into her own work brings along what
        waits there for approval, and has not said a word about it.
        """
        return tuple(change for change in self.transitions if change.path not in self.brought)


class Mirror:
    """The mirror in one folder; used by one task at a time."""

    def __init__(self, folder: Path, repository: settings.Repository) -> None:
        self.folder = folder
        self.beat: Callable[[], None] = lambda: None
        """Called before each git command; every one of them ends by itself within its timeout."""
        self._repository = repository
        self.programs = running.hardened(
            folder,
            repository.timeout,
            (
                "-c",
                "protocol.allow=never",
                "-c",
                f"protocol.{reaching.protocol(repository.url)}.allow=always",
            ),
            {"GIT_SSH_COMMAND": reaching.ssh(repository)},
        )

    # ------------------------------------------------------------ keeping it

    async def prepare(self) -> None:
        """Make the mirror, or make it anew when a crash left it locked or damaged."""
        if self.folder.exists() and (_locks(self.folder) or not await self._bare()):
            await self._set_aside()
        if not self.folder.exists():
            await self._make()

    async def mend(self) -> bool:
        """After a failure: whether the mirror was damaged, and is empty and whole again."""
        if self.folder.exists() and await self._sound():
            return False
        if self.folder.exists():
            await self._set_aside()
        await self._make()
        return True

    async def fetch(self) -> str:
        """Bring candidate and statements; gives the newest commit of the branch that is followed.

        Raises errors.InputError when the branch is not there, errors.TemporaryError otherwise.
        """
        await self.prepare()
        try:
            await self._fetch()
        except errors.TemporaryError:
            if not await self.mend():
                await self._look_for_branch()
                # The names of kept refs can be in the way of new ones: `a` of `a/b`.
                await self._forget()
            try:
                await self._fetch()
            except errors.TemporaryError as error:
                words = str(error)
                hint = reaching.hint(self._repository, words)
                raise errors.TemporaryError(words + hint) from error
        return await self.resolve(CANDIDATE)

    async def _fetch(self) -> None:
        await self._git(
            *("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"),
            *("--atomic", "--prune", "--no-auto-maintenance", "--", self._repository.url),
            f"+refs/heads/{self._repository.branch}:{CANDIDATE}",
            f"+{STATEMENTS}/*:{STATEMENTS}/*",
            f"+{COMMITS}/*:{COMMITS}/*",
        )

    async def _forget(self) -> None:
        """Drop all statements and carried commits; the next fetch brings what still counts."""
        answer = await self._git("for-each-ref", "--format=delete %(refname)", STATEMENTS, COMMITS)
        await self._git("update-ref", "--no-deref", "--stdin", given=answer.output)

    async def _look_for_branch(self) -> None:
        branch = self._repository.branch
        answer = await self._git(
            *("ls-remote", "--exit-code", "--quiet", "--", self._repository.url),
            f"refs/heads/{branch}",
            fine=range(256),
        )
        if answer.status == 2:
            raise errors.InputError(
                f"cannot find the branch {branch} in {running.redacted(self._repository.url)}"
            )

    async def _make(self) -> None:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        await self.programs.git(
            *("init", "--quiet", "--bare", "--template=", "--", str(self.folder)),
            folder=self.folder.parent,
        )
        self.folder.chmod(0o700)

    async def _bare(self) -> bool:
        answer = await self._git("rev-parse", "--is-bare-repository", fine=range(256))
        return answer.status == 0 and answer.output.strip() == b"true"

    async def _sound(self) -> bool:
        if _locks(self.folder) or not await self._bare():
            return False
        answer = await self._git("fsck", "--no-dangling", "--no-progress", fine=range(256))
        return answer.status == 0

    async def _set_aside(self) -> None:
        broken = self.folder.with_name(self.folder.name + ".broken")
        await asyncio.to_thread(shutil.rmtree, broken, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            self.folder.rename(broken)

    # ------------------------------------------------------------ asking it

    async def resolve(self, name: str) -> str:
        """The full id of the commit that `name` means; errors.InputError when there is none."""
        answer = await self._git(
            *("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"),
            fine=(0, 1, 128),
        )
        commit = answer.output.decode(errors="replace").strip()
        if answer.status or not is_id(commit):
            raise errors.InputError(f"cannot find the commit {name}")
        return commit

    async def has(self, commit: str) -> bool:
        """Whether the mirror holds that commit."""
        answer = await self._git("cat-file", "-e", f"{commit}^{{commit}}", fine=range(256))
        return answer.status == 0

    async def is_ancestor(self, old: str, new: str) -> bool:
        """Whether `new` descends from `old` (or is it); False when `old` is not there at all."""
        answer = await self._git("merge-base", "--is-ancestor", old, new, fine=(0, 1, 128))
        if answer.status == 128 and await self.has(old) and await self.has(new):
            raise errors.TemporaryError(f"cannot compare two commits: {answer.words}")
        return answer.status == 0

    async def merge_base(self, one: str, other: str) -> str:
        """The newest commit that both descend from; errors.InputError when there is none."""
        answer = await self._git("merge-base", one, other, fine=(0, 1))
        if answer.status:
            raise errors.InputError(
                f"cannot compare {one[:12]} and {other[:12]}: no common history"
            )
        return answer.output.decode().strip()

    async def tree(self, commit: str) -> Mapping[str, trees.Entry]:
        """Path -> file of a commit.

        Raises errors.InputError for what is not taken: links, submodules, odd or double names, too
        much.
        """
        answer = await self._git("ls-tree", "-r", "-z", "-l", "--full-tree", commit)
        # Beside the event loop: whoever may push decides how long this takes.
        return await asyncio.to_thread(trees.entries, answer.output)

    async def contents(
        self, blobs: Iterable[str], limit: int = trees.TREE_BYTES
    ) -> dict[str, bytes]:
        """Blob id -> content. What is not there, is no blob, or exceeds 1 MiB is left out.

        Raises errors.InputError when all together exceed `limit` bytes.
        """
        wanted = sorted(set(blobs))
        if not wanted:
            return {}
        there = {
            blob: size
            for blob, (kind, size) in (await self.sizes(wanted)).items()
            if kind == "blob" and size <= trees.FILE_BYTES
        }
        if sum(there.values()) > limit:
            raise errors.InputError(f"cannot read more than {limit} bytes of changed files")
        return dict(batch((await self.objects(list(there))).output))

    async def sizes(self, names: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Object -> (type, bytes), in the order of `names`, without those that are not there."""
        given = "".join(f"{name}\n" for name in names).encode()
        answer = await self._git("cat-file", "--batch-check", given=given)
        lines = [line.split() for line in answer.output.decode().splitlines()]
        return {words[0]: (words[1], int(words[2])) for words in lines if len(words) == 3}

    async def objects(self, names: Sequence[str]) -> running.Answer:
        """The batch output of cat-file for objects that are there."""
        given = "".join(f"{name}\n" for name in names).encode()
        return await self._git("cat-file", "--batch", given=given)

    async def commits(self, *rules: str) -> list[tuple[str, ...]]:
        """(commit, parents…) of what `git rev-list` gives for `rules`, the newest first."""
        answer = await self._git("rev-list", "--parents", *rules)
        return [tuple(line.split()) for line in answer.output.decode().splitlines()]

    async def own_changes(
        self, commits: Sequence[tuple[str, ...]], paths: Sequence[str] = ()
    ) -> list[Commit]:
        """What each of (commit, parents…) changed against its first parent: at `paths`, or at all
        of them when none are given.
        """
        given = "".join(" ".join(names[:2]) + "\n" for names in commits).encode()
        wanted = ("--literal-pathspecs", "diff-tree", "--stdin", "-r", "-z", "--no-renames")
        answer = await self._git(*wanted, "--root", "--", *paths, given=given)
        found = await asyncio.to_thread(_by_commit, answer.output)
        merges = [names[0] for names in commits if len(names) > 2]
        mixed: dict[str, frozenset[str]] = {}
        if merges:
            given = "".join(f"{name}\n" for name in merges).encode()
            answer = await self._git(*wanted, "-c", "--", *paths, given=given)
            mixed = await asyncio.to_thread(_mixed, answer.output)
        made = []
        for name, *parents in commits:
            changes = tuple(found.get(name, ()))
            brought = {change.path for change in changes} if len(parents) > 1 else set()
            brought -= mixed.get(name, frozenset())
            made.append(Commit(name, tuple(parents), changes, frozenset(brought)))
        return made

    async def changes(self, old: str, new: str) -> tuple[statements.Transition, ...]:
        """What changed between two commits, path by path; renames are a loss and a gain."""
        answer = await self._git("diff-tree", "-r", "-z", "--no-renames", old, new)
        return tuple(change for _, change in transitions(answer.output))

    async def accept(self, commit: str) -> None:
        """Keep the accepted commit, whatever happens to the branch."""
        await self._git("update-ref", ACCEPTED, commit)

    async def statement_refs(self, most: int, size: int) -> dict[str, str]:
        """Name in refs/rosterd/statements -> blob, at most `most` of them up to `size` bytes."""
        answer = await self._git(
            *("for-each-ref", f"--count={most}"),
            "--format=%(objecttype) %(objectsize) %(objectname) %(refname)",
            STATEMENTS,
        )
        refs = {}
        for line in answer.output.decode(errors="replace").splitlines():
            kind, length, blob, ref = line.split(" ", 3)
            if kind == "blob" and int(length) <= size:
                refs[ref.removeprefix(f"{STATEMENTS}/")] = blob
        return refs

    async def _git(
        self, *arguments: str, given: bytes = b"", fine: Sequence[int] = (0,)
    ) -> running.Answer:
        self.beat()
        # Named, not discovered: above a damaged mirror git would find somebody else's repository.
        return await self.programs.git(
            "--git-dir=.", *arguments, folder=self.folder, given=given, fine=fine
        )


def is_id(text: str) -> bool:
    """Whether this is a full object id."""
    return len(text) in {40, 64} and set(text) <= set("0123456789abcdef")


def batch(output: bytes) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each object in the output of `git cat-file --batch`."""
    start = 0
    while start < len(output):
        end = output.index(b"\n", start)
        words = output[start:end].split()
        start = end + 1
        if len(words) != 3:
            continue
        size = int(words[2])
        yield words[0].decode(), output[start : start + size]
        start += size + 1


def transitions(output: bytes) -> Iterator[tuple[str, statements.Transition]]:
    """(commit, transition) of `diff-tree -z`; a path that is no UTF-8 can be in no accepted tree."""
    commit = ""
    tokens = iter(output.split(b"\0"))
    for token in tokens:
        if not token.startswith(b":"):
            commit = token.decode(errors="replace")
            continue
        _, _, old, new, _ = token.decode().split(" ")
        try:
            path = next(tokens).decode()
        except UnicodeDecodeError:
            continue
        if old != new:  # only the mode changed: nothing that a config says
            yield commit, statements.Transition(path, _blob(old), _blob(new))


def _by_commit(output: bytes) -> dict[str, list[statements.Transition]]:
    found: dict[str, list[statements.Transition]] = {}
    for commit, change in transitions(output):
        found.setdefault(commit, []).append(change)
    return found


def _mixed(output: bytes) -> dict[str, frozenset[str]]:
    """Merge -> paths in which it differs from each of its parents, of `diff-tree -c -z`."""
    found: dict[str, set[str]] = {}
    commit = ""
    tokens = iter(output.split(b"\0"))
    for token in tokens:
        if token.startswith(b":"):
            found.setdefault(commit, set()).add(next(tokens).decode(errors="replace"))
        else:
            commit = token.decode(errors="replace")
    return {name: frozenset(paths) for name, paths in found.items()}


def _blob(name: str) -> str | None:
    return None if set(name) <= _ABSENT else name


def _locks(folder: Path) -> bool:
    """Whether a crash left a lock. Nobody but this process works in the mirror."""
    return any(folder.glob("*.lock")) or any((folder / "refs").rglob("*.lock"))
