"""Deliveries to a real sshd, and to servers that do not behave."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import paramiko
import pytest

from rosterd import errors, sftp
from rosterd.demo import receiving
from tests.integration import sshd


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Server]:
    with sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(autouse=True)
def empty_folder(server: sshd.Server) -> None:
    for path in server.folder.iterdir():
        path.unlink()


def upload(folder: Path, name: str = "roster.zip", content: bytes = b"zip" * 100) -> sftp.Upload:
    path = folder / f"local-{name}"
    path.write_bytes(content)
    return sftp.Upload(path, name, len(content), sha256(content).hexdigest())


@pytest.mark.parametrize("publish", ["posix-rename", "rename", "direct"])
@pytest.mark.parametrize("verify", ["size", "readback", "none"])
def test_a_file_replaces_the_former_one(
    server: sshd.Server, tmp_path: Path, publish: sftp.Publish, verify: sftp.Verify
) -> None:
    (server.folder / "roster.zip").write_bytes(b"yesterday")
    big = upload(tmp_path, content=os.urandom(300_000))
    sftp.deliver(
        server.endpoint(), [big], run="r", watch=sftp.Watch(30), publish=publish, verify=verify
    )

    assert server.files() == {"roster.zip": big.path.read_bytes()}


def test_several_files_get_their_names_after_the_last_is_there(
    server: sshd.Server, tmp_path: Path
) -> None:
    names = ["users.csv", "orgs.csv", "manifest.csv"]
    files = [upload(tmp_path, name, name.encode()) for name in names]
    broken = sftp.Upload(tmp_path / "local-manifest.csv", "manifest.csv", 5, "0" * 64)
    with pytest.raises(errors.TemporaryError, match="server has 12"):
        sftp.deliver(server.endpoint(), [*files[:2], broken], run="r", watch=sftp.Watch(30))
    assert server.files() == {}

    sftp.deliver(server.endpoint(), files, run="r", watch=sftp.Watch(30))

    assert server.files() == {name: name.encode() for name in names}


def test_leftovers_of_the_same_run_are_removed_and_no_others(
    server: sshd.Server, tmp_path: Path
) -> None:
    for name in (".roster.zip.r-old.part", ".roster.zip.other-old.part", ".x.zip.r-old.part"):
        (server.folder / name).write_bytes(b"half")
    sftp.deliver(server.endpoint(), [upload(tmp_path)], run="r", watch=sftp.Watch(30))

    assert set(server.files()) == {
        ".roster.zip.other-old.part",
        ".x.zip.r-old.part",
        "roster.zip",
    }


def test_another_host_key_gets_no_file_and_no_password(server: sshd.Server, tmp_path: Path) -> None:
    sshd.make_key(tmp_path / "other", "ed25519")
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    with pytest.raises(errors.InputError, match="not pinned in hostKeys"):
        sftp.deliver(
            server.endpoint(host_keys=(other,)),
            [upload(tmp_path)],
            run="r",
            watch=sftp.Watch(30),
        )

    assert server.files() == {}


def test_any_one_of_several_pinned_keys_is_good(tmp_path: Path) -> None:
    sshd.make_key(tmp_path / "next", "ed25519")
    following = " ".join((tmp_path / "next.pub").read_text().split()[:2])
    with sshd.running(tmp_path / "sshd", kinds=("rsa", "ecdsa")) as server:
        for pinned in ("rsa", "ecdsa"):
            # the server prefers its other key, and a key of a third type is pinned first
            endpoint = server.endpoint(host_keys=(following, server.host_key(pinned)))
            assert (
                sftp.probe(endpoint, watch=sftp.Watch(30))
                .host_key.split()[0]
                .startswith(("ssh-rsa", "ecdsa-"))
            )
        with pytest.raises(errors.InputError, match="no key or cipher"):
            sftp.probe(server.endpoint(host_keys=(following,)), watch=sftp.Watch(30))


def test_a_server_with_weak_ciphers_only_is_refused(tmp_path: Path) -> None:
    with (
        sshd.running(tmp_path / "sshd", more="Ciphers aes128-cbc") as server,
        pytest.raises(errors.InputError, match="pinned or safe"),
    ):
        sftp.probe(server.endpoint(), watch=sftp.Watch(30))


def test_a_refused_key_is_for_a_person_to_mend(server: sshd.Server, tmp_path: Path) -> None:
    sshd.make_key(tmp_path / "other", "ed25519")
    wrong = server.endpoint(private_key=(tmp_path / "other").read_text())
    with pytest.raises(errors.InputError, match="cannot sign in"):
        sftp.probe(wrong, watch=sftp.Watch(30))
    with pytest.raises(errors.InputError, match="no secret is set"):
        sftp.probe(server.endpoint(private_key=None), watch=sftp.Watch(30))


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_private_key_may_have_a_passphrase(
    server: sshd.Server, tmp_path: Path, kind: str
) -> None:
    sshd.make_key(tmp_path / "key", kind, "open sesame")
    allowed = server.work / "authorized_keys"
    before = allowed.read_text()
    allowed.write_text(before + (tmp_path / "key.pub").read_text())
    text = (tmp_path / "key").read_text()
    steps = sftp.probe(
        server.endpoint(private_key=text, passphrase="open sesame"), watch=sftp.Watch(30)
    ).steps

    assert "published it by posix-rename" in steps
    with pytest.raises(errors.InputError, match="passphrase"):
        sftp.probe(server.endpoint(private_key=text, passphrase="wrong"), watch=sftp.Watch(30))
    with pytest.raises(errors.InputError, match="passphrase"):
        sftp.probe(server.endpoint(private_key=text), watch=sftp.Watch(30))
    allowed.write_text(before)


def test_a_missing_or_closed_folder_is_for_a_person_to_mend(
    server: sshd.Server, tmp_path: Path
) -> None:
    with pytest.raises(errors.InputError, match="no folder elsewhere"):
        sftp.probe(server.endpoint(directory="elsewhere"), watch=sftp.Watch(30))
    with sshd.running(tmp_path / "sshd", flags="-R") as closed:
        with pytest.raises(errors.InputError, match="cannot write"):
            sftp.deliver(closed.endpoint(), [upload(tmp_path)], run="r", watch=sftp.Watch(30))
        with pytest.raises(errors.InputError, match="cannot write"):
            sftp.probe(closed.endpoint(), watch=sftp.Watch(30))


def test_a_server_without_posix_rename_is_told_how_to_go_on(tmp_path: Path) -> None:
    # without the extension in its list sshd answers as servers do that never heard of it
    flags = "-P posix-rename"
    with sshd.running(tmp_path / "sshd", flags=flags) as server:
        with pytest.raises(errors.InputError, match="publish: rename"):
            sftp.deliver(server.endpoint(), [upload(tmp_path)], run="r", watch=sftp.Watch(30))
        assert server.files() == {}
        for _ in range(2):
            sftp.deliver(
                server.endpoint(),
                [upload(tmp_path)],
                run="r",
                watch=sftp.Watch(30),
                publish="rename",
            )
        assert set(server.files()) == {"roster.zip"}


def test_probe_leaves_nothing_behind(server: sshd.Server) -> None:
    found = sftp.probe(server.endpoint(), watch=sftp.Watch(30))

    assert found.steps[-1] == "removed it"
    assert found.host_key.startswith("ssh-ed25519 SHA256:")
    assert "OpenSSH" in found.server
    assert server.files() == {}


def test_a_run_is_found_by_its_bytes_not_by_its_size(server: sshd.Server, tmp_path: Path) -> None:
    wanted = upload(tmp_path, content=b"a" * 1000)

    def found() -> bool:
        return sftp.find(server.endpoint(), wanted, watch=sftp.Watch(30))

    assert not found()
    (server.folder / "roster.zip").write_bytes(b"b" * 1000)
    assert not found()
    (server.folder / "roster.zip").write_bytes(b"a" * 999)
    assert not found()
    (server.folder / "roster.zip").write_bytes(b"a" * 1000)
    assert found()


def test_a_server_that_stops_in_the_middle_ends_within_the_deadline(tmp_path: Path) -> None:
    big = upload(tmp_path, content=bytes(64 * 2**20))
    with sshd.running(tmp_path / "sshd") as server:

        def stop_when_it_has_begun() -> None:
            while not any(path.stat().st_size > 2**20 for path in server.folder.iterdir()):
                time.sleep(0.001)  # the disk tells nobody when a file grows
            server.stop()

        stopper = threading.Thread(target=stop_when_it_has_begun)
        stopper.start()
        began = time.monotonic()
        with pytest.raises(errors.TemporaryError, match="it took longer than 4 s"):
            sftp.deliver(server.endpoint(), [big], run="r", watch=sftp.Watch(4))
        took = time.monotonic() - began
        stopper.join()

        assert took < 6
        assert "roster.zip" not in server.files()


def test_a_delivery_is_cut_from_another_thread(tmp_path: Path) -> None:
    big = upload(tmp_path, content=bytes(64 * 2**20))
    watch = sftp.Watch(60)
    with sshd.running(tmp_path / "sshd") as server:

        def cut() -> None:
            while not any(path.stat().st_size > 2**20 for path in server.folder.iterdir()):
                time.sleep(0.001)  # the disk tells nobody when a file grows
            watch.cut("the daemon stops")

        cutter = threading.Thread(target=cut)
        cutter.start()
        with pytest.raises(errors.TemporaryError, match="the daemon stops"):
            sftp.deliver(server.endpoint(), [big], run="r", watch=watch)
        cutter.join()


def test_a_server_that_accepts_and_says_nothing_ends_within_the_deadline(
    server: sshd.Server, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = server.endpoint(port=silent.getsockname()[1])
        began = time.monotonic()
        with pytest.raises(errors.TemporaryError):
            sftp.deliver(endpoint, [upload(tmp_path)], run="r", watch=sftp.Watch(1))
        assert time.monotonic() - began < 3


def test_a_server_that_is_not_there_may_come_back(server: sshd.Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(errors.TemporaryError, match="cannot deliver"):
        sftp.probe(server.endpoint(port=port), watch=sftp.Watch(10))


def test_a_password_signs_in_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    sshd.make_key(tmp_path / "host", "rsa")
    key = paramiko.RSAKey.from_private_key_file(str(tmp_path / "host"))
    receiver = receiving.Receiver("127.0.0.1", 0, "vendor", "pass", tmp_path / "in", key)
    with receiving.listening(receiver) as port:
        endpoint = sftp.Endpoint(
            host="127.0.0.1",
            port=port,
            username="vendor",
            host_keys=(f"ssh-rsa {key.get_base64()}",),
            password="pass",
        )
        sftp.deliver(endpoint, [upload(tmp_path)], run="r", watch=sftp.Watch(30))
        assert sftp.find(endpoint, upload(tmp_path), watch=sftp.Watch(30))
        wrong = sftp.Endpoint("127.0.0.1", port, "vendor", endpoint.host_keys, password="no")
        with pytest.raises(errors.InputError, match="cannot sign in"):
            sftp.probe(wrong, watch=sftp.Watch(30))


def test_an_endpoint_does_not_show_its_secrets() -> None:
    endpoint = sftp.Endpoint("h", 22, "u", (), password="hush", private_key="hush")

    assert "hush" not in repr(endpoint)
    assert "hush" not in f"{endpoint}"
