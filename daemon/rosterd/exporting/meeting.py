"""Whether files of an application may leave now: the target takes them, the application gets
something, and what it needs is so.

What a target waits for is asked before its files are made, in the world that they are made of. A
delivery that waits is refused for the time being; the next world tries it again.
"""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from rosterd import access, documents, errors, needs, pictures, worlds
from rosterd.exporting import bundles

InThread = Callable[[Callable[[], tuple[str, ...]]], Awaitable[tuple[str, ...]]]


class Unmet(errors.InputError):
    """A delivery that is held; `broken` says what it waits for."""

    def __init__(self, target: str, broken: Sequence[str]) -> None:
        super().__init__(
            f"cannot deliver to {target}: held until its needs are met: {'; '.join(broken)}"
        )
        self.broken = tuple(broken)


def wanted(world: worlds.World, name: str) -> documents.SftpTarget:
    """The target of that name, if something may leave there. Raises errors.InputError."""
    target = world.config.targets.get(name) if world.config is not None else None
    if target is None:
        raise errors.InputError(f"cannot deliver to {name}: there is no such SFTP target")
    if not target.enabled:
        raise errors.InputError(f"cannot deliver to {name}: its document says enabled: false")
    suspended = world.config.repository.suspended if world.config is not None else None
    if suspended is not None:
        raise errors.InputError(
            f"cannot deliver to {name}: exports are suspended by rosterd.yaml ({suspended.reason})"
        )
    return target


def template_of(
    world: worlds.World, target: documents.SftpTarget
) -> documents.ExportTemplate | None:
    """The custom template of a target; None for the standard's own forms."""
    name = target.export.custom
    return world.config.templates[name] if name is not None and world.config is not None else None


def same_grant(held: worlds.World, now: worlds.World, target: documents.SftpTarget) -> bool:
    """Whether the config of `now`, on its day, lets the same leave for the same place as the one
    held.
    """
    if held is now:
        return True
    with contextlib.suppress(errors.InputError):
        name = target.application
        return (
            wanted(now, target.name) == target
            and held.grant(name) == now.grant(name)
            and now.view(name).refusal is None
            and template_of(held, target) == template_of(now, target)
        )
    return False


async def meet(
    world: worlds.World,
    target: documents.SftpTarget,
    counts: Mapping[str, int] | None,
    in_thread: InThread,
) -> None:
    """Raises errors.InputError when nothing may leave. `counts` are records that it holds."""
    view = world.view(target.application)
    reason = bundles.refusal(view, counts)
    if reason is not None:
        raise errors.InputError(f"cannot deliver to {target.name}: {reason}")
    if not target.export.hold_until_needs_met:
        return
    offered = () if target.export.custom is not None else (target.export.version,)
    broken = await in_thread(lambda: needs.broken(_apart(view), offered))
    if broken:
        raise Unmet(target.name, broken)


def _apart(view: access.View) -> pictures.Picture:
    """The checks speak in names of 1.2, and ask a roster with memories of its own."""
    return pictures.Picture(replace(view, roster=view.roster.apart()), "1.2")
