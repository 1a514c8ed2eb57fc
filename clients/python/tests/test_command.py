"""`svom-msg`, as a person in a shell has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness.bus import Bus

SCRIPT = Path(sys.executable).with_name("svom-msg")
COMMAND = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-m", "svom.messaging.command"]


def said(*words: object, stdin: str | bytes = b"", code: int = 0, **variables: str) -> tuple[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NATS_")}
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [*COMMAND, *map(str, words)], input=data, capture_output=True, timeout=120, check=False,
        env={**environment, **variables},
    )  # fmt: skip
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, f"{words} ended with {done.returncode}: {out}{err}"
    assert "Traceback" not in err
    return out, err


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_publish_says_where_it_is_stored(bus: Bus, sample: str) -> None:
    secret = bus.secret("svom")
    out, err = said("publish", "data.vhf", sample, "--secret", secret)
    assert out.startswith("DATA ")
    assert err == ""
    out, _ = said("publish", "data.vhf", "--json", "--secret", secret, stdin=sample)
    (told,) = lines(out)
    assert (told["queue"], told["stream"]) == ("data.vhf", "DATA")


def test_publish_takes_each_line(bus: Bus) -> None:
    words = ["publish", "data.vhf", "--lines", "--json", "--validate", "off", "--secret", bus.secret("svom")]
    out, _ = said(*words, stdin="one\ntwo\r\nthree")
    told = lines(out)
    assert len(told) == 3
    assert [int(str(one["sequence"])) for one in told] == sorted(int(str(one["sequence"])) for one in told)


def test_what_is_no_message_is_told_or_refused(bus: Bus) -> None:
    secret = bus.secret("svom")
    _, err = said("publish", "data.vhf", "This is not a valid message", "--secret", secret)
    assert "goes out all the same" in err
    _, err = said("publish", "data.vhf", "x", "--validate", "strict", "--secret", secret, code=1)
    assert "none of the mission's" in err


def test_a_refusal_is_one_line_and_exit_code_1(bus: Bus) -> None:
    out, err = said(
        "publish", "activity.infrastructure", "{}", "--validate", "off", "--secret", bus.secret("svom"), code=1
    )
    assert out == ""
    assert err.startswith("svom-msg: svom may not publish to activity.infrastructure")
    assert len(err.splitlines()) == 1


def test_subscribe_prints_as_they_come(bus: Bus) -> None:
    secret = str(bus.secret("svom"))
    words = [*COMMAND, "subscribe", "data.*", "--count", "2", "--json", "--secret", secret]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as reading:
        sent = 0
        while reading.poll() is None:  # until it has subscribed, and heard two
            said("publish", "data.mdb", f"number {sent}", "--validate", "off", "--secret", secret)
            sent += 1
        assert reading.returncode == 0
        assert reading.stdout is not None
        told = lines(reading.stdout.read().decode())
    assert [one["queue"] for one in told] == ["data.mdb"] * 2


def test_durable_acknowledges_what_it_prints(bus: Bus) -> None:
    secret = bus.secret("worker")
    said("publish", "activity.too", b"\xffbytes".decode("latin-1"), "--validate", "off", "--secret", secret)
    out, _ = said("durable", "shared", "--json", "--timeout", "1", "--secret", secret)
    assert lines(out)[-1]["stream"] == "ACTIVITY"
    out, _ = said("durable", "shared", "--timeout", "1", "--secret", secret)
    assert out == ""
    _, err = said("durable", "nothing", "--secret", secret, code=1)
    assert "has no durable subscription nothing" in err


def test_validate_needs_no_bus(tmp_path: Path, sample: str) -> None:
    (tmp_path / "good.json").write_text(sample)
    (tmp_path / "bad.json").write_text("{}")
    out, _ = said("validate", tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "none.json", code=1)
    assert [line.partition(": ")[2][:12] for line in out.splitlines()] == ["valid", "its members ", "it cannot be"]
    out, _ = said("validate", "-", "--json", stdin=sample)
    assert lines(out) == [{"file": "-", "valid": True}]


def test_who_reads_no_more_is_no_error(bus: Bus) -> None:
    words = " ".join([*COMMAND, "publish data.vhf --lines --validate off --secret", str(bus.secret("svom"))])
    done = subprocess.run(
        ["bash", "-c", f"yes x | head -2000 | {words} | head -1; echo ${{PIPESTATUS[2]}}"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[1] == "0"
    assert done.stderr == ""


def test_doctor_tells_each_step(bus: Bus) -> None:
    out, _ = said("doctor", "--json", "--secret", bus.secret("worker"), "--durable", "plain")
    told = lines(out)
    assert all(one["ok"] is not False for one in told)
    texts = {str(one["step"]): str(one["text"]) for one in told}
    assert texts["publish"] == "activity.calibration, activity.core_program, activity.infrastructure, activity.too"
    assert texts["durable plain"] == "worker_plain of the stream ACTIVITY"


def test_doctor_stores_nothing(bus: Bus) -> None:
    before, _ = said("publish", "data.vhf", "x", "--validate", "off", "--secret", bus.secret("svom"))
    said("doctor", "--secret", bus.secret("svom"))
    after, _ = said("publish", "data.vhf", "x", "--validate", "off", "--secret", bus.secret("svom"))
    assert int(after.split()[1]) == int(before.split()[1]) + 1


@pytest.mark.parametrize(
    ("changed", "failing"),
    [
        ({"--host": "no-such-host.invalid"}, "name no-such-host.invalid"),
        ({"--port": "PORT+7"}, "port"),
        ({"--ca": "STRANGER"}, "TLS"),
        ({"--password-file": "WRONG"}, "credentials"),
        ({"--queue": "orders.pointing"}, "rights"),
        ({"--durable": "nothing"}, "durable nothing"),
        ({"--ca": "/no/such/file"}, "settings"),
    ],
)  # fmt: skip
def test_doctor_names_what_fails(bus: Bus, tmp_path: Path, changed: dict[str, str], failing: str) -> None:
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "wrong").write_text("guessed")
    stranger = Path(__file__).parents[3] / "tests" / "authority-of-nobody.crt"
    meant = {"PORT+7": bus.port + 7, "STRANGER": stranger, "WRONG": tmp_path / "wrong"}
    words = {"--host": "127.0.0.1", "--port": bus.port, "--user": "svom", "--password-file": tmp_path / "password",
             "--ca": bus.ca()}  # fmt: skip
    words |= {name: meant.get(value, value) for name, value in changed.items()}
    out, _ = said("doctor", "--json", *(word for pair in words.items() for word in pair), code=1)
    failed = [str(one["step"]) for one in lines(out) if one["ok"] is False]
    assert failed
    assert failed[0].startswith(failing)


def test_nobody_to_be_is_said(tmp_path: Path) -> None:
    _, err = said("publish", "data.vhf", "x", code=1)
    assert "--secret DIR" in err
    said("publish", code=2)
    said("--help")


def test_the_environment_is_enough(bus: Bus) -> None:
    secret = bus.secret("svom")
    variables = {"NATS_URL": (secret / "url").read_text(), "NATS_USER": "svom", "NATS_PASSWORD": "secret",
                 "NATS_CA": str(secret / "ca.crt")}  # fmt: skip
    out, _ = said("publish", "data.vhf", "x", "--validate", "off", **variables)
    assert out.startswith("DATA ")
