"""The config repository as facts: commits, contents, and whose keys signed them.

Everything goes through the git program on a bare mirror that belongs to the daemon alone. There is
never a checkout, and no library parses objects in this process: a git command ends and leaves
nothing behind, can be killed, and is told by its environment and options, never by a file of the
machine or of the repository, what to do.

    running    one program, with a deadline, a bounded answer and no environment of ours
    reaching   ssh, protocols, and what to look at when the repository cannot be reached
    people     allowed_signers and revoked_keys: key -> person
    mirrors    the mirror: fetch, trees, contents, what changed
    witnesses  verified statements: commits and detached ones
    clones     a person's own clone, for `rosterd approve` and `rosterd init`
"""

from rosterd.git.mirrors import Mirror

__all__ = ["Mirror"]
