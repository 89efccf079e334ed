"""Whose requests the console answers: those that a browser makes for our own pages, under our name.

A browser in which somebody is signed in, or which merely reaches loopback, works for every page that
is open in it. A name of the attacker's that suddenly means 127.0.0.1 would make his page ours, so only
names that we know are answered. A form of his could sign somebody in as himself, or out; cookies
count for every port of a machine, so a page of the program beside us is foreign as well. Browsers
say where a request comes from (`Sec-Fetch-Site`, `Origin`); programs with a token say nothing.
"""

import ipaddress
import urllib.parse
from typing import Final

from aiohttp import web

_READS: Final = ("GET", "HEAD")
_FOREIGN: Final = ("cross-site", "same-site")
_PORTS: Final = {"http": 80, "https": 443}


class Origins:
    """Judges requests by what browsers say of them."""

    def __init__(self, public_url: str | None) -> None:
        """`public_url` is the base under which a proxy serves the console, if one does."""
        self._public = None if public_url is None else _origin(public_url)

    def refuse(self, request: web.Request) -> None:
        """Raises web.HTTPException for a request that is none of ours."""
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1 or not self.named(hosts[0]):
            raise web.HTTPMisdirectedRequest(
                reason="the console has another name: ask for 127.0.0.1 or localhost, or set"
                " console.public_url"
            )
        if request.headers.get("Sec-Fetch-Site", "").lower() in _FOREIGN and not _followed(request):
            raise web.HTTPForbidden(reason="a page of another site asked for this")
        if request.method in _READS:
            return
        for origin in request.headers.getall("Origin", []):
            # "null" is what our own forms send, as no page of ours gives its address away
            if origin != "null" and not self.ours(origin, hosts[0]):
                raise web.HTTPForbidden(reason="a form of another site asked for this")

    def named(self, host: str) -> bool:
        """Whether a Host header names us: this machine's loopback, or what a proxy is reached by."""
        name = _parted(f"http://{host}")[1].removesuffix(".")
        if name == "localhost" or (self._public is not None and name == self._public[1]):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False

    def ours(self, origin: str, host: str) -> bool:
        """Whether an Origin is the one that was asked at `host`, or the proxy's."""
        found = _origin(origin)
        if self._public is not None and found[1] == self._public[1]:
            return found == self._public  # its page in the clear may be anybody's
        return found[1] != "" and found == _origin(f"http://{host}")


def _followed(request: web.Request) -> bool:
    """Whether somebody followed a link to a page: that shows it to them and to nobody else."""
    return (
        request.method in _READS
        and request.headers.get("Sec-Fetch-Mode", "").lower() == "navigate"
        and request.headers.get("Sec-Fetch-Dest", "").lower() == "document"
    )


def _origin(url: str) -> tuple[str, str, int]:
    scheme, name, port = _parted(url)
    return scheme, name, port or _PORTS.get(scheme, 0)


def _parted(url: str) -> tuple[str, str, int]:
    """Scheme, name and port (0 where none is told); empty for what is no URL."""
    try:
        parts = urllib.parse.urlsplit(url)
        if parts.username is not None or parts.path or parts.query or parts.fragment:
            return "", "", 0
        return parts.scheme, parts.hostname or "", parts.port or 0
    except ValueError:
        return "", "", 0
