"""The lines with which a reviewer vouches who has no rosterd: ssh-keygen, git and a shell.

They do what `rosterd approve` does, and nothing in them is hidden: the payload stands there as it is
signed. All of it may be pasted into a POSIX shell, inside a clone.
"""

import json
import shlex

from rosterd import statements
from rosterd.git import mirrors


def lines(claim: statements.Claim, commit: str, remote: str, key: str | None) -> list[str]:
    """The lines, in order; `key` is the reviewer's key file, to be filled in when it is None."""
    payload = statements.payload(claim).decode()
    begin = f'{{"payload":{json.dumps(payload, ensure_ascii=False)},"signature":"'
    named = shlex.quote(key) if key else "~/.ssh/id_ed25519  # put your own key here"
    to = shlex.quote(remote)
    return [
        "set -e",
        f"KEY={named}",
        "# what is signed: the blobs are those that `git diff-tree -r BASE COMMIT` shows",
        f"printf %s {shlex.quote(payload)} > statement",
        f'ssh-keygen -Y sign -n {statements.NAMESPACE} -f "$KEY" statement',
        "# the payload and its signature in one object, under a ref that is named by its sha256",
        (
            f"{{ printf %s {shlex.quote(begin)}; awk '{{printf \"%s\\\\n\", $0}}' statement.sig;"
            " printf %s '\"}'; } > statement.json"
        ),
        "blob=$(git hash-object -w statement.json)",
        "name=$(sha256sum statement.json | cut -d ' ' -f 1)",
        f'git push {to} "$blob:{mirrors.STATEMENTS}/$name" {commit}:{mirrors.COMMITS}/{commit}',
        "rm statement statement.sig statement.json",
    ]
