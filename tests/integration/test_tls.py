"""The vendors' listener ends TLS itself, and never speaks in the clear where others could listen."""

import http.client
import re
import socket
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration import certificates, processes

USERS = f"{processes.ROSTERING}/users"


def certificate(folder: Path, name: str) -> None:
    """A certificate put in the place of the former; the key comes first, as a renewal may be seen
    half done.
    """
    with tempfile.TemporaryDirectory(dir=folder) as new:
        made = certificates.make(Path(new), name)
        made.key.replace(folder / "tls.key")
        made.chain.replace(folder / "tls.pem")


@dataclass(frozen=True)
class Served:
    """A daemon behind TLS."""

    daemon: processes.Daemon
    folder: Path
    base: str

    @property
    def port(self) -> int:
        return int(self.base.rpartition(":")[2])

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "tls.pem"))

    def presented(self) -> str:
        """The common name in the certificate that a new connection is shown."""
        text = ssl.get_server_certificate(("127.0.0.1", self.port))
        return ssl.PEM_cert_to_DER_cert(text).decode("latin-1")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("tls")
    once = processes.demo_once(folder / "demo", "--roster", processes.district(folder / "district"))
    assert once.status == 0, once.words
    certificate(folder, "first")
    settings = folder / "demo" / "rosterd.toml"
    text = settings.read_text()
    files = f'certificate = "{folder}/tls.pem"\nkey = "{folder}/tls.key"\n'
    text = text.replace("[listen]\n", f"[listen]\n{files}").replace("http://", "https://")
    settings.write_text(text)
    base = re.search(r'public_url = "(.*)"', text)
    assert base is not None
    with processes.serve(settings, folder / "demo" / "control.sock") as daemon:
        daemon.until_applied()
        yield Served(daemon, folder, base[1])


def test_vendors_are_answered_over_tls(served: Served) -> None:
    vendor = served.daemon.vendor(served.base, "everything")
    vendor.tls = served.trusted()

    users = vendor.walk(USERS, limit=25)

    assert len(users) == served.daemon.status()["served"]["counts"]["users"] > 25
    assert all(
        role["org"]["href"].startswith(f"{served.base}/")
        for user in users
        for role in user["roles"]
    )


def test_the_clear_is_not_answered(served: Served) -> None:
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        processes.ask(served.base.replace("https", "http") + USERS)


@pytest.mark.parametrize(
    "version, accepted",
    [
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_only_versions_of_tls_that_hold_are_spoken(
    served: Served, version: ssl.TLSVersion, accepted: bool
) -> None:
    context = served.trusted()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version

    with socket.create_connection(("127.0.0.1", served.port)) as plain:
        if not accepted:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(plain, server_hostname="127.0.0.1")
            return
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
            assert secured.version() == version.name.replace("_", ".")


def test_a_renewed_certificate_is_shown_without_a_restart(served: Served) -> None:
    assert "first" in served.presented()
    certificate(served.folder, "second")

    processes.until(lambda: "second" in served.presented(), "the new certificate is shown")

    vendor = served.daemon.vendor(served.base, "everything")
    vendor.tls = served.trusted()
    assert vendor.sign_in().status == 200
    certificate(served.folder, "first")
    processes.until(lambda: "first" in served.presented(), "the other certificate is shown")


def test_a_renewal_that_went_wrong_keeps_the_former_one(served: Served) -> None:
    key = (served.folder / "tls.key").read_bytes()
    (served.folder / "tls.key").write_text("-----BEGIN PRIVATE KEY-----\n")
    try:
        served.daemon.process.until(
            lambda: (
                "first" in served.presented()
                and "the former one stays" in served.daemon.process.output
            ),
            "the broken key is noticed",
        )
    finally:
        (served.folder / "tls.key").write_bytes(key)


def test_the_clear_is_never_spoken_to_other_machines(served: Served, tmp_path: Path) -> None:
    settings = tmp_path / "rosterd.toml"
    text = served.daemon.settings.read_text()
    text = re.sub(r"^(certificate|key) = .*\n", "", text, flags=re.MULTILINE)
    settings.write_text(
        text.replace('address = "127.0.0.1"', 'address = "0.0.0.0"', 1)  # never listened on
    )

    done = processes.command("serve", "--settings", settings)

    assert done.status == 1
    assert "cannot listen on a non-loopback address without TLS" in done.words
    assert "Traceback" not in done.words
