"""Posting JSON to an address that an operator set: bounded, and never led elsewhere.

The address is a secret (whoever knows it can write there), so no error and no log repeats it.
"""

import ipaddress
import urllib.parse
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from rosterd import errors

TIMEOUT: Final = 15.0
"""Seconds for the whole."""


async def post(url: str, payload: Mapping[str, Any]) -> None:
    """Deliver it. Raises errors.InputError when the address has to be mended, errors.TemporaryError
    when it may work later.
    """
    check(url)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.post(url, json=payload, allow_redirects=False) as response,
        ):
            status = response.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise errors.TemporaryError(
            f"cannot reach the webhook ({type(error).__name__})"
        ) from None  # the cause would repeat the address
    if status in range(300, 400):
        raise errors.InputError(
            "the webhook leads elsewhere; a redirect is not followed: set the address that it leads"
            " to"
        )
    if status >= 400:
        kind = errors.TemporaryError if status in (408, 429) or status >= 500 else errors.InputError
        raise kind(f"the webhook refuses: {status}")


def check(url: str) -> None:
    """Raises errors.InputError unless it is https, or http on loopback."""
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise errors.InputError("the webhook's address cannot be read") from None
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and _loopback(host):
        return
    raise errors.InputError(
        "the webhook's address has to begin with https://; http is for this machine's own"
    )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
