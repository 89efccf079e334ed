"""GitHub, GitLab and Gitea, as far as a plan has to be told there.

They differ in paths, names and headers and agree in the rest, so each is one row of a table. What
is read from a forge is convenience: which requests are open, and which comment is ours. What a
request holds, git says; who vouches for it, keys say.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import rosterd
from rosterd import errors, settings
from rosterd.forges import calling

__all__ = ["Comment", "Forge", "Patience", "Refused", "open_forge"]

CONTEXT: Final = "rosterd/plan"
"""Name of our commit status."""
_DESCRIPTION: Final = 140
Patience = calling.Patience
Refused = calling.Refused


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment of a request; `author` is the account's id."""

    id: int
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class _Shape:
    """How one forge names things. Paths are formats of {project}, {number}, {id}, {sha}, {branch}."""

    headers: Callable[[str], Mapping[str, str]]
    project: Callable[[str], str]
    about: str
    open: str
    number: str
    target: Callable[[Mapping[str, Any]], str]
    comments: str
    new: str
    edit: tuple[str, str]
    author: str
    status: str
    named: str
    """Member that holds the status' name."""
    failed: str
    private: Callable[[Mapping[str, Any]], bool]


def _slashed(project: str) -> str:
    return quote(project, safe="/")


SHAPES: Final[Mapping[str, _Shape]] = {
    "github": _Shape(
        headers=lambda token: {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        project=_slashed,
        about="/repos/{project}",
        open="/repos/{project}/pulls?state=open&base={branch}&per_page=100",
        number="number",
        target=lambda item: str(item["base"]["ref"]),
        comments="/repos/{project}/issues/{number}/comments?per_page=100",
        new="/repos/{project}/issues/{number}/comments",
        edit=("PATCH", "/repos/{project}/issues/comments/{id}"),
        author="user",
        status="/repos/{project}/statuses/{sha}",
        named="context",
        failed="failure",
        private=lambda about: about.get("private") is True,
    ),
    "gitlab": _Shape(
        headers=lambda token: {"PRIVATE-TOKEN": token},
        project=lambda project: quote(project, safe=""),
        about="/projects/{project}",
        open="/projects/{project}/merge_requests?state=opened&target_branch={branch}&per_page=100",
        number="iid",
        target=lambda item: str(item["target_branch"]),
        comments="/projects/{project}/merge_requests/{number}/notes?per_page=100",
        new="/projects/{project}/merge_requests/{number}/notes",
        edit=("PUT", "/projects/{project}/merge_requests/{number}/notes/{id}"),
        author="author",
        status="/projects/{project}/statuses/{sha}",
        named="name",
        failed="failed",
        private=lambda about: about.get("visibility") == "private",
    ),
    "gitea": _Shape(
        headers=lambda token: {"Authorization": f"token {token}"},
        project=_slashed,
        about="/repos/{project}",
        open="/repos/{project}/pulls?state=open&limit=50",
        number="number",
        target=lambda item: str(item["base"]["ref"]),
        comments="/repos/{project}/issues/{number}/comments",
        new="/repos/{project}/issues/{number}/comments",
        edit=("PATCH", "/repos/{project}/issues/comments/{id}"),
        author="user",
        status="/repos/{project}/statuses/{sha}",
        named="context",
        failed="failure",
        private=lambda about: about.get("private") is True and about.get("internal") is not True,
    ),
}


class Forge:
    """One project at one forge. Every failure is an errors.TemporaryError that says what it was."""

    def __init__(self, kind: str, project: str, branch: str, caller: calling.Caller) -> None:
        self._shape = SHAPES[kind]
        self._names = {"project": self._shape.project(project), "branch": quote(branch, safe="")}
        self._branch = branch
        self._caller = caller

    async def close(self) -> None:
        """End its connections."""
        await self._caller.close()

    async def me(self) -> str:
        """Id of the account that the token belongs to."""
        return _id((await self._caller.ask("GET", "/user")).values)

    async def private(self) -> bool:
        """Whether only members of the project can read what is posted there."""
        answer = await self._caller.ask("GET", self._path(self._shape.about))
        return isinstance(answer.values, dict) and self._shape.private(answer.values)

    async def open(self) -> frozenset[int]:
        """Numbers of the open requests for the branch."""
        found = set()
        async for item in self._caller.pages(self._path(self._shape.open)):
            with _understanding():
                if self._shape.target(item) == self._branch:
                    found.add(int(item[self._shape.number]))
        return frozenset(found)

    async def comments(self, number: int) -> list[Comment]:
        """All comments of a request, the oldest first."""
        found = []
        async for item in self._caller.pages(self._path(self._shape.comments, number=number)):
            with _understanding():
                author = item.get(self._shape.author)  # none where the account is gone
                text = item.get("body") or ""
                found.append(Comment(int(item["id"]), _id(author) if author else "", str(text)))
        return sorted(found, key=lambda comment: comment.id)

    async def add(self, number: int, text: str) -> int:
        """A new comment; gives its id."""
        path = self._path(self._shape.new, number=number)
        answer = await self._caller.ask("POST", path, {"body": text})
        return int(_id(answer.values))

    async def edit(self, number: int, comment: int, text: str) -> None:
        """Replace the text of a comment of ours."""
        method, path = self._shape.edit
        await self._caller.ask(method, self._path(path, number=number, id=comment), {"body": text})

    async def status(self, sha: str, *, fine: bool, description: str) -> None:
        """Our status on a commit."""
        body = {
            "state": "success" if fine else self._shape.failed,
            self._shape.named: CONTEXT,
            "description": description[:_DESCRIPTION],
        }
        try:
            await self._caller.ask("POST", self._path(self._shape.status, sha=sha), body)
        except Refused as error:
            # GitLab's words for a status that the commit has already
            if error.status != 400 or "Cannot transition status" not in str(error):
                raise

    def _path(self, form: str, **names: object) -> str:
        return form.format(**self._names, **names)


def open_forge(
    requests: settings.Requests, branch: str, beat: Callable[[], None] = lambda: None
) -> Forge:
    """The forge of the settings, with the token as its file holds it now.

    `beat` is called before each request to it. Raises errors.TemporaryError when the token cannot be read.
    """
    if not (requests.forge and requests.api and requests.project and requests.token):
        raise AssertionError("the settings name a forge")
    try:
        token = requests.token.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.TemporaryError(f"cannot read the token in {requests.token}") from error
    if not token or not token.isprintable() or " " in token:
        raise errors.TemporaryError(f"cannot use the token in {requests.token}: expected one word")
    headers = {
        **SHAPES[requests.forge].headers(token),
        "User-Agent": f"rosterd/{rosterd.__version__}",
        "Content-Type": "application/json",
    }
    caller = calling.Caller(requests.api, headers, token, requests.timeout, beat)
    return Forge(requests.forge, requests.project, branch, caller)


@contextlib.contextmanager
def _understanding() -> Iterator[None]:
    """Tells an answer of another shape than the forge's as that."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise errors.TemporaryError("cannot understand the forge's answer") from error


def _id(values: Any) -> str:
    try:
        return str(int(values["id"]))
    except (KeyError, TypeError, ValueError) as error:
        raise errors.TemporaryError("cannot understand the forge's answer") from error
