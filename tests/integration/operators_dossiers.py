"""The part of a desk that tells of single applications, with something to see in each answer."""

from collections.abc import Mapping, Sequence

from rosterd import errors
from rosterd.web import desk

_COMMIT = "3f5d8a1c9e7b2046a1d4c8e5f0b7a9d6c3e2f1a0"
_APPLIED = "2026-10-02T15:10:00+00:00"
_PEOPLE = ["ada@example.org", "grace@example.org"]

PERMISSION = """\
apiVersion: rosterd/v1
kind: Permission
name: math-galaxy
application: math-galaxy
access: basic
# For all grades.
orgs: all
courses: all
"""


class Dossiers:
    """Answers from memory."""

    asked: list[tuple[str, ...]]

    async def dossier(self, application: str) -> desk.Dossier:
        if application not in ("math-galaxy", "reading-lab"):
            raise errors.InputError(f"cannot show {application}: no application has that name")
        return {
            "name": application,
            "company": "Galaxy Learning <Labs>",
            "description": "Practice for mathematics.",
            "owner": "Curriculum office <curriculum@example.org>",
            "developers": ["Galaxy onboarding <onboarding@galaxy.example.com>"],
            "agreement": "DPA-2026-017, until 2027-06-30",
            "roles": {"student": 3_610, "teacher": 251},
            "withheld": ["users.phone", "users.sms"],
            "masked": {"users.familyName": "initial"},
            "shared": ["users.userProfiles"],
            "papers": [
                {
                    "path": "permissions/math-galaxy.yaml", "text": PERMISSION,
                    "commit": _COMMIT, "time": _APPLIED, "people": _PEOPLE,
                }
            ],
            "targets": [
                {
                    "name": "math-galaxy", "enabled": True, "server": "rosters@sftp.example.com:22",
                    "directory": ".", "template": "oneroster-1.2", "mode": "bulk",
                    "schedule": "monday at 05:30 (UTC)", "host_keys": ["ssh-ed25519 AAAA"],
                }
            ],
        }  # fmt: skip

    async def clone(self) -> desk.Clone:
        return {"path": "/srv/rosters", "refusal": ""}

    async def prepare(self, application: str, files: Mapping[str, str], who: str) -> desk.Prepared:
        self.asked.append(("prepare", application, who, *files.values()))
        return {
            "branch": f"add-{application}",
            "commit": _COMMIT,
            "clone": "/srv/rosters",
            "base": _COMMIT,
        }

    async def letterbox(self, application: str) -> desk.Letterbox:
        return {
            "application": application,
            "server": True,
            "readers": [
                {"name": "Galaxy onboarding", "email": "onboarding@galaxy.example.com"},
                {"name": "Galaxy support", "email": "support@galaxy.example.com"},
            ],
            "templates": [
                {"template": "enabled", "refusal": ""},
                {"template": "disabled", "refusal": "it gets its part now"},
            ],
        }

    async def write(
        self, application: str, template: str, to: str | None, who: str, *, preview: bool
    ) -> desk.Letter:
        self.asked.append(
            ("write", application, template, to or "", who, "shown" if preview else "sent")
        )
        return {
            "application": application, "template": template, "contact": 1,
            "to": to or "onboarding@galaxy.example.com", "subject": "Math Galaxy is enabled",
            "text": "Hello", "sent": not preview, "link_ends": None,
        }  # fmt: skip

    async def accesses(self, limit: int, application: str | None) -> Sequence[desk.Used]:
        found: list[desk.Used] = [
            {
                "application": "math-galaxy", "kind": "rest", "status": "200", "count": 40,
                "time": "2026-10-05T11:52:10+00:00",
            },
            {
                "application": "reading-lab", "kind": "sftp", "status": "failed", "count": 1,
                "time": "2026-10-05T05:01:00+00:00",
            },
        ]  # fmt: skip
        return [each for each in found if application in (None, each["application"])]

    async def sights(self, application: str, limit: int) -> Sequence[desk.Seen]:
        return [
            {"time": "2026-09-01T05:00:00+00:00", "cause": "import", "records": {"users": 3_700}},
            {"time": _APPLIED, "cause": "commit", "records": {"users": 3_861}},
        ]

    async def catalog(self) -> Sequence[desk.Listed]:
        return [
            {
                "name": "math-galaxy", "title": "Math Galaxy", "company": "Galaxy Learning",
                "description": None, "development": False, "developers": [], "versions": ["1.2"],
                "needs": ["users"], "recommended": {"access": "full"}, "added": ["math-galaxy"],
            }
        ]  # fmt: skip
