"""Every text that a page shows tries to be markup: of rosters, documents, commits, people, file names,
problems, servers, records, and of what somebody typed.

The desk of these tests puts it behind each text that it answers, whatever that is about, so a page
that is added is tried as well.
"""

import base64
import contextlib
import inspect
from collections.abc import AsyncIterator, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from rosterd import chain
from rosterd.web import console, desk, operators
from rosterd.web.console import serving
from tests.integration import operators_desk, test_console, test_control, vendors

MARKUP: Final = (
    "\"'></td></pre></option><script>alert(1)</script><img src=x onerror=alert(2)>"
    "<a href=javascript:alert(3)>x</a><svg/onload=alert(4)>{{ 7 * 7 }}{% include 'x' %}"
    " ' autofocus onfocus='alert(5)"
)
ODD: Final = "\u202e\x00\ud800"  # turns text around, ends it, and is no character at all
FIXED: Final = frozenset(
    ("state", "status", "level", "kind", "severity", "mode", "check", "what", "collection",
     "application", "template", "name", "slot", "cause", "added",
     "applications")
)  # fmt: skip
"""Members with words of our own, or with names that documents may have: the model checks them."""
TAGS: Final = frozenset(
    (
        *(
            "a",
            "abbr",
            "article",
            "body",
            "br",
            "button",
            "caption",
            "circle",
            "code",
            "dd",
            "desc",
        ),
        *("details", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1"),
        *("h2", "h3", "head", "header", "html", "input", "label", "legend", "li", "line", "link"),
        *("main", "meta", "nav", "ol", "option", "p", "path", "pre", "search", "section", "select"),
        *(
            "small",
            "span",
            "strong",
            "summary",
            "svg",
            "table",
            "tbody",
            "td",
            "text",
            "th",
            "thead",
        ),
        *("time", "title", "tr", "ul"),
    )
)
"""All that our templates write."""


def hostile(value: Any, member: str = "") -> Any:
    """The same with markup behind each text but times and words of our own."""
    if isinstance(value, Mapping):
        return {name: hostile(each, name) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [hostile(each, member) for each in value]
    if not isinstance(value, str) or member in FIXED or value[:5] == "2026-":
        return value
    return f"{value}{MARKUP}{ODD}"


def _whole(value: Any) -> Any:
    """Without halves of characters: no record could be written with them."""
    if isinstance(value, Mapping):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return value.replace(ODD[-1], "") if isinstance(value, str) else value


class Desk(operators_desk.Desk):
    """Whose every answer is hostile."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found) or name in ("metrics", "head", "records"):
            return found
        if not inspect.iscoroutinefunction(found):
            return lambda *given, **more: hostile(found(*given, **more))

        async def answered(*given: Any, **more: Any) -> Any:
            made = await found(*given, **more)
            return made if name == "reveal" else hostile(made)

        return answered

    async def head(self) -> desk.Head:
        return {"number": len(chain.KINDS), "head": f"sha256:{'f' * 64}"}

    async def records(self, after: int, limit: int) -> Sequence[desk.Record]:
        found: list[desk.Record] = []
        for number, kind in enumerate(sorted(chain.KINDS), 1):
            entry = {
                "v": 1, "number": number, "kind": kind, "time": operators_desk.NOW,
                **hostile(dict.fromkeys(("actor", "subject", "reason", "who", "commit", "plan"), "x")),
                "what": MARKUP, "people": [MARKUP], "planned": hostile(PLAN), "application": MARKUP,
            }  # fmt: skip
            body = orjson.dumps(_whole(entry))
            record: desk.Record = {
                "number": number, "kind": kind, "time": operators_desk.NOW, "previous": "0" * 64,
                "head": "f" * 64, "entry": base64.b64encode(body).decode(),
            }  # fmt: skip
            found.append(record)
        return found[after : after + limit]


PLAN: Final[Mapping[str, Any]] = {
    "warnings": [{"subject": "x", "text": "x"}],
    "changes": [
        {"action": "x", "kind": "Permission", "name": "x", "narrowing": True,
         "fields": [{"field": "x", "old": "x", "new": "x"}]}
    ],
    "exposure": [
        {"application": MARKUP, "state": MARKUP, "levels": {"x": ["x", "x"]},
         "collections": {"users": {"gained": "<10", "lost": 4}},
         "fields": {"gained": ["x"], "lost": ["x"]}}
    ],
}  # fmt: skip


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def sound(text: str, where: str) -> None:
    """Nothing on the page is anybody's markup."""
    for tag, attributes in Page(text).seen:
        assert tag in TAGS, (where, tag)
        assert not [name for name in attributes if name.startswith("on") or name == "style"], where
        for name in ("href", "action", "src", "formaction"):
            link = attributes.get(name)
            assert link is None or link.startswith(("/", "#")), (where, link)
            assert link is None or not link.startswith("//"), (where, link)
            assert link is None or not set(link) & set("<>\"' "), (where, link)
    assert "<script" not in text
    assert "{{ 49" not in text
    assert not set(ODD) & set(text), where


@contextlib.asynccontextmanager
async def signed_in(folder: Path) -> AsyncIterator[tuple[aiohttp.ClientSession, str, Desk]]:
    made = Desk()
    made.repository["missing"] = [{"path": "x", "needed": 2, "have": ["x"]}]
    made.repository["problems"] = ["x:1:2: x"]
    made.repository["reason"] = "x"
    made.endings = [
        {"application": "math-galaxy", "what": "permission", "last": "2026-10-07", "days": 2,
         "urgent": True, "message": "x"}
    ]  # fmt: skip
    made.warnings, made.silent = ["x"], ["x"]
    made.requests = {
        "on": True, "problem": "x", "forge": "x",
        "open": [
            {"number": 1, "ref": "x", "head": "x", "state": "invalid", "message": "x",
             "people": ["x"], "live": True, "digest": "x", "warnings": ["x"], "problems": ["x"]}
        ],
    }  # fmt: skip
    held: desk.Held = {
        "application": "math-galaxy", "since": operators_desk.NOW, "cause": "roster", "why": "x",
        "stopped": "x", "commit": "x", "generation": 1, "change": "x", "release": "x",
        "collections": [{"collection": "users", "gain": "<10", "lose": 4, "over": True}],
    }  # fmt: skip
    made.guards = {
        "holds": [held],
        "blocks": [{"application": "math-galaxy", "reason": "x", "actor": "x",
                    "since": operators_desk.NOW, "drift": True}],
        "suspended": {"reason": "x", "since": operators_desk.NOW, "days": 1, "long": True,
                      "waiting": ["x"]},
        "frozen": "x",
        "unmet": [{"target": "x", "why": ["x"]}],
    }  # fmt: skip
    people = operators.Operators(test_control.write_tokens(folder / "tokens"))
    page = console.Console(made, people).application()
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        vendors.listening(page) as address,
        aiohttp.ClientSession(address, cookie_jar=jar) as session,
    ):
        yield session, await test_console.signed_in(session, test_control.OPERATOR), made


async def test_no_text_of_any_answer_becomes_markup_on_any_page(tmp_path: Path) -> None:
    shown = 0
    async with signed_in(tmp_path) as (session, word, _):
        for page in serving.PAGES:
            name = "resources" if page.path.startswith("/roster") else "math-galaxy"
            path = page.path.replace("{name}", name)
            form = {"word": word, "text": "pupil", "id": "user-17", "application": "math-galaxy",
                    "collection": "users", "target": "math-galaxy" + MARKUP}  # fmt: skip
            async with session.request(
                page.method, path, data=form if page.method == "POST" else None
            ) as response:
                text = await response.text()
            assert response.status in (200, 404), (page.path, text)
            sound(text, page.path)
            shown += "&lt;script&gt;alert(1)" in text
    assert shown > len(serving.PAGES) / 2


async def test_what_somebody_types_comes_back_as_text(tmp_path: Path) -> None:
    typed = f"{MARKUP}{ODD[:2]}%22%3E%3Cscript%3E"
    async with signed_in(tmp_path) as (session, word, _):
        names = ("q", "only", "sort", "order", "kind", "application", "since", "until", "listing",
                 "name", "title", "company", "reference", "access", "orgs", "org", "orgs_under",
                 "orgs_where", "courses", "courses_ids", "courses_where", "withhold", "text",
                 "search", "status", "collection", "id", "target", "template", "to", "digest")  # fmt: skip
        said = dict.fromkeys(names, typed)
        for page in serving.PAGES:
            known = "resources" if page.path.startswith("/roster") else "math-galaxy"
            for name in dict.fromkeys((known, "%3Cscript%3Ealert(1)")):
                path = page.path.replace("{name}", name)
                if path == page.path and name != known:
                    continue
                form = {**said, "word": word}
                own = {"own": "1", "form": "1"} if page.path == "/add" else {}
                if own:
                    form.pop("listing")
                async with session.request(
                    page.method,
                    path,
                    params={**form, **own} if page.method == "GET" else None,
                    data=form if page.method == "POST" else None,
                ) as response:
                    text = await response.text()
                assert response.status < 500, (page.path, text)
                sound(text, page.path)
