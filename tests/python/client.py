"""A stock nats-py client that is driven by a test.

In: one JSON object per line on stdin, `{"call": 7, "op": "publish", ...}`. Out: one JSON object per
line on stdout, an answer (`{"call": 7, "ok": {...}}` or `{"call": 7, "error": "..."}`) or an event
(`{"event": "message", ...}`). Calls run beside one another; the test decides what to wait for. The
client decides nothing and repairs nothing: what the library refuses is answered as it says it.
`src/bin/async-nats-client.rs` speaks the same lines.
"""

import asyncio
import json
import ssl
import sys

import nats
from nats.errors import NoRespondersError, TimeoutError as NatsTimeout
from nats.js.errors import NoStreamResponseError, ServiceUnavailableError

DOMAIN = "svom"
RETRIED = (NatsTimeout, asyncio.TimeoutError, NoRespondersError, NoStreamResponseError,
           ServiceUnavailableError, nats.errors.ConnectionReconnectingError,
           nats.errors.OutboundBufferLimitError)


def say(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def tls_context(call):
    if "ca" not in call:
        return None
    context = ssl.create_default_context(cafile=call["ca"])
    if "certificate" in call:
        context.load_cert_chain(call["certificate"], call["key"])
    return context


class Driven:
    """One connection and what it was told to do."""

    def __init__(self):
        self.connection = None
        self.jetstream = None
        self.loads = {}

    async def connect(self, call):
        async def error(problem):
            say({"event": "error", "text": str(problem) or type(problem).__name__})

        async def disconnected():
            say({"event": "disconnected"})

        async def reconnected():
            say({"event": "connected"})

        self.connection = await nats.connect(
            servers=call["url"].split(","), user=call.get("username"), password=call.get("password"),
            nkeys_seed_str=call.get("nkey_seed"), tls=tls_context(call), connect_timeout=3, allow_reconnect=call["reconnect"],
            max_reconnect_attempts=-1 if call["reconnect"] else 0, reconnect_time_wait=0.1,
            error_cb=error, disconnected_cb=disconnected, reconnected_cb=reconnected)
        self.jetstream = self.connection.jetstream(domain=DOMAIN)
        return {}

    async def publish(self, call):
        headers = {"Nats-Msg-Id": call["id"], **call.get("headers", {})}
        ack = await self.jetstream.publish(
            call["subject"], call["id"].encode(), timeout=call["timeout_ms"] / 1000, headers=headers)
        return {"stream": ack.stream, "seq": ack.seq, "duplicate": bool(ack.duplicate)}

    async def send(self, call):
        await self.connection.publish(
            call["subject"], call.get("data", "").encode(), reply=call.get("reply", ""), headers=call.get("headers"))
        await self.connection.flush()
        return {}

    async def request(self, call):
        answer = await self.connection.request(
            call["subject"], call.get("data", "").encode(), timeout=call["timeout_ms"] / 1000)
        return {"data": answer.data.decode(errors="replace"), "headers": answer.headers or {}}

    async def subscribe(self, call):
        async def message(received):
            tell(received, call["subject"])

        await self.connection.subscribe(call["subject"], queue=call.get("group") or "", cb=message)
        await self.connection.flush()
        return {}

    async def bind(self, call):
        info = await self.jetstream.consumer_info(call["stream"], call["consumer"], timeout=call["timeout_ms"] / 1000)

        async def message(received):
            tell(received, call["consumer"])
            if call["acknowledge"]:
                await received.ack()

        await self.jetstream.subscribe_bind(
            stream=call["stream"], consumer=call["consumer"], config=info.config, cb=message, manual_ack=True)
        await self.connection.flush()
        return {}

    async def consumer_info(self, call):
        info = await self.jetstream.consumer_info(call["stream"], call["consumer"], timeout=call["timeout_ms"] / 1000)
        return {"pending": info.num_pending, "unacknowledged": info.num_ack_pending,
                "delivered": info.delivered.stream_seq}

    async def pull(self, call):
        subscription = await self.jetstream.pull_subscribe_bind(durable=call["consumer"], stream=call["stream"])
        messages = await subscription.fetch(1, timeout=call["timeout_ms"] / 1000)
        return {"messages": len(messages)}

    async def load(self, call):
        """Publishes one message after another, each with its own id, each until it is acknowledged."""
        stop = self.loads[call["prefix"]] = asyncio.Event()
        number = 0
        while not stop.is_set() and number < call.get("count", sys.maxsize):
            subject = call["subjects"][number % len(call["subjects"])]
            identity = f"{call['prefix']}{number}"
            await self.publish_until_acknowledged(subject, identity, stop)
            number += 1
            await asyncio.sleep(call["pause_ms"] / 1000)
        return {"published": number}

    async def publish_until_acknowledged(self, subject, identity, stop):
        tries = 0
        while tries == 0 or not stop.is_set():
            tries += 1
            try:
                ack = await self.jetstream.publish(
                    subject, identity.encode(), timeout=2, headers={"Nats-Msg-Id": identity})
            except RETRIED:
                await asyncio.sleep(0.02)
                continue
            say({"event": "acknowledged", "id": identity, "subject": subject, "seq": ack.seq,
                 "duplicate": bool(ack.duplicate), "tries": tries})
            return

    async def stop_load(self, call):
        self.loads[call["prefix"]].set()
        return {}

    async def close(self, _call):
        await self.connection.close()
        return {}


def tell(received, subscription):
    say({"event": "message", "subscription": subscription, "subject": received.subject, "reply": received.reply,
         "data": received.data.decode(errors="replace"), "headers": received.headers or {}})


async def answer(driven, call):
    try:
        say({"call": call["call"], "ok": await getattr(driven, call["op"])(call)})
    except Exception as problem:  # every refusal is an answer, whatever class the library gave it
        say({"call": call["call"], "error": f"{type(problem).__name__}: {problem}"})


async def main():
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    driven = Driven()
    running = set()
    while line := await lines.readline():
        task = asyncio.create_task(answer(driven, json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)


asyncio.run(main())
