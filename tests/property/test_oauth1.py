"""The verifier against another implementation's signer, and against whatever bytes may come.

oauthlib is the oracle. Two things it does otherwise are left out of the differential test and have
tests of their own (tests/unit/test_oauth1.py): it refuses a query with characters that stand raw
where RFC 3986 wants them escaped, which shipping clients send, and it takes `+` for a space only,
where some clients mean the plus they wrote. Nor does it sign a query that says `oauth_…`, which no
client has a reason to send.
"""

import contextlib
import time
import typing
import urllib.parse
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oauthlib import oauth1 as oracle

from rosterd.web import oauth1

Verb = Literal["GET", "HEAD"]
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_NAME = _TEXT.filter(lambda name: name and not name.startswith("oauth_"))
_PAIRS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(["limit", "offset", "filter", "sort"]), _NAME),
        st.one_of(st.sampled_from(["role='student'", "a b", "a+b", "%27", "~", "é"]), _TEXT),
    ),
    max_size=5,
)
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
_SECRET = st.text(_ALPHABET, min_size=1, max_size=50)
_METHOD = st.sampled_from(["HMAC-SHA1", "HMAC-SHA256"])
_PATH = st.lists(_TEXT, max_size=4).map(
    lambda parts: "".join("/" + urllib.parse.quote(part, safe="") for part in parts) or "/"
)
BASES = st.sampled_from(
    ["https://roster.example.org", "http://127.0.0.1:8420", "https://r.example.org:8443/district"]
)


def signed_by_oracle(url: str, key: str, secret: str, method: str, verb: Verb) -> tuple[str, str]:
    """The Authorization header that oauthlib sends, without its scheme, and the wire URL."""
    client = oracle.Client(key, secret, signature_method=method)
    wire, headers, _ = client.sign(url, http_method=verb)
    scheme, _, text = headers["Authorization"].partition(" ")
    assert scheme == "OAuth"
    return text, str(wire)


def verdict(text: str, verb: str, url: str, secret: str) -> bool:
    path, _, query = url.partition("?")
    return oauth1.matches(oauth1.read(text), verb, path, query, secret.encode())


@given(
    url=st.tuples(BASES, _PATH).map("".join),
    pairs=_PAIRS,
    key=_SECRET,
    secret=_SECRET,
    method=_METHOD,
    verb=st.sampled_from(typing.get_args(Verb)),
)
def test_what_oauthlib_signs_is_verified_and_nothing_near_it(
    *, url: str, pairs: list[tuple[str, str]], key: str, secret: str, method: str, verb: Verb
) -> None:
    query = urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote, safe="~")
    url += f"?{query}" if query else ""

    text, wire = signed_by_oracle(url, key, secret, method, verb)

    assert verdict(text, verb, wire, secret)
    assert not verdict(text, verb, wire, secret + "x")
    assert not verdict(text, verb, wire + ("&" if query else "?") + "more=1", secret)
    assert not verdict(text, "POST", wire, secret)
    assert not verdict(text, verb, wire.replace("://", "://other.", 1), secret)


@given(_PAIRS, _SECRET, st.data())
def test_each_way_to_write_the_same_query_has_the_same_signature(
    pairs: list[tuple[str, str]], secret: str, data: st.DataObject
) -> None:
    """Every character may be escaped or, outside the syntax of queries, stand for itself."""
    query = urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote, safe="~")
    url = "https://roster.example.org/users"
    text, _ = signed_by_oracle(f"{url}?{query}" if query else url, "k", secret, "HMAC-SHA1", "GET")

    def written(value: str) -> str:
        return "".join(
            character
            if character not in "&=+%#" and data.draw(st.booleans())
            else "".join(f"%{byte:02{data.draw(st.sampled_from('xX'))}}" for byte in each)
            for character, each in ((character, character.encode()) for character in value)
        )

    sent = "&".join(f"{written(name)}={written(value)}" for name, value in pairs)

    assert verdict(text, "GET", f"{url}?{sent}", secret)


_PIECES = st.sampled_from(
    [
        *",=\"' %\t\\",
        "oauth_consumer_key",
        "oauth_nonce",
        "oauth_signature",
        "oauth_signature_method",
        "oauth_timestamp",
        'oauth_token=""',
        'oauth_version="1.0"',
        '"HMAC-SHA1"',
        '"1791201600"',
        '="x", ',
        "realm",
        "%FF",
        "%2",
    ]
)
_SOUP = st.one_of(
    st.lists(st.one_of(_PIECES, st.text(max_size=3)), max_size=40).map("".join),
    # as the listener hands over bytes that are no text
    st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.fixed_dictionaries(
        {
            name: st.text(max_size=4)
            for name in ("oauth_consumer_key", "oauth_nonce", "oauth_signature")
        }
    ).map(
        lambda given: (
            'oauth_signature_method="HMAC-SHA1",oauth_timestamp="1",'
            + ",".join(f'{name}="{value}"' for name, value in given.items())
        )
    ),
)


@given(_SOUP, _SOUP, st.binary(max_size=8))
@example(
    "oauth_signature_method=HMAC-SHA1,oauth_timestamp=1,oauth_consumer_key=%FF,"
    "oauth_nonce=%ED%A0%80,oauth_signature=%FF",
    "%ED%A0%80=%&\udcff=%2",
    b"\xff",
)
def test_any_header_is_read_or_refused_and_any_query_judged(
    text: str, query: str, secret: bytes
) -> None:
    try:
        signed = oauth1.read(text)
    except oauth1.UnusableError:
        return
    assert oauth1.matches(signed, "GET", "https://x.example/u", query, secret) in (True, False)


@pytest.mark.parametrize(
    "piece", ["a", " ", ",", '"', "%", "=", 'a="b",', "a = ", 'a="', "a%", ', "', "%61"]
)
def test_headers_are_read_in_linear_time(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth1, "LONGEST_HEADER", 10**9)
    monkeypatch.setattr(oauth1, "_MOST_PARAMETERS", 10**9)

    def best(times: int) -> float:
        text = piece * times
        measured = []
        for _ in range(5):
            started = time.perf_counter()
            with contextlib.suppress(oauth1.UnusableError):
                oauth1.read(text)
            measured.append(time.perf_counter() - started)
        return min(measured)

    # eight times as much may take eight times as long, twice that on a busy machine
    assert best(80_000) < 16 * best(10_000) + 0.01
