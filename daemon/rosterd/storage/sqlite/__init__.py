"""The store in one SQLite file: all SQL of this dialect is here and in its migrations.

A module for each subject; what they have in common is the session that they run in.
"""

from pathlib import Path
from typing import Final

from rosterd.storage import connecting, protocol
from rosterd.storage.sqlite import (
    bases,
    checking,
    configs,
    credentials,
    generations,
    incoming,
    mailing,
    receiving,
    runs,
)

RECORDS: Final = 3
"""The level from which on a store has records: the least that an audit can read."""


def open_store(path: Path, *, readonly: bool = False, least: int | None = None) -> protocol.Store:
    """The store in `path`, made and brought to this program's level when needed.

    With `readonly` it can be read beside a running daemon; `least` is the level that will do then,
    such as RECORDS for an older copy. Raises errors.InputError when another daemon holds it or a
    newer one wrote it.
    """
    return _Sqlite(path, *connecting.connect(path, readonly=readonly, least=least))


class _Sqlite(
    configs.Configs,
    generations.Generations,
    credentials.Credentials,
    runs.Runs,
    bases.Bases,
    receiving.Receiving,
    incoming.Incoming,
    mailing.Mailing,
    checking.Checking,
):
    """Every subject's methods on one connection."""
