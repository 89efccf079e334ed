"""The part of the operators' desk that looks at records: a few of an invented district."""

from collections.abc import Sequence
from typing import Any

from rosterd import errors
from rosterd.web import desk

ROW: desk.Row = {
    "id": "user-17",
    "name": "Pupil <script>alert(1)</script>",
    "status": "active",
    "details": {"roles": "student", "username": "pupil17"},
}
HIT: desk.Hit = {
    "collection": "users",
    "id": "user-17",
    "name": "Pupil <script>alert(1)</script>",
    "details": {"roles": "student", "username": "pupil17"},
    "applications": ["math-galaxy"],
}


class Looking:
    """Answers from memory."""

    async def select(self, collection: str, selection: Any, who: str) -> desk.Picked:
        return {"collection": collection, "count": 1, "of": 4, "rows": [ROW]}

    async def find(self, text: str, application: str | None, who: str) -> desk.Found:
        hits = [HIT] if "pupil" in text.casefold() else []
        return {
            "application": application,
            "totals": {"users": len(hits), "classes": 0},
            "hits": hits,
        }

    async def explain(
        self, application: str, collection: str, sourced_id: str, who: str
    ) -> desk.Why:
        if sourced_id != ROW["id"]:
            raise errors.InputError(
                f"cannot explain that: no record of {collection} has that sourcedId"
            )
        return {
            "application": application,
            "collection": collection,
            "id": sourced_id,
            "name": ROW["name"],
            "sees": False,
            "held": False,
            "reason": {
                "holds": False,
                "says": "users user-17",
                "either": False,
                "parts": [
                    {
                        "holds": True,
                        "says": "users user-17 is active",
                        "either": False,
                        "parts": [],
                    },
                    {"holds": False, "says": "guardians is off", "either": False, "parts": []},
                ],
            },
        }

    async def explain_everywhere(
        self, collection: str, sourced_id: str, who: str
    ) -> Sequence[desk.Why]:
        return [
            await self.explain("math-galaxy", collection, sourced_id, who),
            {**await self.explain("math-galaxy", collection, sourced_id, who), "sees": True},
        ]

    async def browse(
        self,
        collection: str,
        who: str,
        *,
        search: str = "",
        status: str = "active",
        sort: str = "",
        descending: bool = False,
        offset: int = 0,
        limit: int = 50,
    ) -> desk.Page:
        rows = [ROW] if search.casefold() in ROW["name"].casefold() else []
        return {"collection": collection, "total": len(rows), "offset": offset, "rows": rows}

    async def preview(self, text: str, who: str) -> desk.Preview:
        if "access: none" in text:
            raise errors.InputError("the permission has problems")
        return {
            "application": "math-galaxy",
            "known": True,
            "refusal": None,
            "orgs": {"level": "LIMITED ACCESS", "count": 4},
            "courses": {"level": "LIMITED ACCESS", "count": 37},
            "counts": {"classes": 212, "users": 3_861, "enrollments": 18_204},
            "now": {"classes": 200, "users": 3_700, "enrollments": 17_000},
            "roles": {"student": 3_700, "teacher": 161},
            "withheld": ["users.phone"],
            "masked": {"users.familyName": "initial"},
            "shared": [],
            "warnings": [],
        }

    async def sanity(self, application: str, who: str, *, samples: bool) -> desk.Checked:
        found: desk.Check = {
            "check": "classes-without-teachers",
            "title": "classes without a teacher",
            "severity": "error",
            "collection": "classes",
            "count": 3,
            "before": 1,
            "difference": 2,
            "since": "2026-10-05T05:31:00+00:00",
            "sample": ["class <b>7</b>"] if samples else [],
        }
        withheld: desk.Check = {
            **found,
            "check": "users-without-email",
            "title": "users without an email address",
            "severity": "warning",
            "collection": "users",
            "count": None,
            "before": None,
            "difference": None,
            "sample": [],
        }
        return {
            "application": application,
            "generation": 41,
            "commit": "3f5d8a1c9e7b2046a1d4c8e5f0b7a9d6c3e2f1a0",
            "time": "2026-10-05T05:31:02+00:00",
            "previous": "2026-10-04T05:31:02+00:00",
            "findings": [found, withheld],
            "unmet": ["classes-without-teachers: 3"],
        }

    async def sanity_runs(self, application: str, limit: int) -> Sequence[desk.SanityRun]:
        return [
            {
                "generation": 41,
                "commit": "3f5d8a1c9e7b2046a1d4c8e5f0b7a9d6c3e2f1a0",
                "time": "2026-10-05T05:31:02+00:00",
                "counts": {"classes-without-teachers": 3, "users-without-email": None},
            }
        ]
