"""A branch prepared for a person: files put beside what is accepted, in a clone that the settings name.

It is made of git's objects alone: no checkout, no index of the clone, no hook, no remote. The commit
is unsigned and by nobody who is listed, so it vouches for nothing; the branch is a new one and never
the one that is followed; and nothing is pushed. A person reads it, takes it over, and signs.
"""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rosterd import errors, settings
from rosterd.git import mirrors, running

NAME: Final = "rosterd"
EMAIL: Final = "rosterd@rosterd.invalid"
"""Whom the commits are by: nobody to whom a key could be listed."""
_BRANCH: Final = re.compile(r"add-[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_IDENTITY: Final = {
    "GIT_AUTHOR_NAME": NAME,
    "GIT_AUTHOR_EMAIL": EMAIL,
    "GIT_COMMITTER_NAME": NAME,
    "GIT_COMMITTER_EMAIL": EMAIL,
}


class Branches:
    """Makes branches in the clone of the settings."""

    def __init__(self, machine: settings.Settings) -> None:
        self._clone = machine.console.clone
        self._machine = machine

    def refusal(self) -> str:
        """Why no branch can be made; "" when one can. Looks at the disk."""
        if self._clone is None:
            return "the settings name no clone in console.clone"
        if str(self._clone) == self._machine.repository.url or _same(
            self._clone, Path(self._machine.repository.url)
        ):
            return f"{self._clone} is the repository that is followed, and no clone of it"
        store = self._clone / ".git" if (self._clone / ".git").is_dir() else self._clone
        if not (store / "objects").is_dir():
            return f"{self._clone} is no clone of a repository"
        needed = (store / "objects", store / "refs" / "heads")
        if not all(os.access(folder, os.W_OK) for folder in needed):
            return f"{self._clone} cannot be written to by the daemon"
        return ""

    async def write(
        self, branch: str, base: str, files: Mapping[str, bytes], message: str
    ) -> tuple[Path, str]:
        """The clone, and a commit in it on `base` that adds `files`; no branch names it yet.

        Raises errors.InputError when that cannot be, errors.TemporaryError when git fails.
        """
        refusal = self.refusal()
        if refusal or self._clone is None:
            raise errors.InputError(f"cannot prepare a branch: {refusal}")
        if not _BRANCH.fullmatch(branch) or branch == self._machine.repository.branch:
            raise errors.InputError(f"cannot prepare a branch that is called {branch}")
        clone = self._clone
        there = await self._git("rev-parse", "--quiet", "--verify", _ref(branch), fine=(0, 1))
        if there.status == 0:
            raise errors.InputError(
                f"cannot prepare {branch}: {clone} has a branch of that name; look at it, or delete"
                " it first"
            )
        await self._bring(base)
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": f"{folder}/index"}
            await self._git("read-tree", base, environment=index)
            for path, content in sorted(files.items()):
                known = await self._git("ls-files", "--", path, environment=index)
                if known.output:
                    raise errors.InputError(f"cannot prepare {branch}: {path} is there already")
                blob = await self._said("hash-object", "-w", "--stdin", given=content)
                entry = f"100644,{blob},{path}"
                await self._git("update-index", "--add", "--cacheinfo", entry, environment=index)
            tree = await self._said("write-tree", environment=index)
        words = ("commit-tree", "--no-gpg-sign", tree, "-p", base)
        return clone, await self._said(*words, given=message.encode(), environment=_IDENTITY)

    async def publish(self, branch: str, commit: str) -> None:
        """Let a new branch name the commit; fails when one of that name came meanwhile."""
        await self._git("update-ref", "--no-deref", _ref(branch), commit, "")

    async def _bring(self, base: str) -> None:
        """The accepted commit, from the mirror: the clone may be older."""
        has = await self._git("cat-file", "-e", f"{base}^{{commit}}", fine=(0, 1, 128))
        if has.status:
            mirror = str(self._machine.mirror.resolve())
            words = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
            await self._git("fetch", *words, "--", mirror, mirrors.ACCEPTED)

    async def _said(
        self, *words: str, given: bytes = b"", environment: Mapping[str, str] | None = None
    ) -> str:
        answer = await self._git(*words, given=given, environment=environment)
        return answer.output.decode().strip()

    async def _git(
        self,
        *words: str,
        given: bytes = b"",
        fine: tuple[int, ...] = (0,),
        environment: Mapping[str, str] | None = None,
    ) -> running.Answer:
        programs = running.hardened(
            self._machine.paths.state,
            self._machine.repository.timeout,
            environment=environment,
        )
        if self._clone is None:
            raise errors.InputError("cannot run git: the settings name no clone")
        return await programs.git(*words, folder=self._clone, given=given, fine=fine)


def _ref(branch: str) -> str:
    return f"refs/heads/{branch}"


def _same(one: Path, other: Path) -> bool:
    """Whether two paths are of one folder; a URL is no folder."""
    try:
        return one.samefile(other)
    except OSError:
        return False
