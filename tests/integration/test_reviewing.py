"""What reviewers type: who stands behind what, approving by hand, and a history written anew."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rosterd import chain, cli, errors, settings
from tests.integration import configs_in_git as texts
from tests.integration import forge_buttons as buttons
from tests.integration import git_repositories as repositories
from tests.integration.test_reconciling import MATH, WIDER, Place


async def rosterd(*words: str, agent: str | None = None) -> Result:
    runner = CliRunner(env={"SSH_AUTH_SOCK": agent} if agent is not None else None)
    return await asyncio.to_thread(runner.invoke, cli.commands, list(words))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with Place(tmp_path).looked() as place:
        yield place


async def in_clone(place: Place, *words: str) -> Result:
    signers = ("--allowed-signers", str(place.site.allowed))
    return await rosterd("review", *words, "-C", str(place.site.clone), *signers)


def lines(result: Result, path: str) -> list[list[str]]:
    """(is, by…) of the lines about one path."""
    rows = result.output.splitlines()
    first = next(number for number, row in enumerate(rows) if row.startswith(path))
    found = [rows[first].split()[1:]]
    for row in rows[first + 1 :]:
        if not row.startswith(" "):
            break
        found.append(row.split())
    return found


# ---------------------------------------------------------------- review


async def test_a_review_tells_proven_claimed_and_missing_apart(place: Place) -> None:
    place.site.git("checkout", "-q", "-b", "topic")
    signed = place.site.commit(
        {**WIDER, "README.md": "# More\n"},
        by=place.alice,
        message="Share more\n\nReviewed-by: Bob <bob@district.example>",
    )
    request = buttons.Request(place.site, place.first, signed, (signed,))
    merge = buttons.github_merge(request)
    place.site.git("push", "-q", "origin", f"{merge}:refs/heads/topic")

    waiting = await in_clone(place, merge)

    assert waiting.exit_code == 1, waiting.output
    assert f"{place.first[:12]}..{merge[:12]}: vouched for by one person's key" in waiting.output
    assert "The rule: two people vouch for a change." in waiting.output
    assert lines(waiting, MATH)[0] == [
        *("proven", f"{place.alice.email},", "key", key(place.alice) + ","),
        *("commit", signed[:12]),
    ]
    claimed = [" ".join(line) for line in lines(waiting, MATH) if line[0] == "claimed"]
    assert any("pgp key B5690EEEBB952194 (GitHub's web-flow) signed" in line for line in claimed)
    assert any(line.startswith("claimed Reviewed-by: Bob") for line in claimed)
    assert lines(waiting, MATH)[-1] == ["missing", "one", "more", "person:", place.bob.email]

    await place.approve(merge, place.bob)
    complete = await in_clone(place, merge, "--json")

    assert complete.exit_code == 0, complete.output
    told = json.loads(complete.stdout)
    assert [path["missing"] for path in told["paths"]] == [0, 0]
    assert {each["person"] for each in told["paths"][0]["proven"]} == {
        place.alice.email,
        place.bob.email,
    }


def key(person: repositories.Person) -> str:
    public = person.key.with_suffix(".pub")
    return repositories.run("ssh-keygen", "-l", "-f", str(public)).split()[1]


async def test_ranges_are_written_as_git_writes_them(place: Place) -> None:
    place.site.commit({"a.txt": "1"}, by=place.alice)
    place.site.push()
    place.site.git("checkout", "-q", "-b", "topic")
    place.site.commit({"b.txt": "2"}, by=place.alice)

    async def paths(*words: str) -> list[str]:
        told = json.loads((await in_clone(place, *words, "--json")).stdout)
        return [path["path"] for path in told["paths"]]

    assert await paths() == ["b.txt"], "what the branch that is checked out brings"
    assert await paths("topic") == ["b.txt"]
    assert await paths("main") == ["a.txt"], "the change of a commit that the branch has"
    assert await paths(f"{place.first}..topic") == ["a.txt", "b.txt"]
    assert await paths("HEAD~2..HEAD~1") == ["a.txt"]


async def test_a_review_without_keys_or_revocations_says_what_to_name(place: Place) -> None:
    clone = ("-C", str(place.site.clone))
    nobody = await rosterd("review", "HEAD", *clone)
    place.site.revoked.unlink()
    unrevoked = await in_clone(place, "HEAD")

    assert "name the list with --allowed-signers" in str(nobody.exception)
    assert "revoked_keys" in str(unrevoked.exception)
    assert "it has to be there" in str(unrevoked.exception)


async def test_the_daemons_view_is_of_what_waits_and_of_what_was_applied(place: Place) -> None:
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    await place.look()

    waiting = await place.loop.review("")
    assert (waiting.commit, waiting.complete) == (commit, False)
    assert waiting.rows[0].could == (place.bob.email,)

    await place.approve(commit, place.bob)
    assert (await place.loop.review("")).complete
    await place.look()
    assert (await place.loop.review("")).rows == ()
    past = await place.loop.review(f"{place.first}..{commit}")
    assert (past.complete, past.proven[:28]) == (True, "vouched for by two people's ")
    with pytest.raises(errors.InputError, match="cannot find the commit"):
        await place.loop.review("nothing")


async def test_documents_that_cannot_be_read_are_judged_by_the_strictest_number(
    place: Place,
) -> None:
    place.site.commit({MATH: "kind: ["}, by=place.alice)

    result = await in_clone(place, "HEAD")

    assert "have problems: it would not be applied" in result.output
    assert lines(result, MATH)[-1][:2] == ["missing", "one"]


class Stricter(Place):
    """Three people vouch for a permission, one for a narrowing of anything else."""

    @property
    def settings(self) -> settings.Settings:
        machine = super().settings
        review = machine.review.model_copy(
            update={"kinds": {"Permission": 3}, "effects": {"narrowing": 1}}
        )
        return machine.model_copy(update={"review": review})


async def test_the_settings_numbers_by_kind_and_effect_are_what_is_asked_for(
    tmp_path: Path,
) -> None:
    place = Stricter(tmp_path)
    place.begin()
    await place.again()
    await place.look()
    carol = place.site.person("carol")
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    await place.approve(commit, place.bob)

    status = await place.look()

    assert str(place.loop.rule) == "two people vouch for a change (Permission: 3, narrowing: 1)"
    assert [(missing.path, missing.needed, missing.have) for missing in status.missing] == [
        (MATH, 3, 2)
    ]
    await place.approve(commit, carol)
    assert (await place.look()).accepted == commit
    off = {"applications/math.yaml": texts.application("math", enabled=False)}
    narrower = place.site.commit(off, by=place.alice)
    place.site.push()
    assert (await place.look()).accepted == narrower
    await place.stores[0].close()


# ---------------------------------------------------------------- approve


async def test_somebody_without_rosterd_approves_with_the_lines_that_are_printed(
    place: Place, tmp_path: Path
) -> None:
    awkward = 'notes/it\'s "odd" $HOME é.txt'
    commit = place.site.commit({**WIDER, awkward: "x"}, by=place.alice)
    place.site.push()
    words = ("approve", commit, "--print", "--key", str(place.bob.key))
    printed = await rosterd(*words, "-C", str(place.site.clone))
    assert printed.exit_code == 0, f"{printed.output}{printed.exception!r}"
    assert (await place.look()).reason == "NotVouched", "nothing is signed yet"

    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("ssh-keygen", "git", "awk", "sha256sum", "cut", "rm"):
        (programs / name).symlink_to(repositories.run("which", name).strip())
    clone = tmp_path / "bobs"
    repositories.run("git", "clone", "-q", str(place.site.bare), str(clone))
    shell = "/bin/sh"
    await asyncio.to_thread(
        repositories.run, shell, cwd=clone, given=printed.output, PATH=str(programs)
    )

    assert (await place.look()).accepted == commit
    assert repositories.run("git", "status", "--porcelain", cwd=clone) == ""


async def test_what_would_be_signed_is_shown_as_a_plan_first(place: Place) -> None:
    commit = place.site.commit(WIDER, by=place.alice)
    broken = place.site.commit({MATH: "kind: ["}, by=place.alice)

    shown = await place.approve(commit, place.bob, "--no-push")
    unreadable = await place.approve(f"{commit}..{broken}", place.bob, "--no-push")

    assert "~ Permission math" in shown
    assert shown.index("~ Permission math") < shown.index("Your statement is in")
    assert "There is no plan of it: the documents of" in unreadable


@pytest.mark.parametrize("answer, kept", [("y", 1), ("n", 0), ("", 0)])
async def test_on_a_terminal_it_asks_before_it_signs(place: Place, answer: str, kept: int) -> None:
    commit = place.site.commit(WIDER, by=place.alice)
    words = ["approve", commit, "--key", str(place.bob.key), "--no-push"]
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rosterd", *words, "-C", str(place.site.clone)),
        stdin=theirs, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.write(ours, f"{answer}\n".encode())
    output, _ = await process.communicate()
    os.close(ours)
    os.close(theirs)

    assert "Vouch for this? [y/N]" in output.decode()
    assert output.index(b"~ Permission math") < output.index(b"Vouch for this?")
    assert process.returncode == (0 if kept else 1)
    refs = place.site.git("for-each-ref", "refs/rosterd/statements").splitlines()
    assert len(refs) == kept


async def test_a_key_that_does_not_sign_is_told_by_its_reason(place: Place) -> None:
    folder = place.folder / "odd"
    folder.mkdir()
    commit = place.site.commit(WIDER, by=place.alice)
    public = folder / "only.pub"
    public.write_text(place.bob.public + "\n")
    hardware = folder / "token"
    hardware.write_text("no key\n")
    hardware.with_suffix(".pub").write_text("sk-ssh-ed25519@openssh.com AAAA bob\n")

    async def said(path: Path) -> str:
        words = ("approve", commit, "--key", str(path), "--no-push", "-C", str(place.site.clone))
        result = await rosterd(*words, agent="")
        assert result.exit_code == 1
        return str(result.exception)

    assert "no ssh agent is running (SSH_AUTH_SOCK)" in await said(public)
    assert "this is a hardware key" in await said(hardware)
    assert "there is no key" in await said(folder / "none")


# ---------------------------------------------------------------- a rewritten history


async def rewritten(place: Place, files: dict[str, str | bytes | None]) -> tuple[str, str]:
    """(accepted commit, tip of a history that does not have it), pushed by force."""
    former = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    await place.approve(former, place.bob)
    assert (await place.look()).accepted == former
    place.site.git("reset", "-q", "--hard", place.first)
    tip = place.site.commit({**WIDER, **files}, by=place.alice, message="As if it had been so")
    place.site.push("--force")
    return former, tip


@pytest.mark.parametrize("files", [{}, {"permissions/none.yaml": texts.permission("none")}])
async def test_a_rewritten_history_is_taken_when_two_people_vouch_and_somebody_asks(
    place: Place, files: dict[str, str | bytes | None]
) -> None:
    former, tip = await rewritten(place, files)
    status = await place.look()
    assert (status.reason, status.accepted) == ("HistoryRewritten", former)
    assert f"rosterd accept-rewrite {former[:12]} {tip[:12]} --reason" in status.message

    async def ask() -> tuple[str, str | None]:
        status = await place.loop.accept_rewrite(former[:12], tip[:12], "a file was purged", "root")
        return status.reason, status.accepted

    assert await ask() == ("NotVouched", former)
    await place.approve(tip, place.alice, "--rewrite", former)
    assert await ask() == ("NotVouched", former), "one person alone"
    await place.approve(tip, place.bob, "--rewrite", former)
    assert (await place.look()).reason == "HistoryRewritten", "nobody asks"
    assert await ask() == ("Applied", tip)

    record = await place.stores[0].run(lambda kept: kept.last_record("rewritten"))
    assert record is not None
    entry = record.read()
    assert (entry["reason"], entry["to"]) == ("a file was purged", tip)
    assert entry["people"] == [place.alice.email, place.bob.email]
    assert "root took the history" in chain.sentence("rewritten", entry)
    narrower = place.site.commit({MATH: texts.permission("math", "none")}, by=place.alice)
    place.site.push()
    assert (await place.look()).accepted == narrower, "it is followed as usual"


async def test_statements_about_a_rewrite_are_about_these_two_trees_and_nothing_else(
    place: Place,
) -> None:
    former, tip = await rewritten(place, {})
    for person in (place.alice, place.bob):
        await place.approve(tip, person, "--rewrite", former)
    other = place.site.commit({"permissions/none.yaml": texts.permission("none")}, by=place.alice)
    place.site.push("--force")

    status = await place.loop.accept_rewrite(former, other, "more of it", "root")

    assert (status.reason, status.accepted) == ("NotVouched", former)
    assert [str(missing) for missing in status.missing] == [
        "the rewritten history: needs two people, has 0 (nobody)"
    ]


async def test_commits_of_the_former_history_vouch_for_nothing_any_more(place: Place) -> None:
    place.site.git("checkout", "-q", "-b", "old")
    held = place.site.commit({"README.md": "# Bob's\n"}, by=place.bob)
    place.site.git("checkout", "-q", "main")
    former, tip = await rewritten(place, {})
    for person in (place.alice, place.bob):
        await place.approve(tip, person, "--rewrite", former)
    status = await place.loop.accept_rewrite(former, tip, "a file was purged", "root")
    assert status.accepted == tip, status.message

    place.site.git("push", "-q", "-f", "origin", f"{held}:refs/rosterd/commits/{held}")
    place.site.commit({"README.md": "# Bob's\n"}, by=place.alice)
    place.site.push()

    status = await place.look()
    assert (status.reason, status.missing[0].people) == ("NotVouched", (place.alice.email,))


async def test_what_is_no_rewrite_of_the_accepted_commit_is_refused(place: Place) -> None:
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    await place.look()

    with pytest.raises(errors.InputError, match="the accepted commit is"):
        await place.loop.accept_rewrite("1" * 40, commit, "why not", "root")
    with pytest.raises(errors.InputError, match="accepted already"):
        await place.loop.accept_rewrite(commit, place.first[:12], "why not", "root")
    status = await place.loop.accept_rewrite(place.first, commit, "why not", "root")
    assert status.reason == "NotVouched", "it descends, so it is judged as ever"
