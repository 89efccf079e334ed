"""The signature that OneRoster 1.1 servers without OAuth 2 ask for: OAuth 1.0a, HMAC-SHA256."""

import hmac
import secrets
import time
import urllib.parse
from base64 import b64encode


def header(method: str, url: str, key: str, secret: str) -> str:
    """The Authorization header of one request; `url` as it is sent, its query included."""
    parts = urllib.parse.urlsplit(url)
    oauth = {
        "oauth_consumer_key": key,
        "oauth_nonce": secrets.token_hex(16),
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": str(int(time.time())),
        "oauth_version": "1.0",
    }
    pairs = [*oauth.items(), *urllib.parse.parse_qsl(parts.query, keep_blank_values=True)]
    signed = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in _sorted(pairs))
    base = f"{parts.scheme}://{parts.netloc}{parts.path}"
    text = "&".join((method, _quoted(base), _quoted(signed)))
    digest = hmac.digest(f"{_quoted(secret)}&".encode(), text.encode(), "sha256")
    oauth["oauth_signature"] = b64encode(digest).decode()
    return "OAuth " + ", ".join(f'{name}="{_quoted(value)}"' for name, value in oauth.items())


def _sorted(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(pairs, key=lambda pair: (_quoted(pair[0]), _quoted(pair[1])))


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="-._~")
