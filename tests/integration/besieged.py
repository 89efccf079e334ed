"""A place under attack: a district with more to lose, and whoever may push to it.

`alice` holds one person's key and is the attacker; `bob` reviews.
"""

import contextlib
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from rosterd import reconciling
from tests.integration import configs_in_git as texts
from tests.integration.test_reconciling import MATH, WIDER, Place

Files = Mapping[str, str | bytes | None]

REPOSITORY = texts.REPOSITORY + "exclude: {where: \"familyName='Witness'\"}\n"
SOURCE = (
    texts.HEAD + "kind: RosterSource\nname: student-system\ntype: directory\n"
    "directory: /srv/student-system\n"
)
TARGET = (
    texts.HEAD + "kind: SftpTarget\nname: math\napplication: math\nenabled: true\n"
    "host: sftp.math.example\nusername: district\nauthentication: {password: math-password}\n"
    "hostKeys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBsx8rjDwNVnWkRwcYkfzRlQeNA2eBUrhd4Ks4FEVd8B]\n"
    "directory: /in\nexport: {template: oneroster-1.2, when: after-import}\n"
)
PICKS = """orgs: {ids: [east, west], under: [district]}
courses: {where: "title~'math' AND courseCode!='M1'"}
classes: {ids: [one, two], current: true}
people: {roles: [student, teacher], where: "grades='05'", current: true}
unenrolledUsers: true
demographics: {roles: [student]}
fields: {withhold: [users.phone], mask: {users.familyName: initial}}
expires: 2099-06-30
"""
BASIC = texts.permission("math", "basic", PICKS)
NONE = texts.permission(
    "none", "none", "orgs: [east]\ncourses: all\nfields: {withhold: [users.phone]}\n"
)
DISTRICT: Files = {
    "README.md": "# Test\n",
    "rosterd.yaml": REPOSITORY,
    "sources/student-system.yaml": SOURCE,
    "applications/math.yaml": texts.application(
        "math", more="agreement: {reference: A, expires: 2099-01-01}\n"
    ),
    "permissions/math.yaml": BASIC,
    "sftp-targets/math.yaml": TARGET,
    "applications/none.yaml": texts.application("none"),
    "permissions/none.yaml": NONE,
    "applications/off.yaml": texts.application("off", enabled=False),
    "permissions/off.yaml": texts.permission("off", "full"),
}


def said(old: str, new: str, text: str = BASIC) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


class Besieged(Place):
    """A place with more to lose; `alice` is the attacker, `bob` reviews."""

    def begin(self) -> str:
        self.alice = self.site.person("alice")
        self.bob = self.site.person("bob")
        self.first = self.site.commit(DISTRICT, by=self.alice)
        self.site.push()
        self.pin.write_text(self.first + "\n")
        return self.first

    async def attacked(self, files: Files, **how: Any) -> reconciling.Status:
        """Where it ends when alice commits and pushes this; then all is as it was."""
        self.site.commit(files, **({"by": self.alice} | how))
        self.site.push()
        status = await self.look()
        self.site.git("checkout", "-q", "-f", "-B", "main", self.first)
        self.site.push("--force")
        return status

    def write_blob(self, content: bytes) -> str:
        file = self.folder / "blob"
        file.write_bytes(content)
        return self.site.git("hash-object", "-w", str(file))

    def push_ref(self, target: str, ref: str) -> None:
        self.site.git("push", "-q", "-f", "origin", f"{target}:{ref}")

    def tree_with(self, files: Files) -> str:
        """The tree of the first commit with these files in it."""
        self.site.git("checkout", "-q", "-f", "--detach", self.first)
        self.site.write(files)
        self.site.git("add", "-A")
        tree = self.site.git("write-tree")
        self.site.git("checkout", "-q", "-f", "main")
        return tree

    def import_commits(self, *changes: bytes) -> None:
        """One commit on main for each, past whatever git's other commands would refuse."""
        head = f"from {self.site.head()}\n".encode()
        stream = b""
        for change in changes:
            stream += b"commit refs/heads/main\ncommitter a <a@a> 1700000000 +0000\ndata 1\nx\n"
            stream += head + change
            head = b""
        subprocess.run(
            ["git", "fast-import", "--quiet", "--force"],
            cwd=self.site.clone, input=stream, check=True,
        )  # fmt: skip
        self.site.git("push", "-q", "origin", "refs/heads/main:refs/heads/main")

    async def undone(self) -> str:
        """The commit with which two people took back what they had vouched for together."""
        commit = self.site.commit(WIDER, by=self.alice)
        self.site.push()
        await self.approve(commit, self.bob)
        assert (await self.look()).accepted == commit
        return await self.revert()

    async def revert(self) -> str:
        """What the district began with, vouched for by two."""
        revert = self.site.commit({MATH: BASIC}, by=self.alice)
        self.site.push()
        await self.approve(revert, self.bob)
        assert (await self.look()).accepted == revert
        return revert

    async def goes_on(self) -> None:
        """What two people vouch for is still applied."""
        commit = self.site.commit({"README.md": "# Later\n"}, by=self.alice)
        self.site.push("--force")
        await self.approve(commit, self.bob)
        status = await self.look()
        assert (status.reason, status.accepted) == ("Applied", commit), status.message


@contextlib.asynccontextmanager
async def standing(folder: Path) -> AsyncIterator[Besieged]:
    """A place in this folder, whose first commit is served."""
    place = Besieged(folder)
    place.begin()
    await place.again()
    status = await place.look()
    assert status.reason == "Applied", (status.message, status.problems)
    yield place
    for store in place.stores:
        await store.close()
