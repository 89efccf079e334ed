"""Whom the daemon talks with beside vendors: the forge, and the district's mail server."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal

import pydantic

from rosterd.settings import numbers

_CONFIG = numbers.CONFIG
_ADDRESS: Final = r"[^\s@<>,;\"]+@[^\s@<>,;\"]+"
Seconds = numbers.Seconds


class Webhook(pydantic.BaseModel):
    """How a forge tells of a push, at /hooks/git on the vendors' listener."""

    model_config = _CONFIG

    scheme: Literal["github", "gitlab", "gitlab-token", "gitea", "bitbucket"] | None = None
    """What proves a call: `gitlab` is the signing token of newer versions, `gitlab-token` the
    secret token of older ones, `gitea` serves Forgejo too. Without it no webhook is taken."""
    secrets: tuple[Path, ...] = ()
    """Files with one secret each, of which a call has to know one: two while it is rotated."""

    @pydantic.model_validator(mode="after")
    def _both(self) -> "Webhook":
        if (self.scheme is None) != (not self.secrets):
            raise ValueError("cannot take webhooks with only one of webhook.scheme and .secrets")
        if len(self.secrets) > 2:
            raise ValueError("cannot use more than two webhook.secrets: the old and the new one")
        return self


class Requests(pydantic.BaseModel):
    """Open pull and merge requests that the daemon plans by itself; none when `refs` is empty."""

    model_config = _CONFIG

    refs: tuple[str, ...] = ()
    """Where the repository keeps their heads, such as refs/pull/*/head (GitHub, Gitea) or
    refs/merge-requests/*/head (GitLab). The star stands for the number."""
    most: int = pydantic.Field(default=50, ge=1, le=500)
    """How many are looked at, the newest first."""
    max_bytes: int = pydantic.Field(default=64 * 2**20, ge=2**20)
    """Most bytes that one fetch of them may bring."""
    poll: Seconds = 60.0
    """Seconds between two looks at them."""
    forge: Literal["github", "gitlab", "gitea"] | None = None
    """Where comments and statuses are posted; needs `api`, `project` and `token`."""
    api: str | None = None
    """Base of its API: https://api.github.com, https://HOST/api/v4 or https://HOST/api/v1."""
    project: str | None = None
    """The project there: owner/name, or for GitLab also its number."""
    token: Path | None = None
    """File with the token to post with; a systemd credential in production."""
    author: str | None = None
    """Id of the account that the token posts as, for tokens that may not ask (GitHub Apps)."""
    timeout: Seconds = 20.0
    """Seconds after which a request to the forge is given up."""

    @pydantic.field_validator("refs")
    @classmethod
    def _numbered(cls, refs: tuple[str, ...]) -> tuple[str, ...]:
        for ref in refs:
            taken = ref.startswith(("refs/heads/", "refs/tags/", "refs/rosterd/", "refs/notes/"))
            if taken or not re.fullmatch(r"refs/[\w.-]+(/[\w.-]+)*/\*(/[\w.-]+)+", ref):
                raise ValueError(
                    f"cannot take requests from {ref}: expected one star for the number, such as"
                    " refs/pull/*/head, and no branches, tags or statements"
                )
        return refs

    @pydantic.model_validator(mode="after")
    def _whole(self) -> "Requests":
        posting = (self.forge, self.api, self.project, self.token)
        if any(posting) and not all(posting):
            raise ValueError("cannot post with only some of forge, api, project and token")
        if self.forge is not None and not self.refs:
            raise ValueError("cannot post about requests without refs to take them from")
        if self.api is not None and not re.fullmatch(
            r"https://[^\s?#@]+[^\s?#@/]|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/[^\s?#@]*[^\s?#@/])?",
            self.api,
        ):
            raise ValueError("expected an https:// URL for api, without / behind")
        if self.project is not None and not re.fullmatch(
            r"[\w~-][\w.~-]*(/[\w~-][\w.~-]*)*", self.project
        ):
            raise ValueError("expected a project such as owner/name")
        return self


class Mail(pydantic.BaseModel):
    """The mail server that letters to developers and notifications leave by; none without `host`."""

    model_config = _CONFIG

    host: str | None = None
    """Name or address of the SMTP server."""
    port: Annotated[int, pydantic.Field(ge=1, le=65535)] = 587
    """TCP port; 465 is usual with `tls`, 587 with `starttls`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`none` sends in the clear, to this machine's own server on loopback only."""
    sender: str | None = None
    """The address that mails come from. Needed with `host`."""
    sender_name: str = "rosterd"
    """What readers see before it."""
    reply_to: str | None = None
    """Where answers go, when that is not the sender."""
    username: str | None = None
    """Who signs in there. Needs `password`."""
    password: Path | None = None
    """File with the password; a systemd credential in production."""
    certificates: Path | None = None
    """PEM file with the authorities that vouch for the server; the system's when left out."""

    @pydantic.field_validator("sender", "reply_to")
    @classmethod
    def _address(cls, address: str | None) -> str | None:
        if address is not None and not re.fullmatch(_ADDRESS, address):
            raise ValueError("this is no address: write one such as rosters@district.example")
        return address

    @pydantic.field_validator("host", "sender_name")
    @classmethod
    def _one_line(cls, text: str | None) -> str | None:
        if text is not None and not (text.strip() and text.isprintable() and len(text) < 254):
            raise ValueError("this has to be one line of text, and not empty")
        return text

    @pydantic.model_validator(mode="after")
    def _whole(self) -> "Mail":
        if (self.host is None) != (self.sender is None):
            raise ValueError("cannot send mail with only one of mail.host and mail.sender")
        if (self.username is None) != (self.password is None):
            raise ValueError("cannot sign in with only one of mail.username and mail.password")
        if self.host is not None and self.security == "none" and not _on_loopback(self.host):
            raise ValueError(
                'cannot send in the clear to another machine: set mail.security to "starttls" or'
                ' "tls"'
            )
        return self


def _on_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
