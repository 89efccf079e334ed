"""What operators see and may ask for, answered from the loops.

The control socket, the console and its JSON all speak to this one desk. It puts together what the
loops already know and changes nothing itself: permissions change by commits alone. Each subject has
a small desk that names what it needs; the whole is all of them at once.
"""

from dataclasses import dataclass

from rosterd.operating import (
    applications,
    branches,
    checks,
    dossiers,
    exports,
    letters,
    looking,
    records,
    rosters,
    standing,
)

__all__ = ["Operating"]


@dataclass(frozen=True, kw_only=True)
class Operating(
    standing.Standing,
    applications.Applications,
    dossiers.Dossiers,
    rosters.Rosters,
    looking.Looking,
    checks.Checks,
    exports.Exports,
    records.Records,
    letters.Letters,
    branches.Branches,
):
    """Implements web.desk.Desk."""
