"""A commit read whole: its files, its documents, and what all of them together say.

What a commit holds never changes, so the last one is kept; a candidate that waits for an approval
is read once, and asked about at every pass.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rosterd import configs, errors, git, loading, statements
from rosterd.git import mirrors


@dataclass(frozen=True, slots=True)
class Candidate:
    """One commit. `config` is None when its documents have errors."""

    commit: str
    documents: Mapping[str, bytes]
    loaded: loading.Loaded
    config: configs.Config | None
    problems: tuple[errors.Problem, ...]


class Reader:
    """Reads commits from the mirror; unchanged files are not parsed again."""

    def __init__(self, mirror: git.Mirror) -> None:
        self._mirror = mirror
        self._last: Candidate | None = None
        self._changes: dict[tuple[str, str], tuple[statements.Transition, ...]] = {}

    async def read(self, commit: str) -> Candidate:
        """Everything at `commit`; errors.InputError when its tree cannot be taken at all."""
        last = self._last
        if last is not None and last.commit == commit:
            return last
        files = await self._files(commit)
        self._last = checked(commit, files, last.loaded if last else None)
        return self._last

    async def files(self, commit: str) -> Mapping[str, bytes] | None:
        """Path -> bytes of what may be a document at `commit`; None when the mirror lacks it."""
        return await self._files(commit) if await self._mirror.has(commit) else None

    async def _files(self, commit: str) -> dict[str, bytes]:
        tree = await self._mirror.tree(commit)
        wanted = {path: entry.blob for path, entry in tree.items() if _may_be_document(path)}
        contents = await self._mirror.contents(wanted.values())
        missing = sorted(path for path, blob in wanted.items() if blob not in contents)
        if missing:  # a file that cannot be read is never a file that is absent
            raise errors.TemporaryError(f"cannot read {missing[0]} of the mirror")
        return {path: contents[blob] for path, blob in wanted.items()}

    async def changes(self, old: str, new: str) -> tuple[statements.Transition, ...]:
        """What changed between two commits, path by path."""
        found = self._changes.get((old, new))
        if found is None:
            found = await self._mirror.changes(old, new)
            self._changes = {(old, new): found}
        return found


def checked(
    commit: str, files: Mapping[str, bytes], previous: loading.Loaded | None = None
) -> Candidate:
    """The candidate that these files (path → content) are."""
    loaded = loading.load(files, previous)
    config, problems = configs.check(loaded)
    return Candidate(commit, files, loaded, config, problems)


def pinned(path: Path) -> str | None:
    """The commit that `rosterd trust` wrote, None when there is no pin.

    Raises errors.InputError for a pin that names no commit.
    """
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InputError(f"cannot read the pinned commit in {path}") from error
    if not mirrors.is_id(text):
        raise errors.InputError(
            f"cannot use the pin in {path}: expected one full commit id; `rosterd trust` writes it"
        )
    return text


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def _may_be_document(path: str) -> bool:
    """Files that loading may take for a document; the store keeps these of what was applied."""
    return path.lower().endswith((".yaml", ".yml")) and not path.startswith(".")
