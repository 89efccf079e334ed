"""The demo's SFTP server, spoken to by a real client."""

from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from rosterd.demo import receiving


@pytest.fixture
def client(tmp_path: Path) -> Iterator[paramiko.SFTPClient]:
    receiver = receiving.Receiver(
        address="127.0.0.1",
        port=0,
        username="vendor",
        password="invented",
        folder=tmp_path / "deliveries",
        host_key=paramiko.ECDSAKey.generate(),
    )
    with receiving.listening(receiver) as port:
        transport = paramiko.Transport(("127.0.0.1", port))
        transport.connect(receiver.host_key, "vendor", "invented")
        try:
            sftp = paramiko.SFTPClient.from_transport(transport)
            assert sftp is not None
            yield sftp
        finally:
            transport.close()


def test_a_file_is_written_renamed_listed_and_read_back(
    client: paramiko.SFTPClient, tmp_path: Path
) -> None:
    with client.open(".bundle.part", "wb") as file:
        file.write(b"x" * 100_000)
    client.posix_rename(".bundle.part", "bundle.zip")

    assert client.listdir("/") == ["bundle.zip"]
    assert client.stat("bundle.zip").st_size == 100_000
    assert (tmp_path / "deliveries" / "bundle.zip").read_bytes() == b"x" * 100_000


def test_no_path_leaves_the_folder(client: paramiko.SFTPClient, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("secret")

    with pytest.raises(OSError, match="No such file"):
        client.stat("../outside.txt")


def test_a_wrong_password_is_refused(tmp_path: Path) -> None:
    key = paramiko.ECDSAKey.generate()
    receiver = receiving.Receiver("127.0.0.1", 0, "vendor", "invented", tmp_path, key)
    with receiving.listening(receiver) as port:
        transport = paramiko.Transport(("127.0.0.1", port))
        try:
            with pytest.raises(paramiko.AuthenticationException):
                transport.connect(key, "vendor", "guess")
        finally:
            transport.close()
