"""Letters to developers: what stands in them, and what never can."""

import dataclasses

import pytest

from rosterd import letters

FACTS = letters.Facts(
    application="math-galaxy",
    title="Math Galaxy",
    reader="Galaxy onboarding",
    district="Lakeside",
    contact="Roster team <rosters@lakeside.example.org>",
    base="https://rosters.example",
    versions=("1.1", "1.2"),
    link="https://rosters.example/reveal/TOKEN",
    link_ends="2026-10-08 12:00 UTC",
    targets=("math-galaxy",),
    counts={"users": 3861, "demographics": "<10"},
    failing=(
        letters.Failing("math-galaxy", "sftp.example.com", "m.zip", "05:30", "cannot connect"),
    ),
)


@pytest.mark.parametrize("template", letters.TEMPLATES)
def test_every_letter_says_who_writes_to_whom_about_what(template: letters.Template) -> None:
    subject, text = letters.compose(template, FACTS)

    assert "Math Galaxy" in subject
    assert "\n" not in subject
    assert text.startswith("Hello Galaxy onboarding,\n\n")
    assert "Lakeside" in text
    assert "Roster team <rosters@lakeside.example.org>" in text
    assert "math-galaxy" in text
    assert "\n\n\n" not in text
    assert all(len(line) <= 120 for line in text.splitlines())
    assert not any(mark in subject + text for mark in ("{{", "{%", "None", "facts."))


@pytest.mark.parametrize("template", letters.TEMPLATES)
def test_only_letters_about_keys_carry_the_link(template: letters.Template) -> None:
    _, text = letters.compose(template, FACTS)
    assert ("https://rosters.example/reveal/TOKEN" in text) == (template in letters.LINKED)
    assert ("2026-10-08 12:00 UTC" in text) == (template in letters.LINKED)


@pytest.mark.parametrize("template", letters.TEMPLATES)
def test_a_letter_needs_neither_api_nor_targets_nor_a_contact(template: letters.Template) -> None:
    bare = letters.Facts(application="a", title="A", reader="You", district="Lakeside")
    _, text = letters.compose(template, bare)
    assert "http" not in text
    assert "Questions?" not in text


def test_a_rotation_says_how_long_the_former_key_works() -> None:
    _, ended = letters.compose("credentials-rotated", FACTS)
    overlap = dataclasses.replace(FACTS, overlap_ends="2026-10-12 12:00 UTC")
    _, lasting = letters.compose("credentials-rotated", overlap)
    assert "do not work any more" in ended
    assert "work until 2026-10-12 12:00 UTC" in lasting


def test_counts_stand_there_as_plans_tell_them() -> None:
    _, text = letters.compose("permission-changed", FACTS)
    assert "users: 3861" in text
    assert "demographics: <10" in text


def test_there_is_no_place_for_a_secret_or_a_record() -> None:
    assert {field.name for field in dataclasses.fields(letters.Facts)} == {
        "application", "title", "reader", "district", "contact", "base", "versions", "link",
        "link_ends", "overlap_ends", "targets", "counts", "failing",
    }  # fmt: skip
