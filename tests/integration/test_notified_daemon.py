"""A daemon as a process: an export fails, kill -9 after the mail, it is mended, a mail says so.

The same daemon meets everything else that somebody is told of, and has a reader for each.
"""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from rosterd.storage import sqlite
from tests.integration import demo_repository, processes, test_mail

READER = "it@lakeside.example.org"
TARGET = "everything"
SECRET = f"{TARGET}-sftp-password"
COMMIT = "commit [0-9a-f]{12}"
OTHERS = {
    "holds": [f"{COMMIT} is held"],
    "commits": [f"{COMMIT} is not applied"],
    "imports": [
        "the last import of student-system left out <10 rows with errors",
        "the import of student-system is held",
    ],
    "endings": ["the permission of code-camp ends on 20[0-9-]+"],
}
"""Kind -> what its reader hears, in this order."""


def follower(demo: processes.Demo, folder: Path, port: int) -> Path:
    """Settings of a daemon beside the demo's, which has a mail server and no vendor's password."""
    settings = processes.second_installation(demo, folder).path
    mail = f'\n[mail]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\n'
    text = settings.read_text(encoding="utf-8")
    settings.write_text(f'{text}{mail}sender = "rosters@lakeside.example.org"\n', encoding="utf-8")
    return settings


def tell(repository: demo_repository.Repository) -> None:
    """One reader for each kind, since each gets one mail a minute; and something that ends soon."""
    text = (repository.work / "rosterd.yaml").read_text(encoding="utf-8")
    told = f"notifications:\n  - {{to: {READER}, about: [exports]}}\n"
    told += "".join(
        f"  - {{to: {kind}@lakeside.example.org, about: [{kind}]}}\n" for kind in OTHERS
    )
    limited = text.replace("removed: {count: 3,", "removed: {count: 1,")
    assert limited != text
    repository.write("rosterd.yaml", limited + told)
    soon = datetime.now(UTC).date() + timedelta(days=20)
    repository.replace("permissions/code-camp.yaml", "2027-06-30", soon.isoformat())
    repository.commit("Tell the roster team of what goes wrong")
    repository.approve()
    repository.push()


def deliver(demo: processes.Demo, change: Callable[[list[str]], list[str]]) -> None:
    """The student system sends other users: lines of the file without its header."""
    path = demo.folder / "roster" / "users.csv"
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([header, *change(lines)]) + "\n", encoding="utf-8")


def with_an_error(lines: list[str]) -> list[str]:
    """One more row, which has nothing but an id."""
    commas = lines[0].count(",")  # as many columns as a quoted comma may add: too many are an error
    return [*lines, f"broken{',' * commas}"]


def let_a_commit_be_held(repository: demo_repository.Repository) -> None:
    """Two people agree on removing more at once than the district allows itself."""
    for name in ("clever", "microsoft-sds"):
        (repository.work / "templates" / f"{name}.yaml").unlink()
    repository.commit("Forget what nobody uses")
    repository.approve()
    repository.push()


def let_a_commit_be_refused(repository: demo_repository.Repository) -> None:
    repository.write("permissions/reading-river.yaml", "kind: Permission\n")
    repository.commit("Break it")
    repository.push()


def to(inbox: test_mail.Inbox, reader: str) -> list[str]:
    """Subjects of the mails to a reader, without the district."""
    return [
        str(each["Subject"]).split("] ")[1] for each in inbox.mails if str(each["To"]) == reader
    ]


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
        tell(repository)
        deliver(demo, with_an_error)
        settings = follower(demo, tmp_path / "other", port)
        pinned = processes.command("trust", root, "--settings", settings)
        assert pinned.status == 0, pinned.words
        socket = settings.parent / "control.sock"
        with processes.serve(settings, socket) as daemon:
            daemon.until(lambda status: status["served"]["generation"], "a roster is there")
            assert daemon.run("export", "run", TARGET).status == 1  # its password is not set
            daemon.process.until(lambda: to(inbox, READER), "a mail says that it is refused")
            for kind in ("endings", "imports"):
                reader = f"{kind}@lakeside.example.org"
                daemon.process.until(partial(to, inbox, reader), f"a mail tells of {kind}")
            let_a_commit_be_held(repository)
            daemon.process.until(
                lambda: to(inbox, "holds@lakeside.example.org"), "a mail tells of the held commit"
            )
            daemon.process.kill()  # perhaps before it is kept that the mail has left
        let_a_commit_be_refused(repository)
        deliver(demo, lambda lines: lines[: len(lines) // 2])
        as_if_a_minute_went_by(settings.parent / "state" / "state.db")
        known = json.loads((demo.folder / "installation.json").read_text(encoding="utf-8"))
        with processes.serve(settings, socket) as daemon:
            for kind, number in (("imports", 2), ("commits", 1)):
                reader = f"{kind}@lakeside.example.org"
                daemon.process.until(
                    lambda reader=reader, number=number: len(to(inbox, reader)) >= number,  # type: ignore[misc]  # the defaults are texts and numbers
                    f"a mail tells of {kind}",
                )
            done = processes.command(
                "secret", "set", SECRET, "--settings", settings, given=known["sftp_password"]
            )
            assert done.status == 0, done.words
            sent = daemon.run("export", "run", TARGET)
            assert sent.status == 0, sent.words
            daemon.process.until(
                lambda: any("over: " in each for each in to(inbox, READER)),
                "a mail says that it is over",
            )
        return str(known["sftp_password"])


async def test_each_kind_is_told_once_and_the_end_of_an_export_once_over_a_kill(
    tmp_path: Path,
) -> None:
    inbox = test_mail.Inbox()
    async with test_mail.listening(inbox) as server:
        password = await asyncio.to_thread(story, tmp_path, inbox, server.port)

    *begun, over = to(inbox, READER)
    assert set(begun) == {"delivery to everything is refused"}
    assert len(begun) <= 2  # at least once: the kill may have come before it was kept
    assert over == "over: delivery to everything is refused"
    first = next(each for each in inbox.mails if str(each["To"]) == READER)
    assert SECRET in first.get_content()  # what to set
    assert not any(password in each.get_content() for each in inbox.mails)
    for kind, subjects in OTHERS.items():
        found = list(dict.fromkeys(to(inbox, f"{kind}@lakeside.example.org")))
        assert len(found) == len(subjects), found
        for subject, words in zip(found, subjects, strict=True):
            assert re.fullmatch(words, subject), subject
