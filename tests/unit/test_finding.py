"""Finding records by what a person remembers of them."""

from collections.abc import Callable
from typing import Any

import pytest
from pyroaring import BitMap

from rosterd import access, errors, finding, pictures, rosters
from rosterd.oneroster import filters, model
from tests.unit import districts


def _records() -> districts.Records:
    student = districts.role("student", "east")
    return {
        "orgs": [{"sourcedId": "east", "name": "East School", "type": "school"}],
        "users": [
            districts.user(
                "u-1",
                student,
                givenName="Zoë",
                familyName="Quillfeather",
                username="zoe.q",
                email="zq@pupils.example.org",
                identifier="900-17",
                password="s3cret",
                phone="555-0100",
            ),
            districts.user("u-2", student, givenName="Quill", familyName="Zoëson"),
        ],
        "classes": [
            {
                "sourcedId": "c-1",
                "title": "Quilting",
                "classType": "scheduled",
                "classCode": "Q7",
                "school": "east",
                "course": "q",
                "terms": [],
            }
        ],
    }


def _ids(text: str, collection: str, ask: Callable[[filters.Leaf], Any]) -> list[str]:
    found: BitMap | None = None
    for word in finding.words(text):
        here = BitMap()
        for leaf in finding.leaves(collection, word):
            here |= ask(leaf)
        found = here if found is None else found & here
    return [_records()[collection][row]["sourcedId"] for row in found or ()]


@pytest.mark.parametrize(
    "text, collection, ids",
    [
        ("zoë", "users", ["u-1", "u-2"]),
        ("ZOË quill", "users", ["u-1", "u-2"]),
        ("quill zoë", "users", ["u-1", "u-2"]),
        ("quillf zo", "users", ["u-1"]),
        ("u-2", "users", ["u-2"]),
        ("zq@pupils", "users", ["u-1"]),
        ("900-17", "users", ["u-1"]),
        ("login-u-2", "users", ["u-2"]),
        ("s3cret", "users", []),
        ("555-0100", "users", []),
        ("quillx", "users", []),
        ("quilt", "classes", ["c-1"]),
        ("q7", "classes", ["c-1"]),
        ("c-1 quilt", "classes", ["c-1"]),
    ],
)
def test_every_word_is_somewhere_in_a_record_that_is_found(
    text: str, collection: str, ids: list[str]
) -> None:
    roster = rosters.from_records(_records())

    found = _ids(text, collection, lambda leaf: roster.leaf(collection, leaf, missing=False))

    assert found == ids
    words = finding.words(text)
    read = [
        record["sourcedId"]
        for record in _records()[collection]
        if all(finding.meant(collection, word, record) for word in words)
    ]
    assert read == ids


def test_what_an_application_does_not_get_finds_nobody_within_it() -> None:
    roster = rosters.from_records(_records())
    grant = districts.grant(
        {
            "access": "full",
            "fields": {"withhold": ["users.email"], "mask": {"users.familyName": "initial"}},
        }
    )
    picture = pictures.Picture(access.view(roster, grant, districts.TODAY), "1.2")

    def ask(leaf: filters.Leaf) -> Any:
        return picture.leaf("users", leaf)

    assert _ids("zoë", "users", ask) == ["u-1"]
    assert _ids("zq@pupils", "users", ask) == []
    assert _ids("quillfeather", "users", ask) == []


@pytest.mark.parametrize("text", ["", "   ", "a b c d e f g h i", "x" * 201])
def test_a_text_without_words_or_with_too_many_is_refused(text: str) -> None:
    with pytest.raises(errors.InputError):
        finding.words(text)


def test_a_summary_says_who_it_is_and_nothing_that_is_hidden() -> None:
    record = _records()["users"][0]

    shown = finding.summary("users", record)

    assert (shown.id, shown.name) == ("u-1", "Zoë Quillfeather")
    assert shown.details == {
        "roles": "student",
        "username": "zoe.q",
        "email": "zq@pupils.example.org",
    }


def test_a_summary_of_demographics_says_nothing_of_them() -> None:
    record = {"sourcedId": "u-1", "birthDate": "2014-02-03", "sex": "female"}

    assert finding.summary("demographics", record) == finding.Summary("u-1", "", {})


@pytest.mark.parametrize("collection", model.COLLECTIONS)
def test_every_member_that_is_sought_or_shown_is_one_of_the_standard(collection: str) -> None:
    members = finding.MEMBERS[collection]

    for name in (*members.name, *members.sought, *members.shown):
        assert model.path(collection, name, finding.VERSION) is not None, name
        assert name.partition(".")[0] not in {"password", "userProfiles", "metadata"}
