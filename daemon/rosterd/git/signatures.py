"""Whether a listed person made an ssh signature, asked of ssh-keygen.

One place for every kind of thing that people sign: what differs is the namespace, so that nobody's
signature of one kind can be shown as one of another.
"""

import tempfile
from pathlib import Path

from rosterd import errors
from rosterd.git import people, running


async def signer(
    programs: running.Programs,
    signed: bytes,
    signature: str,
    listed: people.People,
    *,
    namespace: str,
    folder: Path | None = None,
) -> tuple[str, str] | None:
    """(person, fingerprint of the key) behind an armored signature; None when nobody listed is.

    `folder` is where temporary files may lie. Raises errors.InputError for what is no signature.
    """
    key = people.fingerprint(people.signing_key(signature))
    person = listed.person(key, namespace)
    if person is None:
        return None
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        allowed, armored = Path(scratch) / "allowed_signers", Path(scratch) / "signature"
        allowed.write_text(listed.signers(namespace), encoding="utf-8")
        armored.write_text(signature, encoding="utf-8")
        answer = await programs.run(
            *("ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", person),
            *("-n", namespace, "-s", str(armored)),
            given=signed,
        )
    return (person, key) if answer.status == 0 else None


async def sign(programs: running.Programs, payload: bytes, path: Path, namespace: str) -> str:
    """The armored signature of `payload` with the key at `path`, or with the ssh agent when that is
    its public half. Raises errors.InputError when it cannot be made.
    """
    if not path.is_file():
        raise errors.InputError(
            f"cannot sign: there is no key {path}; expected the file of an ssh key"
        )
    answer = await programs.run(
        "ssh-keygen", "-Y", "sign", "-n", namespace, "-f", str(path), given=payload
    )
    if answer.status:
        raise errors.InputError(f"cannot sign with {path}: {answer.words}")
    return answer.output.decode()
