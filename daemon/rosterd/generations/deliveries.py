"""What a source delivered, copied to safety before anybody reads it.

The source may write while we read, and whoever can write there is not trusted with more than the
roster: a delivery is a handful of CSV files and nothing else. So names are checked, links are not
followed, bytes are counted as they come and not as headers promise them, and a folder that changed
meanwhile is left for later.
"""

import hashlib
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final

from rosterd import errors

FILES: Final = 200
"""Most files of one delivery; OneRoster knows 22."""
RATIO: Final = 250
"""A member that unpacks to more than this many times its size is a bomb; CSV packs to a tenth."""
_SMALL: Final = 16 * 2**20
"""Below this a ratio says nothing: a file of equal rows packs well."""
_CHUNK: Final = 2**20
_UNIX: Final = 3
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it lies at the source: enough to tell whether anything moved."""

    name: str
    size: int
    modified: int
    """Nanoseconds since 1970."""
    inode: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A copy that nobody else writes to. `digest` names its content, whatever its packaging."""

    folder: Path
    digest: str
    files: Mapping[str, int]
    """Name -> bytes."""
    problems: tuple[errors.Problem, ...]

    def openers(self) -> dict[str, Callable[[], BinaryIO]]:
        def opener(name: str) -> Callable[[], BinaryIO]:
            return lambda: (self.folder / name).open("rb")

        return {name: opener(name) for name in self.files}


def is_data(name: str) -> bool:
    """Whether a file of this name is read at all."""
    return name.lower().endswith(".csv") and not name.startswith(".")


def look(folder: Path) -> tuple[Seen, ...]:
    """The regular files that lie in a folder, by name. InputError when it cannot be read."""
    seen = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    found = entry.stat(follow_symlinks=False)
                    seen.append(Seen(entry.name, found.st_size, found.st_mtime_ns, found.st_ino))
                if len(seen) > 10 * FILES:
                    raise errors.InputError(
                        "cannot read the delivery: too many files in the folder"
                    )
    except FileNotFoundError as error:
        raise errors.InputError("cannot read the delivery: the folder is not there") from error
    except OSError as error:
        raise errors.InputError(f"cannot read the delivery: {error.strerror}") from error
    return tuple(sorted(seen, key=lambda each: each.name))


def take(source: Path, into: Path, *, limit: int, seen: Iterable[Seen] | None = None) -> Delivery:
    """Copy a folder or unpack a zip into the new folder `into`; `limit` is in bytes, unpacked.

    `seen` is how it looked when it had settled: what looks otherwise by now has not. Raises
    InputError when it is no delivery, TemporaryError when it changed since or changes meanwhile.
    """
    into.mkdir(mode=0o700)
    if source.is_dir():
        return _take_folder(source, into, limit, seen)
    return _take_zip(source, into, limit, seen)


def _require_settled(there: Iterable[Seen], seen: Iterable[Seen] | None) -> None:
    """An import may have waited for others, while the next upload began."""
    if seen is not None and set(there) != set(seen):
        raise errors.TemporaryError("cannot read the delivery yet: it changed since it had settled")


class _Copy:
    """Counts and digests what is copied."""

    def __init__(self, into: Path, limit: int) -> None:
        self._into = into
        self._limit = limit
        self._left = limit
        self.files: dict[str, int] = {}
        self.digests: dict[str, bytes] = {}
        self.problems: list[errors.Problem] = []

    def warn(self, name: str, code: str, message: str) -> None:
        self.problems.append(errors.Problem(name, 0, 0, message, code, "warning"))

    def copy(self, name: str, stream: IO[bytes], most: int | None = None) -> None:
        digest, size = hashlib.sha256(), 0
        if len(self.files) >= FILES:
            raise errors.InputError(f"cannot read the delivery: more than {FILES} files")
        with (self._into / name).open("xb") as file:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                self._left -= len(chunk)
                if self._left < 0:
                    raise errors.InputError(
                        f"cannot read the delivery: more than {self._limit} bytes unpacked"
                    )
                if most is not None and size > most:
                    raise errors.InputError(
                        "cannot read the delivery: a file in the zip unpacks to"
                        f" more than {RATIO} times its size"
                    )
                digest.update(chunk)
                file.write(chunk)
        self.files[name] = size
        self.digests[name] = digest.digest()

    def done(self) -> Delivery:
        whole = hashlib.sha256()
        for name in sorted(self.digests):
            encoded = name.encode(errors="surrogateescape")
            whole.update(len(encoded).to_bytes(4, "big") + encoded + self.digests[name])
        return Delivery(self._into, whole.hexdigest(), self.files, tuple(self.problems))


# ---------------------------------------------------------------- folders


def _take_folder(source: Path, into: Path, limit: int, settled: Iterable[Seen] | None) -> Delivery:
    before = look(source)
    if settled is not None:
        settled = [each for each in settled if is_data(each.name)]  # the marker may be gone by now
    _require_settled((each for each in before if is_data(each.name)), settled)
    copy = _Copy(into, limit)
    for seen in before:
        if is_data(seen.name):
            with _open(source / seen.name) as stream:
                copy.copy(seen.name, stream)
    if look(source) != before:
        raise errors.TemporaryError("cannot read the delivery yet: it changed while it was copied")
    return copy.done()


def _open(path: Path) -> BinaryIO:
    """A regular file, never through a link: a link could lead to any file of this machine."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise errors.TemporaryError("cannot read the delivery yet: a file went away") from error
    except OSError as error:
        raise errors.InputError(f"cannot read the delivery: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise errors.InputError("cannot read the delivery: it holds what is no regular file")
    return os.fdopen(descriptor, "rb")


# ---------------------------------------------------------------- zips


def _take_zip(source: Path, into: Path, limit: int, settled: Iterable[Seen] | None) -> Delivery:
    """The zip is copied first as well: reading jumps about in it."""
    kept = into.with_name(into.name + "-zip")
    copy = _Copy(into, limit)
    try:
        with _open(source) as stream:
            before = os.fstat(stream.fileno())
            there = Seen(source.name, before.st_size, before.st_mtime_ns, before.st_ino)
            _require_settled([there], settled)
            if before.st_size > limit:
                raise errors.InputError(f"cannot read the delivery: more than {limit} bytes")
            with kept.open("xb") as file:
                shutil.copyfileobj(stream, file, _CHUNK)
            after = os.fstat(stream.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise errors.TemporaryError("cannot read the delivery yet: the zip is being written")
        _unpack(kept, copy)
    finally:
        kept.unlink(missing_ok=True)
    return copy.done()


def _unpack(path: Path, copy: _Copy) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            for member, name in _members(archive, copy):
                most = max(_SMALL, RATIO * member.compress_size)
                with archive.open(member) as stream:
                    copy.copy(name, stream, most)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise errors.InputError(
            "cannot read the delivery: the zip is damaged, cut off, or no zip at all"
        ) from error


def _members(archive: zipfile.ZipFile, copy: _Copy) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    """The CSV members with the plain names under which they are kept."""
    members = [each for each in archive.infolist() if not _is_clutter(each.filename)]
    if len(members) > 2 * FILES:
        raise errors.InputError(f"cannot read the delivery: more than {FILES} files")
    for member in members:
        _check(member)
    files = [each for each in members if not each.is_dir()]
    tops = {each.filename.partition("/")[0] for each in files if "/" in each.filename}
    folder = ""
    if tops:
        if len(tops) > 1 or not all("/" in each.filename for each in files):
            raise errors.InputError("cannot read the delivery: the zip has folders inside")
        folder = f"{tops.pop()}/"
        copy.warn(
            "", "zip-folder", "the files lie in a folder inside the zip: they belong at its top"
        )
    names: set[str] = set()
    for member in files:
        name = member.filename.removeprefix(folder)
        if "/" in name:
            raise errors.InputError("cannot read the delivery: the zip has folders inside")
        if name in names:
            raise errors.InputError("cannot read the delivery: a file is in the zip twice")
        names.add(name)
        if is_data(name):
            yield member, name
        else:
            copy.warn("", "ignored-file", "a file in the zip is no CSV: it was ignored")


def _is_clutter(name: str) -> bool:
    """What macOS and Windows put into zips by themselves."""
    last = name.rstrip("/").rpartition("/")[2]
    return name.startswith("__MACOSX/") or last in (".DS_Store", "Thumbs.db", "desktop.ini")


def _check(member: zipfile.ZipInfo) -> None:
    name = member.filename
    parts = name.rstrip("/").split("/")
    if (
        not name
        or any(letter in name for letter in "\\\0:")
        or any(part in ("", ".", "..") or len(part) > 200 for part in parts)
        or not name.isprintable()
    ):
        raise errors.InputError("cannot read the delivery: a name in the zip is no plain file name")
    if member.create_system == _UNIX:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise errors.InputError(
                "cannot read the delivery: the zip holds what is no regular file"
            )
    if member.flag_bits & 0x1:
        raise errors.InputError("cannot read the delivery: the zip is encrypted")
    if member.compress_type not in _METHODS:
        raise errors.InputError("cannot read the delivery: the zip is not packed with deflate")
