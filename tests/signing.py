"""Signs requests as RFC 5849 spells it, step by step and apart from the code that verifies."""

import base64
import hmac
import urllib.parse
from collections.abc import Sequence

DIGESTS = {"HMAC-SHA1": "sha1", "HMAC-SHA256": "sha256"}
Pairs = Sequence[tuple[str, str]]


def escape(text: str) -> str:
    return urllib.parse.quote(text, safe="-._~")


def signature(verb: str, url: str, pairs: Pairs, secret: str, method: str = "HMAC-SHA256") -> str:
    """`url` without query; `pairs` are all parameters, those of the query decoded."""
    escaped = sorted((escape(name), escape(value)) for name, value in pairs)
    normalized = "&".join(f"{name}={value}" for name, value in escaped)
    base = "&".join([verb, escape(url), escape(normalized)])
    key = escape(secret) + "&"
    return base64.b64encode(hmac.digest(key.encode(), base.encode(), DIGESTS[method])).decode()


def header(
    verb: str,
    url: str,
    query: Pairs,
    *,
    key: str,
    secret: str,
    timestamp: int,
    nonce: str,
    method: str = "HMAC-SHA256",
    **more: str,
) -> str:
    """A whole Authorization header; `more` are further oauth_ parameters, signed along."""
    given = {
        "oauth_consumer_key": key,
        "oauth_nonce": nonce,
        "oauth_signature_method": method,
        "oauth_timestamp": str(timestamp),
        **more,
    }
    given["oauth_signature"] = signature(verb, url, [*query, *given.items()], secret, method)
    return "OAuth " + ", ".join(f'{name}="{escape(value)}"' for name, value in given.items())
