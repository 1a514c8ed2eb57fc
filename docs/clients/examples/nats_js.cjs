// nats.js over the websocket: publish with acknowledgement, listen live, read a durable, see a refusal.
//
// Arguments: the folder of the user's Secret, and how many messages. Node 20 or later, with
// @nats-io/nats-core, @nats-io/jetstream and ws. In a browser it is the same without `wsFactory`: the
// browser makes its websockets itself, and its machine has to trust the authority.

const { existsSync, readFileSync } = require("node:fs");
const { join } = require("node:path");
const { jetstream } = require("@nats-io/jetstream");
const { PermissionViolationError, nkeyAuthenticator, wsconnect } = require("@nats-io/nats-core");
const WebSocket = require("ws");

const [folder, count] = [process.argv[2], Number(process.argv[3])];

const file = (name) => join(folder, name);
const key = (name) => readFileSync(file(name), "utf8").trim();
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// The authority, and a certificate to show where clients must.
const tls = { ca: readFileSync(file("ca.crt")) };
if (existsSync(file("tls.crt"))) {
  Object.assign(tls, { cert: readFileSync(file("tls.crt")), key: readFileSync(file("tls.key")) });
}
const proof = existsSync(file("password"))
  ? { user: key("username"), pass: key("password") }
  : { authenticator: nkeyAuthenticator(new TextEncoder().encode(key("nkey.seed"))) };

async function main() {
  const connection = await wsconnect({
    servers: key("websocket-url").split(","),
    wsFactory: (url) => ({ socket: new WebSocket(url, tls), encrypted: true }),
    // The servers tell of no others; those of `websocket-url` are all.
    ignoreClusterUpdates: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    ...proof,
  });
  // The domain is mandatory: without it no JetStream call is answered. What everybody's account holds is
  // not every user's to ask: so it is not looked up first.
  const bus = jetstream(connection, { domain: key("jetstream-domain"), timeout: 2000, checkAPI: false });

  connection.subscribe("data.*", { callback: (_, message) => console.log("live", message.string()) });

  // A durable is there already: it is asked for, and not made. What the server says of it names its group.
  const handled = new Set();
  const durable = await bus.consumers.getPushConsumer("DATA", `${key("username")}_ingest`);
  const deliveries = await durable.consume();
  const reading = (async () => {
    for await (const message of deliveries) {
      console.log("durable", message.string());
      message.ack();
      handled.add(message.string());
      if (handled.size === count) {
        return;
      }
    }
  })();

  for (let number = 0; number < count; number++) {
    const text = `message ${number}`;
    const stored = await publish(bus, text);
    console.log("stored", text, stored.seq);
    await pause(10);
  }
  await reading;

  try {
    await bus.publish("data.mdb", "not ours");
  } catch (problem) {
    // A refusal is why the call itself fails.
    if (!(problem.cause instanceof PermissionViolationError)) {
      throw problem;
    }
    console.log("refused", problem.message);
  }
  await connection.close();
}

async function publish(bus, text) {
  const msgID = crypto.randomUUID();
  for (;;) {
    try {
      return await bus.publish("data.vhf", text, { msgID });
    } catch {
      // A server fell: again, under the same id, so that it is not stored twice.
      await pause(100);
    }
  }
}

main().catch((problem) => {
  console.error(problem);
  process.exit(1);
});
