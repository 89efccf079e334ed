"""Whether files of an application may leave now: it gets something, and what it needs is so.

What a target waits for is asked before its files are made, in the world that they are made of. A
delivery that waits is refused for the time being; the next world tries it again.
"""

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
