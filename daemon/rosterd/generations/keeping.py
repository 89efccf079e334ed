"""Keeping a delivery as it was received, so that people can look later at what a source sent.

The copy that was read is what is kept, not a second reading of the source. It is written under a
temporary name and readable by its owner only: it holds everything about everybody.
"""

import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rosterd.generations import building, deliveries

_LEVEL: Final = 1
"""CSV packs to a tenth already; more would cost more than reading it."""
PART: Final = ".part"


def keep(request: "building.Request", delivery: "deliveries.Delivery") -> tuple[str, int]:
    """Pack the delivery's files, and those `beside` it, into the folder `request.keep`.

    Gives the file's name and size; one of the same source and delivery is replaced.
    """
    folder = Path(request.keep or ".")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{request.source}-{delivery.digest.replace('+', '-')}.zip"
    making = folder / f"{name}{PART}"
    making.unlink(missing_ok=True)
    descriptor = os.open(making, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with (
        os.fdopen(descriptor, "w+b") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as packed,
    ):
        for each in sorted(delivery.files):
            packed.write(delivery.folder / each, each)
        for path in sorted(Path(request.beside).iterdir()) if request.beside else ():
            packed.write(path, f"received/{path.name}")
    size = making.stat().st_size
    making.rename(folder / name)
    return name, size
