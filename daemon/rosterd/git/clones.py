"""A person's own clone: what she approves, signs and pushes.

Here git runs as the person has set it up (remotes, agent, passphrases), because it is her word that
is given. What she vouches for is computed from the objects that she has, and never from what a
forge shows.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from rosterd import errors, statements
from rosterd.git import mirrors, running, trees

KEY = "Key to sign with: a key file, or a public key whose private half is in the ssh agent."


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody is asked to vouch for: everything between two commits."""

    base: str | None
    """None when the commit is the first of its history."""
    commit: str
    transitions: tuple[statements.Transition, ...]


class Clone:
    """A repository with or without a working tree, in `folder` or above it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs = running.personal()

    async def git(
        self, *arguments: str, given: bytes = b"", fine: Sequence[int] = (0,)
    ) -> running.Answer:
        """Run git there; a failure is told in git's own words."""
        try:
            return await self._programs.git(*arguments, folder=self.folder, given=given, fine=fine)
        except errors.TemporaryError as error:
            raise errors.InputError(str(error)) from error

    async def resolve(self, name: str) -> str:
        """The full id of the commit that `name` means."""
        answer = await self.git(
            *("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"),
            fine=range(256),
        )
        commit = answer.output.decode(errors="replace").strip()
        if answer.status or not mirrors.is_id(commit):
            raise errors.InputError(f"cannot find the commit {name} in {self.folder}")
        return commit

    async def setting(self, name: str) -> str:
        """A value of the git configuration, "" when it is not set."""
        answer = await self.git("config", "--get", name, fine=range(256))
        return answer.output.decode(errors="replace").strip() if answer.status == 0 else ""

    async def remote_url(self, remote: str) -> str:
        """Where the remote is, "" when there is none of that name."""
        return await self.setting(f"remote.{remote}.url")

    async def tip(self, remote: str, branch: str) -> str | None:
        """The newest commit of the branch at the remote, as far as it can be known."""
        if await self.remote_url(remote):
            await self.git("fetch", "--quiet", "--no-tags", "--", remote, f"refs/heads/{branch}")
            return await self.resolve("FETCH_HEAD")
        answer = await self.git(
            "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", fine=range(256)
        )
        return answer.output.decode().strip() if answer.status == 0 else None

    async def change(self, name: str, tip: str | None) -> Change:
        """What `name` (a commit, or BASE..COMMIT) changes.

        A commit that the branch does not have yet: everything since it left the branch. One that is
        on the branch already: its own change against its first parent.
        """
        if ".." in name:
            first, _, last = name.partition("..")
            return await self.between(first or "HEAD", last.lstrip(".") or "HEAD")
        commit = await self.resolve(name)
        base = await self._base(commit, tip)
        return Change(base, commit, await self._transitions(base, commit))

    async def between(self, first: str, last: str) -> Change:
        """What differs between two commits, whichever way leads from the one to the other."""
        base, commit = await self.resolve(first), await self.resolve(last)
        return Change(base, commit, await self._transitions(base, commit))

    async def _base(self, commit: str, tip: str | None) -> str | None:
        if tip is not None:
            answer = await self.git("merge-base", tip, commit, fine=(0, 1))
            base = answer.output.decode().strip()
            if base and base != commit:
                return base
        answer = await self.git("rev-list", "--parents", "--max-count=1", commit)
        parents = answer.output.decode().split()[1:]
        return parents[0] if parents else None

    async def _transitions(
        self, base: str | None, commit: str
    ) -> tuple[statements.Transition, ...]:
        rules = (base, commit) if base else ("--root", "--no-commit-id", commit)
        answer = await self.git("diff-tree", "-r", "-z", "--no-renames", *rules)
        changes = [change for _, change in mirrors.transitions(answer.output)]
        contents = await self.contents(
            blob for change in changes for blob in (change.old, change.new) if blob
        )
        hashes = {blob: sha256(content).hexdigest() for blob, content in contents.items()}
        return tuple(
            statements.Transition(
                change.path,
                change.old,
                change.new,
                hashes[change.old] if change.old else None,
                hashes[change.new] if change.new else None,
            )
            for change in changes
        )

    async def contents(self, blobs: Iterable[str]) -> dict[str, bytes]:
        """Blob id -> content."""
        given = "".join(f"{blob}\n" for blob in sorted(set(blobs))).encode()
        answer = await self.git("cat-file", "--batch", given=given)
        return dict(mirrors.batch(answer.output))

    async def files(self, name: str) -> Mapping[str, bytes]:
        """Path -> content of every file at a commit; errors.InputError for what is not taken."""
        commit = await self.resolve(name)
        answer = await self.git("ls-tree", "-r", "-z", "-l", "--full-tree", commit)
        tree = trees.entries(answer.output)
        contents = await self.contents(entry.blob for entry in tree.values())
        return {path: contents[entry.blob] for path, entry in tree.items()}

    async def sign(self, payload: bytes, key: str) -> str:
        """The armored signature of `payload` as a statement.

        `key` is the path of a key (of its public half when the private one is in the ssh agent) or
        the text of a public key whose private half is in the agent.
        """
        with tempfile.TemporaryDirectory() as folder:
            text = key.removeprefix("key::")
            path = Path(text).expanduser()
            if text.startswith(_TYPES):
                path = Path(folder) / "key.pub"
                path.write_text(text + "\n", encoding="utf-8")
            elif not path.is_file():
                raise errors.InputError(
                    f"cannot sign: there is no key {path}; expected the file of an ssh key, or the"
                    " text of a public one whose private half is in the ssh agent"
                )
            answer = await self._programs.run(
                "ssh-keygen", "-Y", "sign", "-n", statements.NAMESPACE, "-f", str(path),
                given=payload,
            )  # fmt: skip
            if answer.status:
                raise errors.InputError(f"cannot sign with {key}: {answer.words}{_hint(path)}")
        return answer.output.decode()

    async def fetch_statements(self, remote: str) -> None:
        """Bring what people stated so far, where there is such a remote."""
        if await self.remote_url(remote):
            refs = (f"+{name}/*:{name}/*" for name in (mirrors.STATEMENTS, mirrors.COMMITS))
            await self.git("fetch", "--quiet", "--no-tags", "--", remote, *refs)

    async def store(self) -> Path:
        """The folder in which the clone keeps its objects and refs."""
        answer = await self.git("rev-parse", "--path-format=absolute", "--git-common-dir")
        return Path(answer.output.decode().strip())

    async def keep(self, blob: bytes, commit: str) -> tuple[str, str]:
        """Write the refs of a statement and of the commit it is about; gives their names."""
        answer = await self.git("hash-object", "-w", "--stdin", given=blob)
        statement = f"{mirrors.STATEMENTS}/{sha256(blob).hexdigest()}"
        carried = f"{mirrors.COMMITS}/{commit}"
        await self.git("update-ref", statement, answer.output.decode().strip())
        await self.git("update-ref", carried, commit)
        return statement, carried

    async def push(self, remote: str, refs: Iterable[str]) -> None:
        """Bring refs to the remote, never by force."""
        await self.git("push", "--quiet", "--", remote, *(f"{ref}:{ref}" for ref in refs))


def absolute(key: str | None) -> str | None:
    """The key as git finds it from another folder; the text of a public key stays as it is."""
    if not key or key.startswith(("key::", *_TYPES)):
        return key
    return str(Path(key).expanduser().resolve())


_TYPES = ("ssh-", "ecdsa-", "sk-")


def _hint(key: Path) -> str:
    """What to do when a key did not sign."""
    public = key if key.suffix == ".pub" else key.with_name(key.name + ".pub")
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if public.read_text(encoding="utf-8").startswith("sk-"):
            return (
                "; this is a hardware key (its type begins with sk-): plug it in, touch it while it"
                " blinks, and use an OpenSSH that was built with support for it"
            )
    if key.suffix == ".pub" and not os.environ.get("SSH_AUTH_SOCK"):
        return "; only the public half is here, and no ssh agent is running (SSH_AUTH_SOCK)"
    return ""
