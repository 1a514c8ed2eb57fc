"""Where the settings come from, and that nobody but the bus is ever shown a password."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import resources
from harness.bus import Bus, until

from svom.messaging import settings
from svom.messaging.aio import AsyncNatsIo
from svom.messaging.errors import AuthenticationError, ConfigurationError, ConnectError, TlsError
from svom.messaging.natsio import NatsIo
from svom.messaging.settings import Environment, Given, Secret, find_ca


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own is found."""
    (tmp_path / "work" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / "below")
    monkeypatch.setattr(settings, "MOUNTED_SECRET", tmp_path / "mounted")
    monkeypatch.delenv("NATS_CA", raising=False)


def put(file: Path, text: str = "a certificate") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_the_authority_is_looked_for_in_the_documented_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError) as nowhere:
        find_ca("ann")
    for place in ("NATS_CA", "mounted/ca.crt", "below/.svom/users/ann/ca.crt", "pass ca="):
        assert place in str(nowhere.value)
    above = put(tmp_path / "work" / ".svom" / "ca.crt")
    assert find_ca("ann") == above
    users = put(tmp_path / "work" / ".svom" / "users" / "ann" / "ca.crt")
    assert find_ca("ann") == users
    assert find_ca("bob") == above
    here = put(tmp_path / "work" / "below" / ".svom" / "ca.crt")
    assert find_ca("ann") == here
    mounted = put(tmp_path / "mounted" / "ca.crt")
    assert find_ca("ann") == mounted
    monkeypatch.setenv("NATS_CA", "/named/ca.crt")
    assert find_ca("ann") == Path("/named/ca.crt")


def test_anothers_certificate_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write a folder above this one could else name an authority of theirs."""
    put(tmp_path / "work" / ".svom" / "ca.crt")
    monkeypatch.setattr(settings, "_is_anothers", lambda _: True)
    with pytest.raises(ConfigurationError, match="belongs to somebody else"):
        find_ca("ann")


def test_all_servers_are_known_from_the_list_beside_the_certificate(tmp_path: Path) -> None:
    put(tmp_path / "work" / ".svom" / "users" / "ann" / "ca.crt")
    put(tmp_path / "work" / ".svom" / "users" / "ann" / "url", "tls://127.0.0.1:4222,tls://127.0.0.1:4223")
    assert Given(user="ann", password="x")().servers == ("tls://127.0.0.1:4222", "tls://127.0.0.1:4223")
    assert Given(host="elsewhere", user="ann", password="x")().servers == ("tls://elsewhere:4222",)


@pytest.mark.parametrize(
    ("host", "servers"),
    [
        ("bus", ["tls://bus:4222"]),
        ("bus:4223", ["tls://bus:4223"]),
        ("a, b:1 ,tls://c:2", ["tls://a:4222", "tls://b:1", "tls://c:2"]),
        (["a", "nats://b"], ["tls://a:4222", "tls://b:4222"]),
        ("::1", ["tls://[::1]:4222"]),
        ("[::1]:4223", ["tls://[::1]:4223"]),
    ],
)
def test_hosts(host: object, servers: list[str]) -> None:
    assert list(Given(host=host, user="ann", password="x", ca="ca.crt")().servers) == servers


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": ""}, {"host": []}, {"host": "a,,b"}, {"host": "http://bus"}, {"host": "ann:pw@bus"}, {"port": 0},
        {"port": 70_000}, {"host": "bus:x"}, {"host": "bus/path"}, {"password": None}, {"user": None}, {"user": ""},
        {"nkey": "SUABC"}, {"cert": "only.crt"}, {"key": "only.key"}, {"password": None, "nkey": "/no/such/seed"},
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said_at_once(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        NatsIo(**{"user": "ann", "password": "x", "ca": "ca.crt", **wrong})


@pytest.mark.parametrize("wrong", [{"validate": "loudly"}, {"known_queues": ["data"]}])
def test_options_that_cannot_be_used(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"'loudly'|'data'"):
        NatsIo(user="ann", password="x", ca="ca.crt", **wrong)


def test_a_secret_is_read_as_one_version(bus: Bus, tmp_path: Path) -> None:
    """A mounted Secret changes by one link, between the reading of two of its files too."""
    mounted = shutil.copytree(bus.secret("svom"), tmp_path / "mounted", symlinks=True)
    read = Secret(mounted)()
    assert (read.user, read.password, read.domain) == ("svom", "secret", "svom")
    assert read.ca.parent == (mounted / "..data").resolve()
    assert len(read.servers) == 3


@pytest.mark.parametrize("missing", ["url", "username", "ca.crt", "password"])
def test_a_secret_that_lacks_something(bus: Bus, tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "secret"
    shutil.copytree(bus.secret("svom"), folder, symlinks=False)
    shutil.rmtree(folder / "..data", ignore_errors=True)
    (folder / missing).unlink()
    with pytest.raises(ConfigurationError, match=missing):
        NatsIo.from_secret(folder)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        NatsIo.from_secret(tmp_path / "nowhere")


def test_nothing_prints_a_secret(bus: Bus) -> None:
    for source in (Given(user="ann", password="hunter2", ca="c"), Environment({"NATS_PASSWORD": "hunter2"})):
        assert "hunter2" not in repr(source)
    assert "'secret'" not in repr(Secret(bus.secret("svom"))())
    assert "SU" not in repr(Secret(bus.secret("desk"))())


@pytest.mark.parametrize("user", ["svom", "desk"])
@pytest.mark.parametrize("reveal", [[], ["--reveal"]])
def test_the_environment_that_the_runner_prints(bus: Bus, user: str, reveal: list[str]) -> None:
    printed = bus.local("env", user, *reveal).stdout
    shell = subprocess.run(["sh", "-c", f"{printed}env -0"], capture_output=True, check=True).stdout
    variables = dict(line.split("=", 1) for line in shell.decode().split("\0") if "=" in line)
    with NatsIo.from_env(variables, validate="off") as client:
        assert client.publish("science.too", "by the environment").stream == "SCIENCE"

    async def publish() -> str:
        async with AsyncNatsIo.from_env(variables, validate="off") as client:
            return (await client.publish("science.too", "by the environment")).stream

    assert asyncio.run(publish()) == "SCIENCE"
    read = Environment(variables)()
    assert (read.user, len(read.servers)) == (user, 3)


def test_an_environment_that_names_nothing() -> None:
    with pytest.raises(ConfigurationError, match="NATS_URL"):
        NatsIo.from_env({})
    with pytest.raises(ConfigurationError, match="NATS_URL"):
        AsyncNatsIo.from_env({})


def test_another_distribution_may_have_a_part_of_the_namespace(tmp_path: Path) -> None:
    """`svom` is nobody's package: what is installed elsewhere under that name is found beside this."""
    put(tmp_path / "svom" / "elsewhere" / "__init__.py", "WHAT = 'another part'")
    program = "import svom.elsewhere, svom.messaging.natsio; print(svom.elsewhere.WHAT, svom.__file__)"
    for path in ([str(tmp_path), *sys.path], [*sys.path, str(tmp_path)]):
        found = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        run = subprocess.run([sys.executable, "-c", program], env=found, capture_output=True, text=True, check=True)
        assert run.stdout == "another part None\n"


def test_an_nkey_by_its_file_and_by_itself(bus: Bus) -> None:
    file = bus.secret("desk") / "nkey.seed"
    for nkey in (file, file.read_text()):
        with NatsIo(port=bus.port, user="desk", nkey=nkey, ca=bus.ca(), validate="off") as client:
            client.publish("science.too", "by a key")


class Plain:
    """Somebody who answers like a server, asks for no TLS, and writes down what he is told."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.heard = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                connection, _ = self._socket.accept()
                with connection:
                    connection.sendall(
                        b'INFO {"server_id":"X","version":"2.15.1","headers":true,"auth_required":true,'
                        b'"max_payload":1048576,"nonce":"abc"}\r\n'
                    )
                    connection.settimeout(1)
                    while data := connection.recv(4096):
                        self.heard += data
                        connection.sendall(b"PONG\r\n")
        except OSError:
            return

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def plain() -> Iterator[Plain]:
    server = Plain()
    yield server
    server.close()


@pytest.mark.parametrize("by", ["password", "nkey"])
def test_a_server_without_tls_is_shown_nothing(bus: Bus, plain: Plain, by: str) -> None:
    shown = {"password": "hunter2"} if by == "password" else {"nkey": bus.secret("desk") / "nkey.seed"}
    client = NatsIo(port=plain.port, user="ann", ca=bus.ca(), connect_timeout=3, **shown)
    with pytest.raises(TlsError, match="asks for no TLS"):
        client.connect()
    assert plain.heard == b""
    client.close()


def test_a_name_that_is_not_the_servers(bus: Bus) -> None:
    client = NatsIo(host="127.0.0.2", port=bus.port, user="svom", password="secret", ca=bus.ca(), connect_timeout=3)
    with pytest.raises(ConnectError):
        client.connect()


def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    wrong = put(tmp_path / "ca.crt", "no certificate")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        NatsIo(user="ann", password="x", ca=wrong).connect()


def test_a_secret_that_changes_is_noticed(tmp_path: Path) -> None:
    """The password is changed under a client that is connected: it goes on with the new one."""
    bus = Bus(resources.CHANGING, {"svom-credentials": {"password": "first"}})
    try:
        with NatsIo.from_secret(bus.secret("svom"), validate="off") as client:
            before = client.publish("data.vhf", "with the first password")
            given = bus.secret("svom")
            (bus.folder / "secrets" / "svom-credentials" / "password").write_text("second")
            bus.local("apply", "--file", str(bus.folder / "resource.yaml"))
            until(lambda: (given / "password").read_text() == "second", "the handout to change")
            after = client.publish("data.vhf", "with the second password")
            assert after.sequence > before.sequence
            old = NatsIo(port=bus.port, user="svom", password="first", ca=bus.ca())
            with pytest.raises(AuthenticationError):
                old.connect()
    finally:
        bus.close()


def test_client_certificates(tmp_path: Path) -> None:
    bus = Bus(resources.MUTUAL)
    try:
        for user in ("svom", "desk"):
            with NatsIo.from_secret(bus.secret(user), validate="off") as client, client.subscribe("data.vhf"):
                pass
        secret = bus.secret("svom")
        words = {"port": bus.port, "user": "svom", "password": (secret / "password").read_text(), "ca": bus.ca()}
        with NatsIo(**words, cert=secret / "tls.crt", key=secret / "tls.key", validate="off") as client:
            client.publish("data.vhf", "with a certificate")
        with pytest.raises(ConnectError):
            NatsIo(**words, connect_timeout=3).connect()
    finally:
        bus.close()
