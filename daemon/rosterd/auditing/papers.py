"""Templates of files that outlive the program: each holds its style, and nothing typed is trusted."""

import importlib.resources
from collections.abc import Callable
from typing import Any

import jinja2
import markupsafe


def template(name: str, **filters: Callable[..., Any]) -> jinja2.Template:
    """One of ours, with these filters; `style` is in it already."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rosterd.auditing"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    style = importlib.resources.files("rosterd.auditing") / "templates" / "report.css"
    written = markupsafe.Markup(style.read_text(encoding="utf-8"))  # noqa: S704 - ours, no input
    return environment.get_template(name, globals={"style": written})
