"""Who sees what, and why: the one place where it is decided.

`view` is the one function that filters; `explain` says of one record which rules let it in or keep
it out, from the same parts that `view` is made of.
"""

from rosterd.access.explaining import Reason, explain
from rosterd.access.viewing import ENROLLED_AS, FAMILY, STUDENT, View, levels, view

__all__ = ["ENROLLED_AS", "FAMILY", "STUDENT", "Reason", "View", "explain", "levels", "view"]
