"""What the suite runs in its client pods: one word says what, the rest are its arguments.

In: words. Out: lines, one for each thing found. It ends badly only where it could not look; what it finds
wrong is an answer.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request

DATAGRAMS = 9000
HEARD = "/heard/datagrams"
STREAM = "EVENTS"
SUBJECTS = "events"
ANSWERS_WITHIN = 2
BETWEEN_MESSAGES = 0.005


def wait():
    """Does nothing, for ever: the suite runs what it wants beside."""
    while True:
        signal.pause()


def listen():
    """Writes down the word of each datagram, for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear, open(HEARD, "a", buffering=1) as heard:
        ear.bind(("0.0.0.0", DATAGRAMS))
        while True:
            print(ear.recv(100).decode(), file=heard)


def heard(word):
    """How many datagrams with this word have arrived."""
    with open(HEARD) as lines:
        print(sum(line.strip() == word for line in lines))


def send(host, count, word):
    """Sends so many datagrams with this word, slowly enough for any buffer."""

    async def send_all():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
            for _ in range(int(count)):
                mouth.sendto(word.encode(), (host, DATAGRAMS))
                await asyncio.sleep(0.002)

    asyncio.run(send_all())


def connect(host, port):
    """open, refused, silent, or what else became of a connection."""
    try:
        socket.create_connection((host, int(port)), timeout=ANSWERS_WITHIN).close()
        print("open")
    except TimeoutError:
        print("silent")
    except ConnectionRefusedError:
        print("refused")
    except OSError as error:
        print(error)


def greet(host):
    """Whether a server greets: `greeted`, or `silent` also where only its kernel takes the connection."""
    try:
        with socket.create_connection((host, 4222), timeout=ANSWERS_WITHIN) as server:
            print("greeted" if server.recv(4) == b"INFO" else "closed")
    except TimeoutError:
        print("silent")
    except OSError as error:
        print(error)


def answer_after(host):
    """How many seconds a connection to nothing at all takes to be refused."""
    began = time.monotonic()
    try:
        socket.create_connection((host, 1), timeout=30).close()
    except ConnectionRefusedError:
        print(time.monotonic() - began)


def look(url):
    """The status and the body of an answer; without an answer, None and why."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWERS_WITHIN) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()
    except OSError as error:
        return None, str(error)


def state(*hosts):
    """A line of JSON for each server: its health, its meta group, and its stream."""
    for host in hosts:
        monitor = f"http://{host}:8222"
        health, words = look(f"{monitor}/healthz")
        status, body = look(f"{monitor}/jsz?accounts=true&streams=true")
        jsz = json.loads(body) if status == 200 else {}
        accounts = jsz.get("account_details") or []
        streams = [s for account in accounts for s in account.get("stream_detail") or []]
        stream = next((s for s in streams if s["name"] == STREAM), {})
        cluster = stream.get("cluster") or {}
        meta = jsz.get("meta_cluster") or {}
        print(
            json.dumps(
                {
                    "healthy": health == 200,
                    "words": words,
                    "meta_leader": meta.get("leader"),
                    "servers": meta.get("cluster_size"),
                    "leader": cluster.get("leader"),
                    "current": sorted(r["name"] for r in cluster.get("replicas") or [] if r.get("current")),
                    "messages": (stream.get("state") or {}).get("messages"),
                }
            )
        )


async def quiet(_):
    """Errors that nats-py would print while it reconnects: what counts is what is acknowledged."""


async def connection(hosts):
    # Imported where it is needed: most of what is asked here does without, and is answered sooner.
    import nats

    return await nats.connect(
        [f"nats://{host}:4222" for host in hosts],
        allow_reconnect=False,
        # It tries each server so often before it gives up, whatever else is said.
        max_reconnect_attempts=1,
        reconnect_time_wait=0.1,
        connect_timeout=ANSWERS_WITHIN,
        error_cb=quiet,
    )


async def make_stream(*hosts):
    """Makes the stream, of three replicas; the same again changes nothing."""
    from nats.js.api import DiscardPolicy, StorageType, StreamConfig

    client = await connection(hosts)
    await client.jetstream(timeout=10).add_stream(
        StreamConfig(
            name=STREAM,
            subjects=[f"{SUBJECTS}.*"],
            num_replicas=3,
            storage=StorageType.FILE,
            max_bytes=48 << 20,
            discard=DiscardPolicy.NEW,
        )
    )
    await client.close()


def end_with_input():
    sys.stdin.read()
    os._exit(0)


async def publish(prefix, count, *hosts):
    """Publishes numbered messages, one at a time, and prints the name of each that is acknowledged; so many
    of them, or until nobody is at the other end of the input where the count is 0. One that is not
    acknowledged is sent again, to another server."""
    from nats.errors import Error

    hosts = list(hosts)
    number, wanted = 0, int(count)
    if not wanted:
        threading.Thread(target=end_with_input, daemon=True).start()
    while not wanted or number < wanted:
        client = None
        try:
            client = await connection(hosts[:1])
            stream = client.jetstream(timeout=ANSWERS_WITHIN)
            while not wanted or number < wanted:
                name = f"{prefix}-{number}"
                await stream.publish(f"{SUBJECTS}.{prefix}", name.encode(), headers={"Nats-Msg-Id": name})
                print(name, flush=True)
                number += 1
                await asyncio.sleep(BETWEEN_MESSAGES)
        except (OSError, asyncio.TimeoutError, Error):
            hosts.append(hosts.pop(0))
            await asyncio.sleep(0.1)
        finally:
            if client:
                await client.close()


async def stored(prefix, *hosts):
    """The name of each message with this prefix that the stream holds, in its order."""
    subject = f"{SUBJECTS}.{prefix}"
    client = await connection(hosts)
    stream = client.jetstream(timeout=10)
    held = (await stream.stream_info(STREAM, subjects_filter=subject)).state.subjects or {}
    reader = await stream.subscribe(subject, ordered_consumer=True)
    for _ in range(held.get(subject, 0)):
        print((await reader.next_msg(timeout=10)).data.decode())
    await client.close()


def write(path, text, *how):
    """Writes a new file; with the word `synced`, it is on the disk before this ends."""
    with open(path, "x") as file:
        file.write(text)
        file.flush()
        if "synced" in how:
            os.fsync(file.fileno())
    if "synced" in how:
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def read(path):
    """What a file holds; nothing where there is none."""
    if os.path.exists(path):
        with open(path) as file:
            print(file.read())


WORDS = {
    "wait": wait,
    "listen": listen,
    "heard": heard,
    "send": send,
    "connect": connect,
    "greet": greet,
    "answer-after": answer_after,
    "state": state,
    "make-stream": make_stream,
    "publish": publish,
    "stored": stored,
    "write": write,
    "read": read,
}

if __name__ == "__main__":
    answer = WORDS[sys.argv[1]](*sys.argv[2:])
    if asyncio.iscoroutine(answer):
        asyncio.run(answer)
