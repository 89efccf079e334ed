"""How a subprocess of this package speaks with `calling`: one line of JSON asks, lines of JSON answer.

It gives way to whoever serves: nothing that waits for it is in a hurry.
"""

import contextlib
import json
import os
import sys
from typing import Any, Final

_NICENESS: Final = 10


def asked() -> dict[str, Any]:
    """Step back behind the daemon, and read what it asks."""
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)  # refused under some service managers: then it runs as it is
    request: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    return request


def tell(event: dict[str, Any]) -> None:
    """Say something now."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()
