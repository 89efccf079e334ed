"""Any bytes as the Authorization header and the query of a signed request."""

import contextlib
import sys

import atheris

with atheris.instrument_imports():
    from rosterd.web import oauth1

_START = b'oauth_signature_method="HMAC-SHA1",oauth_timestamp="1",oauth_consumer_key="k",'
_WHOLE = _START + b'oauth_nonce="n",oauth_signature="s",'


def one(data: bytes) -> None:
    """The first byte chooses how much of a header is there already, so that both the reading and
    the judging are reached; then its end up to a line feed, then the query.
    """
    start = (b"", _START, _WHOLE)[data[0] % 3] if data else b""
    header, _, query = data[1:].partition(b"\n")
    # as the listener hands over what is no text
    texts = [part.decode("utf-8", "surrogateescape") for part in (start + header, query)]
    with contextlib.suppress(oauth1.UnusableError):
        signed = oauth1.read(texts[0])
        oauth1.matches(signed, "GET", "https://roster.example.org/users", texts[1], b"secret")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
