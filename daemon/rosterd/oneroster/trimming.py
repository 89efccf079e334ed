"""Leaving members out of rendered JSON without reading it.

Most of what a grant takes from a record it takes whole: a phone number, the list of guardians when
none of them is shared. To load a record and render it again costs ten times as much as to cut these
members out of the bytes that are stored, and both give the same bytes.

It is safe to look for `,"phone":` alone. Within a string every quote is escaped, so these bytes are
never part of a value; and a member whose name also occurs further down in a body is not cut.
"""

import functools
import re
from collections.abc import Callable
from typing import Final

from rosterd.oneroster import model, rendering

Trim = Callable[[rendering.Part], bytes]
"""Gives a fragment without some members."""

_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
# No list or object of a body holds another one of its own kind, so the first end is its end; the
# profiles of users do, and are never cut.
_VALUE: Final = rb'(?:%(string)b|\[(?:[^"\]]++|%(string)b)*+\]|\{(?:[^"}]++|%(string)b)*+\})' % {
    b"string": _STRING
}
_BELOW: Final = frozenset({"href", "sourcedId", "type"})
_BELOW_USERS: Final = frozenset(
    {"roleType", "role", "org", "userProfile", "beginDate", "endDate", "identifier"}
)
_OTHERWISE_MADE: Final = frozenset({("courses", "org")})  # another org stands in for it
_NEVER: Final = frozenset({"userProfiles", "metadata", "children"})


@functools.cache
def separable(collection: str, version: str) -> frozenset[str]:
    """Members that can be cut: without them the rest of the body stays as it is."""
    below = _BELOW | _BELOW_USERS if collection == "users" else _BELOW
    names = {field.name for field in model.COLLECTIONS[collection].members(version)}
    names -= below | _NEVER | model.required(collection, version)
    return frozenset(name for name in names if (collection, name) not in _OTHERWISE_MADE)


@functools.lru_cache(maxsize=256)
def without(names: frozenset[str]) -> Trim:
    """What cuts these members out of a fragment, as far as it has them."""
    if not names:
        return bytes
    either = "|".join(sorted(names)).encode()
    pattern = re.compile(rb',"(?:%b)":%b' % (either, _VALUE), re.DOTALL)
    return functools.partial(pattern.sub, b"")
