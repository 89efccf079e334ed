"""Asking a forge's API: bounded, patient, and careful whom the token goes to.

A redirect is followed to the same host only; elsewhere the token would be somebody else's. What a
forge answers is read up to a limit, and of its errors people are told the status and a few words
of it, from which the token is taken out. A forge that asks to be left alone is left alone.
"""

import math
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import aiohttp
import orjson

from rosterd import errors

_ANSWER: Final = 8 * 2**20
_PAGES: Final = 200
_HOPS: Final = 3
_WORDS: Final = 160
_LONGEST_PAUSE: Final = 3_600.0
_SHORT_PAUSE: Final = 60.0


class Refused(errors.TemporaryError):
    """The forge answered with an error; `status` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Patience(errors.TemporaryError):
    """The forge wants to be asked again later: in `seconds`."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: JSON values, and headers by lower-case name."""

    values: Any
    headers: Mapping[str, str]


class Caller:
    """Requests to one API with one token, within one session."""

    def __init__(
        self,
        base: str,
        headers: Mapping[str, str],
        token: str,
        timeout: float,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """`headers` carry the token; `timeout` is in seconds. `beat` is called before each request, and
        every one of them ends by itself.
        """
        self._beat = beat
        self._base = base
        self._token = token
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def close(self) -> None:
        """End its connections."""
        await self._session.close()

    async def ask(self, method: str, path: str, json: Any = None) -> Answer:
        """One request; `path` begins with / and counts from the base."""
        return await self._ask(method, f"{self._base}{path}", json)

    async def pages(self, path: str) -> AsyncIterator[Any]:
        """Every item of a listing, through all its pages."""
        url: str | None = f"{self._base}{path}"
        for _ in range(_PAGES):
            if url is None:
                return
            answer = await self._ask("GET", url, None)
            if not isinstance(answer.values, list):
                raise errors.TemporaryError("cannot understand the forge: expected a list")
            for item in answer.values:
                yield item
            url = self._next(url, answer)
        raise errors.TemporaryError(
            f"cannot read more than {_PAGES} pages of {urlsplit(path).path}"
        )

    def _next(self, url: str, answer: Answer) -> str | None:
        """The next page: by Link, or by the number that GitLab gives."""
        for part in answer.headers.get("link", "").split(","):
            match = re.fullmatch(r'\s*<([^<>]+)>\s*;.*\brel="?next"?.*', part)
            if match:
                return self._ours(urljoin(url, match[1]))
        number = answer.headers.get("x-next-page", "")
        if number.isdigit():
            bare = re.sub(r"([?&])page=\d+&?", r"\1", url).rstrip("?&")
            return f"{bare}{'&' if '?' in bare else '?'}page={number}"
        return None

    def _ours(self, url: str) -> str:
        here, there = urlsplit(self._base), urlsplit(url)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise errors.TemporaryError(
                f"cannot follow the forge to {there.hostname}: the token is for {here.hostname};"
                " name the new place in requests.api"
            )
        return url

    async def _ask(self, method: str, url: str, json: Any) -> Answer:
        body = orjson.dumps(json) if json is not None else None
        try:
            for _ in range(_HOPS):
                self._beat()
                async with self._session.request(
                    method, url, data=body, allow_redirects=False
                ) as response:
                    if response.status in {301, 302, 307, 308} and method == "GET":
                        url = self._ours(urljoin(url, response.headers.get("Location", "")))
                        continue
                    return await self._read(method, url, response)
        except TimeoutError as error:
            raise errors.TemporaryError("cannot wait longer for the forge") from error
        except aiohttp.ClientError as error:
            raise errors.TemporaryError(
                f"cannot reach the forge: {self._words(str(error)) or type(error).__name__}"
            ) from error
        raise errors.TemporaryError("cannot follow the forge in circles")

    async def _read(self, method: str, url: str, response: aiohttp.ClientResponse) -> Answer:
        content = await response.content.read(_ANSWER + 1)
        while len(content) <= _ANSWER and (more := await response.content.read(_ANSWER)):
            content += more
        if len(content) > _ANSWER:
            raise errors.TemporaryError("cannot take such a long answer of the forge")
        headers = {name.lower(): value for name, value in response.headers.items()}
        values = None
        try:
            values = orjson.loads(content) if content else None
        except orjson.JSONDecodeError as error:
            if response.status < 300:
                raise errors.TemporaryError("cannot understand the forge: no JSON") from error
        if response.status < 300:
            return Answer(values, headers)
        what = f"{method} {urlsplit(url).path}"
        said = values.get("message", "") if isinstance(values, dict) else ""
        words = self._words(said if isinstance(said, str) else orjson.dumps(said).decode())
        text = f"the forge answers {response.status} to {what}{': ' if words else ''}{words}"
        pause = self._pause(response.status, headers)
        if pause is not None:
            raise Patience(f"{text}; it is asked again in {math.ceil(pause)} s", pause)
        raise Refused(text, response.status)

    def _pause(self, status: int, headers: Mapping[str, str]) -> float | None:
        """Seconds for which the forge wants no more requests; None when that is not its answer."""
        after = headers.get("retry-after", "")
        if status in {403, 429, 503} and after.isdigit():
            return min(max(float(after), 1.0), _LONGEST_PAUSE)
        left = headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining", ""))
        reset = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", ""))
        if status in {403, 429} and left == "0" and reset.isdigit():
            return min(max(float(reset) - time.time(), 1.0), _LONGEST_PAUSE)
        return _SHORT_PAUSE if status == 429 else None

    def _words(self, text: str) -> str:
        """A few words of the forge for people, without the token and without line breaks."""
        plain = " ".join(text.replace(self._token, "…").split())
        return "".join(each for each in plain if each.isprintable())[:_WORDS]
