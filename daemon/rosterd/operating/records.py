"""What is on record, read from the store."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rosterd import disclosures, storage, worlds
from rosterd.web import desk


@dataclass(frozen=True, kw_only=True)
class Records:
    """Implements web.desk.Records."""

    served: worlds.Worlds
    store: storage.Storage
    inquiries: disclosures.Inquiries

    async def head(self) -> desk.Head:
        """The newest record."""
        number, digest = await self.store.run(lambda kept: kept.head())
        return {"number": number, "head": f"sha256:{digest}" if number else ""}

    async def records(self, after: int, limit: int) -> Sequence[desk.Record]:
        """The chain from the record behind `after` on, the oldest first."""
        found = await self.store.run(lambda kept: kept.recorded(after, limit))
        return [
            {
                "number": each.number,
                "kind": each.kind,
                "time": each.time.isoformat(),
                "previous": each.previous,
                "head": each.head,
                "entry": base64.b64encode(each.entry).decode(),
            }
            for each in found
        ]

    async def person(
        self, sourced_id: str, who: str, *, since: datetime | None, until: datetime | None
    ) -> Mapping[str, Any]:
        """Who could see and who received the records of one person, on record under `who`."""
        return await self.inquiries.student(sourced_id, who, since=since, until=until)
