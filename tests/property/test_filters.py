"""Laws of the query language: no text breaks it, and operators mean what they say."""

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosterd.oneroster import filters, model
from tests.property import records

# Pieces that stand in real filters, so that drawn texts come close to being ones.
_PIECES = st.one_of(
    st.sampled_from([*"'()=~<>,.", "''", "!=", ">=", "<=", "AND", "OR", "and", "or", "true"]),
    st.sampled_from(["role", "familyName", "status", "email", "dateLastModified", "metadata.x"]),
    st.sampled_from(["class", "roles.org.sourcedId", "enabledUser", "schoolYear", "subjects"]),
    st.sampled_from(["'a'", "'O'Brien'", "O'Brien", "'2026-01-31'", "2026", "-1.5"]),
)
_SOUP = st.lists(st.one_of(_PIECES, st.just(" "), st.text(max_size=3)), max_size=40).map("".join)
VALUE = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
_SIGN = st.sampled_from(["=", "!=", ">", ">=", "<", "<=", "~"])


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def leaf(
    sign: str, value: str, name: str = "familyName", collection: str = "users"
) -> filters.Leaf:
    path = model.path(collection, name, "1.2")
    assert path is not None
    return filters.Leaf(path, sign, value)


@given(_SOUP, records.COLLECTIONS, st.sampled_from(model.VERSIONS))
def test_any_text_is_a_tree_or_a_filter_error(text: str, collection: str, version: str) -> None:
    try:
        column, leaves = 1, list(filters.leaves(filters.parse(text, collection, version)))
    except filters.FilterError as error:
        column, leaves = error.column, []
    assert 1 <= column <= len(text) + 1
    assert all(leaf.column <= len(text) for leaf in leaves)


@given(_SOUP, st.dictionaries(st.just("familyName"), records.TEXT), st.booleans())
def test_any_tree_answers_for_any_record(text: str, record: dict[str, Any], missing: bool) -> None:
    try:
        tree = filters.parse(text, "users", "1.2")
    except filters.FilterError:
        return
    assert filters.matcher(tree, missing=missing)({"sourcedId": "u", **record}) in (True, False)


@given(VALUE, _SIGN)
def test_a_value_with_doubled_quotes_comes_back_whole(value: str, sign: str) -> None:
    for text in (f"familyName{sign}{quoted(value)}", f"( familyName {sign} {quoted(value)} )"):
        assert filters.parse(text, "users", "1.2") == leaf(sign, value)


_LETTERS = st.text(st.sampled_from("aB é-"), max_size=6)


@given(_LETTERS, _LETTERS.filter(lambda text: text.strip() != ""))
def test_a_raw_quote_inside_a_value_is_part_of_it(before: str, after: str) -> None:
    value = f"{before}x'{after}"
    for rest in ("", " AND email='b'", " or email='b'"):
        tree = filters.parse(f"familyName='{value}'{rest}", "users", "1.2")
        assert next(filters.leaves(tree)) == leaf("=", value)


_TREES: st.SearchStrategy[filters.Tree] = st.recursive(
    st.builds(leaf, _SIGN, VALUE, st.sampled_from(["familyName", "email", "roles.role"])),
    lambda inner: st.builds(
        lambda kind, parts: kind(tuple(parts)),
        st.sampled_from([filters.And, filters.Or]),
        st.lists(inner, min_size=2, max_size=3),
    ),
    max_leaves=6,
)


def written(tree: filters.Tree) -> str:
    """The tree as text, with parentheses around every part."""
    if isinstance(tree, filters.Leaf):
        return f"{tree.path.dotted}{tree.operator}{quoted(tree.value)}"
    word = " AND " if isinstance(tree, filters.And) else " OR "
    return word.join(f"({written(part)})" for part in tree.parts)


@given(_TREES, records.records("users"), st.booleans())
def test_a_written_tree_means_the_same(
    tree: filters.Tree, user: dict[str, Any], missing: bool
) -> None:
    again = filters.parse(written(tree), "users", "1.2")
    assert list(filters.leaves(again)) == list(filters.leaves(tree))
    assert filters.matcher(again, missing=missing)(user) == filters.matcher(tree, missing=missing)(
        user
    )


@given(st.lists(_SIGN, min_size=1, max_size=5), st.lists(st.booleans(), min_size=4, max_size=4))
def test_and_binds_tighter_than_or(signs: list[str], connectives: list[bool]) -> None:
    words = [f"email{sign}'v{number}'" for number, sign in enumerate(signs)]
    text, groups = words[0], [[words[0]]]
    for word, is_and in zip(words[1:], connectives, strict=False):
        text += f" {'AND' if is_and else 'OR'} {word}"
        if is_and:
            groups[-1].append(word)
        else:
            groups.append([word])
    grouped = " OR ".join(f"({' AND '.join(group)})" for group in groups)
    assert filters.parse(text, "users", "1.2") == filters.parse(grouped, "users", "1.2")


_VALUES = st.lists(records.TEXT, min_size=1, max_size=3)
_NAMES = st.sampled_from(
    [("users", "familyName"), ("classes", "subjects"), ("users", "roles.org"), ("users", "agents")]
)


@given(_NAMES, VALUE, _VALUES, st.booleans())
def test_unequal_is_the_negation_of_equal_over_the_whole_member(
    named: tuple[str, str], value: str, held: list[str], missing: bool
) -> None:
    collection, name = named
    equal = filters.predicate(leaf("=", value, name, collection), missing=missing)
    unequal = filters.predicate(leaf("!=", value, name, collection), missing=missing)
    assert unequal(held) is not equal(held)


@given(st.dates(), st.dates(), st.booleans())
def test_unequal_negates_equal_for_dates(one: Any, other: Any, missing: bool) -> None:
    wanted, held = other.isoformat(), (one.isoformat(),)
    equal = filters.predicate(leaf("=", wanted, "beginDate", "enrollments"), missing=missing)
    unequal = filters.predicate(leaf("!=", wanted, "beginDate", "enrollments"), missing=missing)
    assert equal(held) is (one == other)
    assert unequal(held) is (one != other)


@given(_NAMES, _SIGN, VALUE)
def test_a_missing_member_answers_only_to_unequal_and_only_as_told(
    named: tuple[str, str], sign: str, value: str
) -> None:
    asked = leaf(sign, value, named[1], named[0])
    assert filters.predicate(asked, missing=False)(()) is False
    assert filters.predicate(asked, missing=True)(()) is (sign == "!=")


@given(records.TEXT, records.TEXT, records.TEXT)
def test_contains_finds_every_part_in_any_case(before: str, part: str, after: str) -> None:
    for wanted in (part, part.upper().lower(), part.swapcase().swapcase()):
        if filters.fold(wanted) not in filters.fold(before + part + after):
            continue  # a combining sign may melt into its neighbour
        assert filters.predicate(leaf("~", wanted), missing=False)((before + part + after,))
    assert filters.predicate(leaf("~", part), missing=False)((part,))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert filters.fold(filters.fold(text)) == filters.fold(text)
    assert filters.fold(text.swapcase().casefold()) == filters.fold(text.swapcase())


@given(VALUE, records.TEXT)
def test_orders_follow_code_points_and_exclude_each_other(value: str, held: str) -> None:
    def says(sign: str) -> bool:
        return filters.predicate(leaf(sign, value), missing=False)((held,))

    assert says(">") is (held > value)
    assert (says(">"), says("<="), says("<"), says(">=")) == (
        says(">"),
        not says(">"),
        says("<"),
        not says("<"),
    )


@given(st.datetimes(), st.datetimes())
def test_instants_order_as_time_does(one: Any, other: Any) -> None:
    texts = [f"{moment.isoformat()}Z" for moment in (one, other)]
    before, after = map(filters.instant, texts)
    assert before is not None
    assert after is not None
    assert (before < after, before == after) == (one < other, one == other)


@given(st.text(max_size=30))
def test_any_text_is_an_instant_or_none(text: str) -> None:
    assert filters.instant(text) is None or text[:1].isdigit()


@pytest.mark.parametrize(
    "shape",
    [
        "email='{}",  # an opening quote, then …
        "{}",
        "email={}'a'",
        "(email='a'{}",
    ],
)
@pytest.mark.parametrize(
    "filling",
    [
        "' ",
        "''",
        "' and ",
        "'  )",
        " ",
        "(",
        "' and email ",
        "' and email=",
        "a",
        ")",
        "' or (",
        "=",
    ],
)
def test_time_grows_with_length_and_no_faster(
    shape: str, filling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "MAX_LENGTH", 10_000_000)
    monkeypatch.setattr(filters, "MAX_LEAVES", 10_000_000)

    def cost(length: int) -> float:
        text = shape.replace("{}", filling * (length // len(filling)))
        least = float("inf")
        for _ in range(3):
            start = time.process_time()
            with contextlib.suppress(filters.FilterError):
                filters.parse(text, "users", "1.2")
            least = min(least, time.process_time() - start)
        return least

    # A quadratic reader would take 64 times as long for 8 times the text.
    assert cost(80_000) < 30 * cost(10_000) + 0.05


def test_a_megabyte_of_text_is_refused_at_once() -> None:
    start = time.process_time()
    with pytest.raises(filters.FilterError, match="65,536 characters"):
        filters.parse("email='a' OR " * 80_000, "users", "1.2")
    assert time.process_time() - start < 0.05
