"""GitHub, GitLab and Gitea as far as plans are told there: their paths, names, pages and refusals.

Shapes are those of their API documentation, cut down to members that anybody reads; pages are small
so that every listing has several. What a program may do is checked as the forge does: a wrong token
is a 401, a strange path a 404.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote

from aiohttp import web

Kind = Literal["github", "gitlab", "gitea"]
TOKEN = "forge-token-4711"
ME, STRANGER = 7, 99
PROJECT = "district/rosters"
_PAGE = 2
_BASE = {"github": "", "gitlab": "/api/v4", "gitea": "/api/v1"}


@dataclass
class Comment:
    id: int
    author: int
    body: str


@dataclass
class Fake:
    """One project at one forge, and everything that was asked of it."""

    kind: Kind
    private: bool = True
    open: dict[int, str] = field(default_factory=dict)
    """number → target branch"""
    comments: dict[int, list[Comment]] = field(default_factory=dict)
    statuses: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    refuse: Callable[[web.Request], web.Response | None] = lambda _: None
    changes: int = 0

    @property
    def base(self) -> str:
        return _BASE[self.kind]

    @property
    def project(self) -> str:
        root = f"{self.base}/projects" if self.kind == "gitlab" else f"{self.base}/repos"
        return f"{root}/{PROJECT}"

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    def say(self, number: int, author: int, body: str) -> Comment:
        everything = [comment for each in self.comments.values() for comment in each]
        comment = Comment(len(everything) + 1, author, body)
        self.comments.setdefault(number, []).append(comment)
        return comment

    def ours(self, number: int) -> list[str]:
        return [each.body for each in self.comments.get(number, []) if each.author == ME]

    # ------------------------------------------------------------ answers

    async def _answer(self, request: web.Request) -> web.Response:
        path = unquote(request.raw_path.partition("?")[0])
        self.asked.append((request.method, path))
        self.tokens.append(_token(request))
        refused = self.refuse(request)
        if refused is not None:
            return refused
        if _token(request) != TOKEN:
            return self._no(401, "Bad credentials")
        if request.method == "GET" and path == f"{self.base}/user":
            return web.json_response({"id": ME, "login": "rosterd-bot"})
        if path == self.project:
            return web.json_response(self._about())
        if not path.startswith(f"{self.project}/"):
            return self._no(404, "Not Found")
        body = json.loads(await request.read()) if request.can_read_body else {}
        rest = path.removeprefix(f"{self.project}/")
        for method, pattern, answer in self._routes():
            match = re.fullmatch(pattern, rest)
            if match and method == request.method:
                return answer(request, body, *match.groups())
        return self._no(404, "Not Found")

    def _routes(self) -> list[tuple[str, str, Callable[..., web.Response]]]:
        talk, edit = r"issues/(\d+)/comments", ("PATCH", r"issues/comments/(\d+)")
        listing = "pulls"
        if self.kind == "gitlab":
            talk, listing = r"merge_requests/(\d+)/notes", "merge_requests"
            edit = ("PUT", r"merge_requests/\d+/notes/(\d+)")
        return [
            ("GET", listing, self._list),
            ("GET", talk, self._read),
            ("POST", talk, self._add),
            (*edit, self._edit),
            ("POST", r"statuses/([0-9a-f]{40})", self._status),
        ]

    def _about(self) -> dict[str, Any]:
        if self.kind == "gitlab":
            return {"id": 1, "visibility": "private" if self.private else "public"}
        return {"id": 1, "private": self.private, "internal": False}

    def _list(self, request: web.Request, body: Any) -> web.Response:
        numbered = "iid" if self.kind == "gitlab" else "number"
        items = []
        for number, branch in sorted(self.open.items()):
            target = (
                {"target_branch": branch} if self.kind == "gitlab" else {"base": {"ref": branch}}
            )
            items.append({"id": 1000 + number, numbered: number, "state": "open", **target})
        return self._paged(request, items)

    def _read(self, request: web.Request, body: Any, number: str) -> web.Response:
        author = "author" if self.kind == "gitlab" else "user"
        items = [
            {"id": each.id, "body": each.body, author: {"id": each.author, "username": "x"}}
            for each in self.comments.get(int(number), [])
        ]
        if self.kind == "gitlab":
            items.reverse()  # the newest first, as it comes there
        return self._paged(request, items)

    def _add(self, request: web.Request, body: Any, number: str) -> web.Response:
        if int(number) not in self.open:
            return self._no(404, "Not Found")
        if not body.get("body") or len(body["body"]) > 65_536:
            return self._no(422, "Validation Failed: body is too long")
        self.changes += 1
        comment = self.say(int(number), ME, self._kept(body["body"]))
        return web.json_response({"id": comment.id, "body": comment.body}, status=201)

    def _edit(self, request: web.Request, body: Any, identity: str) -> web.Response:
        for each in (comment for all_ in self.comments.values() for comment in all_):
            if each.id == int(identity):
                if each.author != ME:
                    return self._no(403, "Resource not accessible")
                self.changes += 1
                each.body = self._kept(body["body"])
                return web.json_response({"id": each.id})
        return self._no(404, "Not Found")

    def _status(self, request: web.Request, body: Any, sha: str) -> web.Response:
        states = {
            "github": {"error", "failure", "pending", "success"},
            "gitlab": {"pending", "running", "success", "failed", "canceled", "skipped"},
            "gitea": {"pending", "success", "error", "failure", "warning"},
        }[self.kind]
        if body["state"] not in states or len(body["description"]) > 140:
            return self._no(422, "Validation Failed")
        if self.kind == "gitlab" and (sha, body) in self.statuses:
            return self._no(400, "Cannot transition status via :enqueue from :success")
        self.changes += 1
        self.statuses.append((sha, body))
        return web.json_response({"id": len(self.statuses)}, status=201)

    def _paged(self, request: web.Request, items: list[Any]) -> web.Response:
        page = int(request.query.get("page", "1"))
        part = items[(page - 1) * _PAGE : page * _PAGE]
        more = len(items) > page * _PAGE
        response = web.json_response(part)
        if self.kind == "gitlab":
            response.headers["X-Next-Page"] = str(page + 1) if more else ""
        elif more:
            here = request.url.update_query({"page": str(page + 1)})
            last = request.url.update_query({"page": "9"})
            response.headers["Link"] = f'<{here}>; rel="next", <{last}>; rel="last"'
        return response

    def _kept(self, text: str) -> str:
        """As the forge gives it back."""
        return text.replace("\n", "\r\n") if self.kind == "github" else text.rstrip()

    def _no(self, status: int, message: str) -> web.Response:
        return web.json_response({"message": message}, status=status)


def _token(request: web.Request) -> str | None:
    if "PRIVATE-TOKEN" in request.headers:
        return request.headers["PRIVATE-TOKEN"]
    return request.headers.get("Authorization", "").partition(" ")[2] or None
