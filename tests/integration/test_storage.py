"""The contract of the store, for every implementation; then what is SQLite's own."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import apsw
import pytest

from rosterd import errors, storage
from rosterd.storage import connecting, sqlite

NOON = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
APPLIED = storage.Applied(
    commit="a" * 40,
    documents={"applications/math.yaml": b"kind: Application\n", "rosterd.yaml": b"\x00\xff"},
    plan="b" * 64,
    people=("ada@example.org", "grace@example.org"),
    time=NOON,
    head="c" * 64,
    revisions={"math": 3},
)
KEY = storage.Credential("math", 1, "key-1", b"sealed", NOON)
RUN = storage.Run(
    "math-sftp", "2026-09-01/06:00", "running", 1, NOON, name="math.zip", rows={"a": 1}
)

Opener = Callable[[], storage.Store]


@pytest.fixture(params=["sqlite"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same store again and again, one at a time."""
    assert request.param == "sqlite"
    return lambda: sqlite.open_store(tmp_path / "state" / "state.db")


@pytest.fixture
def store(opener: Opener) -> Iterator[storage.Store]:
    store = opener()
    yield store
    store.close()


def save(run: storage.Run) -> Callable[[storage.Store], None]:
    return lambda store: store.save_run(run)


def test_a_new_store_is_empty(store: storage.Store) -> None:
    assert store.applied() is None
    assert store.generation() is None
    assert store.holdings() == {}
    assert store.publications() == {}
    assert store.last_import("sis") is None
    assert store.history() == []
    assert store.imports() == []
    assert store.export_runs() == []
    assert store.credentials() == []


def test_what_was_applied_is_there_after_a_restart(opener: Opener) -> None:
    store = opener()
    store.apply(APPLIED, previous="", entry=b"first", used=["d" * 64], credentials=[KEY])
    store.close()
    store = opener()

    assert store.applied() == APPLIED
    assert store.credentials() == [KEY]
    assert store.used_statements(["d" * 64, "e" * 64]) == {"d" * 64}
    store.close()


def test_a_change_replaces_documents_revisions_and_credentials(store: storage.Store) -> None:
    store.apply(APPLIED, previous="", entry=b"first", credentials=[KEY])
    store.add_token(storage.Token(b"1" * 32, "math", ("roster",), NOON + timedelta(hours=1)))
    store.add_token(storage.Token(b"2" * 32, "art", (), NOON + timedelta(hours=1)))
    second = replace(APPLIED, documents={"x.yaml": b""}, revisions={}, head="d" * 64)

    number = store.apply(
        second, previous=APPLIED.head, entry=b"second", credentials=[], revoked=["math"]
    )

    assert number == 2
    assert store.applied() == second
    assert store.credentials() == []
    assert [token.application for token in store.tokens(NOON)] == ["art"]
    assert [change.entry for change in store.history()] == [b"second", b"first"]
    assert [change.previous for change in store.history()] == [APPLIED.head, ""]


def test_a_change_planned_on_another_head_leaves_all_as_it_was(store: storage.Store) -> None:
    store.apply(APPLIED, previous="", entry=b"first")
    with pytest.raises(storage.Conflict):
        store.apply(replace(APPLIED, head="d" * 64), previous="", entry=b"second")

    assert store.applied() == APPLIED
    assert len(store.history()) == 1


def test_a_change_that_fails_half_way_leaves_nothing(store: storage.Store) -> None:
    twice = [KEY, replace(KEY, generation=2)]
    with pytest.raises(Exception, match=r"(?i)unique"):
        store.apply(APPLIED, previous="", entry=b"first", used=["d" * 64], credentials=twice)

    assert store.applied() is None
    assert store.used_statements(["d" * 64]) == frozenset()
    store.apply(APPLIED, previous="", entry=b"first")


def test_generations_only_go_up(store: storage.Store) -> None:
    first = storage.Published(1, "1-a", NOON, {"users": 3})
    second = storage.Published(2, "2-b", NOON + timedelta(days=1), {})
    imported = storage.Import(
        "sis", "f" * 64, "imported", NOON, NOON, 1, {"users.csv": {"rows": 3}}
    )
    store.publish_generation(first, imported=imported, revisions={"math": 4})
    store.publish_generation(second)
    with pytest.raises(storage.Conflict):
        store.publish_generation(replace(second, name="2-c"))

    assert store.generation() == second
    assert store.publications() == {1: NOON, 2: NOON + timedelta(days=1)}
    assert store.last_import("sis") == replace(imported, number=1)


def test_imports_are_listed_newest_first(store: storage.Store) -> None:
    for number in range(3):
        started = NOON + timedelta(minutes=number)
        store.record_import(
            storage.Import(
                "sis", str(number), "refused", started, started, problem="cannot read it"
            )
        )

    assert [imported.delivery for imported in store.imports(2)] == ["2", "1"]
    assert store.last_import("other") is None


def test_revisions_follow_the_roster_too(store: storage.Store) -> None:
    store.apply(APPLIED, previous="", entry=b"first")
    store.set_revisions({"math": 9, "art": 1})
    applied = store.applied()

    assert applied is not None
    assert applied.revisions == {"math": 9, "art": 1}


def test_what_applications_hold_changes_with_a_swap_or_by_itself(opener: Opener) -> None:
    store = opener()
    first = {("math", "rows users"): b"1", ("math", "holding"): b"{}", ("art", "holding"): b"{}"}
    store.apply(APPLIED, previous="", entry=b"first", held=first)
    published = storage.Published(1, "generation-1", NOON, {})
    store.publish_generation(
        published, held={("math", "rows users"): b"\x00\xff", ("art", "holding"): None}
    )
    store.keep_holdings({("math", "holding"): b"{1}"})
    store.close()
    store = opener()

    assert store.holdings() == {("math", "rows users"): b"\x00\xff", ("math", "holding"): b"{1}"}
    store.close()


def test_a_swap_that_is_refused_changes_nothing_that_applications_hold(
    store: storage.Store,
) -> None:
    store.apply(APPLIED, previous="", entry=b"first", held={("math", "holding"): b"{}"})
    published = storage.Published(2, "generation-2", NOON, {})
    store.publish_generation(published)
    held = {("math", "holding"): None, ("math", "rows users"): b"1"}

    with pytest.raises(storage.Conflict):
        store.apply(APPLIED, previous="0" * 64, entry=b"second", held=held)
    with pytest.raises(storage.Conflict):
        store.publish_generation(published, held=held)

    assert store.holdings() == {("math", "holding"): b"{}"}


def test_tokens_end_by_application_and_by_time(store: storage.Store) -> None:
    for number, name in enumerate(("math", "math", "art")):
        expires = NOON + timedelta(minutes=number)
        store.add_token(storage.Token(bytes([number]) * 32, name, ("a", "b"), expires))

    assert [token.digest[0] for token in store.tokens(NOON)] == [1, 2]
    assert store.expire_tokens(NOON) == 1
    assert store.delete_tokens("math") == 1
    assert store.tokens(NOON) == [
        storage.Token(b"\x02" * 32, "art", ("a", "b"), NOON + timedelta(minutes=2))
    ]


def test_credentials_are_replaced_for_one_application(store: storage.Store) -> None:
    other = replace(KEY, application="art", key="key-2", retires=NOON)
    store.apply(APPLIED, previous="", entry=b"first", credentials=[KEY, other])
    newer = replace(KEY, generation=2, key="key-3")
    store.replace_credentials("math", [newer])

    assert store.credentials() == [other, newer]
    with pytest.raises(ValueError, match="another application"):
        store.replace_credentials("math", [other])


def test_a_secret_is_replaced_with_its_document(store: storage.Store) -> None:
    secret = storage.Secret("password", "SftpTarget/math", b"sealed", NOON, "ada")
    store.set_secret(secret)
    store.set_secret(replace(secret, document="SftpTarget/art"))

    assert [found.document for found in store.secrets()] == ["SftpTarget/art"]
    assert store.secret("other") is None
    assert store.delete_secret("password")
    assert not store.delete_secret("password")


def test_a_slot_is_one_run_however_often_it_is_tried(store: storage.Store) -> None:
    store.save_run(RUN)
    again = replace(RUN, attempt=2, state="failed", problem="cannot connect", ended=NOON)
    store.save_run(again)

    assert store.export_run(RUN.target, RUN.slot) == again
    assert store.export_runs(states=["failed"]) == [again]
    assert store.export_runs(states=["running"]) == []
    assert store.export_runs(target="other") == []


@pytest.mark.parametrize("state", sorted(storage.FINAL))
def test_a_final_run_stays(store: storage.Store, state: storage.RunState) -> None:
    final = replace(RUN, state=state)
    store.save_run(final)
    with pytest.raises(storage.Conflict):
        store.save_run(RUN)

    assert store.export_run(RUN.target, RUN.slot) == final


def test_what_is_owed_to_a_target_is_replaced_and_forgotten(store: storage.Store) -> None:
    owed = storage.Owed("math", "monday 05:30 UTC", NOON)
    store.set_owed(owed)
    store.set_owed(replace(owed, since=NOON + timedelta(days=1)))
    store.set_owed(replace(owed, target="art"))
    store.forget_owed("art")
    store.forget_owed("art")

    assert store.owed() == {"math": replace(owed, since=NOON + timedelta(days=1))}


def test_accesses_add_up_within_the_hour(store: storage.Store) -> None:
    access = storage.Access("math", "rest", "200", NOON, 5)
    store.note_access([access, replace(access, time=NOON + timedelta(minutes=59), count=2)])
    store.note_access([replace(access, time=NOON + timedelta(minutes=60), count=1)])

    assert [(found.time.hour, found.count) for found in store.accesses()] == [(13, 1), (12, 7)]
    assert store.accesses(application="art") == []
    assert store.forget_accesses(NOON + timedelta(hours=1)) == 1


def test_actions_are_kept_in_order(store: storage.Store) -> None:
    for name in ("a", "b"):
        store.note_action(storage.Action(NOON, "ada", "credentials.show", name))

    assert [action.subject for action in store.actions()] == ["b", "a"]


def test_times_of_other_timezones_come_back_as_the_same_instant(store: storage.Store) -> None:
    local = NOON.astimezone(timezone(timedelta(hours=-5)))
    store.note_action(storage.Action(local, "ada", "export.run", "math"))

    assert store.actions()[0].time == NOON
    with pytest.raises(ValueError, match="timezone"):
        store.note_action(storage.Action(NOON.replace(tzinfo=None), "ada", "export.run", "math"))


async def test_storage_does_the_work_in_order_on_one_thread(opener: Opener) -> None:
    async with storage.Storage(opener) as state:
        saves = (save(replace(RUN, slot=str(number))) for number in range(20))
        await asyncio.gather(*map(state.run, saves))
        found = await state.run(lambda store: store.export_runs())
    await state.close()

    assert len(found) == 20
    with pytest.raises(RuntimeError):
        await state.run(lambda store: store.history())


# -- SQLite


def test_a_second_daemon_is_refused(store: storage.Store, opener: Opener) -> None:
    with pytest.raises(errors.InputError, match="another daemon"):
        opener()


def test_the_cli_reads_beside_the_daemon(store: storage.Store, tmp_path: Path) -> None:
    store.apply(APPLIED, previous="", entry=b"first")
    reader = sqlite.open_store(tmp_path / "state" / "state.db", readonly=True)

    assert reader.applied() == APPLIED
    with pytest.raises(errors.InputError):
        reader.set_revisions({})
    reader.close()


def test_a_newer_level_is_refused(opener: Opener, tmp_path: Path) -> None:
    opener().close()
    connection = apsw.Connection(str(tmp_path / "state" / "state.db"))
    connection.execute(f"PRAGMA user_version={len(connecting.migrations()) + 1}").fetchall()
    connection.close()
    with pytest.raises(errors.InputError, match="a newer rosterd"):
        opener()


def test_a_file_that_is_no_database_is_refused(opener: Opener, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "state.db").write_bytes(b"not a database " * 100)
    with pytest.raises(errors.InputError, match="cannot use"):
        opener()


def test_a_commit_is_durable_and_only_the_owner_reads_the_file(
    store: storage.Store, tmp_path: Path
) -> None:
    path = tmp_path / "state" / "state.db"
    connection, lock = connecting.connect(tmp_path / "other.db")
    pragmas = [connection.execute(f"PRAGMA {name}").get for name in ("synchronous", "foreign_keys")]

    assert pragmas == [2, 1]
    assert connection.execute("PRAGMA journal_mode").get == "wal"
    assert {path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777} == {0o600, 0o700}
    connection.close()
    assert lock is not None
    os.close(lock)


def test_the_chain_and_the_audit_log_cannot_be_rewritten(
    store: storage.Store, tmp_path: Path
) -> None:
    store.apply(APPLIED, previous="", entry=b"first")
    store.note_action(storage.Action(NOON, "ada", "export.run", "math"))
    store.close()
    connection = apsw.Connection(str(tmp_path / "state" / "state.db"))
    for statement in (
        "DELETE FROM changes",
        "UPDATE changes SET people='[]'",
        "DELETE FROM actions",
        "UPDATE actions SET actor='nobody'",
    ):
        with pytest.raises(apsw.ConstraintError, match="append-only"):
            connection.execute(statement).fetchall()
    connection.close()


APPLY_FOR_EVER = """
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from rosterd import storage
from rosterd.storage import sqlite

store = sqlite.open_store(Path(sys.argv[1]))
head = ""
for number in range(1_000_000):
    name = f"{number:064d}"
    documents = {f"{n}.yaml": name.encode() for n in range(50)}
    keys = [storage.Credential("math", 1, name, name.encode(), datetime.now(UTC))]
    applied = storage.Applied(name, documents, name, (), datetime.now(UTC), name, {"math": number})
    store.apply(applied, previous=head, entry=b"", used=[name], credentials=keys)
    head = name
    print(number, flush=True)
"""


def test_a_kill_in_the_midst_of_changes_leaves_the_former_or_the_new_one_whole(
    opener: Opener, tmp_path: Path
) -> None:
    path = tmp_path / "state" / "state.db"
    child = subprocess.Popen(
        [sys.executable, "-c", APPLY_FOR_EVER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    told = -1
    while told < 20:
        told = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read().split()
    child.stdout.close()
    child.wait()
    told = int(rest[-1]) if rest else told
    store = opener()
    applied = store.applied()

    assert applied is not None
    number = int(applied.head)
    assert number in (told, told + 1)
    assert set(applied.documents.values()) == {applied.head.encode()}
    assert applied.revisions == {"math": number}
    assert [key.key for key in store.credentials()] == [applied.head]
    assert store.used_statements([applied.head]) == {applied.head}
    store.close()
