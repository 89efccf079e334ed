"""The token endpoint: OAuth 2 client credentials, as shipping clients speak it.

Lenient about where things stand (Basic or form, grant and scope in the query, no scope at all) and
strict about what they are: a secret in a URL is refused, since URLs end up in logs, and a wrong
secret says the same as an unknown key. That a grant is dead is told only to who proved the secret.
"""

import asyncio
import base64
import binascii
import time
import urllib.parse
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import orjson
from aiohttp import web

from rosterd import credentials, errors, worlds
from rosterd.web import accesses, auth, rates
from rosterd.web.oneroster import answers, scopes, serving

PATHS: Final = ("/oauth2/token", "/token")
FAILURES_PER_MINUTE: Final = 60
"""Wrong secrets from one address, and for one key, before they are answered with 429."""
LONGEST_BODY: Final = 16_384
"""Bytes."""
_ANY: Final = ("utf-8", "surrogateescape")
_METHODS: Final = "POST, OPTIONS"
_PATIENCE: Final = 10.0
"""Seconds within which the body has to be there."""

_HEADERS: Final = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "Pragma": "no-cache",
    "Server": answers.SERVER,
}


class Refused(Exception):
    """An error of RFC 6749 section 5.2."""

    def __init__(
        self,
        status: int,
        error: str,
        description: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description
        self.headers = headers or {}


class Tokens:
    """Issues tokens for the scopes that the present World allows."""

    def __init__(
        self,
        current: worlds.Worlds,
        known: credentials.Credentials,
        asked: rates.Rates,
        failed: rates.Rates,
        note: serving.Note | None = None,
    ) -> None:
        """`asked` counts what applications ask for, here and elsewhere; `failed` wrong secrets."""
        self._worlds = current
        self._known = known
        self._asked = asked
        self._failed = failed
        self._note = note

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """The response to any request to the endpoint."""
        started = time.perf_counter()
        client: credentials.Client | None = None
        if request.method == "OPTIONS":
            return web.Response(status=204, headers={"Allow": _METHODS, "Server": answers.SERVER})
        try:
            given = await _parameters(request)
            client = self._client(request, given)
            response = _json(200, await self._issued(client, given), {})
        except Refused as refused:
            payload = {"error": refused.error, "error_description": refused.description}
            response = _json(refused.status, payload, refused.headers)
        except errors.TemporaryError:
            payload = {"error": "temporarily_unavailable", "error_description": "try again"}
            response = _json(503, payload, {"Retry-After": "5"})
        except Exception as error:  # noqa: BLE001 - a request never ends the server, nor shows why
            serving.log_failure(error, "token")
            payload = {"error": "server_error", "error_description": "the server failed"}
            response = _json(500, payload, {})
        application = client.application if client else None
        accesses.token(application=application, status=response.status, started=started)
        if self._note is not None and application is not None:
            self._note(application, "token", str(response.status))
        return response

    def _client(self, request: web.BaseRequest, given: Mapping[str, str]) -> credentials.Client:
        grant_type = given.get("grant_type")
        if grant_type is None:
            raise Refused(400, "invalid_request", "grant_type is missing")
        if grant_type != "client_credentials":
            raise Refused(400, "unsupported_grant_type", "only client_credentials is offered")
        if self._worlds.current.config is None:
            # Nobody has a key yet: a right one would be called wrong, and its client would give up.
            raise errors.TemporaryError("there is no config to judge by")
        pairs = _pairs(request.headers.getall("Authorization", []), given)
        for key, secret in pairs:
            client = self._known.authenticate(key, secret)
            if client is not None:
                return client
        # Only who is wrong is slowed down, and only after the secret was looked at: whoever floods
        # from the same address, or with somebody's key, locks nobody out. Guessing is hopeless
        # anyway, as secrets have 256 random bits; this keeps the noise down.
        _unless(self._failed.wait(f"address {request.remote}"))
        _unless(self._failed.wait(f"key {sha256(pairs[0][0].encode(*_ANY)).hexdigest()}"))
        challenge = {"WWW-Authenticate": f'Basic realm="{auth.REALM}"'}
        raise Refused(401, "invalid_client", "the key or the secret is wrong", challenge)

    async def _issued(
        self, client: credentials.Client, given: Mapping[str, str]
    ) -> dict[str, object]:
        _unless(self._asked.wait(client.application))
        world = self._worlds.current
        standing = auth.standing(world, client.application)
        if standing.refusal is not None:
            raise Refused(400, "unauthorized_client", f"access has ended: {standing.refusal}")
        # Some shipping clients send no scope: all there are, which they could ask for by name.
        asked = scopes.canonical(given.get("scope", ""))
        granted = standing.scopes.intersection(asked) if asked else standing.scopes
        if not granted:
            raise Refused(400, "invalid_scope", "none of these scopes is shared")
        issued = await self._known.issue(client, granted)
        return {
            "access_token": issued.token,
            "token_type": "bearer",
            "expires_in": issued.lifetime,
            "scope": " ".join(sorted(issued.scopes)),
        }


def _unless(pause: int) -> None:
    if pause:
        raise Refused(429, "slow_down", "these are too many requests", {"Retry-After": str(pause)})


async def _parameters(request: web.BaseRequest) -> dict[str, str]:
    """What stands in the form and in the query; the form says more."""
    if request.method != "POST":
        raise Refused(405, "invalid_request", "tokens are asked for by POST", {"Allow": _METHODS})
    _, _, raw = request.raw_path.partition("?")
    if len(raw) > LONGEST_BODY:
        raise Refused(400, "invalid_request", "the query is too long")
    query = _form(raw)
    if "client_secret" in query:
        raise Refused(
            400,
            "invalid_request",
            "client_secret may not stand in the URL: send it in the Authorization header, and"
            " have this one replaced",
        )
    body = await _body(request)
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if body and kind not in ("application/x-www-form-urlencoded", ""):
        raise Refused(
            415, "invalid_request", "the body has to be application/x-www-form-urlencoded"
        )
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError as error:
        raise Refused(400, "invalid_request", "the form is not percent-encoded") from error
    return {**query, **_form(text)}


async def _body(request: web.BaseRequest) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(_PATIENCE):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > LONGEST_BODY:
                    raise Refused(
                        413, "invalid_request", "the body is too long", {"Connection": "close"}
                    )
    except TimeoutError as error:
        raise Refused(
            408, "invalid_request", "the body did not come", {"Connection": "close"}
        ) from error
    return body


def _form(text: str) -> dict[str, str]:
    try:
        pairs = urllib.parse.parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=50
        )
    except ValueError as error:  # undecodable bytes are one, too
        raise Refused(400, "invalid_request", "the parameters cannot be read") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise Refused(400, "invalid_request", "a parameter is given twice")
        found[name] = value
    return found


def _pairs(headers: list[str], given: Mapping[str, str]) -> list[tuple[str, str]]:
    """The keys and secrets that the request may mean, the likeliest first."""
    form = (given.get("client_id", ""), given.get("client_secret", ""))
    if not headers:
        return [form]
    if len(headers) > 1 or form[1]:
        raise Refused(400, "invalid_request", "the client is authenticated in two ways at once")
    scheme, _, encoded = headers[0].partition(" ")
    if scheme.lower() != "basic":
        return [("", "")]
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return [("", "")]
    key, _, secret = text.partition(":")
    # RFC 6749 2.3.1 wants both form-encoded; many clients send them raw. With our alphabet both
    # are the same, unless the client escaped more than it had to.
    decoded = (urllib.parse.unquote_plus(key), urllib.parse.unquote_plus(secret))
    return [decoded] if decoded == (key, secret) else [decoded, (key, secret)]


def _json(status: int, payload: Mapping[str, object], headers: Mapping[str, str]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(payload), headers={**_HEADERS, **headers})
