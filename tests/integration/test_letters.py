"""Writing to developers, through a real mail server: who gets it, what is on record, what fails."""

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rosterd import configs, errors, loading, operating, revealing, settings
from rosterd.operating import letters
from tests.integration import configs_in_git, test_mail, vendors

DEVELOPERS = (
    "developers:\n"
    "  - {name: Onboarding, email: onboarding@galaxy.example.com}\n"
    "  - {name: Support, email: support@galaxy.example.com}\n"
)
REST = "rest: {enabled: true, versions: ['1.2'], key: 1}\n"


def documents(**more: str) -> configs.Config:
    files = {
        "rosterd.yaml": configs_in_git.REPOSITORY,
        "applications/math.yaml": configs_in_git.application("math", more=DEVELOPERS + REST),
        "permissions/math.yaml": configs_in_git.permission("math"),
        "applications/off.yaml": configs_in_git.application(
            "off", enabled=False, more=DEVELOPERS + REST
        ),
        "permissions/off.yaml": configs_in_git.permission("off"),
        "applications/alone.yaml": configs_in_git.application("alone", more=REST),
        "permissions/alone.yaml": configs_in_git.permission("alone"),
        **more,
    }
    made, problems = configs.check(
        loading.load({path: text.encode() for path, text in files.items()})
    )
    assert made is not None, [str(problem) for problem in problems]
    return made


@dataclass
class Post:
    desk: letters.Letters
    inbox: test_mail.Inbox
    links: revealing.Links
    service: vendors.Service

    async def write(self, name: str = "math", template: str = "enabled", **more: Any) -> Any:
        return await self.desk.write(
            name, template, more.get("to"), "ada (uid 0)", preview=more.get("preview", False)
        )

    async def recorded(self, kind: str) -> list[dict[str, Any]]:
        found = await self.service.storage.run(lambda store: store.recorded())
        return [each.read() for each in found if each.kind == kind]


def machine(tmp_path: Path, **mail: Any) -> settings.Settings:
    return settings.Settings.model_validate(
        {
            "repository": {"id": "x", "url": "x"},
            "listen": {"public_url": vendors.PUBLIC_URL},
            "paths": {"state": tmp_path},
            "mail": mail,
        }
    )


@contextlib.asynccontextmanager
async def posting(tmp_path: Path, refuses: str | None = None) -> AsyncIterator[Post]:
    inbox = test_mail.Inbox(refuses)
    async with (
        test_mail.listening(inbox) as server,
        vendors.service(tmp_path, documents=documents()) as service,
    ):
        links = revealing.Links(
            service.storage, service.worlds, service.known, vendors.PUBLIC_URL, service.clock
        )
        settled = machine(
            tmp_path,
            host=server.host,
            port=server.port,
            security="none",
            sender=server.sender,
            reply_to="help@lakeside.example.org",
        )
        desk = letters.Letters(
            machine=settled,
            served=service.worlds,
            store=service.storage,
            keys=service.known,
            links=links,
            clock=service.clock,
        )
        yield Post(desk, inbox, links, service)


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    async with posting(tmp_path) as opened:
        yield opened


def test_the_desk_writes_letters() -> None:
    assert issubclass(operating.Operating, letters.Letters)


async def test_the_first_developer_gets_a_link_that_shows_key_and_secret(post: Post) -> None:
    answer = await post.write()

    (arrived,) = post.inbox.mails
    pair = (await post.service.known.reveal("math", "test"))[0]
    text = arrived.get_content()
    assert arrived["To"] == "onboarding@galaxy.example.com"
    assert arrived["Reply-To"] == "help@lakeside.example.org"
    assert pair.key not in str(arrived)
    assert pair.secret not in str(arrived)
    (token,) = re.findall(r"/reveal/(\S+)", text)
    assert token not in str(answer)
    assert answer["sent"]
    shown = await post.links.spend(token)
    assert shown is not None
    assert (shown.key, shown.secret) == (pair.key, pair.secret)


async def test_it_is_on_record_by_whom_to_which_contact_and_which_template(post: Post) -> None:
    await post.write(to="support@galaxy.example.com")
    assert post.inbox.mails[0]["To"] == "support@galaxy.example.com"
    (record,) = await post.recorded("mailed")
    assert (record["actor"], record["subject"]) == ("ada (uid 0)", "math")
    assert (record["contact"], record["template"], record["link"]) == (2, "enabled", True)
    assert "@" not in str({**record, "actor": ""})


async def test_nobody_outside_the_document_is_written_to(post: Post) -> None:
    with pytest.raises(errors.InputError, match="none of its developers"):
        await post.write(to="elsewhere@attacker.example")
    with pytest.raises(errors.InputError, match="no developers"):
        await post.write("alone")
    with pytest.raises(errors.InputError, match="no applied config"):
        await post.write("never-there")
    with pytest.raises(errors.InputError, match="the templates are"):
        await post.write(template="../../etc/passwd")
    assert post.inbox.mails == []
    assert await post.recorded("mailed") == []


async def test_a_preview_sends_records_and_makes_nothing(post: Post) -> None:
    answer = await post.write(preview=True)
    assert "/reveal/… (made when it is sent)" in answer["text"]
    assert not answer["sent"]
    assert post.inbox.mails == []
    assert await post.recorded("mailed") == []
    assert await post.service.storage.run(lambda store: store.reveal_links()) == []


@pytest.mark.parametrize(
    "name, template, why",
    [
        ("off", "enabled", "it gets nothing now"),
        ("off", "credentials-rotated", "it gets nothing now"),
        ("math", "disabled", "it gets its part now"),
        ("math", "export-failing", "the last delivery"),
    ],
)
async def test_a_letter_that_would_not_be_true_is_refused(
    post: Post, name: str, template: str, why: str
) -> None:
    with pytest.raises(errors.InputError, match=why):
        await post.write(name, template)
    assert post.inbox.mails == []


async def test_a_disabled_application_can_be_told_so_without_a_link(post: Post) -> None:
    answer = await post.write("off", "disabled")
    assert answer["link_ends"] is None
    assert "/reveal/" not in post.inbox.mails[0].get_content()


async def test_a_refused_letter_leaves_no_link_behind(tmp_path: Path) -> None:
    async with posting(tmp_path, refuses="550 no such mailbox") as post:
        with pytest.raises(errors.InputError, match="refuses the reader: 550") as refused:
            await post.write()
        assert "galaxy" not in str(refused.value)
        assert await post.service.storage.run(lambda store: store.reveal_links()) == []


async def test_without_a_mail_server_it_says_what_to_set(post: Post, tmp_path: Path) -> None:
    unset = letters.Letters(
        machine=machine(tmp_path),
        served=post.service.worlds,
        store=post.service.storage,
        keys=post.service.known,
        links=post.links,
        clock=post.service.clock,
    )
    with pytest.raises(errors.InputError, match=r"add \[mail\] with host and sender"):
        await unset.write("math", "enabled", None, "ada", preview=False)
    assert await post.service.storage.run(lambda store: store.reveal_links()) == []


async def test_the_letterbox_says_what_would_be_true_and_who_reads_it(post: Post) -> None:
    box = await post.desk.letterbox("math")

    assert box["readers"][0]["email"] == "onboarding@galaxy.example.com"
    refused = {each["template"]: each["refusal"] for each in box["templates"]}
    assert refused["enabled"] == ""
    assert refused["disabled"] == "it gets its part now"
    assert "targets failed" in refused["export-failing"]
    with pytest.raises(errors.InputError, match="no applied config"):
        await post.desk.letterbox("nobody")
