"""`rosterd completion`: commands, options and names at the press of a key, as the shell asks for them.

Names come from whoever knows them: the daemon for what is served, the clone for what can be written.
When that is not there nothing is offered, and nothing is said: a key was pressed, no question asked.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click import shell_completion

from rosterd import errors
from rosterd.cli import asking

_WAIT = 3.0
"""Seconds that somebody waits for the end of a word."""
Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _asked(path: str, member: str) -> Complete:
    """Names that the daemon of --settings tells."""

    def complete(ctx: click.Context, _: click.Parameter, begun: str) -> list[str]:
        settings_path = ctx.params.get("settings_path") or asking.DEFAULT_SETTINGS
        found: list[dict[str, Any]] = []
        with contextlib.suppress(errors.RosterdError, OSError, KeyError):
            found = asking.call(settings_path, "GET", path, wait=_WAIT)[member]
        return [each["name"] for each in found if each["name"].startswith(begun)]

    return complete


def _written(folder: str) -> Complete:
    """Names of the documents that the clone has in a folder."""

    def complete(ctx: click.Context, _: click.Parameter, begun: str) -> list[str]:
        place = (ctx.params.get("folder") or Path()) / folder
        return sorted(each.stem for each in place.glob("*.yaml") if each.stem.startswith(begun))

    return complete


applications = _asked("/v1/applications", "applications")
secrets = _asked("/v1/secrets", "secrets")
known_applications = _written("applications")
listings = _written("catalog")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that teaches SHELL to complete rosterd's commands, options and names.

    bash: put `eval "$(rosterd completion bash)"` into ~/.bashrc; zsh: the same with zsh into
    ~/.zshrc; fish: `rosterd completion fish > ~/.config/fish/completions/rosterd.fish`.
    """
    from rosterd import cli

    made = shell_completion.get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"cannot complete in {shell}")
    # `source` of bash runs bash to look for its version; the template alone is what is wanted.
    whole = made(cli.commands, {}, "rosterd", "_ROSTERD_COMPLETE")
    click.echo(whole.source_template % whole.source_vars())
