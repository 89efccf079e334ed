"""What was answered is known until nobody could send it again."""

import errno
import os
from pathlib import Path

import pytest

from rosterd import replays

NOW = 1_791_201_600.0


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def test_a_request_is_first_once() -> None:
    known = replays.Replays(clock=Clock())

    assert known.first("key", int(NOW), "nonce")
    assert not known.first("key", int(NOW), "nonce")
    for other in (
        ("key", int(NOW), "nonce2"),
        ("key", int(NOW) + 1, "nonce"),
        ("key2", int(NOW), "nonce"),
    ):
        assert known.first(*other)
        assert not known.first(*other)


def test_one_that_was_taken_back_is_first_again() -> None:
    known = replays.Replays(clock=Clock())
    known.forget("key", int(NOW), "nonce")  # nothing of its time is known yet

    assert known.first("key", int(NOW), "nonce")
    known.forget("key", int(NOW), "nonce")

    assert known.first("key", int(NOW), "nonce")
    assert not known.first("key", int(NOW), "nonce")


@pytest.mark.parametrize(
    "seconds, timely", [(-601, False), (-600, True), (0, True), (300, True), (301, False)]
)
def test_the_window_is_ten_minutes_back_and_five_ahead(seconds: int, timely: bool) -> None:
    assert replays.Replays(clock=Clock()).timely(int(NOW) + seconds) is timely


def test_nothing_is_forgotten_while_it_is_timely_and_everything_afterwards(tmp_path: Path) -> None:
    clock = Clock()
    known = replays.Replays(tmp_path, clock)
    asked: list[tuple[int, str]] = []
    for minute in range(120):
        clock.now = NOW + 60 * minute
        for ahead in (-replays.BEHIND, 0, replays.AHEAD):
            asked.append((int(clock.now) + ahead, f"{minute} {ahead}"))
            assert known.first("key", *asked[-1])
        for timestamp, nonce in asked:
            if known.timely(timestamp):
                assert not known.first("key", timestamp, nonce)

    assert len(known._seen) <= 6
    assert {path.name for path in tmp_path.iterdir()} == {str(each) for each in known._seen}
    known.close()


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    clock = Clock()
    folder = tmp_path / "replays"
    known = replays.Replays(folder, clock)
    assert known.first("key", int(NOW), "nonce")
    assert known.first("key", int(NOW) + 300, "nonce")
    # killed: nobody closes anything, and the last write may be half there
    with (folder / str(int(NOW) // 300)).open("ab") as file:
        file.write(b"abc")

    again = replays.Replays(folder, clock)

    assert not again.first("key", int(NOW), "nonce")
    assert not again.first("key", int(NOW) + 300, "nonce")
    assert again.first("key", int(NOW), "another")
    known.close()
    again.close()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_half_written_number_does_not_shift_those_after_it(tmp_path: Path) -> None:
    (tmp_path / str(int(NOW) // 300)).write_bytes(b"abc")
    known = replays.Replays(tmp_path, Clock())
    assert known.first("key", int(NOW), "nonce")
    known.close()

    again = replays.Replays(tmp_path, Clock())

    assert not again.first("key", int(NOW), "nonce")
    again.close()


def test_what_is_out_of_date_at_the_start_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "12").write_bytes(bytes(8))
    (tmp_path / "README").write_text("none of ours")

    known = replays.Replays(tmp_path, Clock())

    assert {path.name for path in tmp_path.iterdir()} == {"README"}
    known.close()


def test_a_full_disk_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known = replays.Replays(tmp_path, Clock())

    def full(_file: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)

    for nonce in ("a", "b"):
        assert known.first("key", int(NOW), nonce)
        assert not known.first("key", int(NOW), nonce)
    assert caplog.text.count("in memory only") == 1
    known.close()
