"""A client of the bus with nothing but a user's Secret: what it is told to do, said in lines."""

import asyncio
import pathlib
import socket
import ssl
import sys
import time

import nats
from nats.errors import Error, TimeoutError

SECRET = pathlib.Path("/etc/svom-messaging")

# There once a program may end that runs beside others.
ENOUGH = pathlib.Path("/tmp/enough")


def read(key):
    return (SECRET / key).read_text().strip()


async def connected(servers=None, errors=None, tries=-1, certificate=True, lost=None):
    context = ssl.create_default_context(cafile=str(SECRET / "ca.crt"))
    if certificate and (SECRET / "tls.crt").exists():
        context.load_cert_chain(str(SECRET / "tls.crt"), str(SECRET / "tls.key"))

    async def note(error):
        if errors is not None:
            errors.append(str(error))

    async def note_lost():
        if lost is not None:
            lost.append(time.time())

    return await nats.connect(
        servers=(servers or read("url")).split(","),
        user=read("username"),
        password=read("password"),
        tls=context,
        error_cb=note,
        disconnected_cb=note_lost,
        max_reconnect_attempts=tries,
        reconnect_time_wait=0.2,
        connect_timeout=5,
    )


def stream(client):
    return client.jetstream(domain=read("jetstream-domain"), timeout=5)


async def publish(queue, text, servers=None, certificate=True):
    try:
        client = await connected(servers, tries=3, certificate=certificate)
    except Exception as error:  # noqa: BLE001  The client has errors of several families.
        if certificate:
            raise
        print("no:", type(error).__name__, error)
        return
    try:
        acknowledged = await stream(client).publish(queue, text.encode())
        print(acknowledged.stream, acknowledged.seq)
    except Error as error:
        print("no:", type(error).__name__, error)
    except Exception as error:  # noqa: BLE001  The client has errors of several families.
        print("no:", type(error).__name__, error)
    finally:
        await client.close()


async def listen(queue, count):
    """Prints so many messages, or that it is denied."""
    errors = []
    client = await connected(errors=errors)
    heard = await client.subscribe(queue)
    left = int(count)
    deadline = time.monotonic() + 60
    while left and time.monotonic() < deadline:
        if any("Permissions" in error or "permissions" in error for error in errors):
            print("denied:", errors[0])
            break
        try:
            message = await heard.next_msg(timeout=0.3)
        except Exception:  # noqa: BLE001  Nothing came in time.
            continue
        print(message.data.decode(), flush=True)
        left -= 1
    await client.close()


async def ignore(subject, group):
    """Reads a durable and acknowledges nothing, until it is enough."""
    client = await connected()
    await client.subscribe(subject, queue=group)
    while not ENOUGH.exists():
        await asyncio.sleep(0.1)
    await client.close()


async def load(queue, seconds, name, log):
    """Publishes until the time is over; each message that was acknowledged is in the log."""
    client = await connected()
    deadline = time.monotonic() + float(seconds)
    number = 0
    with open(log, "w") as lines:
        while time.monotonic() < deadline:
            number += 1
            identity = f"{name}-{number}"
            while True:
                try:
                    await stream(client).publish(
                        queue, identity.encode(), headers={"Nats-Msg-Id": identity}
                    )
                    break
                except Exception:  # noqa: BLE001  Tried again with the same identity.
                    await asyncio.sleep(0.1)
            print(identity, file=lines, flush=True)
    await client.close()


async def hold(queue, begun, told):
    """Publishes on one connection until it is enough, and says how it was."""
    lost, refused = [], 0
    client = await connected(lost=lost)
    while not ENOUGH.exists():
        try:
            await stream(client).publish(queue, b"held")
        except Exception:  # noqa: BLE001  Counted, whatever it is.
            refused += 1
        pathlib.Path(begun).touch()
        await asyncio.sleep(0.05)
    # What the client does at its own end is no loss.
    pathlib.Path(told).write_text(f"{len(lost)} disconnects, {refused} refused")
    await client.close()


async def drain(subject, group, log, count, name=""):
    """Reads a durable until there were so many messages of this name, or none for a minute."""
    client = await connected()
    heard = await client.subscribe(subject, queue=group)
    left = int(count)
    seen = set()
    with open(log, "w") as lines:
        while left:
            try:
                message = await heard.next_msg(timeout=60)
            except TimeoutError:
                break
            text = message.data.decode()
            print(text, file=lines, flush=True)
            await message.ack()
            if text.startswith(name) and text not in seen:
                seen.add(text)
                left -= 1
    await client.close()


def reach(host, port):
    """Says whether a connection is let through."""
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        print("open")
    except OSError as error:
        print("closed:", error)


def main():
    what, *words = sys.argv[1:]
    if what == "publish":
        asyncio.run(publish(*words))
    elif what == "publish-to":
        servers, *rest = words
        asyncio.run(publish(*rest, servers=servers))
    elif what == "publish-without-certificate":
        asyncio.run(publish(*words, certificate=False))
    elif what == "hold":
        asyncio.run(hold(*words))
    elif what == "listen":
        asyncio.run(listen(*words))
    elif what == "ignore":
        asyncio.run(ignore(*words))
    elif what == "load":
        asyncio.run(load(*words))
    elif what == "drain":
        asyncio.run(drain(*words))
    elif what == "reach":
        reach(*words)
    else:
        sys.exit(f"{what}?")


main()
