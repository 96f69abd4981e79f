"""Calls made side by side in daemon threads, none of which can hold up its caller or the interpreter's exit.

concurrent.futures joins its threads at exit, so one hanging request would hold the exit; hence threads of our own.
"""

import contextlib
import ctypes
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class StillHangingError(Exception):
    """A call that was abandoned earlier has not returned, so nothing new was started."""


class GivenUpError(BaseException):
    """Raised within a call that was given up, where its thread next runs Python.

    It passes the adapters' handlers of Exception. Read timeouts end what is silent, but not what comes one byte a
    second: such a call would otherwise hang, and block its source or store, for as long as the peer likes.
    """


class Crew(Generic[T]):
    """The threads that may call one party at once.

    Args:
        width: how many calls at once, at the most.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._lock = threading.Lock()
        self._running: set[int] = set()  # the threads in which calls are being made

    @property
    def is_hanging(self) -> bool:
        """Whether calls that were started earlier have not returned."""
        with self._lock:
            return bool(self._running)

    def give_up(self) -> None:
        """Ask the calls that are being made to end. Those that wait in the operating system end when it returns."""
        with self._lock:  # a thread leaves the set under the lock too, so what it does next is not hit
            for thread in self._running:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(GivenUpError))

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
        thread = threading.get_ident()
        settle: Callable[[], None] = partial(future.set_exception, GivenUpError())
        with self._lock:
            self._running.add(thread)
        try:
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001  # whatever it is, it reaches the caller through the future
                settle = partial(future.set_exception, error)
            else:
                settle = partial(future.set_result, result)
        except GivenUpError:  # asked in the very moment in which the call had ended by itself
            pass
        while not future.done():
            with contextlib.suppress(GivenUpError):  # as above
                # Before the future settles: whoever waits for it may start the next calls at once.
                with self._lock:
                    self._running.discard(thread)
                settle()
