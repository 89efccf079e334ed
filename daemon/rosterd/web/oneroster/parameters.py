"""The query of a request, read from the bytes that came.

Nothing is guessed and nothing is passed over in silence: a parameter that is wrong or given twice
is a 400 which names it. Parameters that OneRoster does not know are left alone, as clients add
their own. Most queries are `limit` and `offset` alone, so those two come first and cheap.
"""

import functools
import re
import urllib.parse
from typing import Final, NamedTuple

from rosterd.oneroster import filters, model
from rosterd.web import problems
from rosterd.web.oneroster import routes

DEFAULT_LIMIT: Final = 100
MAXIMUM_LIMIT: Final = 10_000
"""A larger limit is clamped: X-Total-Count and Link tell that more follows."""
LONGEST_QUERY: Final = 16_384
"""Characters. Real filters have hundreds."""
_REMEMBERED: Final = 256  # queries
_LONGEST_NUMBER: Final = 18
"""Digits. A longer number is as good as this many nines: no roster has an offset beyond it, and a
limit is clamped anyway. There are clients that ask for the most that their integers can say."""

_ENDLESS: Final = 10**_LONGEST_NUMBER - 1

_PLAIN: Final = re.compile(r"limit=([1-9][0-9]{0,17})(?:&offset=([0-9]{1,18}))?").fullmatch
"""What nearly every request asks, in the order in which nearly every client writes it."""
_KNOWN: Final = frozenset({"limit", "offset", "sort", "orderBy", "filter", "fields"})


class Query(NamedTuple):
    """What a request asks of a listing.

    A tuple, since one is made for each request, in a fifth of the time of a frozen dataclass.
    `text` names the narrowing and the order, and is the same for every page of one walk; `others`
    are the raw parameters that Link has to repeat. `warning` is what 1.1 says beside the data;
    `unsorted` tells that `sort` named nothing.
    """

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    sort: model.FieldPath | None = None
    descending: bool = False
    where: filters.Tree | None = None
    fields: frozenset[str] | None = None
    text: str = ""
    others: str = ""
    warning: tuple[str, str] | None = None
    unsorted: bool = False


PLAIN: Final = Query()


def read(raw: str, route: routes.Route) -> Query:
    """The query of one request to `route`; raises problems.Refused with 400 for what is wrong."""
    if not raw:
        return PLAIN
    if plain := _PLAIN(raw):
        limit, offset = plain.groups()
        return Query(min(int(limit), MAXIMUM_LIMIT), int(offset or 0))
    if len(raw) > LONGEST_QUERY:
        raise problems.invalid(f"the query is longer than {LONGEST_QUERY} characters")
    numbers: dict[str, int] = {}
    others: list[str] = []
    for pair in raw.split("&"):
        name, _, value = pair.partition("=")
        if name not in _KNOWN and ("%" in name or "+" in name):
            name = _decoded(name, "the query")
        if name in ("limit", "offset"):
            if name in numbers:
                raise problems.invalid(f"{name} is given twice")
            numbers[name] = 0 if route.single else _number(name, value)
        elif pair:
            others.append(pair)
    limit = min(numbers.get("limit", DEFAULT_LIMIT), MAXIMUM_LIMIT)
    offset = numbers.get("offset", 0)
    if not others:
        return Query(limit, offset)
    rest = _rest("&".join(others), route.listing.collection, route.version, single=route.single)
    return rest._replace(limit=limit, offset=offset)


@functools.lru_cache(maxsize=_REMEMBERED)
def _rest(others: str, collection: str, version: str, *, single: bool) -> Query:
    """What the parameters beside limit and offset say: the same on every page of a walk, so it is
    remembered.
    """
    values: dict[str, list[str]] = {}
    for pair in others.split("&"):
        name, _, value = pair.partition("=")
        name = _decoded(name, "the query")
        if name in _KNOWN:
            values.setdefault(name, []).append(_decoded(value, name))
    fields, warning = _fields(values.get("fields"), collection, version)
    if single:  # limit, sort and filter say nothing about one record
        return Query(fields=fields, others=others, warning=warning)
    filtered = _once(values, "filter")
    where = None if filtered is None else _where(filtered, collection, version)
    descending = _descending(_once(values, "orderBy"))
    name_of_sort = _once(values, "sort")
    sort = None
    if name_of_sort is not None:
        sort = model.path(collection, name_of_sort, version)
        if sort is None and warning is None:
            # 1.2 has no way to warn beside the data, and no data is lost: the default order.
            warning = ("invalid_sort", "sort names no field of these records; the order is ours")
    narrowed = where is not None or sort is not None
    return Query(
        sort=sort,
        descending=descending and sort is not None,
        where=where,
        fields=fields,
        text=repr((filtered, sort and sort.key, descending and bool(sort))) if narrowed else "",
        others=others,
        warning=warning if version == "1.1" else None,
        unsorted=name_of_sort is not None and sort is None,
    )


def _number(name: str, text: str) -> int:
    if "%" in text:
        text = _decoded(text, name)
    least = 1 if name == "limit" else 0
    digits = text.lstrip("0")
    # isdigit alone would take digits of every script
    if not (text.isascii() and text.isdigit()) or len(digits) < least:
        raise problems.invalid(f"{name} has to be a whole number from {least} up")
    return int(digits or "0") if len(digits) <= _LONGEST_NUMBER else _ENDLESS


def _decoded(text: str, what: str) -> str:
    try:
        decoded = urllib.parse.unquote_plus(text, errors="strict")
        decoded.encode()  # bytes that came raw and are no UTF-8 would fail in the store
        return decoded
    except UnicodeError as error:
        raise problems.invalid(f"{what} is not UTF-8, percent-encoded") from error


def _once(values: dict[str, list[str]], name: str) -> str | None:
    given = values.get(name)
    if given is None:
        return None
    if len(given) > 1:
        raise problems.invalid(f"{name} is given twice")
    return given[0]


def _where(text: str, collection: str, version: str) -> filters.Tree:
    try:
        return filters.parse(text, collection, version)
    except filters.FilterError as error:
        raise problems.Refused(400, "invalid_filter", f"filter: {error}") from error


def _descending(text: str | None) -> bool:
    if text is None:
        return False
    if text.lower() not in ("asc", "desc"):
        raise problems.invalid("orderBy has to be asc or desc")
    return text.lower() == "desc"


def _fields(
    given: list[str] | None, collection: str, version: str
) -> tuple[frozenset[str] | None, tuple[str, str] | None]:
    """The members asked for (None: all), and the warning that 1.1 gives for unknown ones."""
    if given is None:
        return None, None
    names = [name.strip() for text in given for name in text.split(",")]
    if not any(names):
        raise problems.Refused(400, "blank_selection", "fields names no field")
    known = {field.name for field in model.COLLECTIONS[collection].members(version)}
    known |= {"sourcedId", "status", "dateLastModified"}
    if known.issuperset(names):
        return frozenset(names), None
    description = "fields names a field that these records do not have"
    if version == "1.2":
        raise problems.Refused(400, "invalid_selection", description)
    return None, ("invalid_selection", f"{description}; all are given")
