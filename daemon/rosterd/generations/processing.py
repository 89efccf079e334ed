"""The subprocess that writes what the roster holds of one source, to be kept beside what was received.

"As received" shows what a student system sent; this shows what became of it: normalized, without the
rows that had errors, with every reference that was left out left out. It is OneRoster CSV 1.2 in a
zip, and `import.json` tells the counts of each file and the first problems. It runs after the roster
is served, in a process of its own, and reads a generation that nobody changes.
"""

import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from pyroaring import BitMap

from rosterd.generations import keeping, reading, speaking
from rosterd.oneroster import model
from rosterd.oneroster.csv import writer

ABOUT: Final = "import.json"


@dataclass(frozen=True, slots=True)
class Request:
    """What to write, and where to."""

    generation: str
    """Folder of the generation."""
    source: str
    to: str
    """File of the zip."""
    about: Mapping[str, Any]
    """What `import.json` says."""


def write(request: Request) -> int:
    """Write the zip, for its owner alone; gives its bytes. It is there whole or not at all."""
    path = Path(request.to)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    making = path.with_name(path.name + keeping.PART)
    making.unlink(missing_ok=True)
    generation = reading.open_generation(Path(request.generation))

    def records(collection: str) -> Iterator[model.Record]:
        roster = generation.roster
        owned = generation.by_source(collection, roster.active[collection])
        for row in owned.get(request.source, BitMap()):
            yield roster.record(collection, row)

    def scratch() -> BinaryIO:
        return cast("BinaryIO", tempfile.TemporaryFile(dir=path.parent))

    descriptor = os.open(making, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w+b") as file:
        writer.bundle_zip("1.2", records, file, scratch=scratch)
        with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr(ABOUT, json.dumps(request.about, indent=1, sort_keys=True) + "\n")
    size = making.stat().st_size
    making.rename(path)
    return size


def main() -> None:
    """Read the request and answer it; what goes wrong is named, never told."""
    request = Request(**speaking.asked())
    try:
        event = {"event": "processed", "bytes": write(request)}
    except Exception as error:  # noqa: BLE001 - whatever it is: its text may hold a pupil's data
        reason = f" ({error.strerror})" if isinstance(error, OSError) else ""
        event = {"event": "failed", "message": f"{type(error).__name__}{reason}"}
    speaking.tell(event)


if __name__ == "__main__":
    main()
