"""Links to credentials, on a real listener: what mail scanners, vendors and strangers get."""

import asyncio
import contextlib
import dataclasses
import logging
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from aiohttp import test_utils, web

from rosterd import errors, revealing, settings, worlds
from rosterd.web import app as web_app
from rosterd.web import revealing as pages
from tests.integration import vendors


@dataclass
class Site:
    service: vendors.Service
    links: revealing.Links
    client: test_utils.TestClient[web.Request, web.Application]

    async def link(self, application: str = "everything") -> str:
        """The path of a new link."""
        sent = await self.links.make(application, "ada (uid 0)")
        return sent.url.removeprefix(vendors.PUBLIC_URL)

    async def ask(self, method: str, path: str) -> tuple[int, Mapping[str, str], str]:
        async with self.client.request(method, path, allow_redirects=False) as response:
            return response.status, response.headers, await response.text()

    async def secret(self, application: str = "everything") -> str:
        return (await self.service.known.reveal(application, "test"))[0].secret


@contextlib.asynccontextmanager
async def serving(folder: Path, listen: settings.Listen | None = None) -> AsyncIterator[Site]:
    async with vendors.service(folder) as service:
        listen = listen or vendors.settings_of()
        links = revealing.Links(
            service.storage, service.worlds, service.known, listen.public_url, service.clock
        )
        app = web_app.vendors(
            service.worlds, service.known, listen, spend=links.spend, clock=service.clock.seconds
        )
        server = test_utils.TestServer(app)
        await server.start_server(access_log=None)  # as `web_app.runner` does
        sweeping = asyncio.create_task(links.run())
        async with test_utils.TestClient(server) as client:
            yield Site(service, links, client)
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path) as running:
        yield running


async def test_looking_at_a_link_shows_and_uses_up_nothing(site: Site) -> None:
    link = await site.link()
    secret = await site.secret()
    for method in ("GET", "HEAD", "GET"):
        status, _, text = await site.ask(method, link)
        assert status == 200
        assert secret not in text
    status, _, text = await site.ask("POST", link)
    assert status == 200
    assert secret in text


async def test_the_button_works_once_and_that_is_on_record(site: Site) -> None:
    link = await site.link()
    _, _, text = await site.ask("POST", link)
    pair = (await site.service.known.reveal("everything", "test"))[0]
    assert pair.key in text
    assert pair.secret in text

    assert (await site.ask("POST", link))[0] == 410
    records = await site.service.storage.run(lambda store: store.recorded())
    revealed = [each.read() for each in records if each.kind == "revealed"]
    assert revealed[0]["actor"] == "whoever had the link that ada (uid 0) sent"
    assert revealed[0]["subject"] == "everything"


async def test_two_at_once_cannot_both_have_it(site: Site) -> None:
    link = await site.link()
    answers = await asyncio.gather(*(site.ask("POST", link) for _ in range(8)))
    assert sorted(status for status, _, _ in answers) == [200] + [410] * 7


async def test_unknown_used_and_expired_links_get_one_answer(site: Site) -> None:
    used, expired = await site.link(), await site.link("math")
    await site.ask("POST", used)
    site.service.clock.pass_by(hours=72, seconds=1)
    got = [
        await site.ask("POST", path)
        for path in (used, expired, "/reveal/" + "A" * 43, "/reveal/x", "/reveal/" + "a" * 5000)
    ]
    assert {(status, text) for status, _, text in got} == {(410, got[0][2])}
    assert len({tuple(sorted(headers.items())) for _, headers, _ in got}) <= 2  # the date moves on
    looks = {await_text for _, _, await_text in [
        await site.ask("GET", used), await site.ask("GET", "/reveal/never"),
    ]}  # fmt: skip
    assert len(looks) == 1


async def test_a_link_lasts_until_its_last_minute(site: Site) -> None:
    link = await site.link()
    site.service.clock.pass_by(hours=71, minutes=59)
    assert (await site.ask("POST", link))[0] == 200


async def test_a_newer_link_ends_the_one_before(site: Site) -> None:
    older, newer = await site.link(), await site.link()
    assert (await site.ask("POST", older))[0] == 410
    assert (await site.ask("POST", newer))[0] == 200


async def test_a_rotated_key_ends_the_link_also_when_the_old_key_lives_on(site: Site) -> None:
    link = await site.link()
    rest = "{versions: ['1.1', '1.2'], key: 2, overlap: 7d}"
    rotated = {**vendors.VENDORS, "everything": vendors.Vendor(rest=rest)}
    await site.service.serve(vendors.config(rotated))
    assert len(await site.service.known.reveal("everything", "test")) == 2
    assert (await site.ask("POST", link))[0] == 410


async def test_what_was_disabled_and_enabled_again_needs_a_new_link(site: Site) -> None:
    link = await site.link()
    off = {**vendors.VENDORS, "everything": vendors.Vendor(enabled="false")}
    await site.service.serve(vendors.config(off))
    async with asyncio.timeout(10):
        while await site.service.storage.run(lambda store: store.reveal_links()):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
    await site.service.serve(vendors.config())
    assert (await site.ask("POST", link))[0] == 410


@pytest.mark.parametrize(
    "became",
    [None, vendors.VENDORS["nothing"], vendors.VENDORS["no-rest"]],
    ids=["removed", "none", "no REST"],
)
async def test_a_commit_that_takes_access_away_ends_the_link(
    site: Site, became: vendors.Vendor | None
) -> None:
    link = await site.link()
    changed = {name: each for name, each in vendors.VENDORS.items() if name != "everything"}
    if became is not None:
        changed["everything"] = became
    await site.service.serve(vendors.config(changed))
    assert (await site.ask("POST", link))[0] == 410
    await site.service.serve(vendors.config())
    assert (await site.ask("POST", link))[0] == 410


async def test_a_block_ends_the_link_at_once(site: Site) -> None:
    link = await site.link()

    async def record(_old: worlds.World, _new: worlds.World) -> None:
        return None

    block = worlds.Block("broken into", "ada", site.service.clock.now)
    await site.service.worlds.block("everything", block, record)
    assert (await site.ask("POST", link))[0] == 410
    with pytest.raises(errors.InputError, match="no REST access"):
        await site.links.make("everything", "ada")


@pytest.mark.parametrize("application", ["nothing", "disabled", "no-rest", "never-there"])
async def test_no_link_is_made_where_no_key_could_be_used(site: Site, application: str) -> None:
    with pytest.raises(errors.InputError, match="no REST access"):
        await site.links.make(application, "ada")


async def test_the_store_has_only_the_digest_of_the_token(site: Site, tmp_path: Path) -> None:
    token = (await site.link()).removeprefix("/reveal/")
    assert len(token) >= 43
    (kept,) = await site.service.storage.run(lambda store: store.reveal_links())
    assert kept.digest == sha256(token.encode()).digest()
    assert not any(
        token.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    )


async def test_the_log_has_the_route_and_not_the_token(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    link = await site.link()
    await site.ask("GET", link)
    _, _, text = await site.ask("POST", link)
    secret = await site.secret()
    assert secret in text
    assert "POST reveal status=200" in caplog.text
    assert link.removeprefix("/reveal/") not in caplog.text
    assert secret not in caplog.text


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nothing_on_the_way_keeps_frames_or_learns_it(site: Site, method: str) -> None:
    _, headers, text = await site.ask(method, await site.link())
    policy = headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "noindex" in headers["X-Robots-Tag"]
    assert "<script" not in text
    assert not re.search(r"(src|href)=", text)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_methods_show_nothing(site: Site, method: str) -> None:
    link = await site.link()
    status, headers, text = await site.ask(method, link)
    assert (status, headers["Allow"]) == (405, "GET, HEAD, POST")
    assert await site.secret() not in text
    assert (await site.ask("POST", link))[0] == 200


async def test_who_guesses_is_slowed_down_and_locks_nobody_out(site: Site) -> None:
    """Behind a proxy, or in one school, everybody has the same address."""
    link = await site.link()
    got = [await site.ask("POST", "/reveal/guess") for _ in range(pages.PER_MINUTE + 1)]
    assert {status for status, _, _ in got[:-1]} == {410}
    status, headers, _ = got[-1]
    assert (status, int(headers["Retry-After"]) > 0) == (429, True)
    assert (await site.ask("GET", link))[0] == 200
    assert (await site.ask("POST", link))[0] == 200
    site.service.clock.pass_by(minutes=1)
    assert (await site.ask("POST", link))[0] == 410


async def test_it_works_below_a_path_and_behind_a_proxy_that_ends_tls(tmp_path: Path) -> None:
    listen = vendors.settings_of(
        public_url="https://rosters.example/district", trusted_proxies=("127.0.0.1",)
    )
    async with serving(tmp_path, listen) as site:
        sent = await site.links.make("everything", "ada")
        assert sent.url.startswith("https://rosters.example/district/reveal/")
        path = sent.url.removeprefix("https://rosters.example")
        status, _, text = await site.ask("POST", path)
        assert status == 200
        assert "https://rosters.example/district/oauth2/token" in text


async def test_only_trusted_proxies_get_the_page_where_there_are_any(tmp_path: Path) -> None:
    listen = vendors.settings_of(trusted_proxies=("10.9.9.9",))
    async with serving(tmp_path, listen) as site:
        status, _, text = await site.ask("POST", await site.link())
        assert status == 403
        assert await site.secret() not in text


async def test_a_title_is_text_and_no_markup(site: Site) -> None:
    config = vendors.config()
    named = dataclasses.replace(
        config,
        applications={
            **config.applications,
            "everything": config.applications["everything"].model_copy(
                update={"title": "<script>alert(1)</script>"}
            ),
        },
    )
    await site.service.serve(named)
    _, _, text = await site.ask("POST", await site.link())
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


async def test_links_survive_a_restart(site: Site) -> None:
    link = await site.link()
    again = revealing.Links(
        site.service.storage,
        site.service.worlds,
        site.service.known,
        "http://x",
        site.service.clock,
    )
    shown = await again.spend(link.removeprefix("/reveal/"))
    assert shown is not None
    assert shown.secret == await site.secret()
