"""Commands below a command, whose help tells the whole sentence of each.

click cuts the sentence where the line ends, and what is cut off is what tells `show` from `list`.
"""

import click


class Group(click.Group):
    """A group whose list of commands wraps its sentences."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with its first sentence."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, command.get_short_help_str(limit=1_000))
            for name, command in found
            if command is not None and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
