"""Documents of a new application as a branch: a commit that nobody signed, for a person to take over.

What comes here was shown to an operator and came back from a browser, so it is read again: nothing
but an application that is disabled and its permission ever gets into the clone.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rosterd import documents, errors, loading, settings, storage, worlds
from rosterd.git import branches
from rosterd.web import desk


@dataclass(frozen=True, kw_only=True)
class Branches:
    """Implements web.desk.Branches."""

    machine: settings.Settings
    served: worlds.Worlds
    store: storage.Storage
    clock: Callable[[], datetime]

    async def clone(self) -> desk.Clone:
        """Whether a branch can be prepared, and where."""
        path = self.machine.console.clone
        refusal = await asyncio.to_thread(branches.Branches(self.machine).refusal)
        return {"path": str(path) if path is not None else None, "refusal": refusal}

    async def prepare(self, application: str, files: Mapping[str, str], who: str) -> desk.Prepared:
        """A branch with the documents of a new application, on record under `who`."""
        base = self.served.current.commit
        if base is None:
            raise errors.TemporaryError("cannot prepare a branch: no commit is accepted yet")
        content = {path: text.encode("utf-8", "replace") for path, text in files.items()}
        _require_new(application, content)
        made = branches.Branches(self.machine)
        branch = f"add-{application}"
        message = (
            f"Add {application}\n\nPrepared in rosterd's console for {who}. Nobody signed it, so it"
            " vouches for nothing:\nwhoever takes it over reads it, amends it and signs.\n"
        )
        clone, commit = await made.write(branch, base, content, message)
        note = storage.Note(
            "prepared", who, application, self.clock(), {"branch": branch, "commit": commit}
        )
        await self.store.run(lambda kept: kept.note(note))
        await made.publish(branch, commit)
        return {"branch": branch, "commit": commit, "clone": str(clone), "base": base}


def _require_new(application: str, files: Mapping[str, bytes]) -> None:
    """Raises errors.InputError for anything but an application that is off and its permission."""
    loaded = loading.load(files)
    if loaded.problems:
        raise errors.InputError("cannot prepare a branch", loaded.problems)
    found = {each.path: each.document for each in loaded.documents}
    paths = [documents.path_of(kind, application) for kind in ("Application", "Permission")]
    declared, permission = (found.get(path) for path in paths)
    if (
        set(files) != set(paths)
        or not isinstance(declared, documents.Application)
        or not isinstance(permission, documents.Permission)
        or permission.application != application
    ):
        raise errors.InputError(
            f"cannot prepare a branch: it takes an application {application} and its permission"
        )
    if declared.enabled or declared.protected:
        raise errors.InputError(
            "cannot prepare a branch: a new application starts disabled; enable it by a commit of"
            " its own"
        )
