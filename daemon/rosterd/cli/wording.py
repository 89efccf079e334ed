"""How commands write what the daemon answered: JSON for machines, short ids and times for people."""

import json

import click


def print_json(answer: object) -> None:
    """Everything that the daemon said."""
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))


def short(commit: str | None) -> str:
    """A commit's id as people read it."""
    return commit[:12] if commit else "none"


def time(text: str | None) -> str:
    """2026-08-01T02:00:05.123+00:00 → 2026-08-01 02:00:05Z."""
    return text[:19].replace("T", " ") + "Z" if text else "never"
