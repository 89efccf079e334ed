"""The daemon under systemd: its unit is accepted and hardened, and it speaks with a service manager.

systemd itself is no part of the tests: a socket of ours stands where its notification socket would.
"""

import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration import processes

UNIT = Path(__file__).parents[2] / "systemd" / "rosterd.service"
THRESHOLD = 15
"""Tenths of the exposure that `systemd-analyze security` adds up."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists here: /opt/rosterd is on the machines of operators."""
    text, count = re.subn(
        r"^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(), flags=re.MULTILINE
    )
    assert count == 1
    copy = tmp_path / "rosterd.service"
    copy.write_text(text)
    return copy


def test_systemd_accepts_the_unit_without_a_word(unit: Path) -> None:
    done = _analyze("verify", unit)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_is_hardened(unit: Path) -> None:
    done = _analyze("security", "--offline=true", f"--threshold={THRESHOLD}", unit)

    assert done.returncode == 0, done.stdout


def _analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program is not None, "install what `make system` names"
    return subprocess.run(
        [program, "--no-pager", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


# ------------------------------------------------------------ the service manager's socket


@dataclass
class Manager:
    """What a service manager hears."""

    path: Path
    channel: socket.socket
    heard: list[str] = field(default_factory=list)

    def hears(self, state: str) -> str:
        """The first message with this state among those that come from now on."""
        self.channel.settimeout(processes.PATIENCE)
        while True:
            message = self.channel.recv(4096).decode()
            self.heard.append(message)
            if state in message.splitlines():
                return message


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(path))
        yield Manager(path, channel)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings of a daemon that has all it needs, and looks at nothing by itself for an hour."""
    folder = tmp_path_factory.mktemp("systemd")
    once = processes.demo_once(folder / "demo", "--roster", processes.district(folder / "district"))
    assert once.status == 0, once.words
    settings = folder / "demo" / "rosterd.toml"
    text = re.sub(r"^poll = .*$", "poll = 3600", settings.read_text(), flags=re.MULTILINE)
    settings.write_text(text)
    return settings


def _serve(settings: Path, manager: Manager, **environment: str) -> processes.Process:
    return processes.Process.start(
        manager.path.with_name("rosterd.log"),
        *("serve", "--settings", settings),
        environment={"NOTIFY_SOCKET": str(manager.path), **environment},
    )


def test_it_tells_when_it_listens_that_it_lives_and_when_it_stops(
    installation: Path, manager: Manager
) -> None:
    port = re.search(r"\[listen\].*?port = (\d+)", installation.read_text(), re.DOTALL)
    assert port is not None
    process = _serve(installation, manager, WATCHDOG_USEC="1000000")
    try:
        ready = manager.hears("READY=1")
        with socket.create_connection(("127.0.0.1", int(port[1]))):
            listening = True
        first = manager.hears("WATCHDOG=1")
        again = manager.hears("WATCHDOG=1")
        process.popen.send_signal(signal.SIGTERM)
        manager.hears("STOPPING=1")
        status = process.ended()
    finally:
        process.kill()

    assert listening
    assert "STATUS=serving" in ready
    assert "STATUS=serving" in first + again
    assert status == 0, process.output
    assert "Traceback" not in process.output


def test_a_watchdog_meant_for_another_process_is_not_fed(
    installation: Path, manager: Manager
) -> None:
    """The first sign of life comes with a pause of twenty seconds, as without a watchdog."""
    process = _serve(installation, manager, WATCHDOG_USEC="100000", WATCHDOG_PID="1")
    try:
        manager.hears("READY=1")
        daemon = processes.Daemon(process, installation, installation.with_name("control.sock"))
        daemon.until_applied()
        assert process.stop() == 0, process.output
    finally:
        process.kill()
    manager.hears("STOPPING=1")

    assert sum("WATCHDOG=1" in message for message in manager.heard) <= 1


def test_a_hangup_makes_it_look_now(installation: Path, manager: Manager) -> None:
    """systemctl reload, or a forge's hook: it does not wait for the hour to pass."""
    process = _serve(installation, manager)
    daemon = processes.Daemon(process, installation, installation.with_name("control.sock"))
    try:
        manager.hears("READY=1")
        first = daemon.until_applied()["repository"]["looked"]
        process.popen.send_signal(signal.SIGHUP)
        status = daemon.until(
            lambda status: status["repository"]["looked"] > first, "the repository is looked at"
        )
        assert process.stop() == 0, process.output
    finally:
        process.kill()

    assert status["repository"]["state"] == "applied"


def test_settings_that_cannot_be_used_end_it_with_a_line(
    installation: Path, manager: Manager, tmp_path: Path
) -> None:
    """systemd is told nothing, and restarts no daemon that says what to mend."""
    settings = tmp_path / "rosterd.toml"
    settings.write_text(installation.read_text().replace("[review]", "[reviews]"))
    process = _serve(settings, manager)

    status = process.ended()

    assert status == 1
    assert "reviews" in process.output
    assert "Traceback" not in process.output
