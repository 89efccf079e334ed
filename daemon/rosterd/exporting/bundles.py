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
from typing import BinaryIO, Final, Literal, cast

from rosterd import access, documents, errors, pictures, rosters, scheduling, sftp
from rosterd.exporting import deltas, links
from rosterd.oneroster.csv import writer
from rosterd.plans import guarding

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
    mode: Literal["bulk", "delta"] = "bulk"
    losses: str = ""
    """What a custom template left out, in words; nothing in them names a person."""


def refusal(view: access.View, before: Mapping[str, int] | None) -> str | None:
    """Why this view must not be delivered, None when it may be.

    A bulk file says "this is all there is", and a delta of what went leads to the same. One that
    lost all its people, or all of something that the vendor had by the last delivery (`before`: its
    records), far more often tells of a mistake in a roster or a permission than of an empty school,
    and the vendor would archive every account.
    """
    if view.refusal is not None:
        return f"the application gets nothing: {view.refusal}"
    if not view.rows["users"]:
        return "there is no user in what the application sees"
    for collection in guarding.ARCHIVED:
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
    delta: deltas.Delta | None = None,
    noted: links.Links | None = None,
) -> Bundle:
    """Write the files into `folder`, which is made anew. Blocks; equal pictures give equal bytes.

    With `delta` what is new, else everything; `noted` learns of the rows of link files. Raises
    Stopped soon after `stopped` says so.
    """
    begin(folder)
    export = target.export
    records = _records(picture) if delta is None else deltas.records(picture, delta)
    content = _Content(
        _stoppable(records, stopped),
        _metadata(picture),
        None if noted is None else noted.linked,
        "bulk" if delta is None else "delta",
    )
    if export.packaging == "zip":
        return _zip(content, target, slot, folder)
    counts = writer.write(
        export.version,
        content.records,
        lambda name: (folder / name).open("xb"),
        metadata=content.metadata,
        header_only=export.empty_files == "header-only",
    )
    # the manifest comes last: it is what tells a reader that the set is whole
    paths = sorted(folder.iterdir(), key=lambda path: (path.name == MANIFEST, path.name))
    uploads = tuple(upload(path, path.name) for path in paths)
    listing = "".join(f"{upload.name} {upload.sha256}\n" for upload in uploads)
    size = sum(upload.size for upload in uploads)
    return Bundle(uploads, MANIFEST, sha256(listing.encode()).hexdigest(), size, counts)


def begin(folder: Path) -> None:
    """Make the folder of a run, without what an earlier attempt left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)


@dataclass(frozen=True, slots=True)
class _Content:
    records: writer.Records
    metadata: writer.MetadataKeys
    linked: writer.Linked | None
    mode: Literal["bulk", "delta"]


def _zip(
    content: _Content, target: documents.SftpTarget, slot: scheduling.Slot, folder: Path
) -> Bundle:
    path = folder / "bundle.zip"
    with path.open("xb") as out:
        counts = writer.bundle_zip(
            target.export.version,
            content.records,
            out,
            mode=content.mode,
            metadata=content.metadata,
            linked=content.linked,
            header_only=target.export.empty_files == "header-only",
            scratch=lambda: cast("BinaryIO", tempfile.TemporaryFile(dir=folder)),  # noqa: SIM115 - the writer closes it
        )
    packed = upload(path, name_of(target, slot, content.mode))
    return Bundle((packed,), packed.name, packed.sha256, packed.size, counts, content.mode)


def zipped(picture: pictures.Picture, version: str, out: BinaryIO, scratch: Path) -> None:
    """Write a zip of everything, in the standard's own form, to `out`."""
    writer.bundle_zip(
        version,
        _records(picture),
        out,
        metadata=_metadata(picture),
        scratch=lambda: cast("BinaryIO", tempfile.TemporaryFile(dir=scratch)),  # noqa: SIM115 - the writer closes it
    )


def name_of(target: documents.SftpTarget, slot: scheduling.Slot, mode: str) -> str:
    """The name of a slot's zip."""
    return target.export.name(
        application=target.application, target=target.name, slot=slot.local, mode=mode
    )


def _records(picture: pictures.Picture) -> writer.Records:
    """The picture's records, collection by collection."""

    def of(collection: str) -> Iterator[rosters.Record]:
        for row in picture.view.rows[collection]:
            yield picture.record(collection, row)

    return of


def _stoppable(records: writer.Records, stopped: Callable[[], bool]) -> writer.Records:
    def of(collection: str) -> Iterator[writer.Record]:
        for record in records(collection):
            if stopped():
                raise Stopped("cannot finish the files: the delivery was cut")
            yield record

    return of


def _metadata(picture: pictures.Picture) -> writer.MetadataKeys:
    """The keys that the permission shares; no other metadata is in a picture."""
    shared = picture.view.grant.shared

    def keys(collection: str) -> list[str]:
        prefix = f"{collection}.metadata."
        return [name.removeprefix(prefix) for name in shared if name.startswith(prefix)]

    return keys


def upload(path: Path, name: str) -> sftp.Upload:
    """The file as it is to be brought under this name."""
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return sftp.Upload(path, name, path.stat().st_size, digest)
