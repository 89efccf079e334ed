"""The store in one SQLite file: all SQL of this dialect is here and in its migrations.

A module for each subject; what they have in common is the session that they run in.
"""

from pathlib import Path

from rosterd.storage import connecting, protocol
from rosterd.storage.sqlite import bases, configs, credentials, generations, receiving, runs


def open_store(path: Path, *, readonly: bool = False) -> protocol.Store:
    """The store in `path`, made and brought to this program's level when needed.

    With `readonly` it can be read beside a running daemon. Raises errors.InputError when another
    daemon holds it or a newer one wrote it.
    """
    return _Sqlite(path, *connecting.connect(path, readonly=readonly))


class _Sqlite(
    configs.Configs,
    generations.Generations,
    credentials.Credentials,
    runs.Runs,
    bases.Bases,
    receiving.Receiving,
):
    """Every subject's methods on one connection."""
