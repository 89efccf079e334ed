"""Filters, sorts and fields over the wire, held against the bodies that are served.

What a field is, and what a record has of it, is read from the answers themselves: so a filter can
neither miss what an application sees nor tell more than that.
"""

import urllib.parse
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from rosterd.oneroster import model
from rosterd.web.oneroster import routes
from tests.integration import vendors

V1P1 = "/ims/oneroster/v1p1"
V1P2 = "/ims/oneroster/rostering/v1p2"

SHARING = """\
access: full
fields:
  share: [users.metadata.bus, classes.metadata.room]
  withhold: [users.sms, classes.location]
  mask: {users.familyName: initial, users.middleName: constant, demographics.birthDate: year}
"""


def _records() -> dict[str, list[dict[str, Any]]]:
    """The usual district with more members, as odd as real ones."""
    records = vendors.district()
    people = {each["sourcedId"]: each for each in records["users"]}
    people["s1"].update(
        familyName="O'Brien",
        givenName="Colin Robert",
        grades=["03", "04"],
        userIds=[{"type": "LDAP", "identifier": "x1"}, {"type": "Fed", "identifier": "y1"}],
        metadata={"bus": "12", "secret": "no"},
        agents=["a1"],
        sms="555-7",
    )
    people["s2"].update(familyName="Ödegaard", middleName="Mi", metadata={"bus": "7"}, sms="555-8")
    people["s3"].update(familyName="Smith AND Jones", enabledUser="false", pronouns="they")
    people["t2"]["roles"].append(
        {"roleType": "secondary", "role": "aide", "org": "north", "beginDate": "2026-01-31"}
    )
    records["classes"][0].update(periods=["1", "2"], metadata={"room": "4"}, location="Hall")
    records["classes"][1].update(classCode="ART", grades=["03"], subjects=["art", "craft"])
    records["courses"][0].update(courseCode="M-1", schoolYear="y")
    records["enrollments"][0].update(beginDate="2026-08-15", endDate="2026-12-20")
    records["enrollments"][-1].update(primary="true", beginDate="2026-09-01")
    records["demographics"][0].update(sex="other", birthDate="2014-05-06", asian="true")
    records["resources"].append(
        {
            "sourcedId": "r2",
            "vendorResourceId": "v-2",
            "roles": ["student"],
            "importance": "primary",
        }
    )
    return records


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[vendors.Service]:
    known = {**vendors.VENDORS, "sharing": vendors.Vendor(SHARING)}
    async with vendors.service(tmp_path, known, _records()) as running:
        yield running


async def listed(service: vendors.Service, token: str, url: str) -> list[dict[str, Any]]:
    status, headers, body = await service.ask(url, token)
    assert status == 200, body
    (records,) = orjson.loads(body).values()
    assert headers["X-Total-Count"] == str(len(records))
    return list(records)


def said(record: Mapping[str, Any], dotted: str) -> list[str]:
    """What a body says of a field; of a reference its sourcedId."""
    values: list[Any] = [record]
    for name in dotted.split("."):
        found = [each[name] for each in values if isinstance(each, dict) and name in each]
        values = [one for each in found for one in (each if isinstance(each, list) else [each])]
    return [each["sourcedId"] if isinstance(each, dict) else each for each in values]


def fields_of(route: routes.Route) -> list[str]:
    """Every name that may be asked for, and the metadata that is shared."""
    collection = route.listing.collection
    metadata = {"users": ["metadata.bus", "metadata.secret"], "classes": ["metadata.room"]}
    return [*model.names(collection, route.version), *metadata.get(collection, [])]


WHOLE = [route for route in routes.ROUTES if not route.single and not route.parents]


@pytest.mark.parametrize("route", WHOLE, ids=lambda route: f"{route.version}-{route.operation}")
@pytest.mark.parametrize("name", ["everything", "sharing", "math"])
async def test_every_field_sorts_by_what_is_served(
    service: vendors.Service, route: routes.Route, name: str
) -> None:
    token = await service.token(name)
    if (await service.ask(route.url, token))[0] == 403:
        assert route.listing.collection in ("demographics", "resources")
        return
    records = await listed(service, token, route.url)
    by_id = sorted(records, key=lambda each: str(each["sourcedId"]))
    for field in fields_of(route):
        having = [each for each in by_id if said(each, field)]
        lacking = [each for each in by_id if not said(each, field)]
        for order in ("asc", "desc"):
            # equal values by sourcedId, and those without any last, whichever the direction
            expected = sorted(
                having, key=lambda each: said(each, field)[0], reverse=order == "desc"
            )
            got = await listed(service, token, f"{route.url}?sort={field}&orderBy={order}")
            assert [each["sourcedId"] for each in got] == [
                each["sourcedId"] for each in (*expected, *lacking)
            ], (field, order)


@pytest.mark.parametrize("route", WHOLE, ids=lambda route: f"{route.version}-{route.operation}")
@pytest.mark.parametrize("name", ["everything", "sharing", "math"])
async def test_every_field_is_filtered_by_what_is_served(
    service: vendors.Service, route: routes.Route, name: str
) -> None:
    token = await service.token(name)
    if (await service.ask(route.url, token))[0] == 403:
        return
    records = await listed(service, token, route.url)
    tried = 0
    for field in fields_of(route):
        known = {each["sourcedId"]: said(each, field) for each in records}
        for value in sorted({each for values in known.values() for each in values})[:4]:
            quoted = urllib.parse.quote(value.replace("'", "''"), safe="")
            equal = {each for each, values in known.items() if value in values}
            for sign, expected in (("=", equal), ("!=", known.keys() - equal)):
                url = f"{route.url}?filter={field}{urllib.parse.quote(sign)}'{quoted}'"
                got = {each["sourcedId"] for each in await listed(service, token, url)}
                assert got == expected, (field, sign)
            tried += 1
    assert tried > 5


# What clients send, from the shapes that are known. Each with the users that it means.
STUDENTS = {"s1", "s2", "s3", "s4", "s5", "s6", "s7", vendors.ODD}
EVERYBODY = STUDENTS | {"t1", "t2", "a1"}
USERS: list[tuple[str, set[str]]] = [
    ("status='active'", EVERYBODY),
    ("status%3D%27active%27", EVERYBODY),
    ("status='tobedeleted'", set()),
    ("email='s2@example.org'", {"s2"}),
    ("username='t1-login'", {"t1"}),
    ("sourcedId='s1'", {"s1"}),
    ("sourcedId='odd%2Fid:%201'", {vendors.ODD}),
    ("sourcedId='nobody'", set()),
    ("sourcedId!='s1'", EVERYBODY - {"s1"}),
    ("givenName='Colin Robert'", {"s1"}),
    ("givenName='Colin+Robert'", {"s1"}),
    ("givenName='Colin%20Robert'", {"s1"}),
    ("givenName='colin robert'", set()),  # = is exact
    ("givenName~'colin'", {"s1"}),  # ~ is not
    ("familyName='O''Brien'", {"s1"}),
    ("familyName='O'Brien'", {"s1"}),
    ("familyName%3D'O%27%27Brien'", {"s1"}),
    ("familyName~'O'Brien'", {"s1"}),
    ("familyName~'o''b'", {"s1"}),
    ("familyName='Smith AND Jones'", {"s3"}),
    ("familyName~'%C3%96DEGAARD'", {"s2"}),
    ("familyName~'o%CC%88degaard'", {"s2"}),  # the same letter, said in two pieces
    ("grades='03'", {"s1", "s2", "s3", "s4"}),
    ("grades='03,04'", {"s1"}),  # all of them
    ("grades~'03,04'", {"s1", "s2", "s3", "s4"}),  # any of them
    ("grades!='03'", EVERYBODY - {"s1", "s2", "s3", "s4"}),
    ("enabledUser='false'", {"s3"}),
    ("enabledUser=false", {"s3"}),
    ("enabledUser!='true'", {"s3"}),
    ("userIds.identifier='y1'", {"s1"}),
    ("userIds.type='LDAP'", {"s1"}),
    ("agents='a1'", {"s1"}),
    ("agents.sourcedId='a1'", {"s1"}),
    ("middleName!='x'", EVERYBODY),  # whoever has none is unequal
    ("middleName='Mi'", {"s2"}),
    ("givenName>='Terry'", {"t1", "t2"}),
    ("givenName>'Terry'", {"t2"}),
    ("givenName<'Alf'", {"a1"}),
    ("givenName<='Alex'", {"a1"}),
    ("dateLastModified>'2026-01-31'", EVERYBODY),
    ("dateLastModified>='2026-10-05T12:00:00Z'", EVERYBODY),
    ("dateLastModified>'2026-10-05T12:00:00.000Z'", set()),
    ("dateLastModified>'2026-10-05'", EVERYBODY),
    ("dateLastModified<'2026-10-05T14:00:01%2B02:00'", EVERYBODY),
    ("dateLastModified>'2026-10-06'", set()),
    ("sourcedId='s1' OR sourcedId='s2'", {"s1", "s2"}),
    ("sourcedId='s1'+OR+sourcedId='s2'", {"s1", "s2"}),
    ("sourcedId='s1' or sourcedId='s2'", {"s1", "s2"}),
    ("(sourcedId='s1' OR sourcedId='s2') AND grades='04'", {"s1"}),
    ("sourcedId='s2' OR sourcedId='s1' AND grades='99'", {"s2"}),
    ("sourcedId='s1' AND grades='99' OR sourcedId='s2'", {"s2"}),
    ("sourcedId='s1' AND givenName~'c' AND familyName~'b'", {"s1"}),
]
NEWER: list[tuple[str, set[str]]] = [
    ("roles.role='teacher'", {"t1", "t2"}),
    ("roles.role='aide'", {"t2"}),
    ("roles.role='teacher' OR roles.role='siteAdministrator'", {"t1", "t2", "a1"}),
    ("roles.org.sourcedId='south'", {"s5", "s6", "s7", "t2"}),
    ("roles.org='south'", {"s5", "s6", "s7", "t2"}),
    ("roles.beginDate>'2026-01-30'", {"t2"}),
    ("roles.beginDate='2026-01-31'", {"t2"}),
    ("primaryOrg='south'", {"s5", "s6", "s7", "t2"}),
    ("pronouns='they'", {"s3"}),
]
OLDER: list[tuple[str, set[str]]] = [
    ("role='student'", STUDENTS),
    ("role='administrator'", {"a1"}),
    ("role='teacher' OR role='aide'", {"t1", "t2"}),
    ("(role='teacher' OR role='aide') AND orgs='north'", {"t1", "t2"}),
    ("orgs.sourcedId='south'", {"s5", "s6", "s7", "t2"}),
]


@pytest.mark.parametrize(
    "base, query, ids",
    [
        *((base, *each) for base in (V1P1, V1P2) for each in USERS),
        *((V1P2, *each) for each in NEWER),
        *((V1P1, *each) for each in OLDER),
    ],
)
async def test_filters_as_clients_send_them(
    service: vendors.Service, base: str, query: str, ids: set[str]
) -> None:
    token = await service.token("everything")
    url = f"{base}/users?filter={query.replace(' ', '%20')}"

    found = await listed(service, token, url)

    assert {each["sourcedId"] for each in found} == ids


@pytest.mark.parametrize(
    "path, query, ids",
    [
        ("/academicSessions", "schoolYear='2027'", {"y", "t1", "h1", "g1"}),
        ("/academicSessions", "schoolYear=2027", {"y", "t1", "h1", "g1"}),
        ("/academicSessions", "startDate<'2026-08-16' AND endDate>'2027-06-14'", None),
        ("/academicSessions", "parent='t1'", {"g1"}),
        ("/academicSessions", "children.sourcedId='g1'", {"t1"}),
        ("/terms", "title~'T'", {"t1"}),
        ("/orgs", "parent.sourcedId='d'", {"north", "south"}),
        ("/orgs", "type='school' AND name~'NOR'", {"north"}),
        ("/classes", "terms='h1'", {"k-art"}),
        ("/classes", "course.sourcedId='c-art' AND school='south'", {"k-south"}),
        ("/classes", "subjects='craft,art'", {"k-art"}),
        ("/classes", "periods='2'", {"k-math"}),
        ("/courses", "subjects~'MATH'", {"c-math"}),
        ("/enrollments", "class='k-art'", {"k-art-s1", "k-art-s2", "k-art-t1"}),
        ("/enrollments", "primary='true'", {"k-south-t2"}),
        ("/enrollments", "beginDate>='2026-08-15' AND endDate<'2027-01-01'", {"k-math-s1"}),
        ("/enrollments", "user='s1' AND role='student'", {"k-math-s1", "k-art-s1"}),
        ("/demographics", "birthDate<'2015-01-01'", {"s1"}),
        ("/demographics", "asian='true'", {"s1"}),
    ],
)
@pytest.mark.parametrize("base", [V1P1, V1P2])
async def test_filters_of_other_collections(
    service: vendors.Service, base: str, path: str, query: str, ids: set[str] | None
) -> None:
    token = await service.token("everything")
    url = f"{base}{path}?filter={query.replace(' ', '%20')}"

    found = {each["sourcedId"] for each in await listed(service, token, url)}

    assert found == (ids or {"y", "t1", "h1", "g1"})


@pytest.mark.parametrize("path", ["/users", "/users/s1", "/classes/k-math/students"])
@pytest.mark.parametrize(
    "query",
    [
        "fields=sourcedId,givenName",
        "fields=sourcedId&fields=givenName",
        "fields=givenName,%20sourcedId",
    ],
)
@pytest.mark.parametrize("base", [V1P1, V1P2])
async def test_fields_may_be_joined_or_repeated_everywhere(
    service: vendors.Service, base: str, path: str, query: str
) -> None:
    status, _, body = await service.ask(f"{base}{path}?{query}", await service.token("everything"))
    (found,) = orjson.loads(body).values()

    assert status == 200
    for record in found if isinstance(found, list) else [found]:
        assert record.keys() == {"sourcedId", "givenName"}


async def test_fields_never_give_what_is_not_shared(service: vendors.Service) -> None:
    token = await service.token("everything")
    for fields in ("metadata", "password", "userProfiles"):
        status, _, body = await service.ask(f"{V1P2}/users/s1?fields={fields}", token)
        assert (status, body) == (200, b'{"user":{}}')
    shared = await service.token("sharing")
    _, _, body = await service.ask(f"{V1P2}/users/s1?fields=metadata,sms,familyName", shared)
    assert orjson.loads(body) == {"user": {"metadata": {"bus": "12"}, "familyName": "O"}}


@pytest.mark.parametrize(
    "query, statuses, older, newer",
    [
        ("fields=nothing", (200, 400), "invalid_selection_field", "invalid_selection_field"),
        ("fields=sourcedId,,", (200, 400), "invalid_selection_field", "invalid_selection_field"),
        ("fields=", (400, 400), "invalid_blank_selection_field", "invalid_selection_field"),
        ("sort=nothing", (200, 200), "invalid_sort_field", None),
        ("sort=", (200, 200), "invalid_sort_field", None),
        ("sort=password", (200, 200), "invalid_sort_field", None),
        ("filter=nothing='1'", (400, 400), "invalid_filter_field", "invalid_filter_field"),
        ("filter=status", (400, 400), "invalid_filter_field", "invalid_filter_field"),
        ("filter=status=active", (400, 400), "invalid_filter_field", "invalid_filter_field"),
        ("filter=status='a'%20XOR", (400, 400), *["invalid_filter_field"] * 2),
        ("filter=enabledUser='maybe'", (400, 400), *["invalid_filter_field"] * 2),
        ("filter=dateLastModified>'soon'", (400, 400), *["invalid_filter_field"] * 2),
        ("orderBy=acs", (400, 400), "invalid data", "invaliddata"),
        ("limit=0", (400, 400), "invalid data", "invaliddata"),
        ("offset=-1", (400, 400), "invalid data", "invaliddata"),
    ],
)
async def test_each_mistake_has_its_code(
    service: vendors.Service, query: str, statuses: tuple[int, int], older: str, newer: str | None
) -> None:
    token = await service.token("everything")
    for path in ("/users", "/classes/k-math/students", "/schools/north/users"):
        got, _, body = await service.ask(f"{V1P1}{path}?{query}", token)
        payload = orjson.loads(body)
        (info,) = payload["statusInfoSet"]
        assert (got, info["imsx_codeMinor"]) == (statuses[0], older)
        assert info["imsx_codeMajor"] == ("failure" if got == 400 else "success")
        assert info["imsx_severity"] == ("error" if got == 400 else "warning")
        assert list(payload)[:-1] == ([] if got == 400 else ["users"])
        assert payload.get("users") != []

        got, _, body = await service.ask(f"{V1P2}{path}?{query}", token)
        payload = orjson.loads(body)
        assert got == statuses[1]
        if newer is None:
            assert list(payload) == ["users"]
        else:
            (field,) = payload["imsx_CodeMinor"]["imsx_codeMinorField"]
            assert field["imsx_codeMinorFieldValue"] == newer


async def test_an_unknown_sort_is_refused_in_1_2_where_that_is_wanted(tmp_path: Path) -> None:
    listen = vendors.settings_of(refuse_unknown_sort=True)
    async with vendors.service(tmp_path, listen=listen) as service:
        token = await service.token("everything")
        for url, code in (
            (f"{V1P2}/users?sort=nothing", "invaliddata"),
            (f"{V1P2}/classes/k-math/students?sort=nothing", "invaliddata"),
            ("/ims/oneroster/resources/v1p2/resources?sort=nothing", "invalid_sort_field"),
        ):
            status, _, body = await service.ask(url, token)
            assert status == 400
            (field,) = orjson.loads(body)["imsx_CodeMinor"]["imsx_codeMinorField"]
            assert field["imsx_codeMinorFieldValue"] == code
        for url in (f"{V1P2}/users?sort=username", f"{V1P2}/users/s1?sort=nothing"):
            assert (await service.ask(url, token))[0] == 200
        assert (await service.ask(f"{V1P1}/users?sort=nothing", token))[0] == 200


def _new(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


async def test_1_1_may_have_booleans_of_json(tmp_path: Path) -> None:
    records = _records()
    records["users"][0]["middleName"] = '"enabledUser":"true"'
    flags = {"users": "enabledUser", "enrollments": "primary", "demographics": "asian"}
    texts: dict[str, tuple[bytes, str]] = {}
    async with vendors.service(_new(tmp_path, "texts"), vendors.VENDORS, records) as service:
        token = await service.token("everything")
        for base in (V1P1, V1P2):
            for name in flags:
                _, headers, body = await service.ask(f"{base}/{name}", token)
                texts[base + name] = body, headers["ETag"]
    listen = vendors.settings_of(json_booleans=True)
    async with vendors.service(_new(tmp_path, "json"), vendors.VENDORS, records, listen) as service:
        token = await service.token("everything")
        for name, flag in flags.items():
            assert (await service.ask(f"{V1P2}/{name}", token))[2] == texts[V1P2 + name][0]
            _, headers, body = await service.ask(f"{V1P1}/{name}", token)
            was, tag = texts[V1P1 + name]
            ((_, found),), ((_, before),) = (orjson.loads(each).items() for each in (body, was))
            said = [each[flag] for each in found if flag in each]
            assert said
            assert all(isinstance(each, bool) for each in said)
            assert said == [each[flag] == "true" for each in before if flag in each]
            assert [{**each, flag: 0} for each in found] == [{**each, flag: 0} for each in before]
            assert headers["ETag"] != tag
            one = f"{V1P1}/{name}/{found[0]['sourcedId']}?fields={flag}"
            (single,) = orjson.loads((await service.ask(one, token))[2]).values()
            assert single == {name: each for name, each in found[0].items() if name == flag}
            status, _, body = await service.ask(f"{V1P1}/{name}?filter={flag}='true'", token)
            assert (status, b'"true"' in body.replace(b'\\"true\\"', b"")) == (200, False)


async def test_a_warning_of_1_1_stands_beside_a_single_too(service: vendors.Service) -> None:
    token = await service.token("everything")

    status, _, body = await service.ask(f"{V1P1}/users/s1?fields=nothing", token)

    payload = orjson.loads(body)
    assert (status, list(payload)) == (200, ["user", "statusInfoSet"])
    assert payload["user"]["givenName"] == "Colin Robert"
