"""What clients say that they hold, and that they take."""

import pytest

from rosterd.web.oneroster import packing, validators


@pytest.mark.parametrize(
    "header, takes",
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip, br", True),
        ("gzip;q=0.1", True),
        ("gzip ; q=1.0", True),
        ("*", True),
        ("*;q=0.3, br", True),
        ("gzip;q=0, *", False),
        ("gzip;q=0", False),
        ("gzip;q=0.0", False),
        ("gzip;q=nonsense", False),
        ("gzip;q=nan", False),
        ("identity, gzip;q=0.5", False),
        ("identity;q=0.1, gzip;q=0.5", True),
        ("", False),
        ("br, deflate", False),
        ("gzipped", False),
        (",,;q=,", False),
    ],
)
def test_gzip_is_sent_to_those_who_take_it(header: str, takes: bool) -> None:
    assert packing.accepted(header) is takes


@pytest.mark.parametrize(
    "header, held",
    [
        ('W/"a"', True),
        ('"a"', True),
        ('"b", W/"a"', True),
        ('"b",W/"a","c"', True),
        ("*", True),
        (" * ", True),
        ('W/"b"', False),
        ('"a', False),
        ("a", False),
        ("", False),
        ('"*"', False),
        ('"b, a"', False),
    ],
)
def test_a_tag_is_compared_as_weak_ones_are(header: str, held: bool) -> None:
    assert validators.matches(header, 'W/"a"') is held


def test_a_tag_tells_apart_what_answers_depend_on() -> None:
    here = validators.Validators("https://roster.example.org")
    there = validators.Validators("https://other.example.org")
    tags = {
        here.tag("app", "1", "/users"),
        here.tag("app", "2", "/users"),
        here.tag("other", "1", "/users"),
        here.tag("app", "1", "/users?"),
        here.tag("app", "1", "/users?\udcff"),  # raw bytes that are no text
        there.tag("app", "1", "/users"),
    }

    assert len(tags) == 6
    assert here.tag("app", "1", "/users") == here.tag("app", "1", "/users")
