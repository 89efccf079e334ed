"""The edge to git, with the real programs: what steers it, what it refuses, whom it believes."""

import getpass
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rosterd import errors, git, settings, statements
from rosterd.git import people, running, trees, witnesses
from tests.integration import git_repositories as repositories
from tests.integration import sshd

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ"


@pytest.fixture
def site(tmp_path: Path) -> repositories.Site:
    return repositories.Site(tmp_path / "site")


def mirror_of(site: repositories.Site, tmp_path: Path, **more: object) -> git.Mirror:
    repository = settings.Repository.model_validate({"id": "forge", "url": str(site.bare), **more})
    return git.Mirror(tmp_path / "state" / "mirror.git", repository)


async def heard(
    site: repositories.Site, mirror: git.Mirror, old: str, new: str
) -> tuple[statements.Statement, ...]:
    listed = people.load(site.allowed, site.revoked, datetime.now(UTC))
    reader = witnesses.Witnesses(mirror, repository="forge", branch="main")
    changed = await mirror.changes(old, new)
    return (await reader.hear(old, new, changed, listed, datetime.now(UTC))).stated


# ---------------------------------------------------------------- programs


async def test_a_program_that_is_late_is_killed_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    programs = running.hardened(tmp_path, timeout=0.5)
    begun = time.monotonic()

    with pytest.raises(errors.TemporaryError, match=r"cannot wait longer than 0\.5 s for sh"):
        await programs.run("sh", "-c", f"sleep 600 & echo $! > {child}; wait")

    assert time.monotonic() - begun < 10
    pid = int(child.read_text())
    deadline = time.monotonic() + 10
    while _alive(pid):
        assert time.monotonic() < deadline


def _alive(pid: int) -> bool:
    """Whether a process runs; a dead one that nobody has collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_program_that_says_too_much_is_stopped(tmp_path: Path) -> None:
    programs = running.hardened(tmp_path)

    with pytest.raises(errors.TemporaryError, match="cannot take more than 1000 bytes from yes"):
        await programs.run("yes", limit=1000)


async def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.TemporaryError, match="cannot run no-such-program"):
        await running.hardened(tmp_path).run("no-such-program")


async def test_nothing_of_the_environment_reaches_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/somewhere")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")

    answer = await running.hardened(tmp_path).run("env")

    names = {line.split("=")[0] for line in answer.output.decode().splitlines()}
    assert not names & {"GIT_DIR", "SSH_AUTH_SOCK", "GIT_CONFIG_COUNT"}
    assert f"HOME={tmp_path}" in answer.output.decode()


def test_passwords_of_urls_are_not_told() -> None:
    told = running.redacted("fatal: https://us:secret@forge.example/a.git and ssh://git@x/a")

    assert told == "fatal: https://forge.example/a.git and ssh://x/a"


# ---------------------------------------------------------------- people


def read(allowed: str, revoked: str = "") -> people.People:
    return people.read(allowed, "allowed", revoked, "revoked", NOW)


def test_people_are_read_with_comments_and_several_keys() -> None:
    found = read(f"# staff\n\nalice@x.example {KEY} laptop\nalice@x.example {OTHER}\n")

    assert found.names == ("alice@x.example",)
    assert len(found.keys) == 2


@pytest.mark.parametrize(
    "line, reason",
    [
        (f"*@x.example {KEY}", "exactly one person"),
        (f"alice,bob {KEY}", "exactly one person"),
        (f'"alice b" {KEY}', "exactly one person"),
        (f"!alice {KEY}", "exactly one person"),
        (f"alice cert-authority {KEY}", "the option cert-authority is not taken"),
        (f'alice namespaces="*" {KEY}', "not as patterns"),
        (f'alice valid-before="soon" {KEY}', "cannot read the time"),
        ("alice ssh-ed25519 AAAA!", "not base64"),
        ("alice ssh-rsa " + KEY.split()[1], "of another type"),
        ("alice", "expected a public key"),
        (f'alice namespaces="git {KEY}', "cannot read the options"),
    ],
)  # fmt: skip
def test_lines_that_blur_who_signs_are_refused(line: str, reason: str) -> None:
    with pytest.raises(errors.InputError) as caught:
        read(f"# first\n{line}\n")

    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("allowed", 2)
    assert reason in problem.message


def test_one_key_stands_for_one_person() -> None:
    with pytest.raises(errors.InputError, match="stands for alice in line 1"):
        read(f"alice {KEY}\nbob {KEY}\n")


def test_a_revoked_key_is_gone_and_its_person_stays() -> None:
    assert read(f"alice {KEY}\nalice {OTHER}\n", f"{KEY} lost laptop\n").names == ("alice",)
    assert read(f"alice {KEY}\n", KEY).names == ()


@pytest.mark.parametrize(
    "options, counts",
    [
        ('valid-before="20260901120000Z"', False),
        ('valid-before="20260901120001Z"', True),
        ('valid-after="20260901120000Z"', True),
        ('valid-after="20260902Z"', False),
        ('namespaces="git",valid-after="20250101Z"', True),
    ],
)
def test_validity_is_judged_by_the_clock(options: str, counts: bool) -> None:
    assert bool(read(f"alice {options} {KEY}\n").keys) == counts


def test_a_key_is_good_for_its_namespaces() -> None:
    found = read(f'alice namespaces="git" {KEY}\n')
    name = next(iter(found.keys))

    assert found.person(name, "git") == "alice"
    assert found.person(name, statements.NAMESPACE) is None
    assert found.signers(statements.NAMESPACE) == ""
    assert found.signers("git") == f'"alice" namespaces="git" {KEY}\n'


def test_key_files_must_be_there_and_be_text(tmp_path: Path) -> None:
    allowed, revoked = tmp_path / "allowed", tmp_path / "revoked"
    allowed.write_text(f"alice {KEY}\n")

    with pytest.raises(errors.InputError, match="it has to be there"):
        people.load(allowed, revoked, NOW)

    revoked.write_bytes(b"SSHKRL\n\0\xff\xff")
    with pytest.raises(errors.InputError, match="list the public keys one a line"):
        people.load(allowed, revoked, NOW)


# ---------------------------------------------------------------- the mirror


@pytest.mark.parametrize(
    "url",
    [
        "http://forge.example/a.git",
        "ext::sh -c id",
        "git://x/a",
        "relative/path",
        "-o:x",
        "ftp://x",
    ],
)
def test_urls_that_are_not_taken(url: str, tmp_path: Path) -> None:
    with pytest.raises(errors.InputError, match="cannot use the repository URL"):
        git.Mirror(tmp_path, settings.Repository(id="x", url=url))


async def test_only_the_protocol_of_the_url_is_open(
    site: repositories.Site, tmp_path: Path
) -> None:
    site.commit({"a": "1"})
    site.push()
    mirror = mirror_of(site, tmp_path, url="ssh://git@127.0.0.1:1/a.git")

    await mirror.prepare()
    with pytest.raises(errors.TemporaryError, match="not allowed"):
        await mirror.programs.git("ls-remote", str(site.bare), folder=mirror.folder)


async def test_what_ssh_refuses_is_told_by_the_setting_to_look_at(
    site: repositories.Site, tmp_path: Path
) -> None:
    site.commit({"a": "1"})
    site.push()
    stranger = repositories.make_person(tmp_path / "keys", "stranger")
    known = tmp_path / "known_hosts"
    with sshd.running(tmp_path / "sshd") as server:
        client = server.work / "client"
        known.write_text(f"[127.0.0.1]:{server.port} {server.host_key()}\n")

        def mirror(name: str, key: Path, known_hosts: Path | None) -> git.Mirror:
            return mirror_of(
                site,
                tmp_path / name,
                url=f"ssh://{getpass.getuser()}@127.0.0.1:{server.port}{site.bare}",
                ssh_key=key,
                known_hosts=known_hosts,
            )

        assert await mirror("right", client, known).fetch() == site.head()
        with pytest.raises(
            errors.TemporaryError, match=r"not in repository\.known_hosts \(not set\)"
        ):
            await mirror("host", client, None).fetch()
        with pytest.raises(errors.TemporaryError, match=r"does not take repository\.ssh_key"):
            await mirror("key", stranger.key, known).fetch()


async def test_a_branch_that_is_not_there_is_told(site: repositories.Site, tmp_path: Path) -> None:
    site.commit({"a": "1"})
    site.push()

    with pytest.raises(errors.InputError, match="cannot find the branch next"):
        await mirror_of(site, tmp_path, branch="next").fetch()


async def test_a_repository_that_is_away_is_temporary(
    site: repositories.Site, tmp_path: Path
) -> None:
    with pytest.raises(errors.TemporaryError):
        await mirror_of(site, tmp_path, url=str(tmp_path / "nowhere")).fetch()


async def test_a_mirror_inside_another_repository_never_uses_that_one(
    site: repositories.Site, tmp_path: Path
) -> None:
    repositories.run("git", "init", "-q", str(tmp_path))
    site.commit({"a": "1"})
    site.push()
    mirror = mirror_of(site, tmp_path)
    await mirror.fetch()
    (mirror.folder / "HEAD").unlink()

    assert await mirror.mend()
    assert await mirror.fetch() == site.head()
    refs = repositories.run("git", "for-each-ref", cwd=tmp_path)
    assert refs == ""


async def test_statements_that_are_taken_back_are_forgotten(
    site: repositories.Site, tmp_path: Path
) -> None:
    site.commit({"a": "1"})
    site.push()
    blob = site.git("rev-parse", "HEAD:a")
    site.git("push", "-q", "origin", f"{blob}:refs/rosterd/statements/one")
    mirror = mirror_of(site, tmp_path)

    await mirror.fetch()
    assert await mirror.statement_refs(10, 100) == {"one": blob}
    assert await mirror.statement_refs(10, 0) == {}

    site.git("push", "-q", "origin", ":refs/rosterd/statements/one")
    await mirror.fetch()
    assert await mirror.statement_refs(10, 100) == {}


def test_trees_refuse_names_that_are_two_things() -> None:
    blob = "1" * 40
    listing = b"".join(
        [
            f"100644 blob {blob}       5\ta/b.yaml\0".encode(),
            f"100644 blob {blob}       5\tA/c.yaml\0".encode(),
            f"100644 blob {blob}       5\ta\xcc\x81.yaml\0".encode("latin-1"),
            f"100644 blob {blob}       5\t\xc3\xa1.yaml\0".encode("latin-1"),
            f"100644 blob {blob}       5\t\xff.yaml\0".encode("latin-1"),
            f"100644 blob {blob}       5\tline\nbreak\0".encode(),
            f"100644 blob {blob} 9999999\tbig\0".encode(),
            f"120000 blob {blob}       5\tlink\0".encode(),
            f"160000 commit {blob}       -\tmodule\0".encode(),
        ]
    )

    with pytest.raises(errors.InputError) as caught:
        trees.entries(listing)

    assert {problem.path: problem.message.split(";")[0] for problem in caught.value.problems} == {
        "A/c.yaml": "differs from a only in its spelling",
        "á.yaml": "differs from a\u0301.yaml only in its spelling",
        "\\xff.yaml": "the name is not UTF-8",
        "line\nbreak": "the name holds control characters",
        "big": "the file is larger than 1048576 bytes",
        "link": "a symbolic link",
        "module": "a submodule",
    }


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "FILES", 2)
    listing = b"".join(
        f"100644 blob {'1' * 40}       5\t{number}.yaml\0".encode() for number in range(3)
    )

    with pytest.raises(errors.InputError, match="more than 2 files"):
        trees.entries(listing)


# ---------------------------------------------------------------- whose word it is


async def test_a_good_signature_of_a_listed_key_is_a_statement(
    site: repositories.Site, tmp_path: Path
) -> None:
    alice = site.person("alice")
    old = site.commit({"a": "1"}, by=alice)
    new = site.commit({"a": "2"}, by=alice)
    site.push()
    mirror = mirror_of(site, tmp_path)
    await mirror.fetch()

    (statement,) = await heard(site, mirror, old, new)

    assert (statement.person, statement.source, statement.name) == (alice.email, "commit", new)
    assert [step.path for step in statement.transitions] == ["a"]


async def test_a_commit_that_was_changed_after_signing_is_none(
    site: repositories.Site, tmp_path: Path
) -> None:
    alice = site.person("alice")
    old = site.commit({"a": "1"}, by=alice)
    signed = site.commit({"a": "2"}, by=alice)
    raw = site.git("cat-file", "commit", signed) + "\n"
    forged = repositories.run(
        *("git", "hash-object", "-t", "commit", "-w", "--stdin"),
        cwd=site.clone,
        given=raw.replace("\nchange", "\nother"),
    ).strip()
    site.git("push", "-q", "origin", f"{forged}:refs/heads/main")
    mirror = mirror_of(site, tmp_path)
    await mirror.fetch()

    assert await heard(site, mirror, old, forged) == ()


async def test_another_way_to_write_a_signature_is_the_same_statement(
    site: repositories.Site, tmp_path: Path
) -> None:
    """The commit id differs, what was signed does not; and what the history said has been said."""
    alice = site.person("alice")
    first = site.commit({"a": "1"}, by=alice)
    signed = site.commit({"a": "2"}, by=alice)
    back = site.commit({"a": "1"}, by=alice)
    raw = site.git("cat-file", "commit", signed) + "\n"
    lines = raw.split("\n")
    place = next(number for number, line in enumerate(lines) if line.startswith("gpgsig")) + 1
    lines[place : place + 1] = [lines[place][:30], " " + lines[place][30:]]
    rewritten = repositories.run(
        *("git", "hash-object", "-t", "commit", "-w", "--stdin"),
        cwd=site.clone,
        given="\n".join(lines),
    ).strip()
    assert rewritten != signed
    site.git("push", "-q", "origin", f"{back}:refs/heads/main")
    site.git("push", "-q", "origin", f"{rewritten}:refs/rosterd/commits/{rewritten}")
    mirror = mirror_of(site, tmp_path)
    await mirror.fetch()
    site.git("reset", "-q", "--hard", back)
    again = site.commit({"a": "2"}, signed=False)
    site.push()
    await mirror.fetch()

    before_history = await heard(site, mirror, first, again)
    after_history = await heard(site, mirror, back, again)

    subjects = {each.subject for each in before_history if each.name in {signed, rewritten}}
    assert len(subjects) == 1
    assert after_history == ()


async def test_replaced_objects_are_not_followed(site: repositories.Site, tmp_path: Path) -> None:
    alice = site.person("alice")
    old = site.commit({"a": "1"}, by=alice)
    unsigned = site.commit({"a": "2"}, signed=False)
    site.push()
    mirror = mirror_of(site, tmp_path)
    await mirror.fetch()
    repositories.run("git", f"--git-dir={mirror.folder}", "replace", unsigned, old)

    assert await heard(site, mirror, old, unsigned) == ()
    assert [step.path for step in await mirror.changes(old, unsigned)] == ["a"]


async def test_a_signature_of_another_format_never_reaches_its_program(
    site: repositories.Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = site.commit({"a": "1"})
    plain = site.commit({"a": "2"})
    raw = site.git("cat-file", "commit", plain)
    head, _, body = raw.partition("\n\n")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----"
    pgp = repositories.run(
        *("git", "hash-object", "-t", "commit", "-w", "--stdin"),
        cwd=site.clone,
        given=f"{head}\n{signature}\n\n{body}\n",
    ).strip()
    site.git("push", "-q", "origin", f"{pgp}:refs/heads/main")
    called = tmp_path / "called"
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "gpg").write_text(f"#!/bin/sh\ntouch {called}\n")
    (programs / "gpg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    mirror = mirror_of(site, tmp_path)
    await mirror.fetch()

    assert await heard(site, mirror, old, pgp) == ()
    await mirror.programs.git("verify-commit", pgp, folder=mirror.folder, fine=range(256))
    assert not called.exists()


async def test_verifying_many_commits_is_quick_and_remembered(
    site: repositories.Site, tmp_path: Path
) -> None:
    alice = site.person("alice")
    old = site.commit({"a": "0"}, by=alice)
    new = [site.commit({"a": str(number)}, by=alice) for number in range(1, 11)][-1]
    site.push()
    mirror = mirror_of(site, tmp_path)
    await mirror.fetch()
    listed = people.load(site.allowed, site.revoked, datetime.now(UTC))
    reader = witnesses.Witnesses(mirror, repository="forge", branch="main")
    changed = await mirror.changes(old, new)

    first = await reader.hear(old, new, changed, listed, NOW)
    site.allowed.write_text("")
    nobody = people.load(site.allowed, site.revoked, datetime.now(UTC))
    later = await reader.hear(old, new, changed, nobody, NOW)

    assert len(first.stated) == 10
    assert later.stated == ()
