"""Webhooks as each forge proves them, and as strangers try to."""

import asyncio
import base64
import contextlib
import hmac
import io
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import aiohttp
import pytest
from aiohttp import test_utils, web

from rosterd import errors, settings
from rosterd.web import hooks

SECRET = "It's a Secret to Everybody"
BODY = b"Hello, World!"
KNOWN = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
NOW = 1_790_000_000
SIGNING = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class Forge:
    """A listener that takes hooks, and how often it looked at the repository."""

    def __init__(self, client: test_utils.TestClient[web.Request, web.Application]) -> None:
        self.client = client
        self.looks = 0
        self.time = 0.0

    async def calls(
        self,
        headers: Mapping[str, str],
        body: bytes = BODY,
        *,
        method: str = "POST",
        content_type: str = "application/json",
    ) -> int:
        sent = {"Content-Type": content_type, **headers}
        async with self.client.request(
            method, "/hooks/git", data=io.BytesIO(body), headers=sent
        ) as answer:
            assert await answer.read() == b""
            return answer.status


@contextlib.asynccontextmanager
async def forge(
    folder: Path, scheme: str, *secrets: str, wake: Callable[[], None] | None = None
) -> AsyncIterator[Forge]:
    files = []
    for number, text in enumerate(secrets or (SECRET,)):
        files.append(folder / f"secret-{number}")
        files[-1].write_text(text + "\n")
    told = settings.Webhook.model_validate({"scheme": scheme, "secrets": tuple(files)})
    found: list[Forge] = []

    def look() -> None:
        found[0].looks += 1
        if wake is not None:
            wake()

    hook = hooks.Hooks(told, look, clock=lambda: NOW, monotonic=lambda: found[0].time)
    app = web.Application()
    app.router.add_route("*", hooks.PATH, hook.answer)
    async with test_utils.TestClient(test_utils.TestServer(app)) as client:
        found.append(Forge(client))
        yield found[0]
    hook.close()


def digest(secret: str = SECRET, body: bytes = BODY) -> str:
    return hmac.new(secret.encode(), body, "sha256").hexdigest()


def stamped(
    body: bytes = BODY, *, at: int = NOW, name: str = "msg-1", secret: str = SIGNING
) -> dict[str, str]:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    made = hmac.digest(key, f"{name}.{at}.".encode() + body, "sha256")
    return {
        "webhook-id": name,
        "webhook-timestamp": str(at),
        "webhook-signature": "v1," + base64.b64encode(made).decode(),
    }


async def test_the_known_digest_is_accepted(tmp_path: Path) -> None:
    assert digest() == KNOWN
    async with forge(tmp_path, "github") as site:
        assert await site.calls({"X-Hub-Signature-256": f"sha256={KNOWN}"}) == 204
        assert site.looks == 1


@pytest.mark.parametrize(
    "scheme, secret, headers",
    [
        ("github", SECRET, {"X-Hub-Signature-256": f"sha256={KNOWN}", "X-GitHub-Event": "push"}),
        ("gitlab", SIGNING, stamped()),
        ("gitlab-token", SECRET, {"X-Gitlab-Token": SECRET, "X-Gitlab-Event": "Push Hook"}),
        ("gitea", SECRET, {"X-Gitea-Signature": KNOWN, "X-Gitea-Event": "push"}),
        ("bitbucket", SECRET, {"X-Hub-Signature": f"sha256={KNOWN}"}),
    ],
)
async def test_each_forge_proves_itself_in_its_own_way_and_in_no_other(
    tmp_path: Path, scheme: str, secret: str, headers: dict[str, str]
) -> None:
    async with forge(tmp_path, scheme, secret) as site:
        assert await site.calls(headers) == 204
        assert site.looks == 1
        everything = {
            "X-Hub-Signature-256": f"sha256={KNOWN}", "X-Gitea-Signature": KNOWN,
            "X-Hub-Signature": f"sha256={KNOWN}", "X-Gitlab-Token": SECRET, **stamped(),
        }  # fmt: skip
        others = {name: text for name, text in everything.items() if name not in headers}
        assert await site.calls(others) == 401
        assert site.looks == 1


@pytest.mark.parametrize(
    "value",
    [
        "", "sha256=", KNOWN, f"sha1={KNOWN}", f"sha256={KNOWN[:-2]}", f"sha256={KNOWN}00",
        f"sha256={'0' * 64}", f"sha256= {KNOWN}", f"sha256={KNOWN[:-1]}g", "sha256=ü",
    ],
)  # fmt: skip
async def test_what_is_no_digest_of_this_body_is_refused(tmp_path: Path, value: str) -> None:
    async with forge(tmp_path, "github") as site:
        assert await site.calls({"X-Hub-Signature-256": value}) == 401
        assert await site.calls({"X-Gitea-Signature": digest()}) == 401
        assert site.looks == 0


async def test_an_empty_signature_of_a_forge_without_a_secret_is_refused(tmp_path: Path) -> None:
    async with forge(tmp_path, "gitea") as site:
        assert await site.calls({"X-Gitea-Signature": ""}) == 401
        assert await site.calls({"X-Gitea-Signature": digest("")}) == 401
    async with forge(tmp_path, "gitlab-token") as site:
        assert await site.calls({"X-Gitlab-Token": ""}) == 401
        assert await site.calls({}) == 401


async def test_a_digest_of_another_body_is_refused(tmp_path: Path) -> None:
    async with forge(tmp_path, "github") as site:
        headers = {"X-Hub-Signature-256": f"sha256={KNOWN}"}
        assert await site.calls(headers, b"Hello, World?") == 401


async def test_while_a_secret_is_rotated_the_old_and_the_new_one_count(tmp_path: Path) -> None:
    async with forge(tmp_path, "github", "the old secret of ours", "the new secret of ours") as at:
        for secret, status in (
            ("the old secret of ours", 204),
            ("the new secret of ours", 204),
            ("another secret of ours", 401),
        ):
            headers = {"X-Hub-Signature-256": f"sha256={digest(secret)}"}
            assert await at.calls(headers) == status
        (tmp_path / "secret-0").write_text("the next secret of ours")
        old = {"X-Hub-Signature-256": f"sha256={digest('the old secret of ours')}"}
        new = {"X-Hub-Signature-256": f"sha256={digest('the next secret of ours')}"}
        assert (await at.calls(old), await at.calls(new)) == (401, 204)


@pytest.mark.parametrize("drift, status", [(0, 204), (300, 204), (-300, 204), (301, 401)])
async def test_a_signed_hook_is_taken_for_five_minutes(
    tmp_path: Path, drift: int, status: int
) -> None:
    async with forge(tmp_path, "gitlab", SIGNING) as site:
        assert await site.calls(stamped(at=NOW + drift)) == status


async def test_a_signed_hook_is_bound_to_its_id_time_and_body(tmp_path: Path) -> None:
    async with forge(tmp_path, "gitlab", SIGNING) as site:
        good = stamped()
        several = {**good, "webhook-signature": f"v1,AAAA {good['webhook-signature']}"}
        assert await site.calls(several) == 204
        for change in (
            {"webhook-id": "msg-2"}, {"webhook-timestamp": str(NOW + 1)}, {"webhook-id": ""},
            {"webhook-timestamp": "now"}, {"webhook-signature": "v1,"}, {"webhook-signature": ""},
            {"webhook-signature": good["webhook-signature"].replace("v1,", "v2,")},
        ):  # fmt: skip
            assert await site.calls({**good, **change}) == 401
        assert await site.calls(good, b"{}") == 401
        assert await site.calls({"X-Gitlab-Token": SIGNING}) == 401


async def test_only_a_post_of_json_is_a_hook(tmp_path: Path) -> None:
    good = {"X-Hub-Signature-256": f"sha256={KNOWN}"}
    async with forge(tmp_path, "github") as site:
        assert await site.calls(good, method="PUT") == 405
        assert await site.calls(good, method="GET", body=b"") == 405
        assert await site.calls(good, content_type="application/x-www-form-urlencoded") == 415
        charset = "application/json; charset=utf-8"
        assert await site.calls(good, content_type=charset) == 204


async def test_a_long_body_is_refused_whether_it_says_its_length_or_not(tmp_path: Path) -> None:
    body = b"x" * (hooks.LONGEST + 1)
    headers = {"X-Hub-Signature-256": f"sha256={digest(body=body)}"}

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    async with forge(tmp_path, "github") as site:
        sent = {"Content-Type": "application/json", **headers}
        for data in (io.BytesIO(body), pieces()):
            try:
                async with site.client.post("/hooks/git", data=data, headers=sent) as answer:
                    assert answer.status == 413
            except aiohttp.ClientConnectionError:
                pass  # the connection was closed while the rest was still being sent
        assert site.looks == 0
        longest = b"x" * hooks.LONGEST
        fits = {"X-Hub-Signature-256": f"sha256={digest(body=longest)}"}
        assert await site.calls(fits, longest) == 204


async def test_many_hooks_are_one_look_and_one_more_afterwards(tmp_path: Path) -> None:
    good = {"X-Hub-Signature-256": f"sha256={KNOWN}"}
    async with forge(tmp_path, "github") as site:
        for _ in range(20):
            assert await site.calls(good) == 204
        assert site.looks == 1
        site.time += hooks.GAP
        assert await site.calls(good) == 204  # one is on its way already
        assert site.looks == 1


async def test_the_look_that_waits_comes_at_the_end_of_the_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    monkeypatch.setattr(hooks, "GAP", 0.05)
    second = asyncio.Event()
    looks: list[int] = []

    def wake() -> None:
        looks.append(1)
        if len(looks) == 2:
            second.set()

    good = {"X-Hub-Signature-256": f"sha256={KNOWN}"}
    async with forge(tmp_path, "github", wake=wake) as site:
        await site.calls(good)
        await site.calls(good)
        async with asyncio.timeout(30):
            await second.wait()
    assert len(looks) == 2


def test_secrets_that_anybody_could_guess_are_not_taken(tmp_path: Path) -> None:
    for text, what in (("", "fewer than 16"), ("short", "fewer than 16")):
        (tmp_path / "secret").write_text(text)
        told = settings.Webhook(scheme="github", secrets=(tmp_path / "secret",))
        with pytest.raises(errors.InputError, match=what):
            hooks.Hooks(told, lambda: None)
    (tmp_path / "secret").write_text(SECRET)
    told = settings.Webhook(scheme="gitlab", secrets=(tmp_path / "secret",))
    with pytest.raises(errors.InputError, match="begins with whsec_"):
        hooks.Hooks(told, lambda: None)
    told = settings.Webhook(scheme="github", secrets=(tmp_path / "missing",))
    with pytest.raises(errors.InputError, match="cannot read the webhook secret"):
        hooks.Hooks(told, lambda: None)


async def test_a_secret_that_vanishes_refuses_every_hook(tmp_path: Path) -> None:
    async with forge(tmp_path, "github") as site:
        (tmp_path / "secret-0").unlink()
        assert await site.calls({"X-Hub-Signature-256": f"sha256={KNOWN}"}) == 503
        assert site.looks == 0


@pytest.mark.parametrize(
    "more, body",
    [
        (b"Content-Encoding: gzip\r\nContent-Length: 7\r\n", b"garbage"),
        (b"Content-Length: 100\r\n", b"then nothing more"),
    ],
)
async def test_a_body_that_is_none_is_refused_and_counted_and_no_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, more: bytes, body: bytes
) -> None:
    async with forge(tmp_path, "github") as site:
        server = site.client.server
        reader, writer = await asyncio.open_connection(server.host, server.port)
        head = b"POST /hooks/git HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        writer.write(head + more + b"\r\n" + body)
        writer.write_eof()
        answer = await reader.read()
        writer.close()

        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
        assert site.looks == 0
    assert "Traceback" not in caplog.text
    assert not [each for each in caplog.records if each.exc_info]
