"""The service manager's socket, spoken to for real."""

import os
import socket
from pathlib import Path

import pytest

from rosterd import readiness


@pytest.mark.parametrize("abstract", [False, True])
def test_states_arrive_at_the_service_managers_socket(tmp_path: Path, abstract: bool) -> None:
    name = f"@rosterd-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if abstract else name)
        listener.settimeout(5)

        readiness.supervisor({"NOTIFY_SOCKET": name}).tell(READY=1, STATUS="serving abc")

        assert listener.recv(1024) == b"READY=1\nSTATUS=serving abc"


def test_a_service_manager_that_does_not_listen_stops_nothing(tmp_path: Path) -> None:
    readiness.supervisor({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).tell(READY=1)
    readiness.supervisor({}).tell(READY=1)


def test_the_watchdog_is_fed_only_by_the_process_it_is_meant_for() -> None:
    ours = {"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}
    other = ours | {"WATCHDOG_PID": "1"}

    assert readiness.supervisor(ours).watchdog == 60.0
    assert readiness.supervisor(other).watchdog is None
    assert readiness.supervisor({"WATCHDOG_USEC": "soon"}).watchdog is None


def test_a_loop_that_has_not_ticked_lately_is_named() -> None:
    now = 100.0
    pulse = readiness.Pulse(
        clock=lambda: now,
        beats={"reconciling": (lambda: 95.0, 30.0), "importing": (lambda: 60.0, 30.0)},
    )

    assert pulse.silent() == ["importing"]
