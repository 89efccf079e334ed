"""Many objects of the mirror, some at a time: whoever may push decides how many there are, and how
large; one answer of git is bounded.
"""

from collections.abc import AsyncIterator, Sequence

from rosterd.git import mirrors

_OBJECT_BYTES = 2**23
_CHUNK_BYTES = 2**25
_CHUNK = 1_000


async def contents(
    mirror: mirrors.Mirror, names: Sequence[str]
) -> AsyncIterator[tuple[str, bytes]]:
    """(name, content) of objects, some at a time: histories are long. Huge ones are left out,
    so that nobody who may push stops the loop with them.
    """
    for start in range(0, len(names), _CHUNK):
        sizes = await mirror.sizes(names[start : start + _CHUNK])
        chunk: list[str] = []
        total = 0
        for name, (_, size) in sizes.items():
            if size > _OBJECT_BYTES:
                continue
            if total + size > _CHUNK_BYTES:
                for each in mirrors.batch((await mirror.objects(chunk)).output):
                    yield each
                chunk, total = [], 0
            chunk.append(name)
            total += size
        for each in mirrors.batch((await mirror.objects(chunk)).output):
            yield each
