"""The SVOM mission's messaging bus: publish, subscribe, read durable subscriptions.

`svom.messaging.natsio` holds the clients `NatsIo` and `AsyncNatsIo`, `svom.messaging.messages` the
mission's typed messages, `svom.messaging.errors` every exception. Importing this package alone costs
nothing: it loads none of them.
"""

__version__ = "2.0.0"
