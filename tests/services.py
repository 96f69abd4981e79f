"""A Service in a thread of the test, whose clock runs fast and may be set."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue

from rancher_ecr import AuthorizationToken, SourceError
from rancher_ecr.service import Clock, Service

SPEED = 100.0
SOON = 20.0  # seconds until a test gives up


class FastClock(Clock):
    """Time at a hundred times its speed; what waits for it waits a hundredth of the time."""

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.set_by = timedelta(0)
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return (time.monotonic() - self.begin) * SPEED

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.monotonic()) + self.set_by

    def wait(self, mailbox: SimpleQueue[Callable[[], None]], seconds: float) -> Callable[[], None] | None:
        self.waits.append(seconds)
        try:
            return mailbox.get(timeout=seconds / SPEED)
        except Empty:
            return None


class Cloud:
    """A TokenSource that gives a new password each time, unless `error` is set."""

    def __init__(self, clock: Clock, *hosts: str, life: timedelta = timedelta(hours=12)) -> None:
        self.clock = clock
        self.hosts = hosts
        self.life = life
        self.error: BaseException | None = None
        self.passwords: list[str] = []

    @property
    def name(self) -> str:
        return "cloud"

    def tokens(self) -> Iterator[AuthorizationToken]:
        if self.error is not None:
            raise self.error
        self.passwords.append(f"password-{len(self.passwords)}")
        end = self.clock.now() + self.life
        for host in self.hosts:
            yield AuthorizationToken(f"https://{host}", (host,), "AWS", self.passwords[-1], end)

    def fail(self, message: str = "no token") -> None:
        self.error = SourceError(message)


@contextlib.contextmanager
def running(service: Service) -> Iterator[None]:
    """Run it in a thread; see that it ends within a second."""
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield
    finally:
        service.stop()
        begin = time.monotonic()
        thread.join(SOON)
        assert not thread.is_alive()
        assert time.monotonic() - begin < 1 + 4  # a second, on a machine that may be busy


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.002)


def messages(records: list[logging.LogRecord], level: int) -> list[str]:
    return [record.getMessage() for record in records if record.levelno == level]
