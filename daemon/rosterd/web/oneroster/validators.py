"""ETags: whether a client holds already what it asks for.

A tag is made of what an answer depends on (who asks, for what, in which revision), never of its
body: telling that nothing changed must not cost a page. It is weak, because one tag stands for the
plain and the compressed form.
"""

import re
from hashlib import blake2b
from typing import Final

import rosterd

_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


class Validators:
    """Makes the tags of one public URL, which is part of every href, and one way of booleans."""

    def __init__(self, public_url: str, *, json_booleans: bool = False) -> None:
        form = "json booleans\n" if json_booleans else ""
        self._seed = f"{rosterd.__version__}\n{public_url}\n{form}".encode()

    def tag(self, application: str, revision: str, target: str) -> str:
        """The tag of what `application` gets for a raw path with its query."""
        text = f"{application}\n{revision}\n{target}".encode("utf-8", "surrogateescape")
        return f'W/"{blake2b(self._seed + text, digest_size=12).hexdigest()}"'


def matches(header: str, tag: str) -> bool:
    """Whether an If-None-Match header names the tag, compared as weak ones are."""
    if header.strip() == "*":
        return True
    return tag.removeprefix("W/") in _TAG.findall(header)
