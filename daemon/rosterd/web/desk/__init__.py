"""What operators can see and ask for, whoever shows it.

The control socket, the console's JSON and its page all speak to one `Desk`, which the wiring makes
from the loops. It has a part for each subject, in a module of its own with the shapes of what leaves
as JSON; times are ISO 8601 in UTC, and nothing in them names a person of a roster but in `looking`.
"""

from typing import Protocol

from rosterd.web.desk.applications import Application, Applications, Level
from rosterd.web.desk.branches import Branches, Clone, Prepared
from rosterd.web.desk.checks import Check, Checked, Checks, SanityRun
from rosterd.web.desk.dossiers import Dossier, Dossiers, Listed, Paper, Seen, Target, Used
from rosterd.web.desk.exports import Export, Exports, Secret, Tested
from rosterd.web.desk.letters import Letter, Letterbox, Letters, Possible
from rosterd.web.desk.looking import (
    Found,
    Hit,
    Looking,
    Page,
    Picked,
    Preview,
    Reason,
    Row,
    Why,
)
from rosterd.web.desk.records import Head, Record, Records
from rosterd.web.desk.rosters import HeldImport, Import, Moves, Rosters
from rosterd.web.desk.standing import (
    METRICS_TYPE,
    Blocked,
    Condition,
    Ended,
    Ending,
    Guards,
    Held,
    Missing,
    Moved,
    Repository,
    Review,
    Served,
    Source,
    Standing,
    Status,
    Suspended,
)

__all__ = [
    "METRICS_TYPE",
    "Application",
    "Applications",
    "Blocked",
    "Branches",
    "Check",
    "Checked",
    "Checks",
    "Clone",
    "Condition",
    "Desk",
    "Dossier",
    "Dossiers",
    "Ended",
    "Ending",
    "Export",
    "Exports",
    "Found",
    "Guards",
    "Head",
    "Held",
    "HeldImport",
    "Hit",
    "Import",
    "Letter",
    "Letterbox",
    "Letters",
    "Level",
    "Listed",
    "Looking",
    "Missing",
    "Moved",
    "Moves",
    "Page",
    "Paper",
    "Picked",
    "Possible",
    "Prepared",
    "Preview",
    "Reason",
    "Record",
    "Records",
    "Repository",
    "Review",
    "Rosters",
    "Row",
    "SanityRun",
    "Secret",
    "Seen",
    "Served",
    "Source",
    "Standing",
    "Status",
    "Suspended",
    "Target",
    "Tested",
    "Used",
    "Why",
]


class Desk(
    Standing,
    Applications,
    Dossiers,
    Rosters,
    Looking,
    Checks,
    Exports,
    Records,
    Letters,
    Branches,
    Protocol,
):
    """The daemon, as far as operators may reach it.

    Methods raise errors.InputError for a name that is not there, errors.UnsafePlan when a person
    has to approve first, errors.TemporaryError when it may work later.
    """
