"""The access log: one line for each request, with nothing in it that could name a pupil.

Routes stand there by their name, never with the path's ids or the query's values. It is written for
every request, so a record is made from a template: `Logger.info` looks for the caller's line, the
thread and the process each time, which costs more than the token's check and says nothing here.
And lines are written when the answers are out, those of one turn of the loop together: in one go
a line costs a third of what it costs between two pages.
"""

import asyncio
import logging
import time
from typing import Final

_log = logging.getLogger("rosterd.access")
_REQUEST: Final = "%s %s version=%s application=%s status=%d rows=%d bytes=%d ms=%.1f generation=%s"
_METHODS: Final = frozenset(
    ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT")
)
_TEMPLATE: Final = dict(
    logging.LogRecord(_log.name, logging.INFO, __file__, 0, _REQUEST, None, None).__dict__
)


def request(
    *,
    method: str,
    operation: str,
    version: str,
    application: str,
    status: int,
    rows: int,
    size: int,
    started: float,
    generation: int | None,
) -> None:
    """One request for roster data; `size` in bytes, `started` by time.perf_counter."""
    if not _log.isEnabledFor(logging.INFO):
        return
    members = (
        method if method in _METHODS else "-",  # whatever else came is none of ours to repeat
        operation,
        version,
        application,
        status,
        rows,
        size,
        (time.perf_counter() - started) * 1000,
        "-" if generation is None else generation,
    )
    _lines.add(time.time(), members)


class _Lines:
    """Lines that wait for the end of the loop's turn; a loop that has ended leaves its own to the
    next one.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, tuple[object, ...]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, moment: float, members: tuple[object, ...]) -> None:
        loop = asyncio.get_running_loop()
        if not self._waiting or loop is not self._loop:
            self._loop = loop
            loop.call_soon(self._write)
        self._waiting.append((moment, members))

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        for moment, members in waiting:
            record = logging.LogRecord.__new__(logging.LogRecord)
            record.__dict__.update(_TEMPLATE)
            record.created, record.msecs, record.args = moment, moment % 1 * 1000, members
            _log.handle(record)


_lines: Final = _Lines()


def token(*, application: str | None, status: int, started: float) -> None:
    """One request to the token endpoint; it has an application once the secret was proved."""
    milliseconds = (time.perf_counter() - started) * 1000
    _log.info("token application=%s status=%d ms=%.1f", application or "-", status, milliseconds)


def hook(*, outcome: str, status: int) -> None:
    """One webhook; nothing that it said."""
    _log.info("webhook outcome=%s status=%d", outcome, status)


def reveal(*, method: str, status: int) -> None:
    """One request for a link of a letter; never its token."""
    shown = method if method in _METHODS else "-"
    _log.info("%s reveal status=%d", shown, status)


def operator(*, method: str, path: str, who: str, status: int) -> None:
    """One request of an operator; `path` is the endpoint's template."""
    _log.info("control %s %s by=%s status=%d", method, path, who, status)


def page(*, method: str, path: str, who: str, status: int) -> None:
    """One request for a page of the console; `path` is the page's template."""
    _log.info("console %s %s by=%s status=%d", method, path, who, status)
