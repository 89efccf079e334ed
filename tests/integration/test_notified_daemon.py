"""A daemon as a process: an export fails, kill -9 after the mail, it is mended, a mail says so."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from rosterd.storage import sqlite
from tests.integration import demo_repository, processes, test_mail

READER = "it@lakeside.example.org"
TARGET = "everything"
SECRET = f"{TARGET}-sftp-password"


def follower(demo: processes.Demo, folder: Path, port: int) -> Path:
    """Settings of a daemon beside the demo's, which has a mail server and no vendor's password."""
    settings = processes.second_installation(demo, folder).path
    mail = f'\n[mail]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\n'
    text = settings.read_text(encoding="utf-8")
    settings.write_text(f'{text}{mail}sender = "rosters@lakeside.example.org"\n', encoding="utf-8")
    return settings


def tell_of_exports(repository: demo_repository.Repository) -> None:
    text = (repository.work / "rosterd.yaml").read_text(encoding="utf-8")
    told = f"notifications:\n  - {{to: {READER}, about: [exports]}}\n"
    repository.write("rosterd.yaml", text + told)
    repository.commit("Tell the roster team of failed exports")
    repository.approve()
    repository.push()


def as_if_a_minute_went_by(path: Path) -> None:
    """The pause between two mails, without waiting for it."""
    store = sqlite.open_store(path)
    for each in store.receivers():
        if each.sent is not None:
            store.keep_receiver(replace(each, sent=each.sent - timedelta(minutes=2)))
    store.close()


def story(tmp_path: Path, inbox: test_mail.Inbox, port: int) -> str:
    """From the failure to its end; gives the password that was missing."""
    with processes.demo(tmp_path / "demo") as demo:
        repository = demo_repository.Repository.of(demo)
        root = repository.git("rev-list", "--max-parents=0", "HEAD")
        tell_of_exports(repository)
        settings = follower(demo, tmp_path / "other", port)
        pinned = processes.command("trust", root, "--settings", settings)
        assert pinned.status == 0, pinned.words
        socket = settings.parent / "control.sock"
        with processes.serve(settings, socket) as daemon:
            daemon.until(lambda status: status["served"]["generation"], "a roster is there")
            assert daemon.run("export", "run", TARGET).status == 1  # its password is not set
            daemon.process.until(lambda: inbox.mails, "a mail says that the export is refused")
            daemon.process.kill()  # perhaps before it is kept that the mail has left
        as_if_a_minute_went_by(settings.parent / "state" / "state.db")
        known = json.loads((demo.folder / "installation.json").read_text(encoding="utf-8"))
        with processes.serve(settings, socket) as daemon:
            daemon.until_applied()
            done = processes.command(
                "secret", "set", SECRET, "--settings", settings, given=known["sftp_password"]
            )
            assert done.status == 0, done.words
            sent = daemon.run("export", "run", TARGET)
            assert sent.status == 0, sent.words
            daemon.process.until(
                lambda: "over: " in str(inbox.mails[-1]["Subject"]), "a mail says that it is over"
            )
        return str(known["sftp_password"])


async def test_a_failing_export_is_told_once_and_its_end_once_over_a_kill(tmp_path: Path) -> None:
    inbox = test_mail.Inbox()
    async with test_mail.listening(inbox) as server:
        password = await asyncio.to_thread(story, tmp_path, inbox, server.port)

    *begun, over = [str(each["Subject"]).split("] ")[1] for each in inbox.mails]
    assert set(begun) == {"delivery to everything is refused"}
    assert len(begun) <= 2  # at least once: the kill may have come before it was kept
    assert over == "over: delivery to everything is refused"
    assert {str(each["To"]) for each in inbox.mails} == {READER}
    assert SECRET in inbox.mails[0].get_content()  # what to set
    assert not any(password in each.get_content() for each in inbox.mails)
