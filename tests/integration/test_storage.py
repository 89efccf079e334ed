"""The contract of the store, for every implementation; then what is SQLite's own."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import apsw
import pytest

from rosterd import chain, errors, storage
from rosterd.storage import checking, connecting, sqlite

NOON = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
APPLIED = storage.Applied(
    commit="a" * 40,
    documents={"applications/math.yaml": b"kind: Application\n", "rosterd.yaml": b"\x00\xff"},
    plan="b" * 64,
    people=("ada@example.org", "grace@example.org"),
    time=NOON,
    revisions={"math": 3},
)
CHANGE = storage.Note("applied", "rosterd", "a" * 40, NOON, {"commit": "a" * 40, "proven": "so"})
REVEALED = storage.Note("revealed", "ada", "math", NOON, {"application": "math"})
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
    head = store.apply(
        APPLIED,
        previous="",
        notes=[CHANGE],
        counted=storage.Counted(frozenset({"d" * 64})),
        credentials=[KEY],
    )
    store.close()
    store = opener()

    assert store.applied() == replace(APPLIED, head=head)
    assert store.credentials() == [KEY]
    assert store.used_statements(["d" * 64, "e" * 64]) == {"d" * 64}
    store.close()


def test_the_store_knows_when_paths_left_a_content_and_when_they_came_to_one(
    store: storage.Store,
) -> None:
    there = frozenset({("a.yaml", None, "1"), ("a.yaml", "1", "2"), ("b.yaml", "x", "y")})
    back = frozenset({("a.yaml", "2", "1")})
    later = replace(APPLIED, time=NOON + timedelta(hours=1))
    head = store.apply(APPLIED, previous="", notes=[CHANGE], counted=storage.Counted(turned=there))
    rewritten = storage.Counted(turned=back, rewritten=("3" * 40, "4" * 40))
    assert store.rewritten() is None
    store.apply(later, previous=head, notes=[CHANGE], counted=rewritten)

    assert store.turns(["a.yaml", "c.yaml"]) == {
        ("a.yaml", None): (APPLIED.time, None),
        ("a.yaml", "1"): (APPLIED.time, later.time),
        ("a.yaml", "2"): (later.time, APPLIED.time),
    }
    assert store.rewritten() == "4" * 40


def test_a_change_replaces_documents_revisions_and_credentials(store: storage.Store) -> None:
    head = store.apply(APPLIED, previous="", notes=[CHANGE], credentials=[KEY])
    store.note(REVEALED)
    store.add_token(storage.Token(b"1" * 32, "math", ("roster",), NOON + timedelta(hours=1)))
    store.add_token(storage.Token(b"2" * 32, "art", (), NOON + timedelta(hours=1)))
    second = replace(APPLIED, documents={"x.yaml": b""}, revisions={})

    newer = store.apply(second, previous=head, notes=[CHANGE], credentials=[], revoked=["math"])

    assert store.applied() == replace(second, head=newer)
    assert store.credentials() == []
    assert [token.application for token in store.tokens(NOON)] == ["art"]
    assert [change.record.head for change in store.history()] == [newer, head]
    assert [change.record.number for change in store.history()] == [3, 1]


def test_a_change_planned_on_another_head_leaves_all_as_it_was(store: storage.Store) -> None:
    head = store.apply(APPLIED, previous="", notes=[CHANGE])
    with pytest.raises(storage.Conflict):
        store.apply(replace(APPLIED, plan="d" * 64), previous="", notes=[CHANGE])

    assert store.applied() == replace(APPLIED, head=head)
    assert len(store.history()) == len(store.recorded()) == 1


def test_a_change_that_fails_half_way_leaves_nothing(store: storage.Store) -> None:
    twice = [KEY, replace(KEY, generation=2)]
    with pytest.raises(Exception, match=r"(?i)unique"):
        store.apply(
            APPLIED,
            previous="",
            notes=[CHANGE],
            counted=storage.Counted(frozenset({"d" * 64})),
            credentials=twice,
        )

    assert store.applied() is None
    assert store.used_statements(["d" * 64]) == frozenset()
    store.apply(APPLIED, previous="", notes=[CHANGE])


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
    store.apply(APPLIED, previous="", notes=[CHANGE])
    store.set_revisions({"math": 9, "art": 1})
    applied = store.applied()

    assert applied is not None
    assert applied.revisions == {"math": 9, "art": 1}


def test_what_applications_hold_changes_with_a_swap_or_by_itself(opener: Opener) -> None:
    store = opener()
    first = {("math", "rows users"): b"1", ("math", "holding"): b"{}", ("art", "holding"): b"{}"}
    store.apply(APPLIED, previous="", notes=[CHANGE], held=first)
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
    store.apply(APPLIED, previous="", notes=[CHANGE], held={("math", "holding"): b"{}"})
    published = storage.Published(2, "generation-2", NOON, {})
    store.publish_generation(published)
    held = {("math", "holding"): None, ("math", "rows users"): b"1"}

    with pytest.raises(storage.Conflict):
        store.apply(APPLIED, previous="0" * 64, notes=[CHANGE], held=held)
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
    store.apply(APPLIED, previous="", notes=[CHANGE], credentials=[KEY, other])
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


def test_a_run_says_whether_it_was_everything(store: storage.Store) -> None:
    store.save_run(replace(RUN, mode="delta"))
    found = store.export_run(RUN.target, RUN.slot)
    assert found is not None
    assert found.mode == "delta"


def test_a_target_has_the_base_it_stands_on_and_the_one_that_is_tried(store: storage.Store) -> None:
    one = storage.Base("math-sftp", "slot-1", "form", NOON, b"rows", b"links", b"")
    two, three, again = (
        replace(one, slot=slot, links=links)
        for slot, links in (("slot-2", b"2"), ("slot-3", b"3"), ("slot-3", b"4"))
    )
    other = replace(one, target="other")
    store.keep_export_base(one, None)
    store.keep_export_base(other, None)
    store.keep_export_base(two, "slot-1")
    assert store.export_bases("math-sftp") == [one, two]
    store.keep_export_base(three, "slot-1")
    store.keep_export_base(again, "slot-1")
    assert store.export_bases("math-sftp") == [one, again]
    store.keep_export_base(two, "slot-3")
    assert store.export_bases("math-sftp") == [two, again]

    store.forget_export_bases(["other"])
    assert store.export_bases("math-sftp") == []
    assert store.export_bases("other") == [other]


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


def test_every_record_follows_the_one_before_whatever_it_is_about(opener: Opener) -> None:
    store = opener()
    assert (store.head(), store.recorded(), store.last_record("keys")) == ((0, ""), [], None)
    head = store.apply(APPLIED, previous="", notes=[CHANGE, replace(REVEALED, subject="art")])
    made = store.note(REVEALED, replace(REVEALED, actor="grace"))
    secret = storage.Secret("password", "SftpTarget/math", b"sealed", NOON, "ada")
    store.set_secret(secret, notes=[storage.Note("secret", "ada", "password", NOON)])
    store.replace_credentials("math", [KEY], notes=[REVEALED])
    published = storage.Published(1, "1-a", NOON, {})
    store.publish_generation(published, notes=[REVEALED])
    store.close()
    store = opener()
    found = store.recorded()

    assert [each.number for each in found] == [1, 2, 3, 4, 5, 6, 7]
    assert found[2:4] == made
    assert found[0].head == head
    assert chain.verify(found) == chain.Verdict(7, store.head()[1])
    assert store.head() == (7, found[-1].head)
    assert [each.number for each in store.recorded(after=4, limit=2)] == [5, 6]
    assert store.last_record("secret") == found[4]
    assert found[3].read()["actor"] == "grace"
    store.close()


def test_what_is_not_kept_is_not_on_record_either(store: storage.Store) -> None:
    published = storage.Published(1, "1-a", NOON, {})
    store.publish_generation(published)
    with pytest.raises(storage.Conflict):
        store.publish_generation(published, notes=[REVEALED])
    with pytest.raises(storage.Conflict):
        store.apply(APPLIED, previous="0" * 64, notes=[CHANGE])
    with pytest.raises(ValueError, match="without a note"):
        store.apply(APPLIED, previous="", notes=[])
    with pytest.raises(ValueError, match="without a note"):
        store.apply(APPLIED, previous="", notes=[REVEALED])

    assert store.recorded() == []
    assert store.applied() is None


def test_every_new_head_goes_to_the_journal_once_it_is_kept(
    store: storage.Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "rosterd.audit")
    head = store.apply(APPLIED, previous="", notes=[CHANGE, REVEALED])
    with pytest.raises(storage.Conflict):
        store.apply(APPLIED, previous="", notes=[CHANGE])

    assert [record.getMessage() for record in caplog.records] == [
        f"audit number=1 kind=applied head=sha256:{head}",
        f"audit number=2 kind=revealed head=sha256:{store.head()[1]}",
    ]


def test_times_of_other_timezones_come_back_as_the_same_instant(store: storage.Store) -> None:
    local = NOON.astimezone(timezone(timedelta(hours=-5)))
    store.note(replace(REVEALED, time=local))

    assert store.recorded()[0].time == NOON
    with pytest.raises(ValueError, match="timezone"):
        store.note_access([storage.Access("math", "rest", "200", NOON.replace(tzinfo=None))])


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
    head = store.apply(APPLIED, previous="", notes=[CHANGE])
    reader = sqlite.open_store(tmp_path / "state" / "state.db", readonly=True)

    assert reader.applied() == replace(APPLIED, head=head)
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
    store.apply(APPLIED, previous="", notes=[CHANGE])
    store.note(REVEALED)
    store.close()
    connection = apsw.Connection(str(tmp_path / "state" / "state.db"))
    for statement in (
        "DELETE FROM changes",
        "UPDATE changes SET people='[]'",
        "DELETE FROM records",
        "UPDATE records SET kind='nothing'",
        "REPLACE INTO records SELECT number, 'x', time, previous, head, entry FROM records",
        "INSERT INTO records SELECT number + 9, kind, time, 'x', 'x', entry FROM records LIMIT 1",
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
    applied = storage.Applied(name, documents, name, (), datetime.now(UTC), {"math": number})
    note = storage.Note("applied", "rosterd", name, datetime.now(UTC))
    counted = storage.Counted(frozenset({name}))
    head = store.apply(applied, previous=head, notes=[note], counted=counted, credentials=keys)
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
    number = int(applied.commit)
    assert number in (told, told + 1)
    assert set(applied.documents.values()) == {applied.commit.encode()}
    assert applied.revisions == {"math": number}
    assert [key.key for key in store.credentials()] == [applied.commit]
    assert store.used_statements([applied.commit]) == {applied.commit}
    assert chain.verify(store.recorded(limit=1_000_000)) == chain.Verdict(number + 1, applied.head)
    store.close()


def test_what_earlier_versions_kept_is_taken_into_the_chain(opener: Opener, tmp_path: Path) -> None:
    """Heads that somebody noted then still prove what they proved, and nothing is left outside."""
    path = tmp_path / "state" / "state.db"
    path.parent.mkdir()
    first = (
        b'{"commit":"aa","people":["ada"],"plan":"p","previous":"","proven":"so","rule":2,'
        b'"time":"2026-09-01T12:00:00.000+00:00","v":1}'
    )
    head = sha256(first).hexdigest()
    second = first.replace(b'"previous":""', b'"previous":"%s"' % head.encode())
    newer = sha256(second).hexdigest()
    moment = "2026-09-01T12:00:00.000999Z"
    connection = apsw.Connection(str(path))
    for script in connecting.migrations()[:2]:
        connection.execute(script).fetchall()
    for number, previous, digest, entry in ((1, "", head, first), (2, head, newer, second)):
        row = (number, "aa", "p", '["ada"]', moment, previous, digest, entry)
        connection.execute("INSERT INTO changes VALUES (?,?,?,?,?,?,?,?)", row).fetchall()
    connection.execute("INSERT INTO used_statements VALUES ('d', 2)").fetchall()
    for number, subject in ((1, 'mäth "x"'), (2, "art")):
        action = (number, moment, "ada", "credentials.show", subject)
        connection.execute("INSERT INTO actions VALUES (?,?,?,?,?)", action).fetchall()
    connection.execute("PRAGMA user_version=2").fetchall()
    connection.close()
    store = opener()
    found = store.recorded()
    applied = store.applied()

    assert chain.verify(found) == chain.Verdict(3, store.head()[1])
    assert [each.head for each in found[:2]] == [head, newer]
    assert found[2].kind == "carried-over"
    assert [each["subject"] for each in found[2].read()["actions"]] == ['mäth "x"', "art"]
    assert applied is not None
    assert (applied.head, applied.people) == (newer, ("ada",))
    assert store.used_statements(["d"]) == {"d"}
    again = store.apply(APPLIED, previous=newer, notes=[CHANGE])
    assert chain.verify(store.recorded()) == chain.Verdict(4, again)
    store.close()


# ---------------------------------------------------------------- guards


def test_holds_blocks_and_the_day_are_kept_whole(store: storage.Store) -> None:
    assert store.guards() == storage.Guards()
    hold = storage.Hold("math", "maths", "a" * 40, 7, NOON.date(), NOON, "too long")
    block = storage.Block("lunch", "broken into", "ada", NOON)
    guards = storage.Guards(NOON.date(), (hold,), (block,))

    store.keep_holdings({}, guards=guards)
    assert store.guards() == guards

    store.keep_holdings({}, guards=storage.Guards(NOON.date()))
    assert store.guards() == storage.Guards(NOON.date())


def test_documents_of_a_commit_stay_as_long_as_somebody_is_kept_at_it(
    store: storage.Store,
) -> None:
    head = store.apply(APPLIED, previous="", notes=[CHANGE])
    hold = storage.Hold("math", "math", "a" * 40, 7, NOON.date(), NOON)
    held = storage.Guards(NOON.date(), (hold,))
    newer = replace(APPLIED, commit="c" * 40, documents={"rosterd.yaml": b"new\n"})

    head = store.apply(newer, previous=head, notes=[CHANGE], guards=held)
    assert store.kept_documents("a" * 40) == APPLIED.documents
    newest = replace(newer, commit="d" * 40)
    head = store.apply(newest, previous=head, notes=[CHANGE], guards=held)
    assert store.kept_documents("a" * 40) == APPLIED.documents

    store.keep_holdings({}, guards=storage.Guards(NOON.date()))
    assert store.kept_documents("a" * 40) == {}


def test_what_is_kept_about_a_renamed_document_goes_on_under_its_new_name(
    store: storage.Store,
) -> None:
    store.add_token(storage.Token(b"t" * 32, "math", ("s",), NOON + timedelta(hours=1)))
    store.set_secret(storage.Secret("password", "SftpTarget/old", b"sealed", NOON, "ada"))
    store.set_owed(storage.Owed("old", "daily", NOON))
    renames = storage.Renames({"math": "galaxy"}, {"old": "new"})

    store.apply(APPLIED, previous="", notes=[CHANGE], renames=renames)

    assert [each.application for each in store.tokens(NOON)] == ["galaxy"]
    secret = store.secret("password")
    assert secret is not None
    assert secret.document == "SftpTarget/new"
    assert store.owed() == {"new": storage.Owed("new", "daily", NOON)}


HELD = storage.Held(
    source="sis",
    revision="c" * 64,
    delivery="d" * 64,
    name="generation-00000002-abcd",
    number=2,
    former="generation-00000001-abcd",
    since=NOON,
    report={"files": {}},
    excesses=({"collection": "users", "change": "removed", "number": 90, "before": 100},),
)


def test_of_held_imports_the_newest_of_each_source_is_kept_and_let_go_once(
    store: storage.Store,
) -> None:
    note = storage.Note("roster-released", "ada", "sis", NOON, {"who": "ada", "reason": "so"})
    store.hold_import(replace(HELD, revision="b" * 64))
    store.hold_import(HELD)

    assert store.held_imports() == [HELD]
    assert not store.release_import("sis", "b" * 64, "ada", notes=[note])
    assert store.last_record("roster-released") is None
    assert store.release_import("sis", HELD.revision, "ada", notes=[note])
    assert not store.release_import("sis", HELD.revision, "ada", notes=[note])
    assert store.held_imports() == [replace(HELD, released="ada")]
    assert len([each for each in store.recorded() if each.kind == "roster-released"]) == 1
    store.drop_held_import("sis")
    assert store.held_imports() == []


def test_what_was_received_and_how_far_pulls_came_is_kept(
    store: storage.Store, opener: Opener
) -> None:
    one = storage.Kept("sis", "d" * 64, "sis-1.zip", NOON, 5)
    two = storage.Kept("sis", "e" * 64, "sis-2.zip", NOON + timedelta(days=1), 6)
    store.keep_delivery(two)
    store.keep_delivery(one)
    store.keep_delivery(one)
    store.keep_pull(storage.Pull("sis", "place"))
    pull = storage.Pull("sis", "place", NOON, NOON, None, "digest")
    store.keep_pull(pull)
    store.close()

    store = opener()
    assert store.kept_deliveries() == [one, two]
    assert store.pulls() == {"sis": pull}
    store.forget_deliveries(["sis-1.zip"])
    assert store.kept_deliveries() == [two]
    store.close()


def test_an_import_can_be_recorded_as_held_and_found_by_its_number(store: storage.Store) -> None:
    store.record_import(storage.Import("sis", "d" * 64, "held", NOON, NOON))

    (kept,) = store.imports()
    assert kept.state == "held"
    assert store.import_numbered(kept.number) == kept
    assert store.import_numbered(kept.number + 1) is None


LINK = storage.RevealLink("math", b"1" * 32, "key-1", NOON, NOON + timedelta(hours=72), "ada")


def test_a_link_is_spent_once_and_a_newer_one_takes_its_place(opener: Opener) -> None:
    store = opener()
    store.keep_reveal_link(LINK)
    newer = replace(LINK, digest=b"2" * 32)
    store.keep_reveal_link(newer, notes=[REVEALED])
    store.keep_reveal_link(replace(LINK, application="art", digest=b"3" * 32))
    store.close()
    store = opener()

    assert store.spend_reveal_link(LINK.digest) is None
    assert store.spend_reveal_link(newer.digest) == newer
    assert store.spend_reveal_link(newer.digest) is None
    store.drop_reveal_links(["art", "gone"])
    assert store.reveal_links() == []
    assert len(store.recorded()) == 1
    store.close()


def test_what_receivers_were_told_survives_a_restart(opener: Opener) -> None:
    store = opener()
    notice = storage.Notice(
        "mail:it@example.org", "export:math", {"title": "x"}, NOON, True, NOON, "failed", NOON
    )
    receiver = storage.Receiver("mail:it@example.org", NOON, 2, NOON + timedelta(minutes=1), "no")
    store.keep_notices(notice.receiver, [notice, replace(notice, key="b", told=None, ended=None)])
    store.keep_notices(notice.receiver, [notice])
    store.keep_notices("webhook:ops", [replace(notice, receiver="webhook:ops")])
    store.keep_receiver(replace(receiver, failures=1))
    store.keep_receiver(receiver)
    store.close()
    store = opener()

    assert store.notices() == [notice, replace(notice, receiver="webhook:ops")]
    assert store.receivers() == [receiver]
    store.forget_receivers(["webhook:ops"])
    assert [each.receiver for each in store.notices()] == ["webhook:ops"]
    assert store.receivers() == []
    store.close()


SANITY = storage.SanityRun(
    "math", 4, "a" * 40, "17", NOON, {"students-without-grades": 3, "users-without-email": None}
)


def test_runs_of_sanity_checks_survive_a_restart_the_newest_first(opener: Opener) -> None:
    store = opener()
    later = replace(SANITY, generation=5, revision="18", time=NOON + timedelta(days=1))
    store.keep_sanity(SANITY)
    store.keep_sanity(replace(SANITY, application="art"))
    store.keep_sanity(later)
    store.close()
    store = opener()

    assert store.sanity_runs("math") == [later, SANITY]
    assert store.sanity_runs("math", 1) == [later]
    assert list(store.sanity_runs("math")[0].counts) == list(SANITY.counts)
    assert store.last_sanity() == {"math": later, "art": replace(SANITY, application="art")}
    store.forget_sanity(["math"])
    assert store.sanity_runs("art") == []
    assert len(store.sanity_runs("math")) == 2
    store.close()


def test_of_each_application_only_the_newest_runs_stay(store: storage.Store) -> None:
    store.keep_sanity(replace(SANITY, application="art"))
    for number in range(checking.KEPT + 3):
        store.keep_sanity(replace(SANITY, generation=number))

    kept = store.sanity_runs("math", 1000)
    assert [each.generation for each in kept] == list(range(checking.KEPT + 2, 2, -1))
    assert len(store.sanity_runs("art")) == 1
