import json
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pydantic
import pytest

from rosterd import documents, loading

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "example-repo"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMnw9vcU9RRucOxcnx1Vll3mTMX8BAUvxpNZss3ekreF"

EXAMPLES = [
    (located.path, located.document)
    for located in loading.load(
        {
            path.relative_to(EXAMPLE).as_posix(): path.read_bytes()
            for path in EXAMPLE.rglob("*.yaml")
        }
    ).documents
]


def objects(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    named = {"the document": schema, **schema.get("$defs", {})}
    return [(name, part) for name, part in named.items() if "properties" in part]


@pytest.mark.parametrize("kind", documents.KINDS)
@pytest.mark.parametrize("folder", ["schemas", "example-repo/schemas"])
def test_committed_schemas_are_those_of_the_models(kind: str, folder: str) -> None:
    committed = ROOT / folder / documents.schema_file(kind)

    assert committed.read_text(encoding="utf-8") == documents.schema_text(kind)


@pytest.mark.parametrize("folder", ["schemas", "example-repo/schemas"])
def test_no_schema_is_left_of_a_kind_that_is_gone(folder: str) -> None:
    files = {path.name for path in (ROOT / folder).iterdir()}

    assert files == {documents.schema_file(kind) for kind in documents.KINDS}


@pytest.mark.parametrize("kind", documents.KINDS)
def test_every_field_of_every_kind_is_described(kind: str) -> None:
    schema = documents.schema(kind)
    silent = [
        f"{name}.{field}"
        for name, part in objects(schema)
        for field, said in part["properties"].items()
        if not said.get("description")
    ]

    assert silent == []


@pytest.mark.parametrize("kind", documents.KINDS)
def test_schemas_are_valid_and_refuse_unknown_fields_everywhere(kind: str) -> None:
    schema = documents.schema(kind)

    jsonschema.Draft202012Validator.check_schema(schema)
    assert [name for name, part in objects(schema) if part["additionalProperties"]] == []


@pytest.mark.parametrize("path, document", EXAMPLES)
def test_editors_accept_every_example(path: str, document: documents.AnyDocument) -> None:
    data = documents.plain(document) | {"apiVersion": "rosterd/v1", "kind": document.kind}

    jsonschema.Draft202012Validator(documents.schema(document.kind)).validate(data)


@pytest.mark.parametrize("path, document", EXAMPLES)
def test_examples_name_their_schema_for_editors(path: str, document: documents.AnyDocument) -> None:
    first = (EXAMPLE / path).read_text(encoding="utf-8").splitlines()[0]
    written = (EXAMPLE / path).parent / first.partition("$schema=")[2]

    assert first.startswith("# yaml-language-server: $schema=")
    assert written.resolve() == EXAMPLE / "schemas" / documents.schema_file(document.kind)


@pytest.mark.parametrize("path, document", EXAMPLES)
def test_a_document_that_is_written_down_and_read_again_is_the_same(
    path: str, document: documents.AnyDocument
) -> None:
    written = json.dumps(documents.plain(document)).encode()

    (read,) = loading.load({path: written}).documents

    assert read.document == document


def test_documents_cannot_be_changed() -> None:
    application = documents.Application(name="a", title="A")

    with pytest.raises(pydantic.ValidationError):
        application.enabled = True  # type: ignore[misc]  # that is the point


def test_every_kind_has_one_place() -> None:
    places = {kind: documents.path_of(kind, "rosterd") for kind in documents.KINDS}

    assert places["Repository"] == "rosterd.yaml"
    assert places["SftpTarget"] == "sftp-targets/rosterd.yaml"
    assert len(set(places.values())) == len(documents.KINDS)


def test_a_new_application_and_a_new_target_start_disabled_and_without_an_api() -> None:
    application = documents.Application(name="a", title="A")

    assert not application.enabled
    assert not application.rest.enabled
    assert not documents.SftpTarget.model_fields["enabled"].default


def test_what_widens_a_permission_is_off_unless_it_is_said() -> None:
    permission = documents.Permission(name="a", application="a", access="basic")

    assert not permission.unenrolled_users
    assert not permission.guardians
    assert not permission.demographics
    assert not permission.resources
    assert permission.orgs is None
    assert permission.courses is None


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    "text, meant",
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("36h", timedelta(hours=36)),
        ("90d", timedelta(days=90)),
        ("2w", timedelta(days=14)),
        ("0s", timedelta(0)),
    ],
)
def test_durations_have_a_unit(text: str, meant: timedelta) -> None:
    rest = documents.Rest.model_validate_json(json.dumps({"overlap": text}))

    assert rest.overlap == meant


@pytest.mark.parametrize(
    "text", ["15", "15 m", "m", "-5m", "1.5h", "1y", "\u0661m", "999999d", 16, None]
)
def test_other_durations_are_refused(text: object) -> None:
    with pytest.raises(pydantic.ValidationError):
        documents.Rest.model_validate_json(json.dumps({"overlap": text}))


def target(**changed: object) -> documents.SftpTarget:
    said: dict[str, object] = {
        "name": "t",
        "application": "a",
        "host": "sftp.example.com",
        "username": "u",
        "authentication": {"password": "p"},
        "hostKeys": [KEY],
        "export": {"template": "oneroster-1.2", "when": "after-import"},
        **changed,
    }
    return documents.SftpTarget.model_validate_json(json.dumps(said))


@pytest.mark.parametrize("host", ["sftp.example.com", "files", "192.0.2.7", "2001:db8::7"])
def test_hosts_are_names_or_addresses(host: str) -> None:
    assert target(host=host).host == host


@pytest.mark.parametrize(
    "host", ["", "a b", "a..b", "-a.example", "sftp://a", "a/b", "a:22", "u@a", "a" * 254, "a\n"]
)
def test_other_hosts_are_refused(host: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        target(host=host)


def test_a_host_key_may_carry_a_comment_which_is_no_part_of_it() -> None:
    assert target(hostKeys=[f"{KEY} root@sftp"]).host_keys == (KEY,)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "ssh-ed25519",
        KEY[:-4],  # cut
        KEY.replace("ssh-ed25519 ", "ssh-rsa "),  # says one type, is another
        KEY.replace("ssh-ed25519 ", "ssh-dss "),
        f"sftp.example.com {KEY}",
        KEY.replace("AAAA", "AA*A"),
    ],
)
def test_damaged_host_keys_are_refused(key: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        target(hostKeys=[key])


@pytest.mark.parametrize("folder", ["..", "a/../../b", "/..", "a\\b", "", "a\nb"])
def test_a_delivery_stays_in_its_folder(folder: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        target(directory=folder)


def export(**said: object) -> documents.Export:
    when = {} if "days" in said else {"when": "after-import"}
    return documents.Export.model_validate_json(
        json.dumps({"template": "oneroster-1.1", **when, **said})
    )


def test_the_name_of_a_zip_follows_from_its_slot_alone() -> None:
    made = export(fileName="{application}-{target}-{version}-{mode}-{date}-{time}.zip")
    slot = datetime(2027, 1, 5, 4, 30)  # noqa: DTZ001 - the local time of a slot

    name = made.name(application="math", target="math-sftp", slot=slot)

    assert name == "math-math-sftp-1.1-bulk-20270105-0430.zip"


@pytest.mark.parametrize(
    "name", ["a", "a.csv", "a/b.zip", "..\\a.zip", "{day}.zip", "{date.zip", "date}.zip", "{}.zip"]
)
def test_other_names_of_zips_are_refused(name: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        export(fileName=name)


def test_the_first_file_of_deltas_says_that_it_is_bulk() -> None:
    made = export(mode="delta", fileName="{mode}-{date}-{time}.zip")
    slot = datetime(2027, 1, 5, 4, 30)  # noqa: DTZ001 - the local time of a slot

    names = [
        made.name(application="math", target="math-sftp", slot=slot, mode=mode)
        for mode in ("bulk", "delta")
    ]

    assert names == ["bulk-20270105-0430.zip", "delta-20270105-0430.zip"]


def test_no_delta_takes_the_place_of_one_that_nobody_read() -> None:
    daily = {"when": None, "days": ["monday"], "time": "05:30", "mode": "delta"}

    export(**daily, fileName="a-{date}.zip")
    for wrong in (
        {"mode": "delta"},
        {"mode": "delta", "fileName": "a-{date}.zip"},
        {"mode": "delta", "packaging": "files"},
        {**daily, "fileName": "a-{time}.zip"},
    ):
        with pytest.raises(pydantic.ValidationError):
            export(**wrong)


def test_a_schedule_is_days_and_a_time_or_every_import() -> None:
    daily = export(days=["monday", "friday"], time="05:30", timezone="America/Chicago")

    assert daily.time == time(5, 30)
    assert export().when == "after-import"
    for wrong in ({"days": ["monday"]}, {"days": ["monday"], "time": "24:00"}, {"time": "05:30"}):
        with pytest.raises(pydantic.ValidationError):
            export(**wrong)


@pytest.mark.parametrize("day", ["2027-6-30", "2027-02-29", "30.06.2027", "20270630", "", 2027])
def test_other_dates_are_refused(day: object) -> None:
    with pytest.raises(pydantic.ValidationError):
        documents.Agreement.model_validate_json(json.dumps({"reference": "r", "expires": day}))


def test_a_date_is_a_day() -> None:
    said = json.dumps({"reference": "r", "expires": "2028-02-29"})

    assert documents.Agreement.model_validate_json(said).expires == date(2028, 2, 29)
