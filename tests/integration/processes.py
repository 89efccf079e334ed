"""The real thing as processes: `rosterd demo` and `rosterd serve` in a folder of their own, asked as
vendors, operators and administrators ask them.

Everything waits for conditions, never for a time. What a process wrote goes into the message when a
condition does not come true.
"""

import base64
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rosterd import samples

PATIENCE = 90.0
"""Seconds a condition may take on a busy machine; on an idle one nothing takes a tenth."""
_LOOK_AGAIN = 0.05
SERVES = "rosterd serves."
ROSTERING = "/ims/oneroster/rostering/v1p2"
RESOURCES = "/ims/oneroster/resources/v1p2"
OLDER = "/ims/oneroster/v1p1"
COLLECTIONS = (
    "orgs", "academicSessions", "courses", "classes", "users", "enrollments", "demographics",
    "resources",
)  # fmt: skip

T = TypeVar("T")


def until(
    condition: Callable[[], T | None],
    what: str,
    *,
    seconds: float = PATIENCE,
    pause: float = _LOOK_AGAIN,
) -> T:
    """The first value of `condition` that is true; an assertion that names `what` otherwise."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(pause)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def district(folder: Path, users: int = 60, seed: int = 1) -> Path:
    """A small invented district as a folder of CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    samples.write_district(
        lambda name: (folder / name).open("wb"), users=users, seed=seed, enrollments_per_user=4
    )
    return folder


# ------------------------------------------------------------ commands


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended."""

    status: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """All it said with single spaces: tables break lines where they like."""
        return " ".join((self.out + self.err).split())


def command(*words: str | Path, cwd: Path | None = None, given: str = "") -> Done:
    """Run `rosterd` with these words."""
    done = subprocess.run(
        [sys.executable, "-m", "rosterd", *map(str, words)],
        cwd=cwd,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, "COLUMNS": "300"},
    )
    return Done(done.returncode, done.stdout, done.stderr)


@dataclass
class Process:
    """A running `rosterd`; its output goes to a file, so that it never waits for a reader."""

    popen: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, log: Path, *words: str | Path, environment: Mapping[str, str] = {}) -> "Process":
        with log.open("wb") as out:
            popen = subprocess.Popen(
                [sys.executable, "-m", "rosterd", *map(str, words)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **environment},
            )
        return cls(popen, log)

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def running(self) -> bool:
        return self.popen.poll() is None

    def until(self, condition: Callable[[], T | None], what: str) -> T:
        """Wait for a condition that needs this process to run."""

        def lives() -> T | None:
            assert self.running(), f"{what}: the process ended\n{self.output}"
            return condition()

        try:
            return until(lives, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output}") from error

    def ended(self) -> int:
        """Wait for the end; the exit status."""
        return self.popen.wait(PATIENCE)

    def stop(self) -> int:
        """Ask it to end, as the service manager does; the exit status."""
        if self.running():
            self.popen.terminate()
        return self.ended()

    def kill(self, *, with_children: bool = True) -> None:
        """kill -9, like a machine that loses its power."""
        children = _children(self.popen.pid) if with_children else []
        for process in (self.popen.pid, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.popen.wait()


def _children(process: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_children(child)]
    return found


# ------------------------------------------------------------ HTTP


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] = {},
    body: bytes | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One request on a connection of its own. OSError when nobody answers."""
    parts = urllib.parse.urlsplit(url)
    assert parts.hostname is not None
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=PATIENCE, context=tls
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        read = response.read()
        lowered = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, lowered, read)


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("rosterd", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


def ask_socket(path: Path, url: str, method: str = "GET") -> Any:
    """The JSON that the control socket answers. OSError when nobody does."""
    with contextlib.closing(_Unix(path)) as connection:
        connection.request(method, url)
        response = connection.getresponse()
        answer = json.loads(response.read())
        assert response.status == 200, answer
        return answer


@dataclass
class Vendor:
    """An application with its key and secret, at a daemon's public URL."""

    base: str
    key: str
    secret: str
    tls: ssl.SSLContext | None = None
    token: str = field(default="", init=False)

    def sign_in(self) -> Answer:
        """Ask for a token, and keep it when there is one."""
        basic = base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()
        answer = ask(
            f"{self.base}/oauth2/token",
            method="POST",
            headers={
                "Authorization": f"Basic {basic}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=b"grant_type=client_credentials",
            tls=self.tls,
        )
        if answer.status == 200:
            self.token = answer.json()["access_token"]
        return answer

    def get(self, path: str) -> Answer:
        """One request with the token there is."""
        url = path if path.startswith("http") else self.base + path
        return ask(url, headers={"Authorization": f"Bearer {self.token}"}, tls=self.tls)

    def walk(self, path: str, limit: int = 1000) -> list[dict[str, Any]]:
        """All records of a collection, page by page along its links."""
        if not self.token:
            signed = self.sign_in()
            assert signed.status == 200, signed.body
        records: list[dict[str, Any]] = []
        url, total = f"{path}?limit={limit}", 0
        while url:
            answer = self.get(url)
            assert answer.status == 200, answer.body
            (page,) = answer.json().values()
            records += page
            total = int(answer.headers["x-total-count"])
            found = re.search(r'<([^>]*)>;\s*rel="?next', answer.headers.get("link", ""))
            url = found[1] if found else ""
        assert len(records) == total
        return records

    def everything(self, *left_out: str) -> dict[str, list[dict[str, Any]]]:
        """All collections of 1.2, but for those that this application has no scope for."""
        return {
            name: self.walk(f"{RESOURCES if name == 'resources' else ROSTERING}/{name}")
            for name in COLLECTIONS
            if name not in left_out
        }


# ------------------------------------------------------------ a daemon


@dataclass
class Daemon:
    """A running daemon and the settings it runs with."""

    process: Process
    settings: Path
    socket: Path

    def status(self) -> dict[str, Any]:
        """As the control socket tells it; OSError while nobody listens there."""
        found: dict[str, Any] = ask_socket(self.socket, "/v1/status")
        return found

    def imports(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ask_socket(self.socket, "/v1/imports")["imports"]
        return found

    def exports(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ask_socket(self.socket, "/v1/exports")["exports"]
        return found

    def run(self, *words: str | Path) -> Done:
        """A command that asks this daemon."""
        return command(*words, "--settings", self.settings)

    def until(self, condition: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
        """The first status for which `condition` holds."""

        def holds() -> dict[str, Any] | None:
            try:
                status = self.status()
            except OSError:
                return None
            return status if condition(status) else None

        try:
            return self.process.until(holds, what)
        except AssertionError as error:
            with contextlib.suppress(OSError):
                error.add_note(json.dumps(self.status(), indent=2))
            raise

    def until_applied(self, commit: str | None = None) -> dict[str, Any]:
        """Wait until the newest commit, or the one that is named, is what is served."""
        return self.until(
            lambda status: (
                status["repository"]["state"] == "applied"
                and status["served"]["ready"]
                and (commit is None or status["served"]["commit"] == commit)
            ),
            f"{commit or 'the newest commit'} is served",
        )

    def vendor(self, base: str, application: str) -> Vendor:
        """An application, with the credentials that the daemon tells its operator."""
        answer = ask_socket(self.socket, f"/v1/applications/{application}/credentials", "POST")
        pair = answer["credentials"][-1]
        return Vendor(base, pair["key"], pair["secret"])


@dataclass
class Demo(Daemon):
    """A running demo and what its demo.json told when it served."""

    folder: Path
    told: dict[str, Any]

    def application(self, name: str) -> Vendor:
        pair = self.told["applications"][name]
        return Vendor(self.told["api"], pair["key"], pair["secret"])

    def deliveries(self) -> list[Path]:
        return sorted(Path(self.told["sftp"]["deliveries"]).glob("*.zip"))


def demo_once(folder: Path, *words: str | Path) -> Done:
    """`rosterd demo --once`, run to its end."""
    return command(
        "demo", "--directory", folder, "--port", "0", "--console-port", "0", "--once", *words
    )


@contextlib.contextmanager
def demo(folder: Path, *words: str | Path) -> Iterator[Demo]:
    """A demo that serves; it is asked to end afterwards, and has to do so well."""
    process = Process.start(
        folder.with_name(f"{folder.name}.log"),
        *("demo", "--directory", folder, "--port", "0", "--console-port", "0", *words),
    )
    try:
        process.until(lambda: SERVES in process.output, "the demo serves")
        told = json.loads((folder / "demo.json").read_text(encoding="utf-8"))
        yield Demo(process, folder / "rosterd.toml", folder / "control.sock", folder, told)
        assert process.stop() == 0, process.output
    finally:
        process.kill()


@contextlib.contextmanager
def serve(
    settings: Path, socket_path: Path, *, environment: Mapping[str, str] = {}
) -> Iterator[Daemon]:
    """The daemon itself, once it answers on its control socket."""
    process = Process.start(
        settings.with_suffix(".log"), "serve", "--settings", settings, environment=environment
    )
    daemon = Daemon(process, settings, socket_path)
    try:
        daemon.until(lambda _: True, "the daemon answers")
        yield daemon
        if process.running():
            assert process.stop() == 0, process.output
    finally:
        process.kill()


@dataclass(frozen=True, slots=True)
class Settings:
    """A settings file, and the URL under which vendors reach the daemon that runs with it."""

    path: Path
    base: str


def second_installation(demo: Demo, folder: Path, listen: str = "") -> Settings:
    """Settings of another daemon that follows the demo's repository and reads its source.

    It has a state and ports of its own, and no pin. `listen` is put into its [listen] table.
    """
    folder.mkdir()
    text = demo.settings.read_text(encoding="utf-8")
    port = free_port()
    for name, value in {
        "port": str(port),
        "public_url": json.dumps(f"http://127.0.0.1:{port}"),
        "tokens": json.dumps(str(demo.folder / "operators")),
        "sources": json.dumps([str(demo.folder / "roster")]),
    }.items():
        text = re.sub(rf"^{name} = .*$", f"{name} = {value}", text, count=1, flags=re.MULTILINE)
    text = re.sub(r"(\[console\]\nport) = \d+", r"\1 = 0", text)
    for name in ("allowed_signers", "revoked_keys", "vault.key"):
        (folder / name).write_bytes((demo.folder / name).read_bytes())
        (folder / name).chmod(0o600)
    path = folder / "rosterd.toml"
    path.write_text(text.replace("[listen]\n", f"[listen]\n{listen}"), encoding="utf-8")
    return Settings(path, f"http://127.0.0.1:{port}")
