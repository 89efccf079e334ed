"""File events as wake-ups: a hint to look now, never the truth.

The loops look by themselves every so often; an event only makes it sooner, and a lost one costs
nothing but time. Reading a file makes events too, so only those that tell of a change count. A
folder that is replaced takes its watch with it without a word: so it is compared which one is there.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from watchdog import events, observers
from watchdog.observers.api import ObservedWatch

_TELLING: list[type[events.FileSystemEvent]] = [
    *(events.FileCreatedEvent, events.FileDeletedEvent, events.FileModifiedEvent),
    *(events.FileMovedEvent, events.DirCreatedEvent, events.DirMovedEvent, events.DirDeletedEvent),
]


class _Handler(events.FileSystemEventHandler):
    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        self._loop, self._wake = loop, wake

    def on_any_event(self, event: events.FileSystemEvent) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
            self._loop.call_soon_threadsafe(self._wake)


def refs(url: str) -> Path | None:
    """The folder in which pushes to a local repository show; None for one that is elsewhere."""
    path = Path(url.removeprefix("file://"))
    folders = (path / "refs", path / ".git" / "refs")
    return next((folder for folder in folders if path.is_absolute() and folder.is_dir()), None)


async def watch(
    wanted: Callable[[], Mapping[Path, Callable[[], None]]], every: float = 5.0
) -> None:
    """Call each folder's wake-up, on this event loop, when something changes below it; for ever.

    `wanted` is asked again every `every` seconds, so that folders may come, go and be replaced.
    """
    observer = observers.Observer()
    observer.start()
    watches: dict[Path, tuple[tuple[int, int], ObservedWatch]] = {}
    try:
        while True:
            for path, wake in (found := wanted()).items():
                with contextlib.suppress(OSError):  # gone, or too many watches: polling goes on
                    place = (path.stat().st_dev, path.stat().st_ino)
                    if path in watches and watches[path][0] != place:
                        observer.unschedule(watches.pop(path)[1])
                    if path not in watches:
                        handler = _Handler(asyncio.get_running_loop(), wake)
                        seen = observer.schedule(
                            handler, path, recursive=True, event_filter=_TELLING
                        )
                        watches[path] = place, seen
                        wake()  # for what happened before the watch was there
            for path in watches.keys() - found.keys():
                observer.unschedule(watches.pop(path)[1])
            await asyncio.sleep(every)
    finally:
        observer.stop()
        await asyncio.to_thread(observer.join)
