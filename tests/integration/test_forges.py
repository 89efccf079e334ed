"""What is asked of each forge, and what becomes of its answers."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from rosterd import errors, forges, settings
from tests.integration import forge_servers as servers
from tests.integration import vendors

KINDS = ("github", "gitlab", "gitea")
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(params=KINDS)
async def fake(request: pytest.FixtureRequest) -> servers.Fake:
    return servers.Fake(request.param)


@pytest.fixture
async def forge(fake: servers.Fake, tmp_path: Path) -> AsyncIterator[forges.Forge]:
    token = tmp_path / "token"
    token.write_text(servers.TOKEN + "\n")
    async with vendors.listening(fake.application()) as address:
        opened = forges.open_forge(requests(fake, address, token), "main")
        try:
            yield opened
        finally:
            await opened.close()


def requests(fake: servers.Fake, address: str, token: Path) -> settings.Requests:
    return settings.Requests(
        refs=("refs/pull/*/head",),
        forge=fake.kind,
        api=f"{address}{fake.base}",
        project=servers.PROJECT,
        token=token,
        timeout=5,
    )


async def test_it_reads_who_it_is_and_who_can_read(fake: servers.Fake, forge: forges.Forge) -> None:
    assert await forge.me() == str(servers.ME)
    assert await forge.private()
    fake.private = False
    assert not await forge.private()


async def test_open_requests_come_from_all_pages_and_only_for_the_branch(
    fake: servers.Fake, forge: forges.Forge
) -> None:
    fake.open = {1: "main", 2: "other", 3: "main", 4: "main", 5: "main"}

    assert await forge.open() == {1, 3, 4, 5}


async def test_comments_come_from_all_pages_in_their_order(
    fake: servers.Fake, forge: forges.Forge
) -> None:
    for number in range(5):
        fake.say(1, servers.STRANGER, f"comment {number}")

    texts = [comment.text for comment in await forge.comments(1)]

    assert texts == [f"comment {number}" for number in range(5)]


async def test_a_comment_is_made_and_edited_and_a_status_set(
    fake: servers.Fake, forge: forges.Forge
) -> None:
    fake.open = {1: "main"}

    made = await forge.add(1, "first")
    await forge.edit(1, made, "second")
    await forge.status(SHA, fine=False, description="x" * 500)
    await forge.status(SHA, fine=True, description="good")

    assert fake.ours(1) == ["second"]
    (first, second) = [status for _, status in fake.statuses]
    failed = "failed" if fake.kind == "gitlab" else "failure"
    assert (first["state"], second["state"]) == (failed, "success")
    assert first["name" if fake.kind == "gitlab" else "context"] == "rosterd/plan"


async def test_a_status_that_is_there_already_is_no_failure(
    fake: servers.Fake, forge: forges.Forge
) -> None:
    for _ in range(2):
        await forge.status(SHA, fine=True, description="good")


def answer(status: int, **headers: str) -> Callable[[web.Request], web.Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def refuse(_: web.Request) -> web.Response:
        message = {"message": f"no {servers.TOKEN} for\nyou"}
        return web.json_response(message, status=status, headers=named)

    return refuse


@pytest.mark.parametrize("status", [401, 403, 404, 422, 500])
async def test_a_refusal_is_told_without_the_token(
    fake: servers.Fake, forge: forges.Forge, status: int
) -> None:
    fake.refuse = answer(status)

    with pytest.raises(forges.Refused) as caught:
        await forge.me()

    assert caught.value.status == status
    assert "no … for you" in str(caught.value)
    assert servers.TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "status, headers, seconds",
    [
        (429, {"Retry_After": "30"}, 30),
        (403, {"Retry_After": "17"}, 17),
        (503, {"Retry_After": "5"}, 5),
        (429, {}, 60),
        (429, {"Retry_After": "999999"}, 3600),
    ],
)
async def test_a_forge_that_wants_to_be_left_alone_says_for_how_long(
    fake: servers.Fake,
    forge: forges.Forge,
    status: int,
    headers: dict[str, str],
    seconds: float,
) -> None:
    fake.refuse = answer(status, **headers)

    with pytest.raises(forges.Patience) as caught:
        await forge.me()

    assert caught.value.seconds == seconds


async def test_a_used_up_rate_limit_is_waited_for(fake: servers.Fake, forge: forges.Forge) -> None:
    reset = str(int(time.time()) + 100)
    fake.refuse = answer(403, X_RateLimit_Remaining="0", X_RateLimit_Reset=reset)

    with pytest.raises(forges.Patience) as caught:
        await forge.me()

    assert 90 <= caught.value.seconds <= 100


async def test_a_redirect_to_another_host_does_not_get_the_token(
    fake: servers.Fake, forge: forges.Forge
) -> None:
    other = servers.Fake(fake.kind)
    async with vendors.listening(other.application()) as elsewhere:
        fake.refuse = lambda request: web.Response(
            status=302, headers={"Location": f"{elsewhere}{request.path}"}
        )
        with pytest.raises(errors.TemporaryError, match=r"requests\.api"):
            await forge.me()

    assert other.tokens == []


async def test_a_redirect_within_the_host_is_followed_for_reading(
    fake: servers.Fake, forge: forges.Forge
) -> None:
    def refuse(request: web.Request) -> web.Response | None:
        if "moved" in request.query:
            return None
        return web.Response(status=301, headers={"Location": f"{request.path}?moved=1"})

    fake.refuse = refuse

    assert await forge.me() == str(servers.ME)


async def test_a_next_page_on_another_host_is_not_asked_for(
    fake: servers.Fake, forge: forges.Forge
) -> None:
    fake.refuse = lambda _: web.json_response(
        [], headers={"Link": '<https://elsewhere.example/x>; rel="next"'}
    )

    with pytest.raises(errors.TemporaryError, match=r"elsewhere\.example"):
        await forge.comments(1)


@pytest.mark.parametrize(
    "content",
    [b"<html>", b"[{}]", b'{"a": 1}', b"x" * (9 * 2**20)],
    ids=["html", "cut", "other", "long"],
)
async def test_what_cannot_be_understood_is_told_as_that(
    fake: servers.Fake, forge: forges.Forge, content: bytes
) -> None:
    fake.refuse = lambda _: web.Response(body=content, content_type="application/json")

    with pytest.raises(errors.TemporaryError, match=r"cannot (understand|take)"):
        await forge.comments(1)


async def test_a_forge_that_is_away_is_told(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(servers.TOKEN)
    fake = servers.Fake("github")
    async with vendors.listening(fake.application()) as address:
        pass
    forge = forges.open_forge(requests(fake, address, token), "main")
    with pytest.raises(errors.TemporaryError, match="cannot reach the forge"):
        await forge.me()
    await forge.close()


@pytest.mark.parametrize("content", [None, "", "two words"])
def test_a_token_file_without_a_token_is_told_by_its_path(
    tmp_path: Path, content: str | None
) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_text(content)

    with pytest.raises(errors.TemporaryError, match=str(token)):
        forges.open_forge(requests(servers.Fake("github"), "https://x.example", token), "main")
