"""nats-py: publish with acknowledgement, listen live, read a durable, see a refusal.

Arguments: the folder of the user's Secret, and how many messages. Needs nats-py 2.16 or later, and its
extra `nkeys` for a user with an NKey.
"""

import asyncio
import ssl
import sys
import uuid
from pathlib import Path

import nats
from nats.errors import Error

FOLDER, COUNT = Path(sys.argv[1]), int(sys.argv[2])


def key(name):
    return (FOLDER / name).read_text().strip()


async def main():
    refused = asyncio.Event()

    async def error(problem):
        # A refusal comes here; the call that is refused times out.
        if "permissions violation" in str(problem):
            print("refused", problem, flush=True)
            refused.set()

    proof = {"nkeys_seed": str(FOLDER / "nkey.seed")}
    if (FOLDER / "password").exists():
        proof = {"user": key("username"), "password": key("password")}
    connection = await nats.connect(
        key("url").split(","),
        tls=ssl.create_default_context(cafile=FOLDER / "ca.crt"),
        error_cb=error,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.1,
        **proof,
    )
    # The domain is mandatory: without it no JetStream call is answered.
    jetstream = connection.jetstream(domain=key("jetstream-domain"))

    async def live(message):
        print("live", message.data.decode(), flush=True)

    await connection.subscribe("data.*", cb=live)

    # A durable is there already: it is bound to, and not made. What the server says of it names its group.
    handled, all_handled = set(), asyncio.Event()

    async def durable(message):
        text = message.data.decode()
        print("durable", text, flush=True)
        await message.ack()
        handled.add(text)
        if len(handled) == COUNT:
            all_handled.set()

    info = await jetstream.consumer_info("DATA", f"{key('username')}_ingest")
    await jetstream.subscribe_bind(
        stream="DATA", consumer=info.name, config=info.config, cb=durable, manual_ack=True
    )

    for number in range(COUNT):
        text = f"message {number}"
        headers = {"Nats-Msg-Id": str(uuid.uuid4())}
        while True:
            try:
                stored = await jetstream.publish("data.vhf", text.encode(), headers=headers, timeout=2)
                break
            except (Error, asyncio.TimeoutError):
                # A server fell: again, under the same id, so that it is not stored twice.
                await asyncio.sleep(0.1)
        print("stored", text, stored.seq, flush=True)
        await asyncio.sleep(0.01)
    await all_handled.wait()

    await connection.publish("data.mdb", b"not ours")
    await refused.wait()
    await connection.close()


asyncio.run(main())
