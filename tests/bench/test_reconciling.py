"""A repository of 5,000 documents: checking it cold, a push until it is served, keys by the commit."""

import hmac
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rosterd import settings, watching
from tests.bench import measuring
from tests.integration import configs_in_git as texts
from tests.integration import test_standing as standing

pytestmark = pytest.mark.bench

DOCUMENTS = 5_000
COMMITS = 100


def documents(count: int = DOCUMENTS) -> dict[str, str | bytes | None]:
    """Half applications, half permissions with conditions, and rosterd.yaml."""
    files: dict[str, str | bytes | None] = {"rosterd.yaml": texts.REPOSITORY}
    for number in range((count - 1) // 2):
        name = f"vendor-{number:04}"
        files[f"applications/{name}.yaml"] = texts.application(name, more=_MORE)
        files[f"permissions/{name}.yaml"] = texts.basic(name, f"title~'{number}'", _RULES)
    return files


_MORE = (
    'owner: {name: Office, email: office@district.example}\nrest: {versions: ["1.1", "1.2"]}\n'
    'agreement: {reference: "2026/7", expires: 2030-06-30}\n'
)
_RULES = (
    "people: {where: \"grades='07' OR grades='08'\"}\nunenrolledUsers: {roles: [teacher, aide]}\n"
    "fields: {withhold: [users.phone, users.sms], mask: {users.familyName: initial}}\n"
)


def test_a_cold_check_takes_six_seconds_at_most(tmp_path: Path, results: measuring.Results) -> None:
    for path, text in documents().items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(str(text))

    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "rosterd", "check", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    took = time.perf_counter() - started

    assert done.returncode == 0, done.stdout
    assert "4999 documents checked" in done.stdout
    assert results.add(f"check of {DOCUMENTS:,} documents, cold", took, 6, "s")


async def test_one_changed_file_is_served_two_seconds_after_its_push(
    tmp_path: Path, results: measuring.Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "refs", lambda _url: None)
    (tmp_path / "secret").write_text(standing.SECRET)
    webhook = settings.Webhook(scheme="github", secrets=(tmp_path / "secret",))
    async with standing.serving(tmp_path, webhook, files=documents()) as here:
        here.site.commit(
            {"permissions/vendor-0007.yaml": texts.basic("vendor-0007", "title~'x'")},
            by=here.alice,
        )
        body = standing.BODY
        proof = hmac.new(standing.SECRET.encode(), body, "sha256").hexdigest()
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={proof}"}

        started = time.perf_counter()
        here.site.push()
        url = f"{here.vendors}/hooks/git"
        async with here.session.post(url, data=body, headers=headers) as answer:
            assert answer.status == 204
        commit = here.site.head()
        world = here.daemon.served.current
        while world.commit != commit:
            world = await here.daemon.served.wait(world)
        took = time.perf_counter() - started

    assert results.add(f"push until served, {DOCUMENTS:,} documents", took, 2, "s")


async def test_a_commit_is_verified_in_twenty_milliseconds(
    tmp_path: Path, results: measuring.Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "refs", lambda _url: None)
    async with standing.serving(tmp_path) as here:
        for number in range(COMMITS):
            here.site.commit(
                {"permissions/math.yaml": texts.basic("math", f"title~'{number}'")}, by=here.alice
            )
        here.site.push()

        started = time.perf_counter()
        answer = await here.get("/v1/reconcile", "POST")
        took = time.perf_counter() - started

        assert answer["served"]["commit"] == here.site.head()
    # the whole pass, its fetch and its one transaction included
    assert results.add("a signed commit verified", took / COMMITS * 1000, 20, "ms")
