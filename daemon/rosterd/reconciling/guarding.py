"""Whether a candidate that people vouch for may be applied now, and as one change.

What it does to single applications is no question here: there each is held by itself, when the world
is swapped. Here a whole candidate waits, because it removes what is protected or too much of one
kind, or because nothing is applied at this time. All of it goes by the accepted config; only a
release is read from the candidate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rosterd import configs, documents, git, loading, plans
from rosterd.git import mirrors
from rosterd.plans import guarding, pausing
from rosterd.reconciling import conditions

_KINDS: Final = {
    "Application": "applications",
    "Permission": "permissions",
    "SftpTarget": "SFTP targets",
    "Listing": "listings",
    "RosterSource": "roster sources",
    "ExportTemplate": "export templates",
}


@dataclass(frozen=True, slots=True)
class Step:
    """From the accepted commit to the candidate: both commits, and what they say."""

    accepted: str
    newest: str
    old: configs.Config
    new: configs.Config


async def check(mirror: git.Mirror, step: Step, now: datetime) -> None:
    """Raise conditions.Stop when the candidate has to wait; `now` is an aware time."""
    old, new = step.old, step.new
    plan = plans.make(old, new)
    local = now.astimezone(ZoneInfo(old.repository.timezone))
    narrows = all(change.narrowing for change in plan.changes)
    if not narrows:
        _now_is_the_time(old, new, local, plan)
    await _protected(mirror, step, plan)
    _not_too_many(old, new, local, plan)


def _now_is_the_time(
    old: configs.Config, new: configs.Config, local: datetime, plan: plans.Plan
) -> None:
    suspended = old.repository.suspended
    if suspended is not None and new.repository.suspended is not None:
        raise conditions.Stop(
            "Guarded",
            "Suspended",
            f"rosterd.yaml suspends applying since {suspended.since} ({suspended.reason}): only a"
            " commit that takes `suspended` out, or that only takes away, is applied",
            plan=plan,
        )
    window = pausing.frozen(old.repository.freeze, local)
    if window is not None:
        raise conditions.Stop(
            "Guarded",
            "Frozen",
            f"the freeze {window.name!r} of rosterd.yaml is on: until it ends only what takes away"
            " is applied",
            plan=plan,
        )


def _not_too_many(
    old: configs.Config, new: configs.Config, local: datetime, plan: plans.Plan
) -> None:
    found = pausing.too_many(old, new)
    if not found:
        return
    named = guarding.change(pausing.everything(old), pausing.everything(new))
    moved = pausing.as_moved(found)
    if guarding.released(new.repository.release, named, moved, local.date()):
        return
    counts = ", ".join(
        f"{each.number} of {each.before} {_KINDS.get(each.kind, each.kind)}" for each in found
    )
    release = guarding.proposal(named, moved, local.date())
    raise conditions.Stop(
        "Guarded",
        "Held",
        f"this would remove {counts}, more than limits.removed of the accepted rosterd.yaml allows"
        " at once; if that is meant, commit to rosterd.yaml:\n" + guarding.text(release),
        plan=plan,
    )


# ---------------------------------------------------------------- protected


async def _protected(mirror: git.Mirror, step: Step, plan: plans.Plan) -> None:
    """A protected document goes in two commits; squashed into one they are one."""
    old, new, gone = step.old, step.new, {}
    for path, document in pausing.removed(old, new).items():
        application = _owner(document)
        if application in old.applications and old.applications[application].protected:
            gone[path] = application
    if not gone:
        return
    lines = await mirror.commits(step.newest, f"^{step.accepted}")
    commits = await mirror.own_changes(lines, sorted(gone))
    for path, application in sorted(gone.items()):
        if not await _lifted_before(mirror, commits, path, application):
            about = documents.path_of("Application", application)
            raise conditions.Stop(
                "Guarded",
                "Protected",
                f"{path} is protected: to remove it takes one commit that takes `protected: true`"
                f" out of {about}, and a later one that removes it; both may come in one push",
                plan=plan,
            )


def _owner(document: documents.AnyDocument) -> str:
    """The application whose `protected` counts; its permission and targets go with it, since
    without them it is cut off just as well.
    """
    if isinstance(document, documents.Application):
        return document.name
    if isinstance(document, documents.Permission | documents.SftpTarget):
        return document.application
    return ""


async def _lifted_before(
    mirror: git.Mirror, commits: Sequence[mirrors.Commit], path: str, application: str
) -> bool:
    """Whether a commit removes `path` whose first parent did not protect the application."""
    about = documents.path_of("Application", application)
    for commit in commits:
        removes = any(each.path == path and each.new is None for each in commit.transitions)
        if not removes or not commit.parents:
            continue
        entry = (await mirror.tree(commit.parents[0])).get(about)
        if entry is None:
            return True
        content = (await mirror.contents([entry.blob])).get(entry.blob, b"")
        for located in loading.load({about: content}).documents:
            document = located.document
            if isinstance(document, documents.Application) and not document.protected:
                return True
    return False
