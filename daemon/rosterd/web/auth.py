"""Who is calling: the bearer token of a request, and what its application may do now.

A token remembers the scopes it was issued with; what the grant allows is looked up in the present
World with every request, so a token never outlives a toggle. OAuth 1 signatures will be the second
way to an `Access`; nothing behind `caller` will notice.
"""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from rosterd import credentials, worlds
from rosterd.web import problems
from rosterd.web.oneroster import scopes

REALM: Final = "rosterd"
_MISSING: Final = {"WWW-Authenticate": f'Bearer realm="{REALM}"'}
_INVALID: Final = {"WWW-Authenticate": f'Bearer realm="{REALM}", error="invalid_token"'}


@dataclass(frozen=True, slots=True)
class Standing:
    """What an application may do in one world: `refusal` says why nothing, or is None."""

    refusal: str | None
    scopes: frozenset[str]


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


def caller(request: web.BaseRequest, known: credentials.Credentials) -> credentials.Access:
    """The application whose valid token the request carries; 401 otherwise.

    Tokens are taken from the header alone: those in URLs end up in logs.
    """
    header = request.headers.get("Authorization")
    if header is None:
        raise problems.Refused(401, "unauthorized", "a bearer token is needed", _MISSING)
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":  # one client sends it in lower case
        raise problems.Refused(401, "unauthorized", "a bearer token is needed", _MISSING)
    access = known.check(token.strip())
    if access is None:
        raise problems.Refused(
            401, "unauthorized", "the token is unknown, expired or revoked: get a new one", _INVALID
        )
    return access


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
