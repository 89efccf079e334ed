"""Commits as each forge's buttons make them: who is author and committer, what is signed by whom.

A forge signs with its own pgp key; here that signature is only a picture of one, which is as much as
rosterd may believe of it.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.integration import git_repositories as repositories

GITHUB = "GitHub <noreply@github.com>"
GITLAB = "GitLab <noreply@gitlab.com>"
WEB_FLOW = "B5690EEEBB952194"
INSTANCE = "0123456789ABCDEF"
PRESSER = "Pat Presser <pat@district.example>"
"""Whoever pressed the button: in nobody's list."""
WHEN = "1764000000 +0000"


def pgp_signature(key: str) -> str:
    """An armored pgp signature packet that names `key`, and signs nothing."""
    hashed = bytes([5, 2]) + (1_764_000_000).to_bytes(4)
    free = bytes([9, 16]) + bytes.fromhex(key)
    body = bytes([4, 0, 1, 8]) + len(hashed).to_bytes(2) + hashed + len(free).to_bytes(2) + free
    body += b"\xab\xcd" + (2_048).to_bytes(2) + b"\x80" + b"\x01" * 255
    packet = bytes([0x89]) + len(body).to_bytes(2) + body
    text = base64.b64encode(packet).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(
        ["-----BEGIN PGP SIGNATURE-----", "", *lines, "=AbCd", "-----END PGP SIGNATURE-----"]
    )


@dataclass(frozen=True)
class Request:
    """A request to merge `tip` (with `commits` of its own, oldest first) into main at `base`."""

    site: repositories.Site
    base: str
    tip: str
    commits: tuple[str, ...]

    def write(  # noqa: PLR0917 - the parts of a commit
        self,
        tree: str,
        parents: tuple[str, ...],
        author: str,
        committer: str,
        message: str,
        key: str | None = None,
    ) -> str:
        """A commit written as a forge writes it; the picture of a signature when it has a key."""
        tree = self.site.git("rev-parse", f"{tree}^{{tree}}")
        head = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
        head += [f"author {author} {WHEN}", f"committer {committer} {WHEN}"]
        if key:
            head.append("gpgsig " + pgp_signature(key).replace("\n", "\n "))
        text = "\n".join(head) + f"\n\n{message}\n"
        return repositories.run(
            *("git", "hash-object", "-t", "commit", "-w", "--stdin"),
            cwd=self.site.clone,
            given=text,
        ).strip()

    def author(self, commit: str) -> str:
        return self.site.git("log", "-1", "--format=%an <%ae>", commit)

    def rebased(self, committer: str) -> str:
        """Each commit made anew, unsigned, its author kept."""
        at = self.base
        for commit in self.commits:
            message = self.site.git("log", "-1", "--format=%B", commit)
            at = self.write(commit, (at,), self.author(commit), committer, message)
        return at


Button = Callable[[Request], str]
"""Gives the commit at which main stands after it was pressed."""


def github_merge(request: Request) -> str:
    return request.write(
        request.tip,
        (request.base, request.tip),
        PRESSER,
        GITHUB,
        "Merge pull request #7 from alice/topic\n\nShare more",
        WEB_FLOW,
    )


def github_squash(request: Request) -> str:
    message = "Share more (#7)\n\nCo-authored-by: Bob <bob@district.example>"
    author = request.author(request.tip)
    return request.write(request.tip, (request.base,), author, GITHUB, message, WEB_FLOW)


def github_rebase(request: Request) -> str:
    return request.rebased(PRESSER)


def gitlab_merge(request: Request) -> str:
    message = "Merge branch 'topic' into 'main'\n\nShare more\n\nSee merge request g/p!7"
    return request.write(request.tip, (request.base, request.tip), PRESSER, PRESSER, message)


def gitlab_merge_signed_by_the_instance(request: Request) -> str:
    message = "Merge branch 'topic' into 'main'\n\nApproved-by: Bob <bob@district.example>"
    parents = (request.base, request.tip)
    return request.write(request.tip, parents, PRESSER, GITLAB, message, INSTANCE)


def gitlab_squash_with_a_merge_commit(request: Request) -> str:
    author = request.author(request.tip)
    squash = request.write(request.tip, (request.base,), author, GITLAB, "Share more", INSTANCE)
    message = "Merge branch 'topic' into 'main'\n\nReviewed-by: Bob <bob@district.example>"
    return request.write(squash, (request.base, squash), PRESSER, GITLAB, message, INSTANCE)


def gitlab_rebase_on_the_page(request: Request) -> str:
    return request.rebased(PRESSER)


def gitlab_fast_forward(request: Request) -> str:
    return request.tip


def gitea_merge(request: Request) -> str:
    message = "Merge pull request 'Share more' (#7) from topic into main\n\nReviewed-by: Bob"
    return request.write(request.tip, (request.base, request.tip), PRESSER, PRESSER, message)


def gitea_squash(request: Request) -> str:
    author = request.author(request.tip)
    message = f"Share more (#7)\n\nCo-authored-by: {author}\nCo-committed-by: {author}"
    return request.write(request.tip, (request.base,), author, PRESSER, message)


def gitea_rebase(request: Request) -> str:
    return request.rebased(PRESSER)


def gitea_fast_forward_only(request: Request) -> str:
    return request.tip


BUTTONS: Mapping[str, Button] = {
    button.__name__: button
    for button in (
        github_merge,
        github_squash,
        github_rebase,
        gitlab_merge,
        gitlab_merge_signed_by_the_instance,
        gitlab_squash_with_a_merge_commit,
        gitlab_rebase_on_the_page,
        gitlab_fast_forward,
        gitea_merge,
        gitea_squash,
        gitea_rebase,
        gitea_fast_forward_only,
    )
}
