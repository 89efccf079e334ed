"""The files of a new config repository: as few as can be, and all of them explain themselves."""

import json
from collections.abc import Mapping

from rosterd import documents

_README = """# Who gets which part of our roster

Every file here is one document; the daemon serves what they say once enough people vouch for it.

| folder | one file for each |
|---|---|
| `applications/` | vendor's product that rosters are shared with; a new one starts disabled |
| `permissions/` | application: what it may see (`access: none`, `basic` or `full`) |
| `sftp-targets/` | folder on a vendor's server that files are delivered to |
| `catalog/` | application that can be added |
| `sources/` | place that rosters come from |
| `rosterd.yaml` | this repository: name of the district, timezone, limits |

Change a file on a branch, run `rosterd check .`, commit it signed (`git commit -S`, with an ssh
key), and open a pull request. Whoever reviews it runs `rosterd approve COMMIT` and merges it.
"""

_APPLICATION = """# yaml-language-server: $schema=../schemas/application.schema.json
apiVersion: rosterd/v1
kind: Application
name: example
title: An example to copy
enabled: false
"""

_PERMISSION = """# yaml-language-server: $schema=../schemas/permission.schema.json
apiVersion: rosterd/v1
kind: Permission
name: example
application: example
access: none
"""


def files(title: str, timezone: str) -> Mapping[str, bytes]:
    """Path -> content. `title` and `timezone` are put in as JSON, which YAML reads too."""
    repository = (
        "# yaml-language-server: $schema=schemas/repository.schema.json\n"
        "apiVersion: rosterd/v1\n"
        "kind: Repository\n"
        "name: rosterd\n"
        f"title: {json.dumps(title, ensure_ascii=False)}\n"
        f"timezone: {json.dumps(timezone)}\n"
    )
    texts = {
        "README.md": _README,
        "rosterd.yaml": repository,
        "applications/example.yaml": _APPLICATION,
        "permissions/example.yaml": _PERMISSION,
        # Bytes are what people vouch for: no machine may turn line ends.
        ".gitattributes": "* -text\n",
    }
    for kind in documents.KINDS:
        texts[f"schemas/{documents.schema_file(kind)}"] = documents.schema_text(kind)
    return {path: text.encode() for path, text in texts.items()}
