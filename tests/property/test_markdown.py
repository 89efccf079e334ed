"""Whatever a stranger writes, the comment that shows it means what it would mean without."""

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from rosterd.plans.rendering import markdown

SIGNS = st.text(
    st.sampled_from("@`|<>[]()*_#!~&;\\/:. \n\r\t-abwx17\u202e\u200d\u2028"), max_size=60
) | st.text(max_size=60)


@given(SIGNS)
def test_a_code_span_begins_and_ends_where_it_should(value: str) -> None:
    span = markdown.code(value)
    if span == "(empty)":
        return

    fence = re.match("`+", span)
    assert fence is not None
    inside = span[len(fence[0]) : -len(fence[0])]
    assert span == f"{fence[0]}{inside}{fence[0]}"
    assert all(len(run) != len(fence[0]) for run in re.findall("`+", inside))
    assert not re.search(r"(?<!\\)\||[\n\r\u2028\u202e]|@\w", inside)


@given(SIGNS)
def test_words_are_one_line_of_text_without_markup(value: str) -> None:
    words = markdown.words(value)

    assert not set("<>`|*_[]\n\r") & set(words)
    assert not re.search(r"@\w", words)
    assert not re.search(r"[#!~]\w", re.sub(r"&#\d+;", "", words))
    assert html.unescape(words).replace("\u200b", "") == markdown._plain(value).replace(
        "\u200b", ""
    )
