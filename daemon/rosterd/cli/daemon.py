"""Starting the daemon: for real, and as a demo in a folder."""

import asyncio
import logging
import os
import sys
from pathlib import Path

import click

from rosterd.cli import asking

_PORT = click.IntRange(0, 65_535)


def _log(level: str) -> None:
    """One line each on standard error; the journal adds the time and the priority by itself."""
    journal = bool(os.environ.get("JOURNAL_STREAM"))
    form = "%(message)s" if journal else "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    logging.basicConfig(
        level=level, stream=sys.stderr, format=form, datefmt="%Y-%m-%dT%H:%M:%S%z", force=True
    )
    for chatty in ("paramiko", "apscheduler", "asyncio", "watchdog"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


_level = click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]),
    default="INFO",
    show_default=True,
    help="How much to log.",
)


@click.command()
@asking.settings_option
@_level
def serve(settings_path: Path, log_level: str) -> None:
    """Run the daemon until a signal stops it."""
    from rosterd import running

    _log(log_level)
    asyncio.run(running.serve(asking.read_settings(settings_path)))


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Folder of the demo; one that is there is continued.",
)
@click.option(
    "--roster",
    type=click.Path(path_type=Path, exists=True),
    help="OneRoster CSV, a folder or a zip. Default: an invented district of some 2,000 people.",
)
@click.option(
    "--port", type=_PORT, default=8420, show_default=True, help="For vendors; 0 takes a free one."
)
@click.option(
    "--console-port",
    type=_PORT,
    default=8421,
    show_default=True,
    help="For operators; 0 takes a free one.",
)
@click.option("--once", is_flag=True, help="Stop after the first export.")
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]),
    default="WARNING",
    show_default=True,
    help="How much to log.",
)
def demo(  # noqa: PLR0917 - click passes its options by name
    directory: Path, roster: Path | None, port: int, console_port: int, once: bool, log_level: str
) -> None:
    """Run a whole installation in a folder, to try it.

    It has a repository, people who review, a roster, the daemon and an SFTP server.
    """
    from rosterd import demo as demos

    _log(log_level)
    wish = demos.Wish(directory, roster, port, console_port, once)
    asyncio.run(demos.run(wish, click.echo))
