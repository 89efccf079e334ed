"""Real config repositories with real keys: people commit, sign, merge and push as people do."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Person:
    """Somebody with an ssh key; whether the key counts is for `Site.allow` to say."""

    name: str
    email: str
    key: Path

    @property
    def public(self) -> str:
        return " ".join(self.key.with_suffix(".pub").read_text().split()[:2])


def make_person(folder: Path, name: str, key_name: str | None = None) -> Person:
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / (key_name or name)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key))
    return Person(name, f"{name}@district.example", key)


def run(
    *command: str, cwd: Path | None = None, given: str | None = None, **environment: str
) -> str:
    """The output of a program; an assertion with its words when it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C",
            **environment,
        },
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


class Site:
    """A forge's bare repository and one working clone in which everybody takes turns."""

    def __init__(self, folder: Path, *, made: bool = True) -> None:
        """Made new in `folder`, or found there when it is not to be `made`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.bare = folder / "forge.git"
        self.clone = folder / "clone"
        self.allowed = folder / "allowed_signers"
        self.revoked = folder / "revoked_keys"
        if not made:
            return
        self.allowed.write_text("")
        self.revoked.write_text("")
        run("git", "init", "-q", "--bare", "-b", "main", str(self.bare))
        run("git", "init", "-q", "-b", "main", str(self.clone))
        run("git", "remote", "add", "origin", str(self.bare), cwd=self.clone)

    def person(self, name: str, *, listed: bool = True, key_name: str | None = None) -> Person:
        person = make_person(self.folder / "keys", name, key_name)
        if listed:
            self.allow(person)
        return person

    def allow(self, person: Person, options: str = "") -> None:
        with self.allowed.open("a") as file:
            file.write(f"{person.email} {options}{' ' if options else ''}{person.public}\n")

    def revoke(self, person: Person) -> None:
        with self.revoked.open("a") as file:
            file.write(person.public + "\n")

    def git(self, *arguments: str, by: Person | None = None, **environment: str) -> str:
        name = by.name if by else "nobody"
        return run(
            "git",
            *arguments,
            cwd=self.clone,
            GIT_AUTHOR_NAME=name,
            GIT_AUTHOR_EMAIL=f"{name}@district.example",
            GIT_COMMITTER_NAME=name,
            GIT_COMMITTER_EMAIL=f"{name}@district.example",
            **environment,
        ).strip()

    def write(self, files: Mapping[str, str | bytes | None]) -> None:
        for path, content in files.items():
            file = self.clone / path
            if content is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(
        self,
        files: Mapping[str, str | bytes | None],
        *,
        by: Person | None = None,
        signed: bool = True,
        message: str = "change",
        **environment: str,
    ) -> str:
        """Commit on the current branch; signed by `by` unless told otherwise."""
        self.write(files)
        self.git("add", "-A")
        sign = signing(by) if by and signed else []
        self.git(
            *sign,
            *("commit", "-q", "--allow-empty", "-m", message),
            *(["-S"] if sign else []),
            by=by,
            **environment,
        )
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def push(self, *options: str, branch: str = "main") -> None:
        self.git("push", "-q", *options, "origin", f"HEAD:refs/heads/{branch}")


def signing(person: Person) -> list[str]:
    return [
        *("-c", "gpg.format=ssh"),
        *("-c", f"user.signingkey={person.key}"),
    ]
