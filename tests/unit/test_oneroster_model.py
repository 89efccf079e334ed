"""The table of collections, and the paths by which members are asked for."""

import pytest

from rosterd.oneroster import model, vocabularies

USER = {
    "sourcedId": "u1",
    "givenName": "Ada",
    "roles": [
        {"roleType": "primary", "role": "siteAdministrator", "org": "s1"},
        {"roleType": "secondary", "role": "ext:coach", "org": "s2", "userProfile": "p 1"},
    ],
    "primaryOrg": "s2",
    "agents": ["u2", "u3"],
    "userProfiles": [
        {
            "sourcedId": "p 1",
            "profileType": "t",
            "vendorId": "v",
            "credentials": [{"type": "sso", "username": "ada", "password": "x"}],
        }
    ],
    "metadata": {"bus.stop": "7"},
}


@pytest.mark.parametrize(
    "dotted,version,held",
    [
        ("sourcedId", "1.2", ("u1",)),
        ("status", "1.2", ("active",)),
        ("dateLastModified", "1.2", ()),
        ("familyName", "1.2", ()),
        ("roles.role", "1.2", ("siteAdministrator", "ext:coach")),
        ("roles.org.sourcedId", "1.2", ("s1", "s2")),
        ("roles.userProfile", "1.2", ("urn:rosterd:profile:p%201",)),
        ("role", "1.1", ("administrator",)),
        ("orgs", "1.1", ("s2", "s1")),
        ("orgs.sourcedId", "1.1", ("s2", "s1")),
        ("primaryOrg.sourcedId", "1.2", ("s2",)),
        ("agents", "1.1", ("u2", "u3")),
        ("userProfiles.profileId", "1.2", ("urn:rosterd:profile:p%201",)),
        ("userProfiles.credentials.username", "1.2", ("ada",)),
        ("metadata.bus.stop", "1.1", ("7",)),
        ("metadata.other", "1.1", ()),
    ],
)
def test_a_path_finds_its_values(dotted: str, version: str, held: tuple[str, ...]) -> None:
    path = model.path("users", dotted, version)
    assert path is not None
    assert model.values(USER, path) == held


@pytest.mark.parametrize(
    "collection,dotted,version",
    [
        ("users", "role", "1.2"),
        ("users", "orgs", "1.2"),
        ("users", "roles.role", "1.1"),
        ("users", "pronouns", "1.1"),
        ("users", "roles", "1.2"),
        ("users", "password", "1.2"),
        ("users", "userProfiles.credentials.password", "1.2"),
        ("users", "metadata", "1.2"),
        ("users", "metadata.", "1.2"),
        ("users", "familyname", "1.2"),
        ("users", "familyName.sourcedId", "1.2"),
        ("enrollments", "class.href", "1.2"),
        ("orgs", "", "1.2"),
    ],
)
def test_what_a_version_has_not_or_nobody_may_guess_is_no_path(
    collection: str, dotted: str, version: str
) -> None:
    assert model.path(collection, dotted, version) is None


def test_a_reference_is_the_same_path_bare_and_dotted() -> None:
    bare = model.path("enrollments", "class", "1.1")
    assert bare == model.path("enrollments", "class.sourcedId", "1.1")
    assert bare is not None
    assert (bare.dotted, bare.field, bare.target) == ("class", "class", "classes")


def test_paths_share_a_key_exactly_where_versions_agree() -> None:
    differing = {
        (collection, older.dotted)
        for collection in model.COLLECTIONS
        for name in model.names(collection, "1.1")
        if (older := model.path(collection, name, "1.1")) is not None
        and older.key not in {path.key for path in _newer(collection)}
    }
    assert differing == {
        ("orgs", "type"),
        ("academicSessions", "type"),
        ("classes", "classType"),
        ("users", "role"),
        ("users", "orgs"),
        ("enrollments", "role"),
        ("demographics", "sex"),
        ("resources", "roles"),
    }


def _newer(collection: str) -> list[model.FieldPath]:
    found = (model.path(collection, name, "1.2") for name in model.names(collection, "1.2"))
    return [path for path in found if path is not None]


def test_a_column_store_gets_every_key_once() -> None:
    keys = [path.key for path in model.paths("users")]
    assert len(keys) == len(set(keys))
    assert {"1.1:role", "roles.role", "username"} <= set(keys)


def test_terms_and_schools_are_conditions_on_collections() -> None:
    assert model.LISTINGS["orgs"].condition("1.2") is None
    schools = model.LISTINGS["schools"]
    assert (schools.collection, schools.key, schools.single) == ("orgs", "orgs", "org")
    for version in model.VERSIONS:
        for listing in model.LISTINGS.values():
            found = listing.condition(version)
            assert (found is None) is (listing.field is None)


def test_students_are_found_by_the_members_of_each_version() -> None:
    older, newer = (model.LISTINGS["students"].condition(version) for version in model.VERSIONS)
    assert older is not None
    assert newer is not None
    assert (older[0].dotted, newer[0].dotted) == ("role", "roles.role")
    assert older[1] == newer[1] == "student"


def test_only_members_of_the_tables_are_named_elsewhere() -> None:
    for collection, worded in vocabularies.WORDED.items():
        for name, vocabulary in worded.items():
            field = model.COLLECTIONS[collection].field(name)
            assert field is not None
            assert field.vocabulary == vocabulary
    for collection, new in vocabularies.NEW_IN_1P2.items():
        newer = {field.name for field in model.COLLECTIONS[collection].members("1.2")}
        assert new == newer - {field.name for field in model.COLLECTIONS[collection].members("1.1")}
    for collection, stand_ins in vocabularies.STAND_INS.items():
        assert set(stand_ins) <= model.required(collection, "1.2")


def test_references_name_the_collection_they_point_into() -> None:
    assert model.ref_fields("users") == {
        "roles.org": "orgs",
        "primaryOrg": "orgs",
        "agents": "users",
        "resources": "resources",
    }
    assert model.ref_fields("orgs") == {"parent": "orgs"}
    assert model.ref_fields("demographics") == {}


def test_each_version_requires_what_its_bodies_must_have() -> None:
    both = {"sourcedId", "givenName", "familyName", "enabledUser"}
    assert model.required("users", "1.1") == both | {"username", "role", "orgs"}
    assert model.required("users", "1.2") == both | {"roles"}
    assert model.required("demographics", "1.2") == {"sourcedId"}
