"""Showing a person at a terminal that something long goes on, and how far it is.

On standard error and nowhere else: a pipe, a file and a program get what was asked for and no more.
A thread does it, so that whatever takes long need not know.
"""

import contextlib
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator

import click

SHORT = 1.0
"""Seconds after which a person begins to wonder."""
_TURN = 0.2
_WIDTH = 30


@contextlib.contextmanager
def shown(what: str, part: Callable[[], float] | None = None) -> Iterator[None]:
    """Say `what` goes on until the context ends; `part` tells how much is done, from 0 to 1."""
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()
    turning = threading.Thread(target=_turn, args=(what, part, over), name="waiting", daemon=True)
    turning.start()
    try:
        yield
    finally:
        over.set()
        turning.join()


def _turn(what: str, part: Callable[[], float] | None, over: threading.Event) -> None:
    started = time.monotonic()
    if over.wait(SHORT):
        return
    for sign in itertools.cycle("|/-\\"):
        passed = f"{time.monotonic() - started:.0f} s"
        try:
            begin = f"{sign} {what}" if part is None else f"{what} {_bar(part())}"
        except ValueError:  # a file was closed between two looks
            continue
        click.echo(f"\r{begin}, {passed} ", nl=False, err=True)
        if over.wait(_TURN):
            break
    click.echo("\r\x1b[K", nl=False, err=True)


def _bar(part: float) -> str:
    done = min(max(part, 0.0), 1.0)
    full = int(done * _WIDTH)
    return f"[{'#' * full}{'.' * (_WIDTH - full)}] {done:4.0%}"
