"""What a stranger writes into a repository means nothing in the comment that shows it."""

import re

import pytest

from rosterd import errors, plans
from rosterd.plans.rendering import markdown
from tests.integration import configs_in_git as texts
from tests.unit import test_plans as district

HOSTILE = "@everyone | `tick` ``` <img src=x> #12 !3 ~4 [a](http://evil.example) www.evil.example"


@pytest.mark.parametrize("render", [markdown.code, markdown.words])
def test_no_text_of_a_repository_mentions_anybody(render: "type[str]") -> None:
    assert not re.search(r"@\w", render(HOSTILE))


def test_a_code_span_is_fenced_with_more_backticks_than_it_holds() -> None:
    span = markdown.code(HOSTILE)

    assert span.startswith("````")
    assert span.endswith("````")
    assert not re.search(r"(?<!\\)\|", span)


def test_words_hold_nothing_that_a_forge_takes_for_more_than_words() -> None:
    words = markdown.words(HOSTILE)

    assert not set("`|<>[]") & set(words)
    assert not re.search(r"[#!~]\d", re.sub(r"&#\d+;", "", words))
    assert "://" not in words
    assert "www." not in words


def test_what_turns_hides_or_breaks_a_line_is_taken_out() -> None:
    assert markdown.code("a\n/close\r\u2028b\u202ec\u200d") == "`a /close bc`"


def plan_with_title(title: str) -> plans.Plan:
    more = f"company: {title}\n"
    return plans.make(
        district.config(),
        district.config(applications__math=texts.application("math", more=more)),
    )


def test_a_changed_text_stands_in_the_comment_as_code() -> None:
    page = markdown.page(plan_with_title("'@all <b> | `x`'"))

    assert "company: (not set) → ``" in page
    assert "<b>" in page  # inside the code span, where it is text
    assert "@all" not in page
    assert page.endswith("`\n")


def test_every_line_begins_with_our_own_words() -> None:
    page = markdown.page(plan_with_title("'/close'"), heading=["<!-- marker -->"])

    begins = re.compile(r"(<!--|###|- | {2}- |\||<details>|</details>|plan `|_There|$)")
    assert all(begins.match(line) for line in page.split("\n"))


def test_a_comment_that_is_too_long_loses_whole_sections_and_says_so() -> None:
    blocks = ["small\n", "x" * 5_000, "last\n"]

    text = markdown.fitted("head", blocks, "\nplan `sha256:…`\n", 2_000)

    assert len(text.encode()) <= 2_000
    assert "small" in text
    assert "last" in text
    assert "xx" not in text
    assert "**1 section was too long for a comment.**" in text


def test_a_plan_of_very_many_documents_fits_and_ends_with_its_digest() -> None:
    many: dict[str, str | None] = {}
    for number in range(600):
        many[f"applications__vendor{number}"] = texts.application(f"vendor{number}")
        many[f"permissions__vendor{number}"] = texts.permission(f"vendor{number}")
    plan = plans.make(district.config(), district.config(**many))

    page = markdown.page(plan)

    assert len(page.encode()) <= markdown.LIMIT
    assert "too long for a comment" in page
    assert page.endswith(f"plan `sha256:{plan.digest}`\n")


def test_problems_are_listed_as_code() -> None:
    problem = errors.Problem("a.yaml", 1, 2, "no `such` <thing>", "x")

    text = markdown.refusal(["head"], [problem])

    assert "- ``a.yaml:1:2: no `such` <thing>``" in text
