"""The closed language of custom exports: what a column may name, and how a value may be changed.

There are no expressions. A column names a member of its row's record, or of a record that the row
leads to over one of the ways listed here; a change of a value is one of the named transforms. So a
reviewer can read a template, and nothing in it can reach beyond the view it is filled from.
"""

from rosterd.templates.paths import (
    FIRST_OF,
    GRAINS,
    LISTS,
    ROLE,
    STEPS,
    Grain,
    Path,
    PathError,
    listed,
    resolve,
)
from rosterd.templates.transforms import TRANSFORMS, Transform

__all__ = [
    "FIRST_OF",
    "GRAINS",
    "LISTS",
    "ROLE",
    "STEPS",
    "TRANSFORMS",
    "Grain",
    "Path",
    "PathError",
    "Transform",
    "listed",
    "resolve",
]
