"""What every test has: two sizes of the same laws, and an eye on what is left behind."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator

import hypothesis
import pytest

hypothesis.settings.register_profile(
    "test", max_examples=40, deadline=None, derandomize=True, print_blob=True
)
hypothesis.settings.register_profile("soak", max_examples=5000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    """A test that leaves a thread of its own running has not cleaned up."""
    before = set(threading.enumerate())

    yield

    left = [
        thread
        for thread in threading.enumerate()
        if thread not in before
        and thread.is_alive()
        and not thread.daemon
        # the event loop's own pool ends with the loop, after this fixture
        and not thread.name.startswith("asyncio_")
    ]
    assert [thread.name for thread in left] == []


@pytest.fixture(autouse=True)
async def no_tasks_left() -> AsyncIterator[None]:
    """A test that leaves an asyncio task behind has not stopped what it started."""
    yield

    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert [task.get_name() for task in left] == []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="write tests/golden/expected anew")
