"""A bus on this machine, made by `svom-messaging local up` in a folder of its own.

`SVOM_MESSAGING` names the program, `SVOM_NATS_SERVER` the server, `SVOM_TEST_PORTS` the ports, as for
the project's other suites; the first is built from the checkout where it is not named.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO, Any

CHECKOUT = Path(__file__).resolve().parents[4]
READY_WITHIN = 180.0
_BLOCK = 8
_ABOVE = (0, 1_000, 2_000)


@cache
def program() -> str:
    named = os.environ.get("SVOM_MESSAGING")
    if named:
        return named
    cargo = ["cargo", "build", "--quiet", "--package", "svom-operator", "--bin", "svom-messaging"]
    subprocess.run(cargo, cwd=CHECKOUT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", CHECKOUT / "target"))
    return str(target / "debug" / "svom-messaging")


class Bus:
    """A running bus. It ends, with its folder, when it is closed."""

    def __init__(self, resource: str, secrets: dict[str, dict[str, str]] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="svom-python-"))
        self.state = self.folder / ".svom"
        for name, keys in (secrets or {}).items():
            (self.folder / "secrets" / name).mkdir(parents=True)
            for key, value in keys.items():
                (self.folder / "secrets" / name / key).write_text(value)
        self.port, self._lock = _ports()
        self._resource = self.folder / "resource.yaml"
        self._resource.write_text(resource)
        words = [program(), "local", "up", "--file", str(self._resource), "--dir", str(self.state)]
        words += ["--port", str(self.port), "--secrets", str(self.folder / "secrets")]
        server = os.environ.get("SVOM_NATS_SERVER")
        if server:
            words += ["--nats-server", server]
        self._log = self.folder / "runner.log"
        with self._log.open("wb") as log:
            self._runner = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        try:
            self.wait_until_ready()
        except BaseException:
            self.close()
            raise

    def secret(self, user: str) -> Path:
        return self.state / "users" / user

    def ca(self) -> Path:
        return self.state / "ca.crt"

    def local(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [program(), "local", *words, "--dir", str(self.state)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done

    def status(self) -> dict[str, Any] | None:
        done = self.local("status", "--output", "json", check=False)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return None

    def is_ready(self) -> bool:
        conditions = (self.status() or {}).get("conditions", [])
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def servers(self) -> list[str]:
        return [one["name"] for one in (self.status() or {})["servers"]]

    def leader_of(self, stream: str) -> str:
        def leader() -> str | None:
            domains = (self.status() or {}).get("domains", [])
            return next((one.get("leader") for one in domains if one["stream"] == stream), None)

        return until(leader, f"a leader of {stream}")

    def kill(self, server: str) -> None:
        self.local("kill", server)

    def stop(self, server: str) -> None:
        self.local("stop", server)
        until(lambda: f"{server}" not in self.running(), f"{server} to be gone")

    def running(self) -> list[str]:
        return [one["name"] for one in (self.status() or {}).get("servers", []) if one.get("ready")]

    def start(self, server: str) -> None:
        self.local("start", server)
        self.wait_until_ready()

    def pid(self, server: str) -> int:
        """The process of a server."""
        folder = str(self.state / "servers" / server)
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                except OSError:
                    continue
                if "nats-server" in words[0] and any(word.startswith(folder) for word in words):
                    return int(entry.name)
        raise AssertionError(f"{server} does not run")

    def apply(self, resource: str) -> None:
        self._resource.write_text(resource)
        self.local("apply", "--file", str(self._resource))

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            assert self._runner.poll() is None, f"svom-messaging has ended:\n{self._log.read_text()[-3000:]}"
            return self.is_ready()

        until(ready, "the bus to be ready")

    def close(self) -> None:
        self._runner.send_signal(signal.SIGTERM)
        try:
            self._runner.wait(60)
        except subprocess.TimeoutExpired:
            self._runner.kill()
            self._runner.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def until(look: Callable[[], Any], what: str, seconds: float = READY_WITHIN) -> Any:
    """What `look` gives, once it gives anything."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.1)


def _ports() -> tuple[int, IO[str]]:
    """A block that no other suite on this machine has: the lock file says so."""
    first, _, last = os.environ.get("SVOM_TEST_PORTS", "20000-20999").partition("-")
    locks = Path(tempfile.gettempdir()) / "svom-test-ports"
    locks.mkdir(exist_ok=True)
    for block in range(int(first), int(last) - _BLOCK + 1, _BLOCK):
        lock = (locks / str(block)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        if all(_is_free(block + above + one) for above in _ABOVE for one in range(_BLOCK)):
            return block, lock
        lock.close()
    raise AssertionError("no free ports: set SVOM_TEST_PORTS to another range")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
