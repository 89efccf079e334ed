"""The query of a request, read from the bytes that came.

Nothing is guessed and nothing is passed over in silence: a parameter that is wrong or given twice
is a 400 which names it. Parameters that OneRoster does not know are left alone, as clients add
their own. Most queries are `limit` and `offset` alone, so those two come first and cheap.
"""

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
_LONGEST_NUMBER: Final = 18  # digits; any such offset is past the end of every roster

_KNOWN: Final = frozenset({"limit", "offset", "sort", "orderBy", "filter", "fields"})


class Query(NamedTuple):
    """What a request asks of a listing.

    A tuple, since one is made for each request, in a fifth of the time of a frozen dataclass.
    `text` names the narrowing and the order, and is the same for every page of one walk; `others`
    are the raw parameters that Link has to repeat. `warning` is what 1.1 says beside the data.
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


PLAIN: Final = Query()


def read(raw: str, route: routes.Route) -> Query:
    """The query of one request to `route`; raises problems.Refused with 400 for what is wrong."""
    if not raw:
        return PLAIN
    if len(raw) > LONGEST_QUERY:
        raise problems.invalid(f"the query is longer than {LONGEST_QUERY} characters")
    numbers: dict[str, int] = {}
    values: dict[str, list[str]] = {}
    others: list[str] = []
    for pair in raw.split("&"):
        name, equals, value = pair.partition("=")
        if name not in _KNOWN and ("%" in name or "+" in name):
            name = _decoded(name, "the query")
        if name in ("limit", "offset"):
            if name in numbers:
                raise problems.invalid(f"{name} is given twice")
            numbers[name] = 0 if route.single else _number(name, value)
        elif pair:
            others.append(pair)
            if name in _KNOWN:
                values.setdefault(name, []).append(_decoded(value, name) if equals else "")
    limit = min(numbers.get("limit", DEFAULT_LIMIT), MAXIMUM_LIMIT)
    offset = numbers.get("offset", 0)
    if not others:
        return Query(limit, offset)
    return _narrowed(limit, offset, values, "&".join(others), route)


def _narrowed(
    limit: int, offset: int, values: dict[str, list[str]], others: str, route: routes.Route
) -> Query:
    fields, warning = _fields(values.get("fields"), route)
    if route.single:  # limit, sort and filter say nothing about one record
        return Query(fields=fields, others=others, warning=warning)
    where = _where(_once(values, "filter"), route)
    descending = _descending(_once(values, "orderBy"))
    name = _once(values, "sort")
    sort = None
    if name is not None:
        sort = model.path(route.listing.collection, name, route.version)
        if sort is None and warning is None:
            # 1.2 has no way to warn beside the data, and no data is lost: the default order.
            warning = ("invalid_sort", "sort names no field of these records; the order is ours")
    text = urllib.parse.urlencode(
        [
            ("filter", _once(values, "filter") or ""),
            ("sort", sort.key if sort else ""),
            ("descending", descending if sort else ""),
        ]
    )
    return Query(
        limit=limit,
        offset=offset,
        sort=sort,
        descending=descending and sort is not None,
        where=where,
        fields=fields,
        text=text if where is not None or sort is not None else "",
        others=others,
        warning=warning if route.version == "1.1" else None,
    )


def _number(name: str, text: str) -> int:
    # isdigit alone would take digits of every script
    if not (text.isascii() and text.isdigit()) or len(text) > _LONGEST_NUMBER:
        least = 1 if name == "limit" else 0
        raise problems.invalid(f"{name} has to be a whole number from {least} up")
    number = int(text)
    if name == "limit" and number == 0:
        raise problems.invalid("limit has to be a whole number from 1 up")
    return number


def _decoded(text: str, what: str) -> str:
    try:
        return urllib.parse.unquote_plus(text, errors="strict")
    except UnicodeDecodeError as error:
        raise problems.invalid(f"{what} is not UTF-8, percent-encoded") from error


def _once(values: dict[str, list[str]], name: str) -> str | None:
    given = values.get(name)
    if given is None:
        return None
    if len(given) > 1:
        raise problems.invalid(f"{name} is given twice")
    return given[0]


def _where(text: str | None, route: routes.Route) -> filters.Tree | None:
    if text is None:
        return None
    try:
        return filters.parse(text, route.listing.collection, route.version)
    except filters.FilterError as error:
        raise problems.Refused(400, "invalid_filter", f"filter: {error}") from error


def _descending(text: str | None) -> bool:
    if text is None:
        return False
    if text.lower() not in ("asc", "desc"):
        raise problems.invalid("orderBy has to be asc or desc")
    return text.lower() == "desc"


def _fields(
    given: list[str] | None, route: routes.Route
) -> tuple[frozenset[str] | None, tuple[str, str] | None]:
    """The members asked for (None: all), and the warning that 1.1 gives for unknown ones."""
    if given is None:
        return None, None
    names = [name.strip() for text in given for name in text.split(",")]
    if not any(names):
        raise problems.Refused(400, "blank_selection", "fields names no field")
    collection = model.COLLECTIONS[route.listing.collection]
    known = {field.name for field in collection.members(route.version)}
    known |= {"sourcedId", "status", "dateLastModified"}
    if known.issuperset(names):
        return frozenset(names), None
    description = "fields names a field that these records do not have"
    if route.version == "1.2":
        raise problems.Refused(400, "invalid_selection", description)
    return None, ("invalid_selection", f"{description}; all are given")
