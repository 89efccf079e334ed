"""Asking the measured process, and what it cost.

What is counted is CPU time of that process alone, read from the kernel's clock of it: the client,
other processes and waiting cost nothing here. Ours and the bare handler are asked in turns, and the
middle one of the rounds' ratios counts.
"""

import concurrent.futures
import contextlib
import http.client
import itertools
import json
import random
import socket
import statistics
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests import signing
from tests.bench import districts
from tests.bench.server import Address, Request
from tests.integration import vendors

ROSTERING = "/ims/oneroster/rostering/v1p2"
OLDER = "/ims/oneroster/v1p1"
CONNECTIONS = 8

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Answer:
    body: bytes
    total: int


class Client:
    """Keep-alive connections to one port, as cheap as a client can be."""

    def __init__(self, port: int, authorization: Callable[[str], str] = lambda _path: "") -> None:
        """`authorization` gives the header of a request for a path, and is "" for none."""
        self._authorization = authorization
        self._sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(2**20)

    def close(self) -> None:
        for each in self._sockets:
            each.close()

    def requests(self, paths: Sequence[str]) -> list[bytes]:
        """What goes over the wire; made beforehand, so that signing takes no time of anybody's."""
        return [self._request(path) for path in paths]

    def _request(self, path: str) -> bytes:
        authorization = self._authorization(path)
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: roster.example.org",
            "Accept: application/json",
            *([f"Authorization: {authorization}"] if authorization else []),
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    def get(self, paths: Sequence[str]) -> list[Answer]:
        """The answers to these paths."""
        return self.ask(self.requests(paths))

    def ask(self, requests: Sequence[bytes]) -> list[Answer]:
        """The answers to these requests; as many at once as there are connections."""
        answers: list[Answer] = []
        for begin in range(0, len(requests), CONNECTIONS):
            wave = requests[begin : begin + CONNECTIONS]
            for each, request in zip(self._sockets, wave, strict=False):
                each.sendall(request)
            answers.extend(self._answer(each) for each, _ in zip(self._sockets, wave, strict=False))
        return answers

    def latency(self, path: str) -> float:
        """Seconds until the whole answer is here."""
        started = time.perf_counter()
        self.get([path])
        return time.perf_counter() - started

    def _answer(self, connection: socket.socket) -> Answer:
        data = connection.recv(2**16)
        while b"\r\n\r\n" not in data:
            data += self._more(connection)
        head, _, body = data.partition(b"\r\n\r\n")
        status, _, lines = head.partition(b"\r\n")
        assert b" 200 " in status + b" ", (status, body[:200])
        headers = dict(line.lower().split(b": ", 1) for line in lines.split(b"\r\n"))
        length = int(headers[b"content-length"])
        parts, got = [body], len(body)
        while got < length:
            part = self._more(connection)
            parts.append(part)
            got += len(part)
        return Answer(b"".join(parts), int(headers.get(b"x-total-count", b"0")))

    def _more(self, connection: socket.socket) -> bytes:
        count = connection.recv_into(self._buffer)
        assert count, "the server closed the connection"
        return bytes(memoryview(self._buffer)[:count])


RHYTHM = 0.002
"""Seconds between two pages whose latency is measured: a thousand a second would be a load test."""
AT_REST = "x p50 at rest"


def meanwhile(slow: Callable[[], Any], again: Callable[[], float]) -> list[float]:
    """What `again` gives while `slow` runs, over and over."""
    found = []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(slow)
        while not running.done():
            found.append(again())
            time.sleep(RHYTHM)
        running.result()
    return found


class Pauses:
    """How long pages take while something else goes on, as multiples of the usual at rest.

    At rest they are asked for in the same rhythm: who asks without a pause finds the processor awake
    and everything in its caches, which has nothing to do with imports.
    """

    def __init__(self, page: Callable[[], float], pages: int = 2000) -> None:
        """`page` asks for one and gives its seconds."""
        self._page = page
        self._rest = []
        for _ in range(pages):
            self._rest.append(page())
            time.sleep(RHYTHM)
        self._usual = statistics.median(self._rest)
        self._during: list[float] = []

    def during(self, slow: Callable[[], Any]) -> None:
        """Ask while `slow` runs."""
        self._during = meanwhile(slow, self._page)

    def at_rest(self, share: float) -> float:
        """What this share of the pages at rest does not exceed."""
        return _quantile(self._rest, share) / self._usual

    def share(self, share: float) -> float:
        """The same of those that were asked for in the last `during`."""
        return _quantile(self._during, share) / self._usual


def _quantile(found: Sequence[float], share: float) -> float:
    return sorted(found)[min(len(found) - 1, int(len(found) * share))]


class Results:
    """What was measured and what is allowed, for people to read."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, str]] = []

    def add(self, what: str, measured: float, allowed: float, unit: str) -> bool:
        """Whether it is fast enough."""
        self._rows.append((what, f"{measured:.2f} {unit}", f"{allowed:g} {unit}"))
        return measured <= allowed

    def table(self) -> str:
        rows = [("what", "measured", "allowed"), *self._rows]
        first, second, third = (max(len(row[column]) for row in rows) for column in range(3))
        return "\n".join(
            f"{what:<{first}}  {measured:>{second}}  {allowed:>{third}}"
            for what, measured, allowed in rows
        )


@dataclass
class Measured:
    """`ratio` to the bare handler, `cost` in milliseconds of CPU for each request."""

    ratio: float
    cost: float
    bare: float


@dataclass
class Server:
    """The process, and the clients that ask it."""

    address: Address
    _clients: dict[tuple[str, bool], Client] = field(default_factory=dict)
    _dice: random.Random = field(default_factory=lambda: random.Random(7))  # offsets of this run

    def client(self, application: str, *, signed: bool = False) -> Client:
        """Of an application, with its token or with signatures; "" is the bare handler's."""
        key = (application, signed)
        if key not in self._clients:
            self._clients[key] = self._connected(application, signed=signed)
        return self._clients[key]

    def _connected(self, application: str, *, signed: bool) -> Client:
        if not application:
            return Client(self.address.bare)
        if signed:
            return Client(self.address.ours, _signer(*self.address.pairs[application]))
        token = self.address.tokens[application]
        return Client(self.address.ours, lambda _path: f"Bearer {token}")

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def cpu(self) -> float:
        """Seconds of CPU that the process has used: clock_getcpuclockid(3) of another process.

        What a process has used since it last slept is not counted for others, so it has to sleep.
        """
        stat = Path(f"/proc/{self.address.process}/stat")
        while stat.read_text("ascii").rpartition(")")[2].split()[0] != "S":
            pass
        return time.clock_gettime(~self.address.process << 3 | 2)

    def memory(self) -> int:
        """Anonymous memory in bytes: what nobody else could hold, without mapped files."""
        status = Path(f"/proc/{self.address.process}/status").read_text("ascii")
        return int(status.partition("RssAnon:")[2].split()[0]) * 1024

    def do(self, what: str, **more: Any) -> Any:
        """Have the process do something else than answering; see `server.Bare.do`."""
        body = json.dumps({"what": what, **more})
        return json.loads(self._told("POST", "/do", body.encode()))

    def total(self, application: str, path: str) -> int:
        return self.client(application).get([_page(path, 1, 0)])[0].total

    def walk(self, application: str, path: str) -> None:
        """Ask for everything once, so that no page of a file has to be fetched from the disk."""
        offsets = range(0, self.total(application, path), 10_000)
        for offset in offsets:
            self.client(application).get([_page(path, 10_000, offset)])

    def measure(
        self,
        application: str,
        path: str,
        *,
        limit: int = 100,
        requests: int = 96,
        rounds: int = 7,
        offsets: Sequence[int] | None = None,
        again: bool = False,
        signed: bool = False,
    ) -> Measured:
        """Pages at random offsets against the bare handler with equal bytes.

        No page is asked for twice, unless `again`: then what counts is the second time. `offsets`
        are those to choose from. Where there are few pages they overlap: a round of few requests
        would measure how either begins.
        """
        ours, bare = self.client(application, signed=signed), self.client("")
        if offsets is None:
            last = max(1, self.total(application, path) - limit)
            step = limit if again else min(limit, max(1, last // (requests * (rounds + 1))))
            offsets = range(0, last, step)
        if not again:
            requests = max(1, min(requests, len(offsets) // (rounds + 1)))
        left = self._dice.sample(offsets, len(offsets))
        found = []
        for number in range(rounds + 1):
            chosen = [left[index % len(left)] for index in range(requests)]
            left = left[requests % len(left) :] or left
            paths = [_page(path, limit, offset) for offset in chosen]
            if again:
                ours.get(paths)
            cost, answers = self._timed(ours, paths)
            names = [f"/page?{number}.{index}" for index in range(len(answers))]
            for name, answer in zip(names, answers, strict=True):
                self._told("PUT", name, answer.body)
            least, _ = self._timed(bare, names)
            self._told("DELETE", "/page")
            if number:  # the first round warms both up
                found.append((cost, least))
        ratios = [cost / least for cost, least in found]
        middle = statistics.median
        return Measured(
            middle(ratios),
            1000 * middle(cost for cost, _ in found) / requests,
            1000 * middle(least for _, least in found) / requests,
        )

    def first(self, application: str, path: str) -> float:
        """Milliseconds of CPU of one request that is made for the first time."""
        before = self.cpu()
        self.client(application).get([_page(path, 100, 0)])
        return 1000 * (self.cpu() - before)

    def _timed(self, client: Client, paths: Sequence[str]) -> tuple[float, list[Answer]]:
        requests = client.requests(paths)
        before = self.cpu()
        answers = client.ask(requests)
        return self.cpu() - before, answers

    def _told(self, method: str, path: str, body: bytes = b"") -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.address.bare)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            data = response.read()
            assert response.status == 200, data
            return data
        finally:
            connection.close()


def _signer(key: str, secret: str) -> Callable[[str], str]:
    """Signs as clients of 1.1 do, each request anew."""
    nonces = itertools.count(1)

    def sign(url: str) -> str:
        path, _, query = url.partition("?")
        return signing.header(
            "GET",
            vendors.PUBLIC_URL + path,
            urllib.parse.parse_qsl(query, keep_blank_values=True),
            key=key,
            secret=secret,
            timestamp=int(time.time()),
            nonce=f"{next(nonces)}",
        )

    return sign


def _page(path: str, limit: int, offset: int) -> str:
    mark = "&" if "?" in path else "?"
    return f"{path}{mark}limit={limit}&offset={offset}"


@contextlib.contextmanager
def serving(district: districts.District, folder: Path) -> Iterator[Server]:
    """A process that serves the district's first generation; `folder` is for its store and log."""
    folder.mkdir(parents=True, exist_ok=True)
    request = Request(
        generation=str(district.generations / district.before),
        folder=str(folder),
        schools=districts.schools(district.first),
    )
    with (folder / "log").open("wb") as log, _process(log) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asdict(request)).encode() + b"\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, (folder / "log").read_text("utf-8")
        server = Server(Address(**json.loads(line)))
        try:
            yield server
        finally:
            server.close()


@contextlib.contextmanager
def _process(log: Any) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.server"],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'daemon'}:{ROOT}", "PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
