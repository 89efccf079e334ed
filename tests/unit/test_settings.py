"""Settings: relative paths, listener rules, and every problem told at once."""

from pathlib import Path
from typing import get_args

import pytest

from rosterd import documents, errors, settings
from rosterd.plans import needing

MINIMAL = """
[repository]
id = "springfield"
url = "https://git.example/rosters.git"
[listen]
public_url = "https://rosters.example"
"""


def load(text: str) -> settings.Settings:
    return settings.load(text, "rosterd.toml", Path("/etc/rosterd"))


def test_paths_are_taken_from_the_folder_of_the_settings_file() -> None:
    found = load(MINIMAL + '[paths]\nstate = "state"\n')

    assert found.paths.state == Path("/etc/rosterd/state")
    assert found.review.allowed_signers == Path("/etc/rosterd/allowed_signers")
    assert found.repository.trusted_root == Path("/etc/rosterd/trusted_root")
    assert found.secrets.vault_key == Path("/etc/rosterd/vault.key")


def test_absolute_paths_stay_as_they_are() -> None:
    found = load(MINIMAL + '[imports]\nsources = ["/srv/rosters", "drop"]\n')

    assert found.imports.sources == (Path("/srv/rosters"), Path("/etc/rosterd/drop"))


def test_two_people_vouch_for_a_change_unless_said_otherwise() -> None:
    assert load(MINIMAL).review.people == 2
    assert load(MINIMAL + "[review]\npeople = 1\n").review.people == 1


def test_other_numbers_of_people_may_be_set_by_kind_and_by_effect() -> None:
    text = "[review.kinds]\nSftpTarget = 3\n[review.effects]\nnarrowing = 1\n"
    review = load(MINIMAL + text).review

    assert (review.kinds, review.effects) == ({"SftpTarget": 3}, {"narrowing": 1})
    for slip in ("[review.kinds]\nSftpTargets = 3\n", "[review.effects]\nwidening = 0\n"):
        with pytest.raises(errors.InputError, match=r"review\.(kinds|effects)"):
            load(MINIMAL + slip)


def test_every_kind_and_effect_may_get_a_number() -> None:
    assert set(documents.KINDS) <= set(get_args(settings.Kind))
    assert get_args(settings.Effect) == needing.EFFECTS


@pytest.mark.parametrize(
    "lines, words",
    [
        ('address = "0.0.0.0"', "without TLS"),
        ('address = "::"', "without TLS"),
        ('certificate = "tls.pem"', "only one of"),
        ('trusted_proxies = ["nonsense"]', "listen"),
        ('address = "rosters.example"', "listen"),
        ("port = 70000", "listen.port"),
    ],
)
def test_a_listener_that_would_speak_in_the_clear_or_makes_no_sense_is_refused(
    lines: str, words: str
) -> None:
    with pytest.raises(errors.InputError, match=words):
        load(MINIMAL + lines + "\n")


@pytest.mark.parametrize(
    "lines",
    [
        'address = "0.0.0.0"\ntrusted_proxies = ["10.0.0.0/8"]',
        'address = "::"\nkey = "k"\ncertificate = "c"',
    ],
)
def test_a_listener_for_others_needs_tls_here_or_at_a_named_proxy(lines: str) -> None:
    assert not load(MINIMAL + lines + "\n").listen.address.startswith("127.")


def test_the_console_stays_on_loopback() -> None:
    with pytest.raises(errors.InputError, match="ssh tunnel"):
        load(MINIMAL + '[console]\naddress = "0.0.0.0"\n')


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(errors.InputError) as caught:
        load('[repository]\nid = "x"\ncolour = 1\n[listen]\npublic_url = "rosters.example/"\n')

    told = [problem.message.split(":")[0] for problem in caught.value.problems]
    assert sorted(told) == ["listen.public_url", "repository.colour", "repository.url"]


def test_a_problem_says_what_would_be_right() -> None:
    with pytest.raises(errors.InputError) as caught:
        load(
            '[repository]\nid = "x"\n[reviews]\n[review]\npepole = 1\n'
            '[listen]\naddress = "0.0.0.0"\npublic_url = "rosters.example/"\n'
        )

    told = {problem.message for problem in caught.value.problems}
    assert "reviews: there is no such table; did you mean review?" in told
    assert "review.pepole: there is no such setting; did you mean people?" in told
    assert "repository.url: this is missing, and nothing can stand in for it" in told
    assert any(text.startswith("listen.public_url: this is no base of URLs") for text in told)


def test_text_that_is_not_toml_is_told_without_a_traceback() -> None:
    with pytest.raises(errors.InputError, match=r"cannot read settings rosterd\.toml"):
        load("[repository")


# ---------------------------------------------------------------- open requests

POSTING = {
    "forge": "github",
    "api": "https://api.github.com",
    "project": "district/rosters",
    "token": "/run/token",
}


@pytest.mark.parametrize("ref", ["refs/pull/*/head", "refs/merge-requests/*/head"])
def test_requests_are_taken_from_refs_with_a_number(ref: str) -> None:
    assert settings.Requests(refs=(ref,)).refs == (ref,)


@pytest.mark.parametrize(
    "ref",
    [
        "refs/heads/*",
        "refs/heads/*/head",
        "refs/rosterd/statements/*",
        "refs/rosterd/*/x",
        "refs/notes/*/x",
        "refs/pull/*/*",
        "refs/pull/1/head",
        "pull/*/head",
        "refs/pull/*/head:refs/heads/main",
        "--upload-pack=x/*/y",
    ],
)
def test_refs_that_could_be_taken_for_more_than_requests_are_refused(ref: str) -> None:
    with pytest.raises(ValueError, match="cannot take requests from"):
        settings.Requests(refs=(ref,))


def test_a_forge_needs_all_it_is_posted_with() -> None:
    refs = {"refs": ("refs/pull/*/head",)}
    assert settings.Requests.model_validate(refs | POSTING).forge == "github"

    for missing in POSTING:
        rest = {name: value for name, value in POSTING.items() if name != missing}
        with pytest.raises(ValueError, match="only some of"):
            settings.Requests.model_validate(refs | rest)
    with pytest.raises(ValueError, match="without refs"):
        settings.Requests.model_validate(POSTING)


@pytest.mark.parametrize(
    "field, value",
    [
        ("api", "http://forge.example/api/v4"),
        ("api", "https://user:secret@forge.example"),
        ("api", "https://forge.example/api/v4/"),
        ("project", "../rosters"),
        ("project", "district/.."),
        ("project", "district/rosters?x"),
    ],
)
def test_a_token_goes_to_a_named_place_over_https_alone(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"expected (an https|a project)"):
        settings.Requests.model_validate({"refs": ("refs/pull/*/head",), **POSTING, field: value})


def test_webhooks_are_off_until_a_scheme_and_its_secrets_are_set() -> None:
    hook = load(MINIMAL + '[webhook]\nscheme = "gitea"\nsecrets = ["hook", "/run/new"]\n').webhook

    assert load(MINIMAL).webhook.scheme is None
    assert hook.secrets == (Path("/etc/rosterd/hook"), Path("/run/new"))


@pytest.mark.parametrize(
    "lines",
    [
        'scheme = "github"',
        'secrets = ["hook"]',
        'scheme = "github"\nsecrets = []',
        'scheme = "github"\nsecrets = ["one", "two", "three"]',
        'scheme = "any"\nsecrets = ["hook"]',
    ],
)
def test_a_webhook_that_would_take_anything_or_nothing_is_refused(lines: str) -> None:
    with pytest.raises(errors.InputError, match="webhook"):
        load(MINIMAL + f"[webhook]\n{lines}\n")


def test_mail_is_off_until_a_server_and_a_sender_are_set() -> None:
    lines = """[mail]
host = "mail.district.example"
sender = "rosters@district.example"
username = "rosters"
password = "mail-password"
"""
    mail = load(MINIMAL + lines).mail

    assert load(MINIMAL).mail.host is None
    assert (mail.port, mail.security, mail.password) == (
        587, "starttls", Path("/etc/rosterd/mail-password"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "lines, problem",
    [
        ('host = "mail.example"', "only one of mail.host and mail.sender"),
        ('sender = "a@b.example"', "only one of mail.host and mail.sender"),
        ('host = "mail.example"\nsender = "nobody"', "no address"),
        ('host = "mail.example"\nsender = "a@b.example, c@d.example"', "no address"),
        ('host = "mail.example"\nsender = "a@b.example"\nsecurity = "none"', "in the clear"),
        ('host = "10.0.0.1"\nsender = "a@b.example"\nsecurity = "none"', "in the clear"),
        ('host = "m.example"\nsender = "a@b.example"\nusername = "a"', "sign in with only one"),
        ('host = "m.example"\nsender = "a@b.example"\nsender_name = "a\\nBcc: b"', "one line"),
    ],
)
def test_a_mail_server_that_is_half_set_or_listens_to_all_is_refused(
    lines: str, problem: str
) -> None:
    with pytest.raises(errors.InputError) as refused:
        load(MINIMAL + f"[mail]\n{lines}\n")
    assert problem in str([str(each) for each in refused.value.problems])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machines_own_mail_server_may_be_spoken_to_in_the_clear(host: str) -> None:
    lines = f'[mail]\nhost = "{host}"\nsender = "a@b.example"\nsecurity = "none"\n'
    assert load(MINIMAL + lines).mail.host == host
