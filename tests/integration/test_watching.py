import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from rosterd import watching
from tests.integration import git_repositories as repositories


@contextlib.asynccontextmanager
async def woken_by(folder: Path) -> AsyncIterator[asyncio.Event]:
    """Set whenever the watch on `folder` wakes; the watch is there when this begins."""
    woken = asyncio.Event()
    wanted: Callable[[], dict[Path, Callable[[], None]]] = lambda: {folder: woken.set}  # noqa: E731 - a typed value
    task = asyncio.create_task(watching.watch(wanted, every=0.05))
    try:
        await asyncio.wait_for(woken.wait(), 10)
        woken.clear()
        yield woken
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_push_to_a_local_repository_wakes(tmp_path: Path) -> None:
    site = repositories.Site(tmp_path)
    site.commit({"a": "1"})
    folder = watching.refs(str(site.bare))
    assert folder is not None

    async with woken_by(folder) as woken:
        site.push()
        await asyncio.wait_for(woken.wait(), 10)


async def test_reading_does_not_wake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    async with woken_by(tmp_path) as woken:
        (tmp_path / "file").read_text()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(woken.wait(), 0.5)


async def test_a_folder_made_anew_is_watched_again(tmp_path: Path) -> None:
    folder = tmp_path / "delivery"
    folder.mkdir()

    async with woken_by(folder) as woken:
        shutil.move(folder, tmp_path / "old")
        folder.mkdir()
        # Moving and beginning a watch wake a few times; only a living watch goes on to.
        for number in range(10):
            woken.clear()
            (folder / f"{number}.csv").write_text("x")
            await asyncio.wait_for(woken.wait(), 10)


@pytest.mark.parametrize("url", ["https://forge.example/a.git", "ssh://git@x/a", "git@x:a", "a"])
def test_elsewhere_there_is_nothing_to_watch(url: str) -> None:
    assert watching.refs(url) is None
