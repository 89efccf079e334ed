"""The `rosterd` command.

Two kinds of commands: those that need only files (they run in a pull request's checks as well as
on an administrator's laptop), and those that ask the daemon through its control socket. Exit
status everywhere: 0 fine, 1 problems found, 2 usage.
"""

import importlib
import os
import sys
from pathlib import Path

import click

import rosterd
from rosterd import errors
from rosterd.cli import grouping, tables

# Where each command lives; modules are imported only when their command runs, so that
# `rosterd check` does not pay for the daemon.
COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("rosterd.cli.files", "check"),
    "schema": ("rosterd.cli.files", "schema"),
    "csv": ("rosterd.cli.checking", "csv"),
    "init": ("rosterd.cli.starting", "init"),
    "trust": ("rosterd.cli.starting", "trust"),
    "approve": ("rosterd.cli.approving", "approve"),
    "review": ("rosterd.cli.reviewing", "review"),
    "accept-rewrite": ("rosterd.cli.reviewing", "accept_rewrite"),
    "plan": ("rosterd.cli.planning", "plan"),
    "serve": ("rosterd.cli.daemon", "serve"),
    "demo": ("rosterd.cli.daemon", "demo"),
    "status": ("rosterd.cli.standing", "status"),
    "reconcile": ("rosterd.cli.standing", "reconcile"),
    "app": ("rosterd.cli.operating", "app"),
    "roster": ("rosterd.cli.operating", "roster"),
    "select": ("rosterd.cli.looking", "select"),
    "find": ("rosterd.cli.looking", "find"),
    "explain": ("rosterd.cli.looking", "explain"),
    "sanity": ("rosterd.cli.sanity", "sanity"),
    "export": ("rosterd.cli.exports", "export"),
    "sftp": ("rosterd.cli.exports", "sftp"),
    "secret": ("rosterd.cli.exports", "secret"),
    "audit": ("rosterd.cli.audit", "audit"),
    "completion": ("rosterd.cli.completing", "completion"),
}


class Commands(grouping.Group):
    """A group whose commands are imported when they are asked for."""

    table = COMMANDS

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table above: the order in which one meets them."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        place = self.table.get(cmd_name)
        if place is None:
            return None
        module, name = place
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(rosterd.__version__, prog_name="rosterd")
@click.pass_context
def commands(ctx: click.Context) -> None:
    """Serve vendors their part of a school roster, as reviewed commits say."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        ctx.color = False


def main() -> None:
    """Run the command line; what a person can mend is told without a traceback."""
    if sys.stdout is None:  # closed by whoever started this: there is nobody to read
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    try:
        commands()
    except errors.RosterdError as error:
        click.echo(f"rosterd: {tables.harmless(str(error))}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        # `rosterd check | head` is no mistake; the descriptor is given up so that the
        # interpreter does not complain when it flushes at exit.
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        # a disk that is full, a folder that may not be written: no fault of the program
        if error.strerror is None:
            raise
        place = f" with {os.fsdecode(error.filename)}" if error.filename is not None else ""
        click.echo(tables.harmless(f"rosterd: cannot go on{place}: {error.strerror}"), err=True)
        sys.exit(1)
