"""Calls made side by side in daemon threads, none of which can hold up its caller or the interpreter's exit.

concurrent.futures joins its threads at exit, so one hanging request would hold the exit; hence threads of our own.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class StillHangingError(Exception):
    """A call that was abandoned earlier has not returned, so nothing new was started."""


class Crew(Generic[T]):
    """The threads that may call one party at once.

    Args:
        width: how many calls at once, at the most.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._lock = threading.Lock()
        self._running = 0

    @property
    def is_hanging(self) -> bool:
        """Whether calls that were started earlier have not returned."""
        with self._lock:
            return self._running > 0

    def start(self, calls: Sequence[Callable[[], T]]) -> list[Future[T]]:
        """Begin the calls and return at once; all of them fail with StillHangingError while an earlier call hangs."""
        waiting = deque((Future[T](), call) for call in calls)
        futures = [future for future, _ in waiting]
        if self.is_hanging:
            for future in futures:
                future.set_exception(StillHangingError())
            return futures
        for _ in range(min(self._width, len(futures))):
            threading.Thread(target=self._work, args=(waiting,), name="rancher_ecr call", daemon=True).start()
        return futures

    def _work(self, waiting: deque[tuple[Future[T], Callable[[], T]]]) -> None:
        while True:
            try:
                future, call = waiting.popleft()
            except IndexError:
                return
            if future.set_running_or_notify_cancel():
                self._make(call, future)

    def _make(self, call: Callable[[], T], future: Future[T]) -> None:
        self._count(1)
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001  # whatever it is, it reaches the caller through the future
            settle = partial(future.set_exception, error)
        else:
            settle = partial(future.set_result, result)
        self._count(-1)  # before the future settles: whoever waits for it may start the next calls at once
        settle()

    def _count(self, change: int) -> None:
        with self._lock:
            self._running += change
