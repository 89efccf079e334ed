"""What a person at a terminal sees while something takes long, and what a program does not."""

import io
import sys
import time

import pytest

from rosterd.cli import waiting


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _at_terminal(monkeypatch: pytest.MonkeyPatch) -> _Terminal:
    """In the test itself: what a fixture puts there, the capturing of output takes away."""
    made = _Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setattr(waiting, "SHORT", 0.0)
    return made


def _until(terminal: io.StringIO, words: str) -> None:
    end = time.monotonic() + 10
    while words not in terminal.getvalue():
        assert time.monotonic() < end, terminal.getvalue()
        time.sleep(0.01)


def test_what_takes_long_shows_that_it_goes_on_and_leaves_a_clean_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = _at_terminal(monkeypatch)
    with waiting.shown("asking the daemon"):
        _until(terminal, "asking the daemon, 0 s")

    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_bar_shows_how_much_is_done_and_never_more_than_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = _at_terminal(monkeypatch)
    parts = iter([0.0, 0.5])
    with waiting.shown("checking", lambda: next(parts, 1.7)):
        _until(terminal, "100%")

    told = terminal.getvalue()
    assert f"checking [{'.' * 30}]   0%" in told
    assert f"checking [{'#' * 15}{'.' * 15}]  50%" in told
    assert f"checking [{'#' * 30}] 100%" in told


def test_a_fault_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _at_terminal(monkeypatch)

    def fail() -> None:
        with waiting.shown("asking"):
            _until(terminal, "asking")
            raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        fail()

    assert terminal.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize("stream, pause", [(_Terminal(), 10.0), (io.StringIO(), 0.0)])
def test_what_is_short_and_a_pipe_show_nothing(
    stream: io.StringIO, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(waiting, "SHORT", pause)
    with waiting.shown("asking the daemon"):
        pass

    assert not stream.getvalue()
