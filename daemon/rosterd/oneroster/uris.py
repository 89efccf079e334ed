"""Identifiers as they stand in URIs.

Districts' sourcedIds hold slashes, colons and spaces, whatever the standard says; encoded they
are one path segment that every client brings back unchanged.
"""

import re
import urllib.parse

_RESERVED = re.compile(r"[^A-Za-z0-9._~-]")


def encoded(sourced_id: str) -> str:
    """A sourcedId percent-encoded as one path segment."""
    if _RESERVED.search(sourced_id) is None:  # nearly all: ten times as fast as quoting
        return sourced_id
    return urllib.parse.quote(sourced_id, safe="")


def profile(sourced_id: str) -> str:
    """The URI that 1.2 wants where a user profile is named."""
    return f"urn:rosterd:profile:{encoded(sourced_id)}"
