"""OAuth 1.0a headers as shipping libraries write them, and what is none of ours."""

import base64
import hashlib
import hmac
import urllib.parse

import pytest

from rosterd.web import oauth1

KEY = "dpf43f3p2l4k3l03dpf43f3p"
SECRET = b"kd94hf93k423kf44kd94hf93k423kf44kd94hf93k42"
URL = "https://roster.example.org/ims/oneroster/v1p1/users"
QUERY = "limit=100&offset=0&filter=role%3D%27student%27"

# Headers as they come from different libraries, signed once by hand for the request above.
HEADERS = {
    "a comma after the scheme, and a callback that is signed (.NET)": (
        f', oauth_callback="about%3Ablank", oauth_consumer_key="{KEY}", oauth_nonce="Zk9pQ2xYb7",'
        ' oauth_signature_method="HMAC-SHA1", oauth_timestamp="1791201600", oauth_version="1.0",'
        ' oauth_signature="%2FOdrYhoCgO3%2B8254DGmqmlyWnYg%3D"'
    ),
    "no version, no token, no space after commas (PHP)": (
        f' oauth_consumer_key="{KEY}",oauth_nonce="a1b2c3d4e5",'
        'oauth_signature="HAp%2BtVewrq9kSdxXSU25CQltOHlpFas5OGzT2UKUX%2FI%3D",'
        'oauth_signature_method="HMAC-SHA256",oauth_timestamp="1791201600"'
    ),
    "an empty token, a realm with a comma, lower-case escapes, the time as nonce (Ruby)": (
        f' realm="Rosters, all", oauth_consumer_key="{KEY}", oauth_nonce="1791201600",'
        ' oauth_signature="kFvAH6U%2bs6H8HW2YcMecqqFtNfc%3d", oauth_signature_method="HMAC-SHA1",'
        ' oauth_timestamp="1791201600", oauth_token="", oauth_version="1.0"'
    ),
    "a signature that is not escaped, spaces around everything": (
        f'  oauth_consumer_key = "{KEY}" , oauth_nonce = "Zk9pQ2xYb7" , oauth_version = "1.0" ,'
        ' oauth_signature_method = "HMAC-SHA1" , oauth_timestamp = "1791201600" ,'
        ' oauth_callback = "about:blank" , oauth_signature = "/OdrYhoCgO3+8254DGmqmlyWnYg=" '
    ),
    "no quotes, escapes where none are needed, a comma at the end": (
        f" oauth_consumer_key={KEY}, oauth_nonce=%611b2c3d4e5, oauth_timestamp=1791201600,"
        " oauth_signature_method=HMAC%2DSHA256,"
        " oauth_signature=HAp%2BtVewrq9kSdxXSU25CQltOHlpFas5OGzT2UKUX%2FI%3D,"
    ),
}
GOOD = HEADERS["no version, no token, no space after commas (PHP)"]


def signature(
    query: list[tuple[str, str]], nonce: str, *, url: str = URL, method: str = "GET"
) -> str:
    """HMAC-SHA256 of a request as RFC 5849 section 3.4 spells it, step by step."""
    pairs = [
        *query,
        ("oauth_consumer_key", KEY),
        ("oauth_nonce", nonce),
        ("oauth_signature_method", "HMAC-SHA256"),
        ("oauth_timestamp", "1791201600"),
    ]
    escaped = sorted((escape(name), escape(value)) for name, value in pairs)
    normalized = "&".join(f"{name}={value}" for name, value in escaped)
    base = "&".join([method, escape(url), escape(normalized)])
    key = escape(SECRET.decode()) + "&"
    return base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha256).digest()).decode()


def escape(text: str) -> str:
    return urllib.parse.quote(text, safe="-._~")


def header(signature: str, **changed: str | None) -> str:
    values: dict[str, str | None] = {
        "oauth_consumer_key": KEY,
        "oauth_nonce": "n",
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": "1791201600",
        "oauth_signature": signature,
        **changed,
    }
    given = {name: value for name, value in values.items() if value is not None}
    return " " + ", ".join(f'{name}="{escape(value)}"' for name, value in given.items())


# ---------------------------------------------------------------- what is taken


@pytest.mark.parametrize("text", HEADERS.values(), ids=HEADERS.keys())
def test_headers_of_shipping_libraries_are_read_and_their_signatures_match(text: str) -> None:
    signed = oauth1.read(text)

    assert (signed.key, signed.timestamp) == (KEY, 1791201600)
    assert oauth1.matches(signed, "GET", URL, QUERY, SECRET)
    assert oauth1.matches(signed, "get", URL, QUERY, SECRET)


@pytest.mark.parametrize(
    "method, url, query, secret",
    [
        ("POST", URL, QUERY, SECRET),
        ("GET", URL.replace("https", "http"), QUERY, SECRET),
        ("GET", URL + "/", QUERY, SECRET),
        ("GET", URL.replace("users", "Users"), QUERY, SECRET),
        ("GET", URL, QUERY.replace("student", "teacher"), SECRET),
        ("GET", URL, QUERY + "&x=1", SECRET),
        ("GET", URL, QUERY + "&limit=100", SECRET),
        ("GET", URL, "", SECRET),
        ("GET", URL, QUERY, SECRET[:-1]),
        ("GET", URL, QUERY, b""),
    ],
)
def test_whatever_is_signed_may_not_change(
    method: str, url: str, query: str, secret: bytes
) -> None:
    assert not oauth1.matches(oauth1.read(GOOD), method, url, query, secret)


@pytest.mark.parametrize(
    "query",
    [
        "filter=role%3D%27student%27&offset=0&limit=100",
        "limit=100&offset=0&filter=role='student'",
        "limit=100&offset=0&filter=role%3d%27student'",
        "&limit=100&&offset=%30&filter=%72ole%3D'student%27&",
    ],
)
def test_raw_and_escaped_queries_are_one_under_one_signature(query: str) -> None:
    assert oauth1.matches(oauth1.read(GOOD), "GET", URL, query, SECRET)


@pytest.mark.parametrize(
    "value, sent",
    [
        ("familyName='O''Brien'", "familyName='O''Brien'"),
        ("a b", "a%20b"),
        ("a b", "a+b"),
        ("a+b", "a%2Bb"),
        ("a+b", "a+b"),
        ("dateLastModified>'2026-01-31'", "dateLastModified>'2026-01-31'"),
        ('x<"[]|', 'x<"[]|'),
        ("é~", "%C3%A9~"),
        ("é~", "%c3%a9%7E"),
        ("=", "="),
        ("%27", "%2527"),
        ("", ""),
    ],
)
def test_each_way_of_writing_a_value_verifies(value: str, sent: str) -> None:
    signed = oauth1.read(header(signature([("filter", value)], "n")))

    assert oauth1.matches(signed, "GET", URL, f"filter={sent}", SECRET)


def test_a_parameter_without_value_is_one_with_an_empty_value() -> None:
    signed = oauth1.read(header(signature([("a", ""), ("b", "")], "n")))

    assert oauth1.matches(signed, "GET", URL, "a&b=", SECRET)


def test_parameters_of_one_name_are_sorted_by_value() -> None:
    signed = oauth1.read(header(signature([("a", "2"), ("a", "1"), ("a", "10")], "n")))

    assert oauth1.matches(signed, "GET", URL, "a=2&a=10&a=1", SECRET)


def test_a_plus_is_a_space_or_a_plus_but_not_both_in_one_request() -> None:
    signed = oauth1.read(header(signature([("a", " +")], "n")))

    assert not oauth1.matches(signed, "GET", URL, "a=++", SECRET)
    assert oauth1.matches(signed, "GET", URL, "a=+%2B", SECRET)


def test_the_path_is_signed_as_it_came() -> None:
    url = URL + "/odd%2fid%3A%201:x"
    signed = oauth1.read(header(signature([], "n", url=url)))

    assert oauth1.matches(signed, "GET", url, "", SECRET)
    assert not oauth1.matches(signed, "GET", url.replace("%2f", "%2F"), "", SECRET)


def test_a_secret_is_escaped_in_the_key() -> None:
    made = hmac.new(b"a%20b%2B&", b"GET&https%3A%2F%2Fx.example%2F&", hashlib.sha1).digest()
    signed = oauth1.Signed("k", 0, "n", "sha1", base64.b64encode(made).decode(), [])

    assert oauth1.matches(signed, "GET", "https://x.example/", "", b"a b+")


@pytest.mark.parametrize(
    "public, signed",
    [
        ("https://Roster.Example.org", "https://roster.example.org"),
        ("HTTPS://roster.example.org:443/rosters", "https://roster.example.org/rosters"),
        ("http://roster.example.org:80", "http://roster.example.org"),
        ("http://roster.example.org:443", "http://roster.example.org:443"),
        ("http://127.0.0.1:8420", "http://127.0.0.1:8420"),
        ("https://[2001:DB8::1]:8443/Rosters", "https://[2001:db8::1]:8443/Rosters"),
    ],
)
def test_the_base_is_the_public_url_as_it_is_signed(public: str, signed: str) -> None:
    assert oauth1.public_base(public) == signed


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "changed, told",
    [
        ({"oauth_consumer_key": None}, "lacks oauth_consumer_key"),
        ({"oauth_consumer_key": ""}, "lacks oauth_consumer_key"),
        ({"oauth_nonce": None}, "lacks oauth_nonce"),
        ({"oauth_nonce": ""}, "lacks oauth_nonce"),
        ({"oauth_signature": None}, "lacks oauth_signature"),
        ({"oauth_timestamp": None}, "lacks oauth_timestamp"),
        ({"oauth_signature_method": None}, "lacks oauth_signature_method"),
        ({"oauth_signature_method": "PLAINTEXT"}, "HMAC-SHA1, HMAC-SHA256"),
        ({"oauth_signature_method": "RSA-SHA1"}, "HMAC-SHA1, HMAC-SHA256"),
        ({"oauth_signature_method": "HMAC-SHA512"}, "HMAC-SHA1, HMAC-SHA256"),
        ({"oauth_signature_method": "hmac-sha1"}, "HMAC-SHA1, HMAC-SHA256"),
        ({"oauth_version": "2.0"}, "oauth_version"),
        ({"oauth_version": ""}, "oauth_version"),
        ({"oauth_token": "t"}, "oauth_token"),
        ({"oauth_timestamp": "soon"}, "whole seconds"),
        ({"oauth_timestamp": "-1"}, "whole seconds"),
        ({"oauth_timestamp": "1.5"}, "whole seconds"),
        ({"oauth_timestamp": "١٢"}, "whole seconds"),
        ({"oauth_timestamp": "1" * 13}, "whole seconds"),
        ({"oauth_nonce": "n" * 257}, "longer"),
    ],
)
def test_what_is_incomplete_or_another_protocol_is_told_so(
    changed: dict[str, str | None], told: str
) -> None:
    with pytest.raises(oauth1.UnusableError, match=told):
        oauth1.read(header("c2ln", **changed))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " nonsense",
        ' oauth_nonce="a" oauth_token="b"',
        ' oauth_nonce="a',
        ' oauth_nonce="a"b"',
        ' oauth_nonce=="a"',
        ' ="a"',
        ' oauth nonce="a"',
        GOOD + "; x",
        GOOD + ',oauth_nonce="again"',
        GOOD + ',oauth%5Fnonce="again"',
        GOOD + "".join(f',x{number}="1"' for number in range(40)),
        GOOD + f',x="{"1" * 5000}"',
    ],
)
def test_what_is_no_such_header_is_refused(text: str) -> None:
    with pytest.raises(oauth1.UnusableError):
        oauth1.read(text)


def test_no_reason_repeats_what_was_sent() -> None:
    for changed in ({"oauth_version": "secretive"}, {"oauth_signature_method": "secretive"}):
        with pytest.raises(oauth1.UnusableError) as refused:
            oauth1.read(header("c2ln", **changed))
        assert "secretive" not in str(refused.value)
