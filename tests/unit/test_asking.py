"""What a person at a terminal sees while the daemon thinks, and what a program does not."""

import asyncio
import io
import sys

import pytest

from rosterd.cli import asking


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def _wait_until_told(stream: io.StringIO) -> None:
    async with asyncio.timeout(10), asking._patience():
        while "asking the daemon" not in stream.getvalue():  # noqa: ASYNC110 - a stream tells nobody
            await asyncio.sleep(0.01)


def test_a_long_question_shows_that_it_goes_on_and_leaves_a_clean_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(asking, "_SHORT", 0.0)

    asyncio.run(_wait_until_told(terminal))

    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_short_question_and_a_pipe_show_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def short() -> None:
        async with asking._patience():
            await asyncio.sleep(0)

    for stream, pause in ((_Terminal(), 10.0), (io.StringIO(), 0.0)):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(asking, "_SHORT", pause)
        asyncio.run(short())
        assert stream.getvalue() == ""
