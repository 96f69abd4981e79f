"""What a Syncer joins in its tests: sources that say what they are told, logins, and stores that are filled quickly."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from rancher_ecr import AuthorizationToken, Report
from rancher_ecr.testing.memory import MemoryStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIFE = timedelta(hours=12)
SOON = 10.0  # seconds until a test gives up


def login(*hosts: str, password: str = "new", expires_at: datetime = NOW + LIFE) -> AuthorizationToken:
    return AuthorizationToken(f"https://{hosts[0]}", hosts, "AWS", password, expires_at)


def store_of(*addresses: str, name: str = "memory") -> MemoryStore:
    """Make a store that holds an old login for each address."""
    store = MemoryStore(name)
    for address in addresses:
        store.add_login(store.add_registry(address), "AWS", "old")
    return store


class Source:
    """Yields tokens, raises errors and waits for events, in the order it is told; `says` may be changed."""

    def __init__(self, *says: AuthorizationToken | BaseException | threading.Event, name: str = "source") -> None:
        self.says: Sequence[AuthorizationToken | BaseException | threading.Event] = says
        self.name = name
        self.calls = 0

    def tokens(self) -> Iterator[AuthorizationToken]:
        self.calls += 1
        for said in self.says:
            if isinstance(said, BaseException):
                raise said
            if isinstance(said, threading.Event):
                said.wait(SOON)
            else:
                yield said


class Calls:
    """Counts what is asked of a MemoryStore, and does what it is told at such a call: for `on_request`."""

    def __init__(self, **at: Callable[[], object]) -> None:
        self.at = at
        self.made: list[str] = []

    def __call__(self, call: str) -> None:
        self.made.append(call)
        if call in self.at:
            self.at[call]()

    def count(self, call: str) -> int:
        return self.made.count(call)


def raiser(error: BaseException) -> Callable[[], object]:
    """Make a call that raises the error."""

    def fail() -> None:
        raise error

    return fail


def said(report: Report) -> list[tuple[str, str, str]]:
    """Sum a report up: change, address and store of each outcome, sorted."""
    return sorted((o.change.value, o.server_address or "", o.store or "") for o in report.outcomes)
