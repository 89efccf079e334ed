"""`rosterd completion`: commands and options at the press of a key, as the shell asks for them."""

import click
from click import shell_completion


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that teaches SHELL to complete rosterd's commands and options.

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
