"""How commands write what the daemon answered: JSON for machines, short ids and times for people."""

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import click
import ruamel.yaml

from rosterd import errors

_OBEYED: Final = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON leaves as it is and a terminal obeys."""


def print_json(answer: object) -> None:
    """Everything that the daemon said."""
    click.echo(json_text(answer))


def json_text(value: object) -> str:
    """JSON for machines, of which a terminal obeys nothing."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def given(path: Path) -> str:
    """The text of a file, or of standard input for -."""
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise errors.InputError(f"cannot read {path}: {reason}") from error


def yaml_value(text: str) -> Any:
    """What a text means behind a field of a document; a text that is no YAML stays a text."""
    reader = ruamel.yaml.YAML(typ="safe", pure=True)
    try:
        value = reader.load(text)
    except (ruamel.yaml.error.YAMLError, RecursionError):
        return text  # a condition: "title~'a': b" is nobody's mapping
    if not isinstance(value, (list, dict)):
        return text
    return json.loads(json.dumps(value, default=str))  # a day is written as it was


def short(commit: str | None) -> str:
    """A commit's id as people read it."""
    return commit[:12] if commit else "none"


def time(text: str | None) -> str:
    """2026-08-01T02:00:05.123+00:00 → 2026-08-01 02:00:05Z."""
    return text[:19].replace("T", " ") + "Z" if text else "never"
