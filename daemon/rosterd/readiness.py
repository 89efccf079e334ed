"""Telling the service manager how the daemon is.

systemd listens on a datagram socket named in NOTIFY_SOCKET; without one nothing is sent. The
watchdog is fed only while every loop has ticked lately: a process whose reconcile loop hangs is
restarted although its event loop still turns.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Supervisor:
    """The service manager, or nobody when `address` is empty."""

    address: str = ""
    watchdog: float | None = None
    """Seconds within which a sign of life is wanted; None when no watchdog runs."""

    def tell(self, **states: str | int) -> None:
        """Send states such as READY=1, STATUS="…", STOPPING=1, WATCHDOG=1.

        A service manager that does not listen is no reason to stop serving.
        """
        if not self.address:
            return
        path = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        message = "\n".join(f"{name}={value}" for name, value in states.items())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            try:
                channel.connect(path)
                channel.sendall(message.encode())
            except OSError:
                return


def supervisor(environment: Mapping[str, str] | None = None) -> Supervisor:
    """The service manager that started this process, by its environment."""
    environment = os.environ if environment is None else environment
    microseconds = environment.get("WATCHDOG_USEC", "")
    meant_for = environment.get("WATCHDOG_PID", str(os.getpid()))
    watched = microseconds.isdigit() and int(microseconds) > 0 and meant_for == str(os.getpid())
    return Supervisor(
        address=environment.get("NOTIFY_SOCKET", ""),
        watchdog=int(microseconds) / 1_000_000 if watched else None,
    )


class Beat:
    """When a loop last showed a sign of life; it calls this at each turn."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.last = clock()

    def __call__(self) -> None:
        self.last = self._clock()


@dataclass(frozen=True, slots=True)
class Pulse:
    """The heartbeats of the loops: how long ago each ticked, and how long it may take."""

    clock: Callable[[], float]
    beats: Mapping[str, tuple[Callable[[], float], float]]
    """Loop name → (moment of its last tick by `clock`, seconds it may be silent)."""

    def silent(self) -> list[str]:
        """Names of the loops that have been silent too long."""
        now = self.clock()
        return [name for name, (last, allowed) in self.beats.items() if now - last() > allowed]
