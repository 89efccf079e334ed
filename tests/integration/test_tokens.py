"""The token endpoint as clients really speak to it, and the keys behind it."""

import asyncio
import base64
import dataclasses
import logging
import string
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from rosterd import credentials, errors, storage, vault, worlds
from rosterd.web.oneroster import routes, scopes
from tests.integration import vendors

V1P2 = "/ims/oneroster/rostering/v1p2"
GRANT = {"grant_type": "client_credentials"}
ROSTER = scopes.PREFIXES["1.2"] + "roster.readonly"
CORE = scopes.PREFIXES["1.2"] + "roster-core.readonly"
DEMOGRAPHICS = scopes.PREFIXES["1.2"] + "roster-demographics.readonly"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[vendors.Service]:
    async with vendors.service(tmp_path) as running:
        yield running


async def post(
    service: vendors.Service, data: Any = None, url: str = "/oauth2/token", **headers: str
) -> tuple[int, Mapping[str, Any], Mapping[str, str]]:
    status, answered, body = await service.ask(url, None, "POST", data=data, headers=headers)
    assert answered["Cache-Control"] == "no-store"
    assert answered["Content-Type"] == "application/json"
    return status, orjson.loads(body), answered


def basic(key: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()


def escaped(text: str) -> str:
    """Every character percent-encoded, as nothing forbids."""
    return "".join(f"%{byte:02X}" for byte in text.encode())


# ---------------------------------------------------------------- what works


@pytest.mark.parametrize("url", ["/oauth2/token", "/token", "/oauth2/token/", "/token/"])
async def test_basic_and_form_credentials_both_get_a_token(
    service: vendors.Service, url: str
) -> None:
    pair = await service.pair("everything")
    form = {**GRANT, "client_id": pair.key, "client_secret": pair.secret}

    for data, headers in [
        (GRANT, {"Authorization": basic(pair.key, pair.secret)}),
        (GRANT, {"Authorization": basic(escaped(pair.key), escaped(pair.secret))}),
        (GRANT, {"Authorization": basic(pair.key, pair.secret).replace("Basic", "basic")}),
        ({**GRANT, "client_id": pair.key}, {"Authorization": basic(pair.key, pair.secret)}),
        (form, {}),
    ]:
        status, answer, _ = await post(service, data, url, **headers)
        assert status == 200, answer
        assert answer["token_type"].lower() == "bearer"
        assert answer["expires_in"] == 3600
        assert (await service.ask(f"{V1P2}/users", answer["access_token"]))[0] == 200
        assert "refresh_token" not in answer


async def test_grant_and_scope_may_stand_in_the_query(service: vendors.Service) -> None:
    pair = await service.pair("everything")
    headers = {"Authorization": basic(pair.key, pair.secret)}

    status, answer, _ = await post(
        service, None, f"/token?grant_type=client_credentials&scope={CORE}", **headers
    )

    assert (status, answer["scope"]) == (200, CORE)


async def test_without_scope_all_that_is_shared_is_granted(service: vendors.Service) -> None:
    pair = await service.pair("everything")

    _, answer, _ = await post(service, GRANT, Authorization=basic(pair.key, pair.secret))

    granted = set(answer["scope"].split())
    assert granted == frozenset().union(*(route.scopes for route in routes.ROUTES), {ROSTER})


@pytest.mark.parametrize(
    "asked, granted",
    [
        (f"{ROSTER} {CORE}", {ROSTER, CORE}),
        (f"  {ROSTER}   https://example.org/made-up ", {ROSTER}),
        (ROSTER.replace("https://", "http://"), {ROSTER}),
        (f"{ROSTER} {DEMOGRAPHICS}", {ROSTER}),
    ],
)
async def test_the_granted_scopes_are_those_asked_for_and_shared(
    service: vendors.Service, asked: str, granted: set[str]
) -> None:
    pair = await service.pair("north")

    status, answer, _ = await post(
        service, {**GRANT, "scope": asked}, Authorization=basic(pair.key, pair.secret)
    )

    assert status == 200
    assert set(answer["scope"].split()) == granted


@pytest.mark.parametrize("asked", [DEMOGRAPHICS, "made-up", "roster.readonly"])
async def test_scopes_that_are_not_shared_alone_are_invalid(
    service: vendors.Service, asked: str
) -> None:
    pair = await service.pair("north")

    status, answer, _ = await post(
        service, {**GRANT, "scope": asked}, Authorization=basic(pair.key, pair.secret)
    )

    assert (status, answer["error"]) == (400, "invalid_scope")


async def test_older_tokens_stay_when_a_new_one_is_issued(service: vendors.Service) -> None:
    first, second = await service.token("everything"), await service.token("everything")

    assert first != second
    for token in (first, second):
        assert (await service.ask(f"{V1P2}/users", token))[0] == 200


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("name", ["nothing", "disabled", "no-rest"])
async def test_a_dead_grant_gets_no_token_once_the_secret_is_proved(
    service: vendors.Service, name: str
) -> None:
    pair = await service.pair(name)

    status, answer, _ = await post(service, GRANT, Authorization=basic(pair.key, pair.secret))
    assert (status, answer["error"]) == (400, "unauthorized_client")

    status, answer, _ = await post(service, GRANT, Authorization=basic(pair.key, "wrong"))
    assert (status, answer["error"]) == (401, "invalid_client")


async def test_a_wrong_secret_and_an_unknown_key_say_the_same(service: vendors.Service) -> None:
    pair, other = await service.pair("everything"), await service.pair("math")
    told = []
    for key, secret in [
        (pair.key, pair.secret + "x"),
        (pair.key, other.secret),
        (pair.key, ""),
        ("unknown", pair.secret),
        ("", ""),
        ("é", "é\n"),
    ]:
        for data, headers in [
            (GRANT, {"Authorization": basic(key, secret)}),
            ({**GRANT, "client_id": key, "client_secret": secret}, {}),
        ]:
            status, answer, answered = await post(service, data, **headers)
            assert status == 401
            assert answered["WWW-Authenticate"].startswith("Basic realm=")
            told.append(answer)

    assert all(answer == told[0] for answer in told)
    assert told[0]["error"] == "invalid_client"


@pytest.mark.parametrize(
    "data, url, error",
    [
        ({}, "/token", "invalid_request"),
        ({"grant_type": ""}, "/token", "unsupported_grant_type"),
        ({"grant_type": "password"}, "/token", "unsupported_grant_type"),
        ([("grant_type", "client_credentials")] * 2, "/token", "invalid_request"),
        (GRANT, "/token?client_secret=x", "invalid_request"),
        (b"grant_type=client_credentials&scope=%FF", "/token", "invalid_request"),
        (b"grant_type=\xff", "/token", "invalid_request"),
        (b"&".join([b"a=1"] * 60), "/token", "invalid_request"),
        (b"a" * 20_000, "/token", "invalid_request"),
        (None, "/token?" + "a" * 20_000, "invalid_request"),
    ],
)
async def test_requests_that_are_none_are_told_so(
    service: vendors.Service, data: Any, url: str, error: str
) -> None:
    pair = await service.pair("everything")
    headers = {"Authorization": basic(pair.key, pair.secret)}
    if isinstance(data, bytes):
        headers["Content-Type"] = "application/x-www-form-urlencoded"

    status, answer, _ = await post(service, data, url, **headers)

    assert status in (400, 413)
    assert answer["error"] == error
    assert pair.secret not in str(answer)


async def test_a_json_body_is_no_form(service: vendors.Service) -> None:
    status, answer, _ = await post(
        service, orjson.dumps(GRANT), **{"Content-Type": "application/json"}
    )

    assert (status, answer["error"]) == (415, "invalid_request")


async def test_two_ways_of_authentication_at_once_are_one_too_many(
    service: vendors.Service,
) -> None:
    pair = await service.pair("everything")
    form = {**GRANT, "client_id": pair.key, "client_secret": pair.secret}

    status, answer, _ = await post(service, form, Authorization=basic(pair.key, pair.secret))

    assert (status, answer["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic YQ==", "Bearer abc", "", "Digest x"]
)
async def test_what_is_no_basic_authentication_is_an_invalid_client(
    service: vendors.Service, header: str
) -> None:
    status, answer, _ = await post(service, GRANT, Authorization=header)

    assert (status, answer["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_tokens_are_asked_for_by_post(service: vendors.Service, method: str) -> None:
    status, headers, _ = await service.ask("/oauth2/token?grant_type=x", None, method)

    assert (status, headers["Allow"]) == (405, "POST, OPTIONS")


@pytest.mark.parametrize("path", ["/oauth2/token", "/token/"])
async def test_options_says_what_the_token_endpoint_takes(
    service: vendors.Service, path: str
) -> None:
    status, headers, body = await service.ask(path, None, "OPTIONS")

    assert (status, headers["Allow"], body) == (204, "POST, OPTIONS", b"")


async def test_a_token_in_the_url_opens_nothing(service: vendors.Service) -> None:
    token = await service.token("everything")

    assert (await service.ask(f"{V1P2}/users?access_token={token}"))[0] == 401
    for header in (token, f"Basic {token}", f"Bearer{token}", "Bearer ", "Bearer"):
        status, _, _ = await service.ask(f"{V1P2}/users", headers={"Authorization": header})
        assert status == 401
    for header in (f"bearer {token}", f"BEARER {token}", f"Bearer  {token}"):
        status, _, _ = await service.ask(f"{V1P2}/users", headers={"Authorization": header})
        assert status == 200


async def test_no_secret_and_no_token_is_ever_logged(
    service: vendors.Service, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        pair = await service.pair("everything")
        token = await service.token("everything")
        await post(service, GRANT, f"/token?client_secret={pair.secret}")
        await service.ask(f"{V1P2}/users?access_token={token}", token)

    assert pair.secret not in caplog.text
    assert token not in caplog.text
    assert "credentials shown application=everything to=test" in caplog.text


# ---------------------------------------------------------------- keys


async def test_every_application_has_its_own_pair_of_letters_and_digits(
    service: vendors.Service,
) -> None:
    allowed = set(string.ascii_letters + string.digits)
    pairs = [await service.pair(name) for name in vendors.VENDORS]

    assert len({pair.key for pair in pairs} | {pair.secret for pair in pairs}) == 2 * len(pairs)
    for pair in pairs:
        assert set(pair.key) | set(pair.secret) <= allowed
        assert len(pair.secret) >= 22  # 128 bits


async def test_showing_a_secret_is_kept_on_record(service: vendors.Service) -> None:
    await service.known.reveal("math", "somebody")

    *_, record = await service.storage.run(lambda store: store.recorded())
    entry = record.read()
    assert record.kind == "revealed"
    assert (entry["actor"], entry["subject"], entry["generations"]) == ("somebody", "math", [1])
    with pytest.raises(errors.InputError, match="no applied config has this application"):
        await service.known.reveal("unknown", "somebody")


async def test_the_store_holds_neither_secrets_nor_tokens(
    service: vendors.Service, tmp_path: Path
) -> None:
    pair, token = await service.pair("everything"), await service.token("everything")

    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert pair.key.encode() in kept
    assert pair.secret.encode() not in kept
    assert token.encode() not in kept


def rotated(key: int, overlap: str) -> Mapping[str, vendors.Vendor]:
    rest = f"{{versions: ['1.1', '1.2'], key: {key}, overlap: {overlap}}}"
    return {**vendors.VENDORS, "everything": vendors.Vendor(rest=rest)}


async def works(service: vendors.Service, pair: credentials.Pair) -> bool:
    status, _, _ = await post(service, GRANT, Authorization=basic(pair.key, pair.secret))
    return status == 200


async def test_raising_the_key_keeps_the_former_one_for_its_overlap(
    service: vendors.Service,
) -> None:
    former, token = await service.pair("everything"), await service.token("everything")

    await service.serve(vendors.config(rotated(2, "1d")))

    new, old = await service.known.reveal("everything", "test")
    assert (new.generation, old.generation, old.key) == (2, 1, former.key)
    assert new.secret != former.secret
    assert new.retires is None
    assert old.retires == vendors.NOW + timedelta(days=1)
    assert await works(service, former)
    assert await works(service, new)
    assert (await service.ask(f"{V1P2}/users", token))[0] == 200

    service.clock.pass_by(hours=23, minutes=30)
    _, answer, _ = await post(service, GRANT, Authorization=basic(former.key, former.secret))
    assert answer["expires_in"] == 1800  # no token outlives the key it was got with

    service.clock.pass_by(minutes=30)
    assert not await works(service, former)
    assert await works(service, new)
    assert (await service.ask(f"{V1P2}/users", answer["access_token"]))[0] == 401
    await service.known.sweep(service.worlds.current)
    rows = await service.storage.run(lambda store: store.credentials())
    assert former.key not in {row.key for row in rows}


async def test_without_overlap_the_former_key_and_its_tokens_end_at_once(
    service: vendors.Service,
) -> None:
    former, token = await service.pair("everything"), await service.token("everything")
    other = await service.token("math")

    await service.serve(vendors.config(rotated(2, "0s")))

    assert not await works(service, former)
    assert (await service.ask(f"{V1P2}/users", token))[0] == 401
    assert (await service.ask(f"{V1P2}/users", other))[0] == 200
    assert await works(service, await service.pair("everything"))


async def test_a_second_rotation_does_not_lengthen_the_first_ones_overlap(
    service: vendors.Service,
) -> None:
    await service.serve(vendors.config(rotated(2, "1d")))
    service.clock.pass_by(hours=12)
    await service.serve(vendors.config(rotated(3, "1d")))

    pairs = await service.known.reveal("everything", "test")

    assert {pair.generation: pair.retires for pair in pairs} == {
        3: None,
        2: vendors.NOW + timedelta(hours=36),
        1: vendors.NOW + timedelta(hours=24),
    }


async def test_an_application_that_is_removed_loses_pair_and_tokens(
    service: vendors.Service,
) -> None:
    pair, token = await service.pair("everything"), await service.token("everything")
    without = {name: each for name, each in vendors.VENDORS.items() if name != "everything"}

    await service.serve(vendors.config(without))

    status, answer, _ = await post(service, GRANT, Authorization=basic(pair.key, pair.secret))
    assert (status, answer["error"]) == (401, "invalid_client")
    assert (await service.ask(f"{V1P2}/users", token))[0] == 401
    await service.serve(vendors.config())
    assert (await service.pair("everything")).key != pair.key


async def test_ensuring_again_changes_nothing(service: vendors.Service) -> None:
    before = await service.storage.run(lambda store: store.credentials())

    await service.known.ensure(vendors.config())

    assert await service.storage.run(lambda store: store.credentials()) == before
    prepared = service.known.prepared(vendors.config())
    assert (sorted(prepared.rows, key=lambda row: row.key), prepared.revoked) == (
        sorted(before, key=lambda row: row.key),
        frozenset(),
    )


async def test_pairs_survive_a_restart_and_a_new_vault_key(
    service: vendors.Service,
) -> None:
    pair = await service.pair("everything")
    newer = bytes([1]) * 32
    again = credentials.Credentials(
        service.storage, vault.Vault([newer, bytes(32)]), service.clock.seconds
    )

    await again.load()
    await again.ensure(vendors.config())
    alone = credentials.Credentials(service.storage, vault.Vault([newer]), service.clock.seconds)
    await alone.load()

    assert alone.authenticate(pair.key, pair.secret) is not None
    lost = credentials.Credentials(service.storage, vault.Vault([bytes([2]) * 32]))
    with pytest.raises(errors.InputError, match="not in the vault's key file"):
        await lost.load()


async def test_a_row_under_another_name_opens_nothing(service: vendors.Service) -> None:
    """Whoever can write to the database still cannot turn one application into another."""
    rows = await service.storage.run(lambda store: store.credentials())
    stolen = next(row for row in rows if row.application == "nothing")
    forged = [dataclasses.replace(stolen, application="everything")]
    await service.storage.run(lambda store: store.replace_credentials("nothing", []))
    await service.storage.run(lambda store: store.replace_credentials("everything", forged))
    again = credentials.Credentials(service.storage, vault.Vault([bytes(32)]))

    with pytest.raises(errors.InputError, match="another row"):
        await again.load()


# ---------------------------------------------------------------- tokens in bulk


async def test_an_application_holds_a_bounded_number_of_tokens(
    service: vendors.Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "TOKENS", 3)

    tokens = [await service.token("everything") for _ in range(5)]
    other = await service.token("math")

    alive = [service.known.check(token) is not None for token in tokens]
    assert alive == [False, False, True, True, True]
    assert service.known.check(other) is not None


async def test_a_grant_that_ends_while_a_token_is_stored_leaves_no_token(
    service: vendors.Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = await service.pair("everything")
    client = service.known.authenticate(pair.key, pair.secret)
    assert client is not None
    ended = vendors.config({**vendors.VENDORS, "everything": vendors.Vendor("access: none")})
    world = worlds.World(config=ended, today=vendors.NOW.date())

    issuing = asyncio.create_task(service.known.issue(client, [ROSTER]))
    await asyncio.sleep(0)
    await service.known.sweep(world)

    with pytest.raises(errors.TemporaryError):
        await issuing
    assert await service.storage.run(lambda store: store.tokens(vendors.NOW)) == []


async def test_a_token_that_could_not_be_stored_is_not_issued(
    service: vendors.Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = await service.pair("everything")

    async def broken(_self: storage.Storage, _work: object) -> None:
        raise errors.TemporaryError("cannot write")

    monkeypatch.setattr(storage.Storage, "run", broken)
    status, answer, headers = await post(service, GRANT, Authorization=basic(pair.key, pair.secret))

    assert (status, answer["error"]) == (503, "temporarily_unavailable")
    assert "Retry-After" in headers
    assert service.known._tokens == {}


async def test_before_there_is_a_config_no_secret_is_called_wrong(service: vendors.Service) -> None:
    service.worlds._current = worlds.World()

    status, answer, headers = await post(service, GRANT, Authorization=basic("key", "secret"))

    assert (status, answer["error"]) == (503, "temporarily_unavailable")
    assert "Retry-After" in headers
