"""An event loop in a thread of its own, for programs that have none, or have one that is busy."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .errors import ClosedError, MessagingError

Result = TypeVar("Result")


class Runner:
    """The thread. It is a daemon: a program that ends without closing is not held up."""

    def __init__(self, name: str) -> None:
        """Starts it."""
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Does it there, and waits for what comes of it."""
        if threading.current_thread() is self._thread:
            work.close()
            raise MessagingError(
                "on_problem may not call the client it belongs to, which waits for it: hand the problem to "
                "another thread"
            )
        try:
            future = asyncio.run_coroutine_threadsafe(work, self.loop)
        except RuntimeError:
            work.close()
            raise ClosedError("this client was closed: make a new one, or close it later") from None
        try:
            return future.result()
        except BaseException:
            future.cancel()  # an interrupted caller wants nothing of it any more
            raise

    def post(self, call: Callable[[], object]) -> None:
        """Has it called there, soon."""
        with contextlib.suppress(RuntimeError):  # it has ended
            self.loop.call_soon_threadsafe(call)

    def stop(self) -> None:
        """Ends it; what is still under way there is cancelled."""
        self.post(self.loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self.loop.close()
