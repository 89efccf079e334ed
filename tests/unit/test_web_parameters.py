"""The query string: what is read from it, and what is refused."""

import string
import time
import urllib.parse

import hypothesis
import pytest
from hypothesis import strategies as st

from rosterd.oneroster import filters, model
from rosterd.web import problems
from rosterd.web.oneroster import parameters, routes

ROUTES = {(route.version, route.operation): route for route in routes.ROUTES}
USERS = ROUTES["1.2", "getAllUsers"]
OLDER_USERS = ROUTES["1.1", "getAllUsers"]
USER = ROUTES["1.2", "getUser"]


def test_without_a_query_a_page_of_a_hundred_is_asked_for() -> None:
    query = parameters.read("", USERS)

    assert (query.limit, query.offset, query.where, query.sort, query.fields) == (
        100,
        0,
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    "raw, limit, offset",
    [
        ("limit=1", 1, 0),
        ("limit=10000&offset=5", 10_000, 5),
        ("offset=5&limit=10001", 10_000, 5),
        ("limit=0100", 100, 0),
        ("%6Cimit=7", 7, 0),
        ("limit=7&", 7, 0),
        ("&&limit=7", 7, 0),
        ("Limit=7", 100, 0),
        ("limit=%35&offset=%310", 5, 10),
        ("limit=9223372036854775807", 10_000, 0),
        ("limit=" + "0" * 30 + "5", 5, 0),
        ("limit=" + "9" * 5_000, 10_000, 0),
        ("limit=1&offset=9223372036854775807", 1, 999_999_999_999_999_999),
    ],
)
def test_limit_and_offset_are_whole_numbers(raw: str, limit: int, offset: int) -> None:
    query = parameters.read(raw, USERS)

    assert (query.limit, query.offset) == (limit, offset)


@pytest.mark.parametrize(
    "raw",
    [
        "limit=0",
        "limit=00",
        "limit=-1",
        "limit=+5",
        "limit=%2B5",
        "limit=%D9%A3",
        "limit=%FF",
        "limit=",
        "limit=%205",
        "limit=5.0",
        "limit=1e3",
        "limit=0x10",
        "limit=1_000",
        "limit=٣",
        "limit",
        "limit=5&limit=5",
        "limit=5&%6Cimit=5",
        "offset=-0",
        "offset=1&offset=1",
        "offset=null",
    ],
)
def test_what_is_no_number_is_refused_and_named(raw: str) -> None:
    with pytest.raises(problems.Refused) as caught:
        parameters.read(raw, USERS)

    assert caught.value.status == 400
    assert caught.value.code == "invalid_data"
    assert "limit" in caught.value.description or "offset" in caught.value.description


def test_the_text_of_a_walk_is_the_same_on_every_page() -> None:
    first = parameters.read("filter=status='active'&sort=familyName&limit=10", USERS)
    second = parameters.read("offset=10&sort=familyName&filter=status%3D'active'", USERS)
    other = parameters.read("offset=10&sort=givenName&filter=status%3D'active'", USERS)
    backwards = parameters.read("sort=familyName&orderBy=desc&filter=status='active'", USERS)

    assert first.text == second.text
    assert len({first.text, other.text, backwards.text, parameters.PLAIN.text}) == 4


def test_parameters_of_others_change_nothing_but_are_repeated_in_links() -> None:
    query = parameters.read("_=123&limit=5&x=%2C&x=1", USERS)

    assert query.others == "_=123&x=%2C&x=1"
    assert query.text == ""


@pytest.mark.parametrize("text", ["asc", "ASC", "desc", "Desc"])
def test_order_is_ascending_or_descending_in_any_case(text: str) -> None:
    query = parameters.read(f"sort=familyName&orderBy={text}", USERS)

    assert query.descending == (text.lower() == "desc")


def test_order_without_sort_is_ignored() -> None:
    assert parameters.read("orderBy=desc", USERS).text == parameters.PLAIN.text


def test_a_single_takes_fields_alone() -> None:
    query = parameters.read("fields=givenName&filter=((&sort=x&limit=0", USER)

    assert query.fields == frozenset({"givenName"})
    assert query.where is None
    assert query.text == ""


def test_fields_may_be_joined_or_repeated() -> None:
    for raw in ("fields=givenName,familyName", "fields=givenName&fields=familyName",
                "fields=givenName%2C+familyName"):  # fmt: skip
        assert parameters.read(raw, USERS).fields == frozenset({"givenName", "familyName"})


def test_each_version_has_its_own_members() -> None:
    assert parameters.read("fields=role,orgs", OLDER_USERS).fields == frozenset({"role", "orgs"})
    assert parameters.read("fields=roles", OLDER_USERS).warning is not None
    with pytest.raises(problems.Refused):
        parameters.read("fields=role", USERS)


def test_a_sort_that_names_nothing_warns_where_the_version_can() -> None:
    older = parameters.read("sort=nothing", OLDER_USERS)
    newer = parameters.read("sort=nothing", USERS)

    assert older.warning is not None
    assert older.warning[0] == "invalid_sort"
    assert newer.warning is None
    assert older.sort is newer.sort is None


def test_spaces_come_as_plus_or_as_percent() -> None:
    one = parameters.read("filter=givenName='A+B'+AND+role='student'", OLDER_USERS)
    two = parameters.read("filter=givenName='A%20B'%20AND%20role='student'", OLDER_USERS)

    assert one.where == two.where
    assert isinstance(one.where, filters.And)


# everything that a client may put into a request line
_RAW = st.text(alphabet=string.printable.replace("#", "") + "é\udcff", max_size=60)
_NAMES = st.sampled_from(["limit", "offset", "sort", "orderBy", "filter", "fields", "x", ""])
_QUERY = st.lists(st.tuples(_NAMES, _RAW), max_size=5).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)


@hypothesis.given(st.one_of(_RAW, _QUERY), st.sampled_from(routes.ROUTES))
def test_whatever_comes_is_read_or_refused(raw: str, route: routes.Route) -> None:
    try:
        query = parameters.read(raw, route)
    except problems.Refused as refused:
        answer = refused.status, bool(problems.body(route.version, refused))
        event = refused.code
    else:
        answer = 400, route.single or 1 <= query.limit <= parameters.MAXIMUM_LIMIT
        event = "read"
    hypothesis.event(event)
    assert answer == (400, True)


@pytest.mark.parametrize("piece", ["a", "(", "&", "%", "a=1&", "filter=(", "'", " AND ", "\\"])
def test_a_megabyte_is_refused_at_once(piece: str) -> None:
    raw = "filter=" + piece * (1_000_000 // len(piece))
    started = time.process_time()

    with pytest.raises(problems.Refused):
        parameters.read(raw, USERS)

    assert time.process_time() - started < 0.1


# ---------------------------------------------------------------- the router


@hypothesis.given(st.text(min_size=1, max_size=20), st.sampled_from(routes.ROUTES))
def test_any_id_comes_back_as_it_was_quoted(sourced_id: str, route: routes.Route) -> None:
    hypothesis.assume(not any("\ud800" <= character <= "\udfff" for character in sourced_id))
    if not route.single:
        return
    path = route.url.replace(f"{{{route.listing.name}}}", urllib.parse.quote(sourced_id, safe=""))

    assert routes.Router().find(path) == routes.Found(route, (sourced_id,))


@hypothesis.given(st.text(alphabet="/%2fFiIms.onerst1v2pu{}é", max_size=40))
def test_any_path_is_found_or_not(path: str) -> None:
    router = routes.Router()

    found = router.find(path)

    assert found is None or found.route in routes.ROUTES
    assert router.version(path) in model.VERSIONS


def test_the_router_finds_every_route_with_and_without_a_slash() -> None:
    router = routes.Router(prefix="/below")
    for route in routes.ROUTES:
        path = route.url.replace(f"{{{route.listing.name}}}", "id")
        for form in (path, path + "/", "/below" + path, "/below" + path + "/"):
            found = router.find(form)
            assert found is not None
            assert found.route is route
        assert router.find("/other" + path) is None
