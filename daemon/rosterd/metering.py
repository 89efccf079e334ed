"""What a monitoring program is told: numbers in Prometheus' text format.

They answer three questions: is what is served what the repository says, does data come in and go
out, and will something end soon. Labels are names of documents, steps and states. Nothing is
counted by person, and how many people an application sees is not told either.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from rosterd import reconciling, worlds

_ANSWERS: Final = {True: 1.0, False: 0.0, None: -1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What is read from the daemon's parts for one scrape."""

    version: str
    now: datetime
    status: reconciling.Status
    passes: Mapping[str, int]
    """Reason that a pass ended with -> passes since the start."""
    world: worlds.World
    requests: Mapping[tuple[str, str, str], int]
    """(application, kind, status) -> requests since the start."""
    exported: Mapping[str, datetime]
    """Target -> its last delivery."""
    imported: Mapping[str, datetime]
    """Source -> its last delivery that was read, be it one without a change."""
    hooks: Mapping[str, int]
    """What became of webhooks -> how many since the start."""
    corrected: int
    """How often the store was found changed and put right since the start."""
    silent: Iterable[str]
    """Loops that show no sign of life."""
    loops: Iterable[str]
    suspended: datetime | None = None
    """Since when the repository says `suspended`."""
    unmet: Iterable[str] = ()
    """Targets whose delivery waits for what the application needs."""
    held: int = 0
    blocked: int = 0
    sources: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    """Source -> (whether its import is held, whether nothing was read for too long)."""


_OF_SOURCES: Final = (
    ("import_held", "1 for a source whose import changes too much and waits for somebody."),
    ("import_stale", "1 for a source of which nothing was read for longer than staleAfter."),
)


def text(readings: Readings) -> bytes:
    """The scrape."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Read(readings))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


@dataclass(frozen=True, eq=False)
class _Read(Collector):
    readings: Readings

    def collect(self) -> Iterator[Metric]:
        for part in (_config, _steps, _grants, _data, _process):
            yield from part(self.readings)


def _config(read: Readings) -> Iterator[Metric]:
    status = read.status
    yield _gauge(
        "config_last_apply_successful",
        "Whether the newest commit that was seen is the one that is served.",
        status.accepted is not None and status.candidate in {None, status.accepted},
    )
    yield _moment(
        "config_last_apply_success_timestamp_seconds",
        "When the commit that is served was applied.",
        status.applied,
    )
    info = GaugeMetricFamily(
        "rosterd_config_info", "The commit that is served; always 1.", labels=["commit"]
    )
    if status.accepted is not None:
        info.add_metric([status.accepted], 1)
    yield info
    yield _moment(
        "git_last_fetch_success_timestamp_seconds",
        "When the repository was last reached.",
        status.fetched,
    )
    behind = status.behind
    yield _gauge(
        "commit_lag_seconds",
        "How long the branch has been ahead of what is served; 0 when it is not.",
        (read.now - behind).total_seconds() if behind is not None else 0,
    )
    suspended = read.suspended
    yield _gauge(
        "suspended_seconds",
        "How long applying and exporting has been suspended; 0 when it is not.",
        (read.now - suspended).total_seconds() if suspended is not None else 0,
    )


def _steps(read: Readings) -> Iterator[Metric]:
    conditions = GaugeMetricFamily(
        "rosterd_condition", "The steps of reconciling: 1 yes, 0 no, -1 unknown.", labels=["type"]
    )
    for each in read.status.conditions:
        conditions.add_metric([each.type], _ANSWERS[each.fine])
    yield conditions
    yield _counter("reconcile", "Passes by how they ended.", "reason", read.passes)
    yield CounterMetricFamily(
        "rosterd_drift_corrected",
        "How often the store was found changed and was put right.",
        value=read.corrected,
    )
    yield _counter("webhook", "Webhooks by what became of them.", "outcome", read.hooks)
    yield _gauge(
        "held_applications", "Applications that a guard keeps at what they had.", read.held
    )
    yield _gauge(
        "blocked_applications", "Applications that an operator stopped without git.", read.blocked
    )


def _grants(read: Readings) -> Iterator[Metric]:
    agreements = _named(
        "agreement_expires_timestamp_seconds", "When the agreement's last day is over."
    )
    permissions = _named(
        "permission_expires_timestamp_seconds", "When the permission's last day is over."
    )
    refused = _named("application_refused", "1 for an application that gets nothing today.")
    config = read.world.config
    zone = ZoneInfo(config.repository.timezone if config is not None else "UTC")
    for name, grant in sorted(config.grants.items()) if config is not None else ():
        agreement, permission = grant.application.agreement, grant.permission
        if agreement is not None:
            agreements.add_metric([name], _end(agreement.expires, zone))
        if permission is not None and permission.expires is not None:
            permissions.add_metric([name], _end(permission.expires, zone))
        served = read.world.grant(name) or grant  # it may be blocked, or held too long
        refused.add_metric([name], float(served.refusal(read.world.today) is not None))
    yield from (agreements, permissions, refused)


def _data(read: Readings) -> Iterator[Metric]:
    for name, what, label, times in (
        ("export", "When the target last got a file.", "target", read.exported),
        ("import", "When the source was last read without a refusal.", "source", read.imported),
    ):
        family = GaugeMetricFamily(
            f"rosterd_{name}_last_success_timestamp_seconds", what, labels=[label]
        )
        for key, moment in sorted(times.items()):
            family.add_metric([key], moment.timestamp())
        yield family
    unmet = GaugeMetricFamily(
        "rosterd_export_held",
        "1 for a target whose delivery waits until the application's needs are met.",
        labels=["target"],
    )
    waiting, config = set(read.unmet), read.world.config
    for target in sorted(config.targets) if config is not None else ():
        unmet.add_metric([target], float(target in waiting))
    yield unmet
    for place, (name, what) in enumerate(_OF_SOURCES):
        family = GaugeMetricFamily(f"rosterd_{name}", what, labels=["source"])
        for key, flags in sorted(read.sources.items()):
            family.add_metric([key], float(flags[place]))
        yield family
    generation = read.world.generation
    published = read.world.published.get(generation.number) if generation is not None else None
    yield _moment(
        "roster_published_timestamp_seconds", "When the served roster was published.", published
    )
    requests = CounterMetricFamily(
        "rosterd_requests",
        "Requests for data (rest) and for tokens (token), and deliveries (sftp).",
        labels=["application", "kind", "status"],
    )
    for labels, count in sorted(read.requests.items()):
        requests.add_metric(list(labels), count)
    yield requests


def _process(read: Readings) -> Iterator[Metric]:
    build = GaugeMetricFamily(
        "rosterd_build_info", "The program that runs; always 1.", labels=["version"]
    )
    build.add_metric([read.version], 1)
    yield build
    silent = GaugeMetricFamily(
        "rosterd_loop_silent", "1 for a loop that shows no sign of life.", labels=["loop"]
    )
    quiet = set(read.silent)
    for loop in sorted(read.loops):
        silent.add_metric([loop], float(loop in quiet))
    yield silent


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"rosterd_{name}", what, value=float(value))


def _moment(name: str, what: str, moment: datetime | None) -> Metric:
    """A time; 0 while there is none, so that an alert on its age fires."""
    return _gauge(name, what, moment.timestamp() if moment is not None else 0)


def _named(name: str, what: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"rosterd_{name}", what, labels=["application"])


def _counter(name: str, what: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"rosterd_{name}", what, labels=[label])
    for key, count in sorted(counts.items()):
        family.add_metric([key], count)
    return family


def _end(last: date, zone: ZoneInfo) -> float:
    """Midnight after the last day, where the repository's days begin."""
    return datetime.combine(last + timedelta(days=1), time(), zone).timestamp()
