"""Who may ask the console for what, and what a large roster costs it."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rosterd import errors
from rosterd.web import console, desk
from rosterd.web.console import serving
from tests.integration import operators_desk, operators_looking, test_control

OPERATOR, VIEWER = test_control.OPERATOR, test_control.VIEWER
FORMS = [page for page in serving.PAGES if page.method == "POST"]


async def signed_in(session: aiohttp.ClientSession, token: str) -> str:
    """Sign in; gives the word that this session's forms carry."""
    async with session.post("/sign-in", data={"token": token}) as response:
        assert response.status == 200
    async with session.get("/applications/math-galaxy") as response:
        found = re.search(r'name="word" value="([0-9a-f]{64})"', await response.text())
    assert found is not None
    return found[1]


def address(page: Any, name: str = "math-galaxy") -> str:
    return str(page.path).replace("{name}", name)


async def test_every_page_asks_for_a_sign_in_first(tmp_path: Path) -> None:
    made = operators_desk.Desk()
    async with test_control.on_console(made, test_control.write_tokens(tmp_path / "t")) as session:
        for page in serving.PAGES:
            async with session.request(
                page.method, address(page), allow_redirects=False
            ) as response:
                assert (response.status, response.headers["Location"]) == (303, "/sign-in")
    assert made.asked == []


@pytest.mark.parametrize("page", FORMS, ids=lambda page: page.path)
async def test_a_form_that_is_not_ours_does_nothing(tmp_path: Path, page: Any) -> None:
    made = operators_desk.Desk()
    async with test_control.on_console(made, test_control.write_tokens(tmp_path / "t")) as session:
        await signed_in(session, OPERATOR)
        made.asked.clear()
        for form in ({}, {"word": "0" * 64}, {"word": "é"}):
            async with session.post(address(page), data={"text": "x", **form}) as response:
                assert response.status == 403
                assert "not made for this session" in await response.text()
    assert made.asked == []


async def test_the_word_of_one_session_is_not_that_of_another(tmp_path: Path) -> None:
    made = operators_desk.Desk()
    async with test_control.on_console(made, test_control.write_tokens(tmp_path / "t")) as session:
        first = await signed_in(session, OPERATOR)
        second = await signed_in(session, OPERATOR)
        path = "/applications/math-galaxy/credentials"
        assert first != second
        async with session.post(path, data={"word": first}) as response:
            assert response.status == 403
        async with session.post(path, data={"word": second}) as response:
            assert response.status == 200
            assert "the-secret" in await response.text()
    assert [each for each in made.asked if each[0] == "reveal"] == [
        ("reveal", "math-galaxy", "grace")
    ]


async def test_a_viewer_is_told_nothing_of_single_people_and_no_secret(tmp_path: Path) -> None:
    made = operators_desk.Desk()
    async with test_control.on_console(made, test_control.write_tokens(tmp_path / "t")) as session:
        word = await signed_in(session, VIEWER)
        made.asked.clear()
        for page in serving.PAGES:
            if page.role != "operator":
                continue
            async with session.request(
                page.method, address(page), data={"word": word, "text": "x"}
            ) as response:
                assert response.status == 403, page.path
                assert "takes the role operator" in await response.text()
        for collection in ("users", "enrollments", "demographics"):
            for method in ("GET", "POST"):
                async with session.request(
                    method, f"/roster/{collection}", data={"word": word}
                ) as response:
                    assert response.status == 403, collection
    assert made.asked == []


@pytest.mark.parametrize(
    "path", ["/applications/nobody", "/roster/nothing", "/add?listing=nothing", "/nothing"]
)
async def test_what_is_not_there_is_said_on_a_page(tmp_path: Path, path: str) -> None:
    made = operators_desk.Desk()
    async with test_control.on_console(made, test_control.write_tokens(tmp_path / "t")) as session:
        await signed_in(session, OPERATOR)
        async with session.get(path) as response:
            assert response.status == 404
            assert "Not found" in await response.text()


@pytest.mark.parametrize(
    "path",
    [
        "/?sort=nothing&order=x&only=%00",
        "/?q=" + "x" * 5_000,
        "/audit?since=yesterday&until=2026-13-99",
        "/audit?kind=nothing&offset=-1",
        "/audit?offset=99999999999999999999",
        "/history?offset=%F0%9F",
        "/roster/orgs?offset=x&status=y",
        "/add?own=1&form=1&name=../../etc&orgs=rule",
        "/?q=%FF%FE&q=%00",
    ],
)
async def test_odd_addresses_are_answered_all_the_same(tmp_path: Path, path: str) -> None:
    made = operators_desk.Desk()
    async with test_control.on_console(made, test_control.write_tokens(tmp_path / "t")) as session:
        await signed_in(session, OPERATOR)
        async with session.get(path) as response:
            assert response.status == 200, path


async def test_a_form_of_many_fields_is_refused(tmp_path: Path) -> None:
    made = operators_desk.Desk()
    async with test_control.on_console(made, test_control.write_tokens(tmp_path / "t")) as session:
        await signed_in(session, OPERATOR)
        async with session.get("/add?" + "&".join(["org=1"] * 500)) as response:
            assert response.status == 400
        async with session.post("/find", data={"text": "x" * 100_000}) as response:
            assert response.status == 413


class Large(operators_desk.Desk):
    """A desk with a hundred thousand people, as long names as there may be."""

    async def browse(  # type: ignore[override]  # the other options have their usual values
        self, collection: str, who: str, *, offset: int, limit: int, **_: Any
    ) -> desk.Page:
        rows: Sequence[desk.Row] = [
            {
                "id": f"{'i' * 240}{row}",
                "name": "<b>" * 80,
                "status": "active",
                "details": {"a": "x"},
            }
            for row in range(offset, min(offset + limit, 100_000))
        ]
        return {"collection": collection, "total": 100_000, "offset": offset, "rows": list(rows)}


async def test_a_page_of_a_large_roster_stays_small_and_quick(tmp_path: Path) -> None:
    tokens = test_control.write_tokens(tmp_path / "t")
    async with test_control.on_console(Large(), tokens) as session:
        word = await signed_in(session, OPERATOR)
        for offset in (0, 50_000, 99_990, 10**8):
            begun = time.perf_counter()
            async with session.post(
                "/roster/users", data={"word": word, "offset": str(offset)}
            ) as response:
                text = await response.text()
            assert response.status == 200
            assert len(text) < 200_000
            assert time.perf_counter() - begun < 2
            assert "<b>" not in text
    assert console.COOKIE == "rosterd_session"


async def test_what_is_held_is_shown_with_the_command_that_lets_it_go(tmp_path: Path) -> None:
    made = operators_desk.Desk()
    async with (
        test_control.on_console(made, test_control.write_tokens(tmp_path / "t")) as session,
        session.get("/roster", headers=test_control.bearer(VIEWER)) as response,
    ):
        text = await response.text()
    assert "<strong>900 of 1\u202f200 users removed</strong>" in text
    assert '<span class="state wait">too much</span> <strong>900</strong>' in text
    assert f"rosterd roster release {'e' * 12} --reason" in text
    assert [each[0] for each in made.asked] == ["imports", "held imports"]


async def test_a_letter_is_shown_before_it_is_sent_and_only_what_was_shown_is_sent(
    tmp_path: Path,
) -> None:
    made = operators_desk.Desk()
    path = "/applications/math-galaxy/letter"
    async with test_control.on_console(made, test_control.write_tokens(tmp_path / "t")) as session:
        said = {
            "word": await signed_in(session, OPERATOR),
            "template": "enabled",
            "to": "support@galaxy.example.com",
        }
        made.asked.clear()
        async with session.post(path, data=said) as response:
            text = await response.text()
        assert "Send it to support@galaxy.example.com" in text
        digest = re.search(r'name="digest" value="([0-9a-f]{64})"', text)
        assert digest is not None

        async with session.post(f"{path}/send", data={**said, "digest": "0" * 64}) as response:
            assert "Nothing was sent: read it again" in await response.text()
        assert "sent" not in {each[-1] for each in made.asked if each[0] == "write"}

        confirmed = {**said, "digest": digest[1]}
        async with session.post(f"{path}/send", data=confirmed, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (303, f"{path}#sent")
    assert [each for each in made.asked if each[-1] == "sent"] == [
        ("write", "math-galaxy", "enabled", "support@galaxy.example.com", "grace", "sent")
    ]


async def test_a_letter_that_the_mail_server_refuses_is_told_on_its_page(tmp_path: Path) -> None:
    class Refused(operators_desk.Desk):
        async def write(self, *_: Any, **__: Any) -> desk.Letter:
            raise errors.TemporaryError("cannot reach the mail server")

    made = Refused()
    async with test_control.on_console(made, test_control.write_tokens(tmp_path / "t")) as session:
        form = {"word": await signed_in(session, OPERATOR), "template": "enabled"}
        async with session.post("/applications/math-galaxy/letter/send", data=form) as response:
            assert response.status == 200
            assert "cannot reach the mail server" in await response.text()


async def test_who_sees_a_record_is_told_of_every_application_at_once(tmp_path: Path) -> None:
    made = operators_desk.Desk()
    async with test_control.on_console(made, test_control.write_tokens(tmp_path / "t")) as session:
        form = {"word": await signed_in(session, OPERATOR), "collection": "users"}
        form["id"] = operators_looking.ROW["id"]
        async with session.post("/explain", data=form) as response:
            text = await response.text()
    assert response.status == 200
    assert "1 of 2 applications" in text
    assert text.index(">Yes</span>") < text.index(">No</span>")


async def test_a_permission_begins_as_a_copy_and_the_branch_gets_what_was_shown(
    tmp_path: Path,
) -> None:
    made = operators_desk.Desk()
    async with test_control.on_console(made, test_control.write_tokens(tmp_path / "t")) as session:
        word = await signed_in(session, OPERATOR)
        async with session.get("/add?own=1&form=1&name=new&copy=math-galaxy") as response:
            text = await response.text()
        assert "name: new\napplication: new\naccess: basic\n# For all grades.\norgs: all\n" in text

        typed = "name: new\r\napplication: new\r\naccess: full\r\n"
        form = {"word": word, "own": "1", "form": "1", "name": "newer", "copy": "math-galaxy"}
        async with session.post("/add", data={**form, "permission": typed}) as response:
            text = await response.text()
        assert "name: newer\napplication: newer\naccess: full\n</pre>" in text
        assert "Prepare the branch add-newer" in text

        shown = {"word": word, "name": "newer", "application": "a: b\r\n", "permission": typed}
        async with session.post("/add/branch", data=shown) as response:
            text = await response.text()
        assert "git fetch /srv/rosters add-newer:add-newer" in text
        too_long = {**shown, "permission": "#" * 13_000}
        async with session.post("/add/branch", data=too_long) as response:
            assert "too long" in await response.text()
    assert [each for each in made.asked if each[0] == "prepare"] == [
        ("prepare", "newer", "grace", "a: b\n", typed.replace("\r\n", "\n"))
    ]


async def test_a_viewer_has_no_branch_prepared_and_no_letter_sent(tmp_path: Path) -> None:
    made = operators_desk.Desk()
    async with test_control.on_console(made, test_control.write_tokens(tmp_path / "t")) as session:
        word = await signed_in(session, VIEWER)
        for path in ("/add/branch", "/applications/math-galaxy/letter/send"):
            async with session.post(path, data={"word": word}) as response:
                assert response.status == 403
        async with session.get("/add?own=1&form=1&name=new") as response:
            assert "Prepare the branch" not in await response.text()
    assert not {"prepare", "write"} & {each[0] for each in made.asked}
