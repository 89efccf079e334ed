"""The files of a custom template: what a receiver takes that reads no OneRoster.

They go the way of all files, with one thing apart: no manifest says that the set is whole, so
files side by side are brought in the order of the template, which receivers ask for.
"""

import functools
import io
import tempfile
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

from rosterd import documents, errors, pictures, scheduling, tabulating
from rosterd.exporting import bundles
from rosterd.oneroster.csv import zips


def build(
    picture: pictures.Picture,
    template: documents.ExportTemplate,
    target: documents.SftpTarget,
    slot: scheduling.Slot,
    folder: Path,
    *,
    stopped: Callable[[], bool],
) -> bundles.Bundle:
    """Write the files into `folder`, which is made anew. Blocks; equal pictures give equal bytes.

    Raises bundles.Stopped soon after `stopped` says so, errors.InputError for a file that lost all
    of its rows.
    """
    bundles.begin(folder)
    if target.export.packaging == "files":
        return _files(picture, template, folder, stopped)
    path = folder / "bundle.zip"
    with path.open("xb") as out:
        written = zipped(picture, template, out, folder, stopped)
    packed = bundles.upload(path, bundles.name_of(target, slot, "bulk"))
    return bundles.Bundle(
        (packed,),
        packed.name,
        packed.sha256,
        packed.size,
        _counts(written),
        losses=losses(written),
    )


def losses(written: Mapping[str, tabulating.Written]) -> str:
    """What the files leave out, "" for nothing."""
    told = [f"{name} leaves out {each.losses}" for name, each in written.items() if each.losses]
    return "; ".join(told)


def zipped(
    picture: pictures.Picture,
    template: documents.ExportTemplate,
    out: BinaryIO,
    scratch: Path,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, tabulating.Written]:
    """Write one zip of all files to `out`; files on their way lie in the folder `scratch`."""
    opened = cast("zips.Scratch", functools.partial(tempfile.TemporaryFile, dir=scratch))
    with zips.Packing(opened) as packing:
        written = _written(template, picture, _watched(packing.open, stopped))
        packing.write(out)
    return written


def write(
    picture: pictures.Picture, template: documents.ExportTemplate, folder: Path
) -> dict[str, tabulating.Written]:
    """The files alone, for somebody who brings them on; they must not be there yet."""
    return _written(template, picture, lambda name: (folder / name).open("xb"))


def _written(
    template: documents.ExportTemplate,
    picture: pictures.Picture,
    open_file: Callable[[str], BinaryIO],
) -> dict[str, tabulating.Written]:
    """Fill the files. One that lost all of its rows (a required member is withheld now, the ids of
    schools changed) says "nobody is left" to its receiver, as an empty view would.
    """
    written = tabulating.write(template, picture, open_file)
    for name, each in written.items():
        if each.lost:
            reasons = "; ".join(each.left_out)
            raise errors.InputError(
                f"cannot fill {name} of {template.name}: every row is left out ({reasons})"
            )
    return written


def _files(
    picture: pictures.Picture,
    template: documents.ExportTemplate,
    folder: Path,
    stopped: Callable[[], bool],
) -> bundles.Bundle:
    opened: list[str] = []

    def open_file(name: str) -> BinaryIO:
        opened.append(name)
        return (folder / name).open("xb")

    written = _written(template, picture, _watched(open_file, stopped))
    uploads = tuple(bundles.upload(folder / name, name) for name in opened)
    listing = "".join(f"{upload.name} {upload.sha256}\n" for upload in uploads)
    size = sum(upload.size for upload in uploads)
    digest = sha256(listing.encode()).hexdigest()
    counts = _counts(written)
    return bundles.Bundle(uploads, template.name, digest, size, counts, losses=losses(written))


def _counts(written: dict[str, tabulating.Written]) -> dict[str, int]:
    return {name.removesuffix(".csv"): each.rows for name, each in written.items()}


def _watched(
    open_file: Callable[[str], BinaryIO], stopped: Callable[[], bool]
) -> Callable[[str], BinaryIO]:
    return lambda name: cast("BinaryIO", io.BufferedWriter(_Watched(open_file(name), stopped)))


class _Watched(io.RawIOBase):
    """A file that ends the work when it is to end."""

    def __init__(self, file: BinaryIO, stopped: Callable[[], bool]) -> None:
        self._file = file
        self._stopped = stopped

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # only whole bytes come here
        if self._stopped():
            raise bundles.Stopped("cannot finish the files: the delivery was cut")
        return self._file.write(bytes(data))

    def close(self) -> None:
        super().close()
        self._file.close()
