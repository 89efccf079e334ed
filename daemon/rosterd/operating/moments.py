"""Moments as the desk writes them: ISO 8601 in UTC, to the millisecond."""

from datetime import UTC, datetime


def text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def maybe(moment: datetime | None) -> str | None:
    return text(moment) if moment is not None else None
