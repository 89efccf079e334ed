"""What a catalogue entry needs, held against what the small district gives."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from rosterd import access, documents, needs, pictures, sanity
from tests.unit import districts

FULL = {"access": "full"}


def broken(
    needed: dict[str, Any], rules: dict[str, Any] = FULL, offered: tuple[str, ...] = ("1.2",)
) -> tuple[str, ...]:
    listing = documents.Listing.model_validate_json(
        orjson.dumps({"name": "app", "title": "App", "company": "A vendor", "needs": needed})
    )
    grant = replace(districts.grant(rules), listing=listing)
    view = access.view(districts.roster(), grant, districts.TODAY)
    return needs.broken(pictures.Picture(view, "1.2"), offered)


@pytest.mark.parametrize(
    "needed, rules, expected",
    [
        ({"collections": ["orgs", "users"]}, FULL, ()),
        (
            {"collections": ["demographics"]},
            districts.basic(),
            ("it gets no demographics",),
        ),
        (
            {"fields": ["users.grades", "users.email"]},
            districts.basic(fields={"withhold": ["users.grades"]}),
            ("users.grades is withheld",),
        ),
        ({"fields": ["users.metadata.bus"]}, FULL, ("users.metadata.bus is not shared",)),
        (
            {"fields": ["users.metadata.bus"]},
            {**FULL, "fields": {"share": ["users.metadata.bus"]}},
            (),
        ),
        (
            {"zero": ["classes-without-teachers", "students-without-teachers"]},
            FULL,
            ("classes-without-teachers: 1",),
        ),
        (
            {"zero": ["students-without-grades"]},
            FULL,
            ("students-without-grades: <10",),
        ),
        (
            {"zero": ["students-without-grades"]},
            districts.basic(fields={"withhold": ["users.grades"]}),
            ("students-without-grades: not known, as what it looks at is withheld or masked",),
        ),
        ({}, FULL, ()),
    ],
)
def test_what_is_needed_and_not_so_is_named(
    needed: dict[str, Any], rules: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert broken(needed, rules) == expected


def test_one_version_that_it_reads_is_enough() -> None:
    assert broken({"versions": ["1.1"]}, offered=("1.1", "1.2")) == ()
    assert broken({"versions": ["1.1"]}, offered=("1.2",)) == (
        "it reads OneRoster 1.1 and gets 1.2",
    )


def test_a_form_of_no_version_breaks_no_version() -> None:
    assert broken({"versions": ["1.1"]}, offered=()) == ()


def test_an_application_from_no_entry_needs_nothing() -> None:
    view = access.view(districts.roster(), districts.grant(FULL), districts.TODAY)

    assert needs.broken(pictures.Picture(view, "1.2"), ()) == ()


@pytest.mark.parametrize(
    "collection, count, words",
    [("users", 9, "<10"), ("users", 10, "10"), ("classes", 3, "3"), ("enrollments", 1, "<10"),
     ("users", 1_000, "1,000")],
)  # fmt: skip
def test_few_people_are_not_counted_where_everybody_reads(
    collection: str, count: int, words: str
) -> None:
    assert needs.counted(sanity.Finding("x", "x", "error", collection, count)) == words
