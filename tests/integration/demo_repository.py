"""The demo's config repository, with its own two people and their keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration import git_repositories, processes

STRANGER: Mapping[str, str] = {
    "GIT_AUTHOR_NAME": "Merge Button",
    "GIT_AUTHOR_EMAIL": "merge-button@forge.example.org",
    "GIT_COMMITTER_NAME": "Merge Button",
    "GIT_COMMITTER_EMAIL": "merge-button@forge.example.org",
}
"""Whoever presses a forge's buttons: nobody that the settings list."""


@dataclass(frozen=True)
class Repository:
    """A clone of what the daemon follows; commits are the author's unless said otherwise."""

    work: Path
    told: Mapping[str, Any]
    settings: Path

    @classmethod
    def of(cls, demo: processes.Demo) -> "Repository":
        return cls(demo.folder / "work", demo.told, demo.settings)

    def git(self, *words: str, **environment: str) -> str:
        return git_repositories.run("git", *words, cwd=self.work, **environment).strip()

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def published(self) -> str:
        """The commit that the branch has at the forge."""
        return git_repositories.run(
            "git", "--git-dir", str(self.told["repository"]), "rev-parse", "main"
        ).strip()

    def reset(self, commit: str) -> None:
        self.git("checkout", "-q", "-B", "main", commit)
        self.git("clean", "-q", "-d", "--force")

    def write(self, path: str, text: str) -> None:
        (self.work / path).parent.mkdir(parents=True, exist_ok=True)
        (self.work / path).write_text(text, encoding="utf-8")

    def replace(self, path: str, old: str, new: str) -> int:
        """Change a document; gives the number of the first line that is another now."""
        text = (self.work / path).read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        self.write(path, text.replace(old, new))
        return text.partition(old)[0].count("\n") + 1

    def commit(self, message: str, *, signed: bool = True, **environment: str) -> str:
        """Commit all there is; gives its id."""
        self.git("add", "--all")
        sign = "--gpg-sign" if signed else "--no-gpg-sign"
        self.git("commit", "-q", "--allow-empty", sign, "-m", message, **environment)
        return self.head

    def push(self, *words: str) -> None:
        self.git("push", "-q", *words, "origin", "HEAD:main")

    def approve(self, commit: str = "HEAD", person: str = "reviewer", *more: str) -> processes.Done:
        """`rosterd approve`, with this person's key."""
        key = self.told["people"][person]["signing_key"]
        done = processes.command(
            *("approve", commit, "--yes", "--clone", self.work, "--key", key),
            *("--settings", self.settings),
            *more,
        )
        assert done.status == 0, done.words
        return done

    def set_access(self, application: str, access: str, **more: str) -> None:
        """A permission that says this and nothing else."""
        fields = {"application": application, "access": access, **more}
        lines = ["apiVersion: rosterd/v1", "kind: Permission", f"name: {application}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        self.write(f"permissions/{application}.yaml", "\n".join(lines) + "\n")


def make_key(path: Path) -> Path:
    """A signing key that nobody lists."""
    git_repositories.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path))
    return path
