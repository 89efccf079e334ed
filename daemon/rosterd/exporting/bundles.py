"""The files of one delivery, made of one picture in the spool folder.

They are plain records of pupils for as long as they lie there, so each run has a folder of its own
that only the daemon reads and that goes with the run.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import BinaryIO, Final, cast

from rosterd import access, documents, errors, pictures, rosters, scheduling, sftp
from rosterd.oneroster.csv import writer

_LOST: Final = ("orgs", "courses", "classes", "users", "enrollments")
"""Collections whose emptiness makes a vendor archive classes or accounts."""
MANIFEST: Final = "manifest.csv"


class Stopped(errors.TemporaryError):
    """The delivery was cut while its files were made."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is uploaded. `name` and `sha256` tell it from another one."""

    uploads: tuple[sftp.Upload, ...]
    name: str
    sha256: str
    bytes: int
    rows: Mapping[str, int]
    """Stem of each file -> its rows."""


def refusal(view: access.View, before: Mapping[str, int] | None) -> str | None:
    """Why this view must not be delivered in bulk, None when it may be.

    A bulk file says "this is all there is". One that lost all its people, or all of something that
    the vendor had by the last delivery (`before`: its rows), far more often tells of a mistake in a
    roster or a permission than of an empty school, and the vendor would archive every account.
    """
    if view.refusal is not None:
        return f"the application gets nothing: {view.refusal}"
    if not view.rows["users"]:
        return "there is no user in what the application sees"
    for collection in _LOST:
        if (before or {}).get(collection) and not view.rows[collection]:
            return f"all {collection} are gone from what the application sees"
    return None


def build(
    picture: pictures.Picture,
    target: documents.SftpTarget,
    slot: scheduling.Slot,
    folder: Path,
    *,
    stopped: Callable[[], bool],
) -> Bundle:
    """Write the files into `folder`, which is made anew. Blocks; equal pictures give equal bytes.

    Raises Stopped soon after `stopped` says so.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    export = target.export
    if export.packaging == "zip":
        return _zip(picture, target, slot, folder, stopped)
    counts = writer.write(
        export.version,
        _records(picture, stopped),
        lambda name: (folder / name).open("xb"),
        metadata=_metadata(picture),
        header_only=export.empty_files == "header-only",
    )
    # the manifest comes last: it is what tells a reader that the set is whole
    paths = sorted(folder.iterdir(), key=lambda path: (path.name == MANIFEST, path.name))
    uploads = tuple(_upload(path, path.name) for path in paths)
    listing = "".join(f"{upload.name} {upload.sha256}\n" for upload in uploads)
    size = sum(upload.size for upload in uploads)
    return Bundle(uploads, MANIFEST, sha256(listing.encode()).hexdigest(), size, counts)


def _zip(
    picture: pictures.Picture,
    target: documents.SftpTarget,
    slot: scheduling.Slot,
    folder: Path,
    stopped: Callable[[], bool],
) -> Bundle:
    path = folder / "bundle.zip"
    with path.open("xb") as out:
        counts = writer.bundle_zip(
            target.export.version,
            _records(picture, stopped),
            out,
            metadata=_metadata(picture),
            header_only=target.export.empty_files == "header-only",
            scratch=lambda: cast("BinaryIO", tempfile.TemporaryFile(dir=folder)),  # noqa: SIM115 - the writer closes it
        )
    name = target.export.name(application=target.application, target=target.name, slot=slot.local)
    upload = _upload(path, name)
    return Bundle((upload,), name, upload.sha256, upload.size, counts)


def _records(picture: pictures.Picture, stopped: Callable[[], bool]) -> writer.Records:
    """The picture's records, collection by collection."""

    def of(collection: str) -> Iterator[rosters.Record]:
        for row in picture.view.rows[collection]:
            if stopped():
                raise Stopped("cannot finish the files: the delivery was cut")
            yield picture.record(collection, row)

    return of


def _metadata(picture: pictures.Picture) -> writer.MetadataKeys:
    """The keys that the permission shares; no other metadata is in a picture."""
    shared = picture.view.grant.shared

    def keys(collection: str) -> list[str]:
        prefix = f"{collection}.metadata."
        return [name.removeprefix(prefix) for name in shared if name.startswith(prefix)]

    return keys


def _upload(path: Path, name: str) -> sftp.Upload:
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return sftp.Upload(path, name, path.stat().st_size, digest)
