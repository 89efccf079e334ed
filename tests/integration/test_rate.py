"""Who asks too much is told when to come back, and nobody else notices."""

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from rosterd.web import tokens
from tests.integration import test_oauth1, test_rest, test_tokens, vendors

V1P1 = test_rest.V1P1
V1P2 = test_rest.V1P2
PER_MINUTE = 10


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[vendors.Service]:
    listen = vendors.settings_of(requests_per_minute=PER_MINUTE)
    async with vendors.service(tmp_path, listen=listen) as running:
        yield running


async def test_too_many_requests_are_refused_with_the_pause_to_make(
    service: vendors.Service,
) -> None:
    token = await service.token("everything")
    for _ in range(PER_MINUTE - 1):  # the token was asked for as well
        assert (await service.ask(f"{V1P2}/orgs", token))[0] == 200

    for url, version, code in [
        (f"{V1P1}/orgs", "1.1", "server_busy"),
        (f"{V1P2}/orgs", "1.2", "server_busy"),
        (f"{V1P2}/users/nobody", "1.2", "server_busy"),
    ]:
        status, headers, body = await service.ask(url, token)
        assert (status, test_rest.described(version, body)) == (429, code)
        assert headers["Retry-After"] == "6"
        assert headers["Content-Type"] == "application/json"
    assert service.notes[-1] == ("everything", "rest", "429")

    service.clock.pass_by(seconds=5)
    assert (await service.ask(f"{V1P2}/orgs", token))[0] == 429
    service.clock.pass_by(seconds=1)
    assert (await service.ask(f"{V1P2}/orgs", token))[0] == 200
    assert (await service.ask(f"{V1P2}/orgs", token))[0] == 429
    service.clock.pass_by(minutes=1)
    assert [(await service.ask(f"{V1P2}/orgs", token))[0] for _ in range(PER_MINUTE)] == [
        200
    ] * PER_MINUTE


async def test_each_application_has_its_own_share_over_all_its_tokens(
    service: vendors.Service,
) -> None:
    mine = [await service.token("everything") for _ in range(2)]
    others = await service.token("math")
    asked = [(await service.ask(f"{V1P2}/orgs", mine[turn % 2]))[0] for turn in range(PER_MINUTE)]

    assert asked == [200] * (PER_MINUTE - 2) + [429] * 2
    assert (await service.ask(f"{V1P2}/orgs", others))[0] == 200


async def test_strangers_use_up_nobodys_share(service: vendors.Service) -> None:
    token = await service.token("everything")
    for _ in range(3 * PER_MINUTE):
        assert (await service.ask(f"{V1P2}/orgs", "made-up"))[0] == 401
        assert (await service.ask(f"{V1P2}/orgs"))[0] == 401

    assert (await service.ask(f"{V1P2}/orgs", token))[0] == 200


async def test_replays_use_up_nobodys_share(service: vendors.Service) -> None:
    url = f"{V1P1}/orgs"
    header = await test_oauth1.signed(service, url)
    asked = [
        (await service.ask(url, headers={"Authorization": header}))[0]
        for _ in range(3 * PER_MINUTE)
    ]

    assert asked == [200] + [401] * (3 * PER_MINUTE - 1)
    assert (await test_oauth1.ask(service, url))[0] == 200


async def test_a_signed_request_that_was_too_much_may_come_again_as_it_is(
    service: vendors.Service,
) -> None:
    url = f"{V1P1}/orgs"
    for _ in range(PER_MINUTE):
        assert (await test_oauth1.ask(service, url))[0] == 200
    headers = {"Authorization": await test_oauth1.signed(service, url)}

    refused = await service.ask(url, headers=headers)
    assert (refused[0], refused[1]["Retry-After"]) == (429, "6")
    service.clock.pass_by(seconds=6)

    assert (await service.ask(url, headers=headers))[0] == 200
    assert (await service.ask(url, headers=headers))[0] == 401


async def test_tokens_are_counted_like_any_other_request(service: vendors.Service) -> None:
    pair = await service.pair("everything")
    basic = test_tokens.basic(pair.key, pair.secret)
    for _ in range(PER_MINUTE):
        status, _, _ = await test_tokens.post(service, test_tokens.GRANT, Authorization=basic)
        assert status == 200

    status, answer, headers = await test_tokens.post(
        service, test_tokens.GRANT, Authorization=basic
    )

    assert (status, headers["Retry-After"]) == (429, "6")
    assert answer["error"] == "slow_down"
    assert service.notes[-1] == ("everything", "token", "429")


async def test_guessing_is_slowed_down_and_locks_out_nobody(service: vendors.Service) -> None:
    pair = await service.pair("everything")
    wrong = test_tokens.basic(pair.key, "guess")
    for _ in range(tokens.FAILURES_PER_MINUTE):
        status, _, _ = await test_tokens.post(service, test_tokens.GRANT, Authorization=wrong)
        assert status == 401

    for key in (pair.key, "another"):  # from the same address, whatever the key
        status, answer, headers = await test_tokens.post(
            service, test_tokens.GRANT, Authorization=test_tokens.basic(key, "guess")
        )
        assert (status, headers["Retry-After"]) == (429, "1")
        assert answer["error"] == "slow_down"
        assert pair.key not in orjson.dumps(answer).decode()

    token = await service.token("everything")  # right key, same address
    assert (await service.ask(f"{V1P2}/orgs", token))[0] == 200
    service.clock.pass_by(minutes=1)
    status, _, _ = await test_tokens.post(service, test_tokens.GRANT, Authorization=wrong)
    assert status == 401
