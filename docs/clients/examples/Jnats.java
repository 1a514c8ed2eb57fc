// jnats: publish with acknowledgement, listen live, read a durable, see a refusal.
//
// Arguments: the folder of the user's Secret, how many messages, and whether the durable is read
// synchronously (`sync`) or by a dispatcher (`async`). Java 17: java -cp 'JARS/*' Jnats.java ...

import io.nats.client.AuthHandler;
import io.nats.client.Connection;
import io.nats.client.ErrorListener;
import io.nats.client.JetStream;
import io.nats.client.JetStreamOptions;
import io.nats.client.JetStreamSubscription;
import io.nats.client.Message;
import io.nats.client.NKey;
import io.nats.client.Nats;
import io.nats.client.Options;
import io.nats.client.PublishOptions;
import io.nats.client.PushSubscribeOptions;
import io.nats.client.api.PublishAck;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Jnats {
    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        int count = Integer.parseInt(arguments[1]);
        boolean synchronously = arguments[2].equals("sync");
        CountDownLatch refused = new CountDownLatch(1);

        Options options = identified(new Options.Builder(), folder)
            .servers(key(folder, "url").split(","))
            .sslContext(trusting(folder.resolve("ca.crt")))
            .maxReconnects(-1)
            .reconnectWait(Duration.ofMillis(100))
            // The servers tell of no others; those of `url` are all.
            .ignoreDiscoveredServers()
            .errorListener(new ErrorListener() {
                @Override
                public void errorOccurred(Connection connection, String error) {
                    // A refusal comes here; the call that is refused times out.
                    if (error.toLowerCase().contains("permissions violation")) {
                        say("refused " + error);
                        refused.countDown();
                    }
                }
            })
            .build();
        try (Connection connection = Nats.connect(options)) {
            // The domain is mandatory: without it no JetStream call is answered.
            JetStream jetstream = connection.jetStream(JetStreamOptions.builder()
                .domain(key(folder, "jetstream-domain"))
                .requestTimeout(Duration.ofSeconds(2))
                .build());
            connection.createDispatcher(message -> say("live " + text(message))).subscribe("data.*");

            // A durable is there already: it is bound to, and not made. Its group carries the user's name.
            String user = key(folder, "username");
            PushSubscribeOptions durable = PushSubscribeOptions.builder()
                .stream("DATA")
                .durable(user + "_ingest")
                .deliverGroup(user + ".ingest")
                .bind(true)
                .build();
            Set<String> handled = ConcurrentHashMap.newKeySet();
            if (synchronously) {
                JetStreamSubscription subscription = jetstream.subscribe("data.vhf", user + ".ingest", durable);
                Thread reader = new Thread(() -> readAll(subscription, handled, count));
                reader.setDaemon(true);
                reader.start();
            } else {
                jetstream.subscribe("data.vhf", user + ".ingest", connection.createDispatcher(),
                    message -> handle(message, handled), false, durable);
            }

            for (int number = 0; number < count; number++) {
                String text = "message " + number;
                say("stored " + text + " " + publish(jetstream, text).getSeqno());
                Thread.sleep(10);
            }
            while (handled.size() < count) {
                Thread.sleep(100);
            }
            connection.publish("data.mdb", "not ours".getBytes(StandardCharsets.UTF_8));
            refused.await();
        }
    }

    private static PublishAck publish(JetStream jetstream, String text) throws InterruptedException {
        PublishOptions once = PublishOptions.builder().messageId(UUID.randomUUID().toString()).build();
        while (true) {
            try {
                return jetstream.publish("data.vhf", text.getBytes(StandardCharsets.UTF_8), once);
            } catch (Exception problem) {
                // A server fell: again, under the same id, so that it is not stored twice.
                Thread.sleep(100);
            }
        }
    }

    private static void readAll(JetStreamSubscription subscription, Set<String> handled, int count) {
        while (handled.size() < count) {
            try {
                Message message = subscription.nextMessage(Duration.ofSeconds(1));
                if (message != null) {
                    handle(message, handled);
                }
            } catch (InterruptedException problem) {
                return;
            }
        }
    }

    private static void handle(Message message, Set<String> handled) {
        say("durable " + text(message));
        message.ack();
        handled.add(text(message));
    }

    /** With a password, or with an NKey where the user has one. */
    private static Options.Builder identified(Options.Builder options, Path folder) throws Exception {
        if (Files.notExists(folder.resolve("nkey.seed"))) {
            return options.userInfo(
                key(folder, "username").toCharArray(), key(folder, "password").toCharArray());
        }
        NKey nkey = NKey.fromSeed(key(folder, "nkey.seed").toCharArray());
        return options.authHandler(new AuthHandler() {
            @Override
            public byte[] sign(byte[] nonce) {
                try {
                    return nkey.sign(nonce);
                } catch (Exception problem) {
                    throw new IllegalStateException("the seed cannot sign", problem);
                }
            }

            @Override
            public char[] getID() {
                try {
                    return nkey.getPublicKey();
                } catch (Exception problem) {
                    throw new IllegalStateException("the seed is not a user's", problem);
                }
            }

            @Override
            public char[] getJWT() {
                return null;
            }
        });
    }

    private static SSLContext trusting(Path ca) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        try (InputStream pem = Files.newInputStream(ca)) {
            int number = 0;
            for (var certificate : CertificateFactory.getInstance("X.509").generateCertificates(pem)) {
                store.setCertificateEntry("ca-" + number++, certificate);
            }
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    private static String key(Path folder, String name) throws Exception {
        return Files.readString(folder.resolve(name)).strip();
    }

    private static String text(Message message) {
        return new String(message.getData(), StandardCharsets.UTF_8);
    }

    private static synchronized void say(String line) {
        System.out.println(line);
    }
}
