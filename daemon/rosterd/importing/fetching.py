"""Bringing what lies elsewhere to this machine, so that it can be imported like a local delivery.

Each source that is asked has a folder of its own here. `work` is a fetch that goes on, with what it
has to know to be taken up again after a restart; `ready` is one that came whole, and stays until it
was read. A fetch runs beside the imports: a server that answers slowly keeps no other source
waiting.
"""

import asyncio
import contextlib
import json
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

from rosterd import documents, errors, pulling, scheduling, sealing, sftp, storage
from rosterd.generations import deliveries
from rosterd.importing import holding, sources

_Result = TypeVar("_Result")

OVERLAP: Final = timedelta(minutes=10)
"""A delta begins that long before the last one began: the server's clock is not ours."""
_RESUME: Final = timedelta(hours=6)
"""An older try is begun anew: its halves would be of two days."""
_RETRY: Final = (60.0, 300.0, 900.0, 3600.0)
"""Seconds until a fetch is tried again that failed."""
_UNSET: Final = 5.0
"""Seconds until it is looked again whether somebody has set a secret by now."""
_STATE: Final = "state.json"
_UNREAD: Final = "unread.json"

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Failed:
    count: int
    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class _Try:
    """One fetch, as `work/state.json` holds it."""

    place: str
    began: datetime
    since: datetime | None
    taken: str = ""

    def text(self) -> str:
        """As it is kept."""
        since = self.since.isoformat() if self.since else None
        return json.dumps(
            {
                "place": self.place,
                "began": self.began.isoformat(),
                "since": since,
                "taken": self.taken,
            }
        )


class Fetching:
    """Asks the sources of types sftp and oneroster when they are due."""

    def __init__(
        self,
        *,
        folder: Path,
        most_bytes: int,
        state: storage.Storage,
        secrets: sealing.Secrets,
        turn: asyncio.Lock,
        clock: Callable[[], datetime],
        wake: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder` is the daemon's own; `turn` is held while an import reads in it."""
        self._folder = folder
        self._most_bytes = most_bytes
        self._state = state
        self._secrets = secrets
        self._turn = turn
        self._clock = clock
        self._wake = wake
        self._monotonic = monotonic
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failed: dict[str, _Failed] = {}
        self._notes: dict[str, str] = {}

    async def look(
        self, source: documents.RosterSource, zone: str, *, stay: bool
    ) -> tuple[sources.Sight | None, str]:
        """What was fetched and can be read, or why there is nothing; begins a fetch that is due.

        `zone` is the repository's timezone, `stay` whether nobody leaves today.
        """
        pull = await self._pull(source)
        task = self._tasks.get(source.name)
        if (task is None or task.done()) and self._due(source, pull, zone):
            self._tasks[source.name] = asyncio.create_task(
                self._run(source, pull, stay=stay), name=f"fetching {source.name}"
            )
        ready = self._ready(source)
        if ready is not None:
            return ready, ""
        if (failed := self._failed.get(source.name)) is not None:
            left = max(0.0, failed.until - self._monotonic())
            return None, f"{failed.reason}; it is tried again in {_worded(left)}"
        running = source.name in self._tasks and not self._tasks[source.name].done()
        return None, "it is being fetched" if running else self._notes.get(source.name, "")

    def failing(self, name: str) -> bool:
        """Whether the last fetch of a source failed."""
        return name in self._failed

    async def now(self, source: documents.RosterSource, *, stay: bool) -> sources.Sight | None:
        """Fetch without waiting until it is due; raises what went wrong."""
        if (task := self._tasks.get(source.name)) is None or task.done():
            pull = await self._pull(source)
            self._tasks[source.name] = asyncio.create_task(
                self._run(source, pull, stay=stay, again=True), name=f"fetching {source.name}"
            )
        await asyncio.wait([self._tasks[source.name]])
        if (failed := self._failed.get(source.name)) is not None:
            raise errors.TemporaryError(failed.reason)
        return self._ready(source)

    async def read(self, source: documents.RosterSource, imported: storage.Import) -> None:
        """What was fetched was read; it stays while somebody may have to let it go."""
        ready = self._folder / source.name / "ready"
        if imported.state == "failed" or not (ready / _STATE).exists():
            return
        attempt = _attempt(ready / _STATE)
        pull = await self._pull(source)
        if imported.state in ("imported", "unchanged"):
            whole = attempt.began if attempt.since is None else pull.whole
            pull = replace(pull, began=attempt.began, whole=whole)
        await self._keep(replace(pull, taken=attempt.taken))
        if imported.state != "held":
            await asyncio.to_thread(shutil.rmtree, ready, ignore_errors=True)

    async def close(self) -> None:
        """End what goes on; it is taken up again at the next start."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    # -- when

    async def _pull(self, source: documents.RosterSource) -> storage.Pull:
        """How far it came; nothing of another place."""
        kept = (await self._state.run(lambda store: store.pulls())).get(source.name)
        place = _place(source)
        if kept is None or kept.place != place:
            return storage.Pull(source.name, place)
        return kept

    async def _keep(self, pull: storage.Pull) -> None:
        await self._state.run(lambda store: store.keep_pull(pull))

    def _due(self, source: documents.RosterSource, pull: storage.Pull, zone: str) -> bool:
        if (failed := self._failed.get(source.name)) is not None:
            return self._monotonic() >= failed.until
        work = self._folder / source.name / "work" / _STATE
        if pull.tried is None or work.exists():
            return True
        pace, now = source.schedule, self._clock()
        if pace is None:
            return False
        if pace.every is not None:
            return now >= pull.tried + pace.every
        schedule = scheduling.schedule(pace, zone)
        return schedule is not None and bool(scheduling.slots(schedule, pull.tried, now))

    # -- a fetch

    async def _run(
        self,
        source: documents.RosterSource,
        pull: storage.Pull,
        *,
        stay: bool,
        again: bool = False,
    ) -> None:
        try:
            await self._secrets.of(source)
        except errors.RosterdError as error:
            self._fail(source, str(error.args[0]), pause=_UNSET)
            return
        try:
            attempt = self._resumed(source, pull) or self._begun(source, pull)
            await self._keep(replace(pull, tried=attempt.began))
            async with asyncio.timeout(source.deadline.total_seconds()):
                how = self._by_sftp if source.type == "sftp" else self._by_rest
                taken = "" if again else pull.taken
                came = await how(source, attempt, taken, stay=stay)
            self._failed.pop(source.name, None)
            self._notes[source.name] = "" if came else "nothing new lies there"
            if came:
                await self._finish(source)
        except TimeoutError:
            self._fail(source, f"it took longer than the deadline of {source.deadline}")
        except errors.RosterdError as error:
            self._fail(source, str(error.args[0]))
        except OSError as error:
            self._fail(source, f"cannot keep what is fetched: {error.strerror}")
        except Exception as error:  # noqa: BLE001 - its text may hold what the server sent
            self._fail(source, f"cannot read what the server sent ({type(error).__name__})")
        finally:
            self._wake()

    def _fail(
        self, source: documents.RosterSource, reason: str, *, pause: float | None = None
    ) -> None:
        """Try again after `pause`, or after longer and longer ones."""
        before = self._failed.get(source.name)
        count = (before.count if before is not None else 0) + (pause is None)
        pause = pause if pause is not None else _RETRY[min(count, len(_RETRY)) - 1]
        self._failed[source.name] = _Failed(count, self._monotonic() + pause, reason)
        if before is None or before.reason != reason:
            _log.warning("source %s: %s", source.name, reason)

    def _resumed(self, source: documents.RosterSource, pull: storage.Pull) -> _Try | None:
        """The try that an end of the daemon interrupted, unless it was of another place or day."""
        path = self._folder / source.name / "work" / _STATE
        with contextlib.suppress(OSError, ValueError, KeyError):
            attempt = _attempt(path)
            if attempt.place == pull.place and self._clock() - attempt.began < _RESUME:
                return attempt
        return None

    def _begun(self, source: documents.RosterSource, pull: storage.Pull) -> _Try:
        work, now, since = self._folder / source.name / "work", self._clock(), None
        recent = pull.whole is not None and now - pull.whole < source.full_every
        if source.mode == "delta" and pull.began is not None and recent:
            since = pull.began - OVERLAP
        shutil.rmtree(work, ignore_errors=True)
        for folder in (self._folder, work.parent, work):  # parents get no mode of their own
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        attempt = _Try(pull.place, now, since)
        (work / _STATE).write_text(attempt.text(), encoding="ascii")
        return attempt

    async def _finish(self, source: documents.RosterSource) -> None:
        """What came takes the place of what came before, not while that is read."""
        folder = self._folder / source.name
        async with self._turn:
            await asyncio.to_thread(shutil.rmtree, folder / "ready", ignore_errors=True)
            (folder / "work").rename(folder / "ready")

    def _ready(self, source: documents.RosterSource) -> sources.Sight | None:
        ready = self._folder / source.name / "ready"
        try:
            attempt = _attempt(ready / _STATE)
        except (OSError, ValueError, KeyError):
            return None
        package = ready / "package"
        if attempt.place != _place(source) or not package.is_dir():
            return None
        files = deliveries.look(package)
        if sources.is_zip(files):
            return sources.Sight(package / files[0].name, files)
        received = ready / "received"
        unread: dict[str, int] = {}
        with contextlib.suppress(OSError, ValueError):  # of a folder of CSV there is none
            unread = json.loads((ready / _UNREAD).read_text(encoding="ascii"))
        beside = received if received.is_dir() else None
        return sources.Sight(package, files, beside, tuple(sorted(unread.items())))

    async def _by_rest(
        self, source: documents.RosterSource, attempt: _Try, _taken: str, *, stay: bool
    ) -> bool:
        del stay
        found, way = await self._secrets.of(source), source.authentication
        if way is None or source.url is None or source.version is None:
            raise AssertionError("the document's own check asks for them")
        upstream = pulling.Upstream(
            base=source.url,
            version=source.version,
            key=found["key"],
            secret=found["secret"],
            token_url=way.token_url,
            scope=way.scope,
            resources_base=source.resources_url,
            page=source.page_size,
            most_bytes=self._most_bytes,
        )
        work = self._folder / source.name / "work"
        pulled = await pulling.pull(upstream, work, since=attempt.since)
        (work / _UNREAD).write_text(json.dumps(dict(pulled.unusable)), encoding="ascii")
        if lost := sum(pulled.unusable.values()):
            _log.warning("source %s: %s records could not be read", source.name, holding.few(lost))
        return True

    async def _by_sftp(
        self, source: documents.RosterSource, attempt: _Try, taken: str, *, stay: bool
    ) -> bool:
        """Two looks with the settle time between them, then the files, if they are other ones."""
        way = endpoint(source, await self._secrets.of(source))
        work = self._folder / source.name / "work"
        wanted = _chosen(source, await self._asked(source, way))
        # without its removals it was another delivery: it is fetched again when they may be
        told = sha256(f"{wanted}{' additions' if stay else ''}".encode()).hexdigest()
        if told == taken:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
            return False
        await asyncio.sleep(source.settle.total_seconds())
        if _chosen(source, await self._asked(source, way)) != wanted:
            raise errors.TemporaryError(
                f"cannot fetch from {way.host} yet: files still arrive there"
            )
        making = work / "making"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        data = [each for each in wanted if each.name.casefold().endswith((".csv", ".zip"))]
        watch = sftp.Watch(source.deadline.total_seconds())
        await in_thread(
            watch, lambda: sftp.fetch(way, data, making, limit=self._most_bytes, watch=watch)
        )
        (work / _STATE).write_text(replace(attempt, taken=told).text(), encoding="ascii")
        making.rename(work / "package")
        return True

    async def _asked(
        self, source: documents.RosterSource, endpoint: sftp.Endpoint
    ) -> tuple[sftp.Entry, ...]:
        watch = sftp.Watch(min(300.0, source.deadline.total_seconds()))
        return await in_thread(watch, lambda: sftp.look(endpoint, watch=watch))


async def in_thread(watch: sftp.Watch, work: Callable[[], _Result]) -> _Result:
    """What a conversation gives, in a thread that ends when nobody waits any more."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        watch.cut("nobody waits for it any more")
        await asyncio.gather(task, return_exceptions=True)
        raise


def _chosen(
    source: documents.RosterSource, entries: tuple[sftp.Entry, ...]
) -> tuple[sftp.Entry, ...]:
    """The delivery among the files of a server, by the rule for folders."""
    seen = [deliveries.Seen(each.name, each.size, each.modified, 0) for each in entries]
    files, reason = sources.chosen(source, seen)
    if not files:
        raise errors.TemporaryError(f"cannot fetch from {source.host} yet: {reason}")
    names = {each.name for each in files}
    return tuple(each for each in entries if each.name in names)


def _place(source: documents.RosterSource) -> str:
    """Where it is asked, as a digest."""
    if source.type == "oneroster":
        said: tuple[object, ...] = (source.url, source.resources_url, source.version)
    else:
        said = (source.host, source.port, source.username, source.directory)
    return sha256(repr(said).encode()).hexdigest()


def endpoint(source: documents.RosterSource, found: dict[str, str]) -> sftp.Endpoint:
    """How its server is reached; `found` are its secrets."""
    return sftp.Endpoint(
        host=source.host or "",
        port=source.port,
        username=source.username or "",
        host_keys=source.host_keys or (),
        password=found.get("password"),
        private_key=found.get("privateKey"),
        passphrase=found.get("passphrase"),
        directory=source.directory or ".",
        purpose="fetch from",
    )


def _attempt(path: Path) -> _Try:
    said = json.loads(path.read_text(encoding="ascii"))
    since = said["since"]
    return _Try(
        said["place"],
        datetime.fromisoformat(said["began"]),
        datetime.fromisoformat(since) if since is not None else None,
        said["taken"],
    )


def _worded(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
