"""`--bless` writes what is expected anew; the difference is then reviewed like code."""

from pathlib import Path

import pytest

EXPECTED = Path(__file__).parent / "expected"


class Golden:
    """Compares text with a file of `expected/`, or writes it there."""

    def __init__(self, *, bless: bool) -> None:
        self._bless = bless

    def check(self, name: str, text: str) -> None:
        """Fail unless `text` is what is expected under `name`."""
        path = EXPECTED / name
        if self._bless:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
            return
        assert path.is_file(), f"{name} is not there: look at it, then pytest tests/golden --bless"
        with path.open(encoding="utf-8", newline="") as file:
            assert text == file.read()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(bless=request.config.getoption("--bless"))
