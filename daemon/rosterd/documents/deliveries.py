"""Where files are delivered, when, and in which form."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from rosterd.documents import values

PLACEHOLDERS = ("application", "target", "version", "mode", "date", "time")


def _template(value: str) -> str:
    for name in re.findall(r"\{([^{}]*)\}", value):
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{word}}}" for word in PLACEHOLDERS)
            raise values.wrong(f"nothing fills {{{name}}}; a file name may have {known}")
    if re.search(r"[{}]", re.sub(r"\{[a-z]+\}", "", value)):
        raise values.wrong("a brace is left open in this file name")
    if not value.lower().endswith(".zip"):
        raise values.wrong('a zip has a name that ends in ".zip"')
    return value


FileName = Annotated[values.PlainFileName, AfterValidator(_template)]


class Authentication(values.Model):
    """How the daemon signs in: by names of secrets. The secrets themselves are never in git."""

    password: values.SecretName | None = None
    """Name of the secret that holds the password."""
    private_key: values.SecretName | None = None
    """Name of the secret that holds the private key (OpenSSH format)."""
    passphrase: values.SecretName | None = None
    """Name of the secret that opens the private key."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """Names of the secrets by the field of the file that names them."""
        named = {
            "password": self.password,
            "privateKey": self.private_key,
            "passphrase": self.passphrase,
        }
        return {field: name for field, name in named.items() if name is not None}

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.password is None and self.private_key is None:
            raise values.wrong("nothing to sign in with; name a secret in password or privateKey")
        if self.passphrase is not None and self.private_key is None:
            raise values.wrong("a passphrase opens a private key; name that too, as privateKey")
        return self


ONEROSTER = ("oneroster-1.1", "oneroster-1.2")
"""Templates that stand in the code."""


def _template_name(value: str) -> str:
    if value not in ONEROSTER and not re.fullmatch(values.NAME, value):
        raise values.wrong(
            "this names no template; write oneroster-1.2, oneroster-1.1, or the name of a file in"
            " templates/"
        )
    return value


TemplateName = Annotated[
    str,
    Field(json_schema_extra={"anyOf": [{"enum": list(ONEROSTER)}, {"pattern": values.NAME}]}),
    AfterValidator(_template_name),
]


class Export(values.Model):
    """What is delivered, and when: at a time of certain days, or after each import."""

    template: TemplateName
    """Form of the files: oneroster-1.2, oneroster-1.1, or the name of an ExportTemplate."""
    packaging: Literal["zip", "files"] = "zip"
    """One zip, or the files side by side."""
    file_name: FileName = "oneroster-{target}.zip"
    """Name of the zip. {application} {target} {version} {mode} {date} {time} are filled in, date
    and time being those of the slot. Files side by side keep the names of the standard."""
    mode: Literal["bulk", "delta"] = "bulk"
    """bulk: everything each time. delta: everything the first time, and then what came, changed or
    left since the last delivery; a zip whose name has {date} (and {time}, after imports), so that
    none takes the place of one that nobody has read yet."""
    when: Literal["after-import"] | None = None
    """Deliver whenever an import changed what the application sees; instead of days and time."""
    days: values.Several[values.Day] | None = None
    """Days of delivery, by name."""
    time: values.ClockTime | None = None
    """Time of delivery, in quotes, such as "05:30"."""
    timezone: values.Timezone | None = None
    """Where that time is read; the repository's timezone when left out."""
    hold_until_needs_met: bool = False
    """Whether a delivery waits while what the application's catalogue entry says under needs is not
    so. It leaves by itself once it is."""
    empty_files: Literal["omit", "header-only"] = "omit"
    """What becomes of a file without rows: left out and said to be absent, or sent as its header.
    A template of templates/ says so itself."""

    @model_validator(mode="after")
    def _one_schedule(self) -> Self:
        slots = self.days is not None or self.time is not None
        if self.when is not None and (slots or self.timezone is not None):
            raise values.wrong("an export runs after imports or at a time; leave one of them out")
        if self.when is None and (self.days is None or self.time is None):
            raise values.wrong('an export needs days and a time, or "when: after-import"')
        if self.packaging == "files" and "file_name" in self.model_fields_set:
            raise values.wrong(
                "files side by side keep their names; leave fileName out, or pack a zip"
            )
        return self

    @model_validator(mode="after")
    def _no_delta_lost(self) -> Self:
        """A bulk file may take the place of the one before; of a delta, rows would be lost."""
        if self.mode == "bulk":
            return self
        if self.packaging == "files":
            raise values.wrong("files side by side replace those before; pack a delta as a zip")
        needed = ["{date}"] if self.when is None else ["{date}", "{time}"]
        if any(word not in self.file_name for word in needed):
            raise values.wrong(
                f"a delta needs a name of its own each time; give a fileName with"
                f" {' and '.join(needed)}"
            )
        return self

    @model_validator(mode="after")
    def _custom(self) -> Self:
        if self.custom is None:
            return self
        if self.mode == "delta":
            raise values.wrong("a custom template knows no deltas; leave mode out")
        if "empty_files" in self.model_fields_set:
            raise values.wrong("a custom template says itself what becomes of empty files")
        return self

    @property
    def custom(self) -> str | None:
        """Name of the ExportTemplate; None for the standard's own forms."""
        return None if self.template in ONEROSTER else self.template

    @property
    def version(self) -> values.Version:
        """The OneRoster version of the template; custom ones speak in names of 1.2."""
        return "1.1" if self.template == "oneroster-1.1" else "1.2"

    def name(self, *, application: str, target: str, slot: datetime, mode: str = "bulk") -> str:
        """Name of the zip of one slot: the same slot always gives the same name.

        `mode` is what it holds: even where deltas are asked for, the first one is bulk.
        """
        filled = {
            "application": application,
            "target": target,
            "version": self.version,
            "mode": mode,
            "date": slot.strftime("%Y%m%d"),
            "time": slot.strftime("%H%M"),
        }
        return re.sub(r"\{([a-z]+)\}", lambda match: filled[match[1]], self.file_name)


class SftpTarget(values.Document):
    """A folder on a vendor's SFTP server that an application's files are delivered to."""

    kind: Literal["SftpTarget"] = "SftpTarget"
    """What this file is."""
    name: values.Name
    """Its name; also the stem of this file's name."""
    application: values.Name
    """The application whose part of the roster is delivered."""
    enabled: bool = False
    """Whether deliveries run by themselves. A new target starts disabled."""
    host: values.Host
    """Name or address of the server."""
    port: values.Port = 22
    """Port of the server."""
    username: values.Text
    """Whom the daemon signs in as."""
    authentication: Authentication
    """How it signs in."""
    host_keys: values.Several[values.HostKey]
    """Keys by which the server is known, in OpenSSH form. No other server gets the files; name
    the next key beside the present one before the vendor changes it."""
    directory: values.RemoteFolder = "."
    """Folder on the server; relative ones count from where the server lets the user in."""
    export: Export
    """What is delivered, and when."""
    publish: Literal["posix-rename", "rename", "direct"] = "posix-rename"
    """How a finished file gets its name: renamed over the former one, renamed where there is none,
    or written under its name at once (only for servers that cannot rename)."""
    verify: Literal["size", "readback", "none"] = "size"
    """What is looked at after the upload: the size, every byte, or nothing."""
    previously: values.Name | None = None
    """Its former name, when this file replaces one of another name: its secrets stay with it."""
