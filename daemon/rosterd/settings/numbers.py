"""What tables of settings have in common."""

from typing import Annotated, Final

import pydantic

CONFIG: Final = pydantic.ConfigDict(
    extra="forbid",
    frozen=True,
    use_attribute_docstrings=True,  # docs/settings.md is held to them
)
Port = Annotated[int, pydantic.Field(ge=0, le=65535)]
Seconds = Annotated[float, pydantic.Field(gt=0)]
