"""Any bytes as the Authorization header and the query of a signed request."""

import contextlib
import sys

import atheris

with atheris.instrument_imports():
    from rosterd.web import oauth1

_START = b'oauth_signature_method="HMAC-SHA1",oauth_timestamp="1",oauth_consumer_key="k",'


def one(data: bytes) -> None:
    """The header up to the first line end, the query after it; every other one nearly complete."""
    header, _, query = data.partition(b"\n")
    if len(header) % 2:
        header = _START + header
    # as the listener hands over what is no text
    texts = [part.decode("utf-8", "surrogateescape") for part in (header, query)]
    with contextlib.suppress(oauth1.UnusableError):
        signed = oauth1.read(texts[0])
        oauth1.matches(signed, "GET", "https://roster.example.org/users", texts[1], b"secret")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
