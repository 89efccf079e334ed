"""Documents from where a person has them: a folder, or a commit of her clone."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from rosterd import configs, errors, loading
from rosterd.git import clones


def documents(name: str, folder: Path) -> Mapping[str, bytes]:
    """The documents of a folder or of a commit of the clone in `folder`: path → content."""
    path = folder / name
    if not path.is_dir():
        return asyncio.run(clones.Clone(folder).files(name))
    files = {}
    for file in sorted(path.rglob("*")):
        relative = file.relative_to(path).as_posix()
        if file.suffix.lower() in {".yaml", ".yml"} and not relative.startswith("."):
            if file.is_dir():
                continue
            if not file.is_file():  # a pipe would be waited for
                raise errors.InputError(f"cannot read {file}: a document is a regular file")
            try:
                files[relative] = file.read_bytes()
            except OSError as error:
                raise errors.InputError(f"cannot read {file}: {error.strerror}") from error
    return files


def require_valid(files: Mapping[str, bytes], what: str) -> configs.Config:
    """The config that these files are; errors.InputError with every problem of theirs."""
    config, problems = configs.check(loading.load(files))
    if config is None:
        raise errors.InputError(f"the documents of {what} have problems", problems)
    return config
