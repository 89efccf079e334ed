"""Who is calling: the token or the signature of a request, and what its application may do now.

A token remembers the scopes it was issued with; what the grant allows is looked up in the present
World with every request, so a token never outlives a toggle. A signature, which only 1.1 knows, has
no scopes of its own: it opens whatever the grant allows. Nothing behind `Callers` can tell them
apart.
"""

import asyncio
import math
import re
import urllib.parse
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from rosterd import credentials, replays, worlds
from rosterd.web import oauth1, problems, rates
from rosterd.web.oneroster import routes, scopes

REALM: Final = "rosterd"
_MISSING: Final = {"WWW-Authenticate": f'Bearer realm="{REALM}"'}
_INVALID: Final = {"WWW-Authenticate": f'Bearer realm="{REALM}", error="invalid_token"'}
_SIGN: Final = {"WWW-Authenticate": f'OAuth realm="{REALM}"'}
_FORM: Final = "application/x-www-form-urlencoded"
_LONGEST_FORM: Final = 16_384  # bytes
_PATIENCE: Final = 10.0  # seconds until the form has to be there
_ALL: Final = scopes.every("1.1")
_SCHEME: Final = re.compile(r"oauth(?:[\s,]|$)", re.IGNORECASE).match  # one client sends a comma


@dataclass(frozen=True, slots=True)
class Standing:
    """What an application may do in one world: `refusal` says why nothing, or is None."""

    refusal: str | None
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Signature(credentials.Access):
    """What a signed request stands for: this request, and no other."""

    signed: oauth1.Signed


def standing(world: worlds.World, application: str) -> Standing:
    """What the config of `world` lets the application ask over REST."""
    grant = world.grant(application)
    if grant is None:
        return Standing("the application is not known here", frozenset())
    refusal = grant.refusal(world.today)
    if refusal is None and not grant.application.rest.enabled:
        refusal = "the REST API is switched off for this application"
    if refusal is not None:
        return Standing(refusal, frozenset())
    return Standing(None, scopes.allowed(grant))


class Callers:
    """Tells the application of a request by what stands in its Authorization header.

    Nothing else is looked at: tokens and signatures in URLs end up in logs.
    """

    def __init__(
        self,
        known: credentials.Credentials,
        answered: replays.Replays,
        asked: rates.Rates,
        public_url: str,
    ) -> None:
        self._known = known
        self._answered = answered
        self._asked = asked
        self._base = oauth1.public_base(public_url)
        self._prefix = urllib.parse.urlsplit(self._base).path
        self._origin = self._base.removesuffix(self._prefix) if self._prefix else self._base

    def caller(self, request: web.BaseRequest, version: str, form: str = "") -> credentials.Access:
        """The application that asks for something of `version`; raises problems.Refused, 401.

        `form` is what `signed_form` gives for requests that have a body.
        """
        header = request.headers.get("Authorization")
        if header is None:
            raise problems.Refused(401, "unauthorized", "a bearer token is needed", _MISSING)
        if version == "1.1" and _SCHEME(header):
            return self._signer(request, header[len("OAuth") :], form)
        scheme, _, token = header.partition(" ")
        if scheme.lower() == "bearer":  # one client sends it in lower case
            access = self._known.check(token.strip())
            if access is None:
                raise problems.Refused(
                    401,
                    "unauthorized",
                    "the token is unknown, expired or revoked: get a new one",
                    _INVALID,
                )
            return access
        raise problems.Refused(401, "unauthorized", "a bearer token is needed", _MISSING)

    def admit(self, access: credentials.Access) -> None:
        """Let this one request pass: 401 when it is a replay, 429 when there were too many.

        A replay uses up nothing of what its application may ask for, and a signed request that is
        sent away may come again as it is: there are clients that repeat it after the pause.
        """
        signed = access.signed if isinstance(access, Signature) else None
        if signed is not None and not self._answered.first(*signed[:3]):
            raise _unsigned("this request was answered already: sign anew, with another nonce")
        if pause := self._asked.wait(access.application):
            if signed is not None:
                self._answered.forget(*signed[:3])
            raise problems.too_many(pause)

    def _signer(self, request: web.BaseRequest, given: str, form: str) -> credentials.Access:
        """What a signature stands for. Everything that depends on whose key it is says one thing
        in one time; what does not may say what is wrong.
        """
        try:
            signed = oauth1.read(given)
        except oauth1.UnusableError as error:
            raise _unsigned(str(error)) from error
        if not self._answered.timely(signed.timestamp):
            raise _unsigned(
                f"oauth_timestamp is more than {replays.BEHIND // 60} minutes behind the server's"
                f" clock or {replays.AHEAD // 60} ahead of it"
            )
        client, secret = self._known.signer(signed.key)
        path, _, query = request.raw_path.partition("?")
        if form:  # there a plus is a space, whatever it is in the query
            query = "&".join(filter(None, (query, form.replace("+", "%20"))))
        right = oauth1.matches(signed, request.method, self._url(path), query, secret)
        if client is None or not right:
            raise _unsigned("the key is unknown, or the signature is not that of this request")
        return Signature(client.application, _ALL, math.inf, signed)

    def _url(self, path: str) -> str:
        """What the client asked for. A proxy may have left the public URL's path on or not."""
        path = routes.origin_form(path)
        if self._prefix and path.startswith(self._prefix + "/"):
            return self._origin + path
        return self._base + path


async def signed_form(request: web.BaseRequest) -> str:
    """The form in the body of a signed request, "" when there is none. Clients exist that send one
    with GET; RFC 5849 has it signed along, and nothing else looks at it.
    """
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != _FORM or not _SCHEME(request.headers.get("Authorization", "")):
        return ""
    body = b""
    try:
        async with asyncio.timeout(_PATIENCE):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > _LONGEST_FORM:
                    raise _unsigned("the form in the body is too long to be signed")
    except TimeoutError as error:
        raise _unsigned("the form in the body did not come") from error
    return body.decode("utf-8", "surrogateescape").strip()


def _unsigned(description: str) -> problems.Refused:
    return problems.Refused(401, "unauthorized", description, _SIGN)


def permit(access: credentials.Access, standing: Standing, wanted: frozenset[str]) -> None:
    """403 unless the grant is alive and the token has one of the scopes that the grant allows."""
    if standing.refusal is not None:
        raise problems.Refused(403, "forbidden", f"access has ended: {standing.refusal}")
    if wanted.isdisjoint(access.scopes & standing.scopes):
        needed = " ".join(sorted(wanted))
        challenge = f'Bearer realm="{REALM}", error="insufficient_scope", scope="{needed}"'
        allowed = not wanted.isdisjoint(standing.scopes)
        reason = "the token lacks a scope" if allowed else "this is not shared with the application"
        raise problems.Refused(
            403,
            "forbidden",
            f"{reason}: needed is one of {needed}",
            {"WWW-Authenticate": challenge},
        )
