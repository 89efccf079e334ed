"""Documents written for a person: whatever a listing says, they can be read again."""

import pytest

from rosterd import documents, drafting, loading


def _listing(**said: object) -> documents.Listing:
    return documents.Listing.model_validate(
        {"name": "math", "title": "Math", "company": "Galaxy", **said}
    )


def _read(texts: dict[str, str]) -> dict[str, documents.AnyDocument]:
    loaded = loading.load({path: text.encode() for path, text in texts.items()})
    assert not loaded.problems
    return {each.path: each.document for each in loaded.documents}


def test_adding_a_listing_makes_a_disabled_application_with_the_recommended_rules() -> None:
    listing = _listing(
        developers=({"name": "Team: rosters", "email": "r@galaxy.example.com"},),
        needs={"versions": ("1.1",)},
        recommended={"access": "basic", "orgs": {"where": "type='school'"}, "courses": "all"},
    )

    made = drafting.from_listing(listing, "our-math")

    read = _read(dict(made))
    application = read["applications/our-math.yaml"]
    permission = read["permissions/our-math.yaml"]
    assert isinstance(application, documents.Application)
    assert isinstance(permission, documents.Permission)
    assert not application.enabled
    assert application.listing == "math"
    assert application.rest.versions == ("1.1",)
    assert application.developers == listing.developers
    assert permission.application == "our-math"
    assert isinstance(permission.orgs, documents.Parts)
    assert permission.orgs.where == "type='school'"
    assert permission.courses == "all"


def test_a_listing_that_recommends_nothing_is_added_with_access_none() -> None:
    read = _read(dict(drafting.from_listing(_listing(), "math")))

    permission = read["permissions/math.yaml"]
    assert isinstance(permission, documents.Permission)
    assert permission.access == "none"


@pytest.mark.parametrize(
    "title",
    [
        "yes",
        "No",
        "null",
        "1.2",
        "a: b",
        "# hash",
        'say "hi"',
        "back\\slash",
        "{brace}",
        "- dash",
        "Ünïcode 学校",
        "two  blanks",
    ],
)
def test_any_title_is_read_again_as_it_was(title: str) -> None:
    read = _read(dict(drafting.from_listing(_listing(title=title, company=title), "math")))

    application = read["applications/math.yaml"]
    assert isinstance(application, documents.Application)
    assert (application.title, application.company) == (title, title)


def test_a_document_begins_with_the_line_that_editors_look_for() -> None:
    text = drafting.permission("math", {"access": "none", "expires": "2027-06-30"})

    assert text == (
        "# yaml-language-server: $schema=../schemas/permission.schema.json\n"
        "apiVersion: rosterd/v1\n"
        "kind: Permission\n"
        "name: math\n"
        "application: math\n"
        "access: none\n"
        "expires: 2027-06-30\n"
    )
