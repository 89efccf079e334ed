"""A desk as the daemon would have it, with something to see in every part."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO

from rosterd import credentials, errors
from rosterd.web import desk, planned
from tests.integration import operators_dossiers, operators_looking

NOW = "2026-10-05T12:00:00+00:00"
COMMIT = "3f5d8a1c9e7b2046a1d4c8e5f0b7a9d6c3e2f1a0"
HELD_IMPORT: desk.HeldImport = {
    "source": "sis",
    "revision": "e" * 64,
    "since": NOW,
    "generation": 42,
    "excesses": [{"collection": "users", "change": "removed", "number": 900, "before": 1200}],
    "collections": [
        {
            "collection": "users",
            "before": 1_200,
            "added": 3,
            "changed": 41,
            "removed": 900,
            "errors": 0,
            "warnings": 2,
        }
    ],
    "released": "",
}


def _application(name: str, title: str, **more: Any) -> desk.Application:
    made: desk.Application = {
        "name": name,
        "title": title,
        "access": "basic",
        "enabled": True,
        "development": False,
        "versions": ["1.2"],
        "refusal": None,
        "orgs": {"level": "LIMITED ACCESS", "count": 4},
        "courses": {"level": "LIMITED ACCESS", "count": 37},
        "counts": {"classes": 212, "users": 3_861, "enrollments": 18_204},
        "rest": "2026-10-05T11:52:10+00:00",
        "sftp": None,
    }
    return {**made, **more}  # type: ignore[typeddict-item]  # keys of the tests' own tables


def condition(
    step: str, status: Any = "yes", reason: str = "", message: str = ""
) -> desk.Condition:
    return {
        "type": step, "status": status, "reason": reason or step, "message": message,
        "since": "2026-10-02T15:10:00Z", "seen": COMMIT, "applied": COMMIT,
    }  # fmt: skip


class Desk(operators_dossiers.Dossiers, operators_looking.Looking):
    """Answers from memory and remembers what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.repository: desk.Repository = {
            "id": "example/rosters",
            "branch": "main",
            "looked": "2026-10-05T11:59:40+00:00",
            "fetched": COMMIT,
            "state": "applied",
            "reason": "",
            "missing": [],
            "problems": [],
        }
        self.requests: planned.Requests = {"on": False, "problem": "", "forge": "", "open": []}
        self.guards: desk.Guards = {
            "holds": [], "blocks": [], "suspended": None, "frozen": None,
            "unmet": [],
        }  # fmt: skip
        self.served: desk.Served = {
            "ready": True,
            "commit": COMMIT,
            "applied": "2026-10-02T15:10:00+00:00",
            "people": ["ada@example.org", "grace@example.org"],
            "generation": 41,
            "published": "2026-10-05T05:31:00+00:00",
            "today": "2026-10-05",
            "counts": {
                "orgs": 24, "academicSessions": 9, "courses": 1_204, "classes": 6_310,
                "users": 100_480, "enrollments": 1_004_771, "demographics": 93_100, "resources": 88,
            },
        }  # fmt: skip
        self.silent: list[str] = []
        self.conditions: list[desk.Condition] = [
            condition(step) for step in
            ("Fetched", "Vouched", "Valid", "Planned", "Guarded", "Applied", "Ready")
        ]  # fmt: skip
        self.endings: list[desk.Ending] = []
        self.warnings: list[str] = []

    def status(self) -> desk.Status:
        return {
            "version": "0.1.0",
            "started": "2026-09-28T06:00:00+00:00",
            "now": NOW,
            "review": {
                "people": 2,
                "kinds": {},
                "effects": {},
                "words": "two people vouch for a change",
            },
            "repository": self.repository,
            "served": self.served,
            "sources": [
                {
                    "name": "student-system",
                    "state": "current",
                    "reason": "",
                    "stale": "",
                    "paused": False,
                }
            ],
            "silent": self.silent,
            "conditions": self.conditions,
            "history": [
                {
                    "time": "2026-10-02T15:10:00Z", "candidate": COMMIT, "reason": "Applied",
                    "message": "the newest commit is served", "trigger": "webhook",
                }
            ],
            "endings": self.endings,
            "warnings": self.warnings,
            "requests": self.requests,
            "guards": self.guards,
        }  # fmt: skip

    async def seen(self, application: str, moment: datetime | None) -> dict[str, Any]:
        self.asked.append(("seen", application, str(moment)))
        return {"application": application}

    async def person(
        self, sourced_id: str, who: str, *, since: datetime | None, until: datetime | None
    ) -> dict[str, Any]:
        self.asked.append(("person", sourced_id, who, str(since), str(until)))
        return {"applications": []}

    async def block(self, application: str, reason: str, who: str) -> None:
        self.asked.append(("block", application, reason))

    async def unblock(self, application: str, reason: str, who: str) -> None:
        self.asked.append(("unblock", application, reason))

    async def head(self) -> desk.Head:
        return {"number": 7, "head": f"sha256:{'f' * 64}"}

    async def records(self, after: int, limit: int) -> Sequence[desk.Record]:
        self.asked.append(("records", str(after), str(limit)))
        return []

    async def metrics(self) -> bytes:
        self.asked.append(("metrics",))
        return b"# HELP rosterd_x x\n"

    async def applications(self) -> Sequence[desk.Application]:
        return [
            _application("math-galaxy", "Math Galaxy", sftp="2026-10-05T05:35:00+00:00"),
            _application(
                "everything",
                "District Data Warehouse",
                access="full",
                versions=["1.1", "1.2"],
                orgs={"level": "FULL ACCESS", "count": 24},
                courses={"level": "FULL ACCESS", "count": 1_204},
                counts={"classes": 6_310, "users": 100_480, "enrollments": 1_004_771},
            ),
            _application(
                "reading-lab", "Reading Lab <Pilot>", development=True, rest=None, versions=[],
                orgs={"level": "LIMITED ACCESS", "count": 1},
                courses={"level": "NO ACCESS", "count": 0},
                counts={"classes": 0, "users": 12, "enrollments": 0},
            ),
            _application(
                "old-library", "Old Library", access="none", rest="2026-06-30T10:00:00+00:00",
                refusal="its agreement expired on 2026-06-30",
                orgs=None, courses=None, counts={},
            ),
        ]  # fmt: skip

    async def imports(self, limit: int) -> Sequence[desk.Import]:
        self.asked.append(("imports", str(limit)))
        return [
            {
                "number": 2, "kept": True, "processed": True,
                "source": "sis", "state": "imported", "started": "2026-10-05T05:29:00+00:00",
                "ended": "2026-10-05T05:31:00+00:00", "generation": 41, "added": 214,
                "changed": 1_902, "removed": 31, "errors": 0, "warnings": 12, "problem": "",
            },
            {
                "number": 1, "kept": False, "processed": False,
                "source": "sis", "state": "refused", "started": "2026-10-04T05:29:00+00:00",
                "ended": "2026-10-04T05:29:20+00:00", "generation": None, "added": 0, "changed": 0,
                "removed": 0, "errors": 1, "warnings": 0,
                "problem": "users.csv has no column sourcedId",
            },
        ]  # fmt: skip

    async def held_imports(self) -> Sequence[desk.HeldImport]:
        self.asked.append(("held imports",))
        return [HELD_IMPORT]

    async def release_import(self, signed: str, signature: str, who: str) -> desk.HeldImport:
        self.asked.append(("release", signed, signature, who))
        return HELD_IMPORT

    async def take_received(self, number: int, who: str) -> BinaryIO:
        self.asked.append(("received", str(number), who))
        return io.BytesIO(b"PK")

    async def take_processed(self, number: int, who: str) -> BinaryIO:
        self.asked.append(("processed", str(number), who))
        return io.BytesIO(b"PK")

    async def import_now(self, source: str, who: str) -> desk.Import:
        self.asked.append(("import", source, who))
        return (await self.imports(1))[0]

    async def exports(self, limit: int) -> Sequence[desk.Export]:
        self.asked.append(("exports", str(limit)))
        return [
            {
                "target": "math-galaxy", "application": "math-galaxy",
                "slot": "2026-10-05T05:35", "state": "delivered", "attempt": 1, "mode": "bulk",
                "started": "2026-10-05T05:35:00+00:00", "ended": "2026-10-05T05:35:04+00:00",
                "file": "math-galaxy-2026-10-05.zip", "bytes": 1_204_551, "rows": 23_011,
                "problem": "",
            },
            {
                "target": "reading-lab", "application": "reading-lab", "slot": "2026-10-05T05:00",
                "state": "failed", "attempt": 3, "started": "2026-10-05T05:00:00+00:00", "mode": "bulk",
                "ended": "2026-10-05T05:01:00+00:00", "file": "reading-lab.zip", "bytes": 0,
                "rows": 0, "problem": "the server's host key is not the pinned one",
            },
        ]  # fmt: skip

    async def reconcile(self) -> Mapping[str, Any]:
        self.asked.append(("reconcile",))
        return dict(self.status())

    async def accept_rewrite(
        self, former: str, newest: str, reason: str, who: str
    ) -> Mapping[str, Any]:
        self.asked.append(("rewrite", f"{former} {newest} {reason}", who))
        return self.status()

    async def review(self, range_: str) -> Mapping[str, Any]:
        return {"range": range_, "paths": []}

    async def plan(self, files: Mapping[str, bytes], who: str) -> planned.Plan:
        self.asked.append(("plan", who, *sorted(files)))
        return {
            "commit": COMMIT, "generation": 1, "digest": "0" * 64, "plan": {"v": 1},
            "text": "No document changes.\n", "markdown": "No document changes.\n", "warnings": [],
        }  # fmt: skip

    async def reveal(self, application: str, who: str) -> Sequence[credentials.Pair]:
        self.asked.append(("reveal", application, who))
        if application != "math-galaxy":
            raise errors.InputError(f"cannot show credentials of {application}: there is none")
        made = datetime(2026, 9, 1, tzinfo=UTC)
        return [credentials.Pair(application, 1, "the-key", "the-secret", made, None)]

    async def run_export(self, target: str, who: str) -> Mapping[str, Any]:
        self.asked.append(("run", target, who))
        if target == "stalled":
            raise errors.TemporaryError("cannot reach the server")
        if target == "guarded":
            raise errors.UnsafePlan("the bundle would be empty")
        return {"target": target, "state": "delivered"}

    async def hand_out(self, application: str, form: str, who: str) -> BinaryIO:
        self.asked.append(("hand out", application, form, who))
        return io.BytesIO(b"PK")

    async def test_source(self, source: str, who: str) -> desk.Tested:
        return await self.test_target(source, who)

    async def test_target(self, target: str, who: str) -> desk.Tested:
        self.asked.append(("test", target, who))
        if target == "faulty":
            raise ValueError("something private")
        return {"target": target, "server": "sftp", "host_key": "ssh-ed25519", "steps": []}

    async def secrets(self) -> Sequence[desk.Secret]:
        return [
            {
                "name": "password",
                "document": "SftpTarget/x",
                "set": None,
                "used": True,
                "needed": True,
            }
        ]

    async def set_secret(self, name: str, value: str, who: str) -> str:
        self.asked.append(("set", name, value, who))
        return "SftpTarget/x"
