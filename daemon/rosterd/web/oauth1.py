"""OAuth 1.0a signatures, as clients of OneRoster 1.1 make them: two-legged, HMAC, in the header.

The verifier is our own because the libraries refuse clients that ship: characters that stand raw in
a query (`filter=role='teacher'`), short nonces, an empty oauth_token. What is signed is taken from
the bytes of the request line and from the configured public URL, never from a URL that was parsed
and put together again, nor from what a proxy says. Everything here is text in, verdict out; it knows
no application, no clock and no memory.
"""

import functools
import hmac
import re
import urllib.parse
from base64 import b64encode
from collections.abc import Mapping
from typing import Final, NamedTuple

LONGEST_HEADER: Final = 4096
"""Characters. Real headers have three hundred."""
_MOST_PARAMETERS: Final = 30
_LONGEST_NONCE: Final = 256

DIGESTS: Final[Mapping[str, str]] = {"HMAC-SHA1": "sha1", "HMAC-SHA256": "sha256"}
"""Signature methods that are taken. PLAINTEXT would show the secret; RSA is nobody's here."""

# One parameter, or all that is left when there is none. Possessive, so that nothing is tried twice.
_PARAMETER: Final = re.compile(
    r"""[,\s]*+ (?: ([A-Za-z0-9_.~%-]++) \s*+ = \s*+ (?: "([^"]*+)" | ([^\s,"]*+) )
        \s*+ (?: ,|$ ) | $ | (.++) )""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]*+").fullmatch
_NEEDED: Final = (
    "oauth_consumer_key",
    "oauth_nonce",
    "oauth_signature",
    "oauth_signature_method",
    "oauth_timestamp",
)


class UnusableError(Exception):
    """A header that is no signature of ours; the text says what would be."""


class Signed(NamedTuple):
    """What the header of a signed request says; `pairs` are its signed parameters, escaped."""

    key: str
    timestamp: int
    nonce: str
    digest: str
    signature: str
    pairs: list[tuple[str, str]]


def read(parameters: str) -> Signed:
    """The Authorization header behind its scheme `OAuth`.

    Raises UnusableError for what cannot be read, is not complete or asks for another protocol.
    """
    given = _parameters(parameters)
    for name in _NEEDED:
        if not given.get(name):
            raise UnusableError(f"the signature lacks {name}")
    digest = DIGESTS.get(given["oauth_signature_method"])
    if digest is None:
        raise UnusableError(f"oauth_signature_method has to be one of {', '.join(DIGESTS)}")
    if given.get("oauth_version", "1.0") != "1.0":
        raise UnusableError("oauth_version has to be 1.0, or left out")
    if given.get("oauth_token"):
        raise UnusableError("oauth_token has to be left out or empty: there are no user tokens")
    timestamp = given["oauth_timestamp"]
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise UnusableError("oauth_timestamp has to be whole seconds since 1970")
    nonce = given["oauth_nonce"]
    if len(nonce) > _LONGEST_NONCE:
        raise UnusableError(f"oauth_nonce is longer than {_LONGEST_NONCE} characters")
    return Signed(
        given["oauth_consumer_key"],
        int(timestamp),
        nonce,
        digest,
        given.pop("oauth_signature"),
        [
            pair if _PLAIN(pair[0] + pair[1]) else (_quoted(pair[0]), _quoted(pair[1]))
            for pair in given.items()
        ],
    )


def matches(signed: Signed, method: str, url: str, query: str, secret: bytes) -> bool:
    """Whether the signature is that of this request by this secret; takes one time either way.

    `url` is absolute, as it was signed: scheme and host in lower case, no default port, the path as
    it came; `query` is what came behind the `?`. A `+` there is a space to clients that sign what a
    form means, and a plus to those that sign what they wrote: both are taken.
    """
    key = urllib.parse.quote_from_bytes(secret, safe="").encode() + b"&"
    start = f"{method.upper()}&{_quoted_url(url)}&"
    right = _equal(signed, key, start, query.replace("+", " "))
    if "+" in query:
        right |= _equal(signed, key, start, query)
    return right


def public_base(public_url: str) -> str:
    """`public_url` as it is signed: scheme and host in lower case, without a default port."""
    parts = urllib.parse.urlsplit(public_url)
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    if parts.port not in (None, {"http": 80, "https": 443}.get(parts.scheme)):
        host += f":{parts.port}"
    return f"{parts.scheme.lower()}://{host}{parts.path}"


def _parameters(text: str) -> dict[str, str]:
    """The parameters of a header, decoded; realm is none of them.

    A comma may stand before the first one, spaces anywhere between, quotes may be missing: all of
    it is sent by one library or another.
    """
    if len(text) > LONGEST_HEADER:
        raise UnusableError(f"the Authorization header is longer than {LONGEST_HEADER} characters")
    found: dict[str, str] = {}
    for escaped, quoted, bare, rest in _PARAMETER.findall(text):
        if rest:
            raise UnusableError('the Authorization header has to be OAuth name="value", …')
        if not escaped:
            continue
        name = _decoded(escaped) if "%" in escaped else escaped
        if name in found:
            raise UnusableError("a parameter of the Authorization header is given twice")
        value = quoted or bare
        found[name] = _decoded(value) if "%" in value else value
        if len(found) > _MOST_PARAMETERS:
            raise UnusableError("the Authorization header has too many parameters")
    found.pop("realm", None)
    return found


def _equal(signed: Signed, key: bytes, start: str, query: str) -> bool:
    pairs = signed.pairs.copy()
    for pair in query.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            pairs.append((_again(name), _again(value)))
    pairs.sort()
    # The second escape, done the short way: of what it changes, only these three can be left.
    text = "&".join([f"{name}={value}" for name, value in pairs])
    text = text.replace("%", "%25").replace("=", "%3D").replace("&", "%26")
    made = b64encode(hmac.digest(key, (start + text).encode(), signed.digest))
    return hmac.compare_digest(made, signed.signature.encode("utf-8", "surrogateescape"))


def _again(text: str) -> str:
    """Decoded and escaped anew, so that `'` and `%27` are one; bytes that are no UTF-8 included."""
    if _PLAIN(text):
        return text
    raw = urllib.parse.unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
    return urllib.parse.quote_from_bytes(raw, safe="")


def _quoted(text: str) -> str:
    return urllib.parse.quote_from_bytes(text.encode("utf-8", "surrogateescape"), safe="")


@functools.lru_cache(maxsize=256)
def _quoted_url(url: str) -> str:
    """The same for every page of a walk."""
    return _quoted(url)


def _decoded(text: str) -> str:
    raw = urllib.parse.unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")
