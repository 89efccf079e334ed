"""Compressed bodies, for clients that take them.

Pages of JSON shrink to a tenth. The fastest level is used: it costs less than sending the rest.
"""

import asyncio
import functools
from typing import Final

from isal import igzip

LEAST: Final = 1_024
"""Bytes; below this the headers cost as much as is won."""
_LONG: Final = 1024 * 1024
"""Bytes from which on compressing would keep everybody else waiting: another thread does it."""
_LEVEL: Final = 1


async def packed(body: bytes) -> bytes:
    """The body as gzip; the same bytes for the same body."""
    if len(body) < _LONG:
        return igzip.compress(body, _LEVEL, mtime=0)
    return await asyncio.to_thread(igzip.compress, body, _LEVEL, mtime=0)


@functools.lru_cache(maxsize=64)
def accepted(header: str) -> bool:
    """Whether an Accept-Encoding header takes gzip, and not less gladly than the plain body."""
    weights = dict(map(_weighed, header.lower().split(",")))
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weighed(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip() for piece in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, float(value)
            except ValueError:
                return name, 0.0
    return name, 1.0
