"""One question to another OneRoster server, and what its refusals mean.

Bounded in time, size and tries. A redirect is not followed: it would carry our token elsewhere.
Neither the server's words nor an address with its query get into an error: they may name a pupil.
"""

import asyncio
import contextlib
import email.utils
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import aiohttp
import orjson

from rosterd import errors
from rosterd.pulling import signing

_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_NOT_OURS: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
MOST_BYTES: Final = 64 * 2**20
"""Of one page, unpacked. Some servers give everything at once."""
MOST_VALUES: Final = 4_000_000
"""Of one page: of tiny values every byte would take many times its size in memory."""
_TOKEN_BYTES: Final = 2**16
_LONGEST_TOKEN: Final = 4096
_LEAST_PAUSE: Final = 0.1
_DIGITS: Final = 15


class Withheld(Exception):
    """The server keeps this collection from us; the text says which and how."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A server and how it is asked. With a token URL OAuth 2, without OAuth 1.0a (1.1 only)."""

    base: str
    """Where collections are, without a slash at the end."""
    version: str
    key: str
    secret: str = field(repr=False)
    token_url: str | None = None
    scope: str | None = None
    """Scopes to ask for; every one that the key may have when left out."""
    resources_base: str | None = None
    """Where resources are when that is elsewhere, as in 1.2."""
    page: int = 1000
    """Records to ask for at once."""
    timeout: float = 60.0
    """Seconds for one answer."""
    patience: float = 900.0
    """Seconds that one page may be tried for."""
    most_bytes: int = 8 * 2**30
    """Of one collection, as it is kept."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its records as they came, and what its headers say."""

    records: Sequence[Any]
    total: int | None
    more: bool | None
    """Whether a next page is linked; None when nothing is linked."""


@contextlib.asynccontextmanager
async def asking(upstream: Upstream) -> AsyncIterator["Asking"]:
    """Connections to the server while they are needed."""
    timeout = aiohttp.ClientTimeout(total=upstream.timeout)
    # no cookies: one more with each answer would let our own requests grow without end
    async with aiohttp.ClientSession(
        timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield Asking(upstream, session)


class Asking:
    """Asks for pages, again where that may help."""

    def __init__(self, upstream: Upstream, session: aiohttp.ClientSession) -> None:
        self.upstream = upstream
        self._session = session
        self._token: str | None = None

    async def page(self, collection: str, query: Mapping[str, str]) -> Page:
        """One page. Raises Withheld, errors.InputError, errors.TemporaryError."""
        until, pause = time.monotonic() + self.upstream.patience, 1.0
        least, renewed = _LEAST_PAUSE, False
        while True:
            wait = pause
            try:
                async with self._get(collection, query) as response:
                    if response.status == HTTPStatus.OK:
                        return await _page(response, collection)
                    if response.status == HTTPStatus.UNAUTHORIZED and not renewed:
                        renewed, self._token = True, None
                        continue
                    wait = max(_wait(response, pause), least)
                    said = _refused(response, collection)
            except (aiohttp.ClientError, TimeoutError) as error:
                said = f"it cannot be reached ({type(error).__name__})"
            if time.monotonic() + wait > until:
                raise errors.TemporaryError(f"cannot pull {collection}: {said}")
            await asyncio.sleep(wait)
            pause, least = min(pause * 2, 60.0), min(least * 2, 60.0)

    async def ends(self, collection: str, query: Mapping[str, str]) -> bool:
        """Whether nothing stands on this page; asked once, and a refusal counts as nothing."""
        try:
            async with self._get(collection, query) as response:
                if response.status != HTTPStatus.OK:
                    return True
                return not (await _page(response, collection)).records
        except (aiohttp.ClientError, TimeoutError, errors.RosterdError):
            return True

    @contextlib.asynccontextmanager
    async def _get(
        self, collection: str, query: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        base = self.upstream.base
        if collection == "resources" and self.upstream.resources_base is not None:
            base = self.upstream.resources_base
        url = f"{base}/{collection}?{urlencode(query)}"
        headers = await self._headers(url)
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            yield response

    async def _headers(self, url: str) -> dict[str, str]:
        upstream = self.upstream
        if upstream.token_url is None:
            signed = signing.header("GET", url, upstream.key, upstream.secret)
            return {"Authorization": signed, "Accept": "application/json"}
        if self._token is None:
            self._token = await self._new_token(upstream.token_url)
        return {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}

    async def _new_token(self, url: str) -> str:
        upstream = self.upstream
        form = {"grant_type": "client_credentials"}
        if upstream.scope is not None:
            form["scope"] = upstream.scope
        auth = aiohttp.encode_basic_auth(upstream.key, upstream.secret)
        async with self._session.post(
            url, data=form, headers={"Authorization": auth}, allow_redirects=False
        ) as response:
            if response.status in _LATER:
                raise aiohttp.ClientConnectionError("the token endpoint says: later")
            body = await _json(response, _TOKEN_BYTES)
            token = body.get("access_token") if isinstance(body, dict) else None
            host = urlsplit(url).hostname
            if response.status != HTTPStatus.OK:
                raise errors.InputError(
                    f"cannot get a token from {host}: it answers {response.status}; look at the key"
                    " and the secret"
                )
            if not isinstance(token, str) or not _sendable(token):
                raise errors.InputError(
                    f"cannot get a token from {host}: what it answers is none; look at tokenUrl"
                )
            return token


def _sendable(token: str) -> bool:
    """Whether it can stand in a header: it may be anything that the server thought of."""
    return 0 < len(token) <= _LONGEST_TOKEN and all("!" <= letter <= "~" for letter in token)


def _refused(response: aiohttp.ClientResponse, collection: str) -> str:
    """Words for a refusal that may pass; raises for one that will not."""
    status = response.status
    if status in _LATER:
        return f"it answers {status}"
    if status in _NOT_OURS:
        raise Withheld(f"cannot pull {collection}: the server answers {status}; ask for the right")
    if status in range(300, 400):
        raise errors.InputError(
            f"cannot pull {collection}: the server sends us elsewhere ({status}); set the address"
            " where it answers itself"
        )
    raise errors.InputError(f"cannot pull {collection}: the server answers {status}")


def _wait(response: aiohttp.ClientResponse, pause: float) -> float:
    """Seconds until it may be asked again; what the server says counts, when it can be read."""
    said = response.headers.get("Retry-After", "")
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        return email.utils.parsedate_to_datetime(said).timestamp() - time.time()
    except (ValueError, OverflowError):
        return pause


async def _page(response: aiohttp.ClientResponse, collection: str) -> Page:
    body = await _json(response, MOST_BYTES)
    records = body.get(collection) if isinstance(body, dict) else None
    if not isinstance(records, list):
        raise errors.InputError(f"cannot pull {collection}: the answer holds no list of that name")
    total = response.headers.get("X-Total-Count", "").strip()
    link = ",".join(response.headers.getall("Link", [])).lower()
    return Page(
        records,
        int(total) if total.isascii() and total.isdigit() and len(total) <= _DIGITS else None,
        ('rel="next"' in link or "rel=next" in link) if "rel=" in link else None,
    )


async def _json(response: aiohttp.ClientResponse, most: int) -> Any:
    """The body; None when it is not JSON."""
    content = bytearray()
    async for piece in response.content.iter_chunked(2**16):
        content += piece
        if len(content) > most:
            raise errors.InputError(f"cannot pull: one answer has more than {most} bytes")
    if sum(map(content.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise errors.InputError(f"cannot pull: one answer has more than {MOST_VALUES} values")
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
