"""`rosterd audit`: what is on record, and whether it still is what was recorded."""

import click

from rosterd import cli


class _Audit(cli.Commands):
    table = {  # noqa: RUF012 - a table of the class, as the one it replaces
        "log": ("rosterd.cli.trail", "log"),
        "show": ("rosterd.cli.trail", "show"),
        "verify": ("rosterd.cli.trail", "verify"),
        "export": ("rosterd.cli.trail", "export"),
        "view": ("rosterd.cli.disclosing", "view"),
        "student": ("rosterd.cli.disclosing", "student"),
    }


@click.group(cls=_Audit)
def audit() -> None:
    """Read the record of what was applied and done."""
