"""The table of files: what it says is what the standard's headers say."""

import pytest

from rosterd.oneroster import model
from rosterd.oneroster.csv import files

USERS_1P2 = (
    "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,"
    "middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,"
    "preferredGivenName,preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns"
)
USERS_1P1 = (
    "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,"
    "familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password"
)


@pytest.mark.parametrize("version,header", [("1.1", USERS_1P1), ("1.2", USERS_1P2)])
def test_users_have_the_header_of_their_version(version: str, header: str) -> None:
    assert ",".join(files.FILES[version]["users"].header) == header


@pytest.mark.parametrize("version,count", [("1.1", 13), ("1.2", 21)])
def test_a_manifest_speaks_of_every_data_file(version: str, count: int) -> None:
    assert len(files.FILES[version]) == count


@pytest.mark.parametrize("version", model.VERSIONS)
def test_every_column_fills_a_member_that_the_model_knows(version: str) -> None:
    for name in files.READING_ORDER:
        known = {field.name for field in model.COLLECTIONS[name].fields}
        known |= {"sourcedId", "status", "dateLastModified"}
        assert {column.member for column in files.FILES[version][name].columns} <= known


@pytest.mark.parametrize("version", model.VERSIONS)
def test_every_link_file_names_its_owner_and_what_it_fills(version: str) -> None:
    for file in files.FILES[version].values():
        if file.is_link:
            assert file.collection in model.COLLECTIONS
            assert file.owner in {column.member for column in file.columns if column.required}
            assert model.COLLECTIONS[str(file.collection)].field(str(file.into)) is not None


def test_the_reading_order_takes_every_collection_once() -> None:
    assert sorted(files.READING_ORDER) == sorted(model.COLLECTIONS)
