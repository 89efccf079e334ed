"""The log of what leaves: whole after a crash anywhere, and never a record that is half there."""

import os
from pathlib import Path

import pytest
from pyroaring import BitMap

from rosterd import errors
from rosterd.disclosures import journal


def _outflow(application: str = "math", collection: str = "users") -> journal.Outflow:
    key = journal.Key("c" * 40, 3, 1, application, "rest", "1.2", collection, '{"sent": []}')
    return journal.Outflow(key, 0.0, 0.0)


def _told(folder: Path) -> dict[str, tuple[list[int], float, float]]:
    return {
        key.application: (list(each.rows), each.first, each.last)
        for key, each in journal.read(folder).items()
    }


def test_what_was_appended_is_read(tmp_path: Path) -> None:
    kept, math, art = journal.Journal(tmp_path), _outflow(), _outflow("art")
    kept.append(math, BitMap([1, 2]), 10.0)
    kept.append(art, BitMap([7]), 11.0)
    kept.append(math, BitMap([70_000]), 12.0)
    art.first, art.last = 11.0, 40.0
    kept.touch(art)
    kept.close()

    assert _told(tmp_path) == {"math": ([1, 2, 70_000], 10.0, 12.0), "art": ([7], 11.0, 40.0)}


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_file_that_ends_anywhere_gives_what_is_whole(tmp_path: Path, cut: int) -> None:
    kept, math = journal.Journal(tmp_path), _outflow()
    kept.append(math, BitMap([1]), 10.0)
    whole = kept.size
    kept.append(math, BitMap([2]), 11.0)
    kept.close()
    (path,) = journal.files(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: -min(cut, len(content) - whole)])

    assert _told(tmp_path) == {"math": ([1], 10.0, 10.0)}


def test_a_flipped_bit_ends_what_is_believed(tmp_path: Path) -> None:
    kept, math = journal.Journal(tmp_path), _outflow()
    kept.append(math, BitMap([1]), 10.0)
    place = kept.size + 20
    kept.append(math, BitMap([2]), 11.0)
    kept.close()
    (path,) = journal.files(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)

    assert _told(tmp_path) == {"math": ([1], 10.0, 10.0)}


def test_a_restart_writes_to_a_file_of_its_own(tmp_path: Path) -> None:
    for number in range(3):
        kept = journal.Journal(tmp_path)
        kept.append(_outflow(), BitMap([number]), float(number + 1))
        kept.close()

    assert len(journal.files(tmp_path)) == 3
    assert _told(tmp_path) == {"math": ([0, 1, 2], 1.0, 3.0)}


def test_files_that_are_put_together_say_the_same_without_what_is_gone(tmp_path: Path) -> None:
    kept, math, art = journal.Journal(tmp_path), _outflow(), _outflow("art")
    for number in range(50):
        kept.append(math, BitMap([number]), float(number + 1))
    kept.append(art, BitMap([7]), 5.0)
    before = kept.turn({math.key: math, art.key: art})
    kept.append(math, BitMap([99]), 60.0)
    size = before[0].stat().st_size
    journal.put_together(before, [art.key])
    kept.close()

    assert _told(tmp_path) == {"math": ([*range(50), 99], 1.0, 60.0)}
    assert before[0].stat().st_size < size / 2
    journal.put_together(journal.files(tmp_path), [math.key])
    assert journal.files(tmp_path) == []


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "disclosures"
    kept = journal.Journal(folder)
    kept.append(_outflow(), BitMap([1]), 1.0)
    journal.put_together(kept.turn({}))
    kept.close()

    modes = {path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert (folder.stat().st_mode & 0o777, modes) == (0o700, {0o600})


def test_a_full_disk_refuses_and_leaves_no_half_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, math, write = journal.Journal(tmp_path), _outflow(), os.write
    kept.append(math, BitMap([1]), 10.0)
    # a device that takes a part of what it is given, as one does that is full
    monkeypatch.setattr(os, "write", lambda file, frames: write(file, frames[:9]))
    with pytest.raises(errors.TemporaryError, match="the disk is full"):
        kept.append(math, BitMap([2]), 11.0)
    monkeypatch.undo()
    kept.append(math, BitMap([3]), 12.0)
    kept.close()

    assert _told(tmp_path) == {"math": ([1, 3], 10.0, 12.0)}


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(errors.InputError, match="cannot keep what leaves"):
        journal.Journal(tmp_path / "taken")
