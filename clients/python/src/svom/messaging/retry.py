"""What becomes of a message whose handler raised."""

from __future__ import annotations

from .durable import DurableFeed
from .problems import GivenUp, logger
from .received import Delivery


def failed(feed: DurableFeed, delivery: Delivery, problem: Exception, delay: float) -> None:
    """It comes again after the delay; where this was its last delivery, that is told."""
    if delivery.settled:
        logger.warning("the handler of %r settled it and raised", delivery, exc_info=problem)
        return
    if delivery.is_last:
        feed.tell(GivenUp(delivery.queue, delivery.sequence, problem))
    else:
        logger.warning("the handler of %r raised; it comes again in %s s", delivery, delay, exc_info=problem)
    # On the last one too: then the servers count it as given up, and whoever runs the bus sees it.
    delivery.nak(0 if delivery.is_last else delay)
