"""What the server remembers, its states in passing, and the login a pull gets. No HTTP, no lock, no keys' rights."""

from __future__ import annotations

import secrets
import uuid
from bisect import insort
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from attrs import define, field, frozen

PREFIXES: Final = {"registry": "1sp", "registryCredential": "1c", "apiKey": "1c", "agentKey": "1c", "project": "1a"}

# The states a process passes through; the last one stays. recordings *-states
PROCESSES: Final = {
    "create": ("registering", "activating", "active"),
    "activate": ("activating", "active"),
    "deactivate": ("deactivating", "inactive"),
    "remove": ("removing", "removed"),
    "purge": ("purging", "purged"),
    "update": ("updating-active", "active"),
}

# In which state which process can be started, in the order in which Cattle lists them.
AVAILABLE: Final = {
    "registering": ("activate", "remove", "deactivate"),
    "activating": ("deactivate",),
    "active": ("update", "deactivate"),
    "inactive": ("update", "activate", "remove"),
    "updating-active": ("remove", "deactivate"),
    "updating-inactive": ("activate", "remove", "deactivate"),
    "removed": ("purge",),
}

GONE: Final = ("removed", "purged")


@frozen
class Login:
    """What a host gets for a pull: the registry's user name and password, and where they are stored."""

    credential_id: str
    registry_id: str
    username: str | None
    password: str | None = field(repr=False)


@define(eq=False)
class Resource:
    """One row: a registry, a credential, a key or a project. `account_id` is the project (or account) it belongs to."""

    type: str
    id: str
    number: int
    account_id: str
    values: dict[str, Any] = field(repr=False)
    state: str
    created: datetime
    uuid: str = field(factory=lambda: str(uuid.uuid4()))
    removed: datetime | None = None
    ahead: list[tuple[float, str]] = field(factory=list)
    born: int = 0  # the request during which it came, in order of arrival of all requests

    @property
    def transitioning(self) -> bool:
        """Whether the state is one in passing."""
        return self.state.endswith("ing") or self.state.startswith("updating")


@frozen
class Account:
    """Someone who may hold keys and be a member of projects; `kind` as in the header X-API-ACCOUNT-KIND."""

    id: str
    name: str
    kind: str


@define(eq=False)
class State:
    """Everything remembered. `transition` is the number of seconds each state in passing lasts."""

    clock: Callable[[], float]
    now: Callable[[], datetime]
    transition: float
    accounts: dict[str, Account] = field(factory=dict)
    members: dict[str, dict[str, str]] = field(factory=dict)  # project -> account -> role
    rows: dict[str, Resource] = field(factory=dict)
    keys: dict[str, Resource] = field(factory=dict)  # access key -> the apiKey or agentKey
    _numbers: dict[str, int] = field(factory=lambda: {"1a": 4})  # 1a1 to 1a4 are the server's own accounts
    _by_type: dict[str, list[Resource]] = field(factory=dict)
    _by_account: dict[tuple[str, str], list[Resource]] = field(factory=dict)
    _by_address: dict[tuple[str, str], list[Resource]] = field(factory=dict)
    _by_registry: dict[str, list[Resource]] = field(factory=dict)
    _moving: dict[str, Resource] = field(factory=dict)

    def reserve(self, prefix: str, number: int) -> None:
        """Let the ids with `prefix` go on after `number`, as if others had been given already."""
        self._numbers[prefix] = max(number, self._numbers.get(prefix, 0))

    def next_id(self, prefix: str) -> str:
        """Give the next free id with `prefix`."""
        self._numbers[prefix] = number = self._numbers.get(prefix, 0) + 1
        return f"{prefix}{number}"

    def add(self, kind: str, account_id: str | None, values: dict[str, Any], *, row_id: str | None = None) -> Resource:
        """Put a new row in, state `active`; `account_id` None means that the row is its own account (a project)."""
        prefix = PREFIXES[kind]
        if row_id is None:
            row_id = self.next_id(prefix)
        number = number_of(row_id)
        if number is None or not row_id.startswith(prefix) or row_id in self.rows or row_id in self.accounts:
            raise ValueError(f"{row_id!r} is taken, or is no id of a {kind}")
        self.reserve(prefix, number)
        row = Resource(kind, row_id, number, account_id or row_id, values, "active", self.now())
        self.rows[row_id] = row
        _insert(self._by_type.setdefault(kind, []), row)
        _insert(self._by_account.setdefault((kind, row.account_id), []), row)
        if kind == "registry":
            _insert(self._by_address.setdefault((row.account_id, values["serverAddress"].lower()), []), row)
        elif kind == "registryCredential":
            _insert(self._by_registry.setdefault(values["registryId"], []), row)
        elif kind in ("apiKey", "agentKey"):
            self.keys[values["publicValue"]] = row
        return row

    def start(self, row: Resource, process: str) -> None:
        """Start a process: the row is in its first state now, and in the later ones as time goes by."""
        path = PROCESSES[process]
        if process == "update" and row.state == "inactive":
            path = ("updating-inactive", "inactive")
        row.state = path[0]
        began = self.clock()
        row.ahead = [(began + self.transition * step, state) for step, state in enumerate(path[1:], 1)]
        self._moving[row.id] = row

    def settle(self) -> None:
        """Let time have its way: every row reaches the state that is due."""
        if not self._moving:
            return
        now = self.clock()
        for row in list(self._moving.values()):
            while row.ahead and row.ahead[0][0] <= now:
                self.put(row, row.ahead.pop(0)[1])
            if not row.ahead:
                del self._moving[row.id]

    def put(self, row: Resource, state: str) -> None:
        """Put a row into a state at once."""
        row.state = state
        if state in GONE:
            row.removed = row.removed or self.now()
        elif not row.transitioning:
            row.removed = None

    def halt(self, row: Resource) -> None:
        """Forget what a row was on its way to."""
        row.ahead = []
        self._moving.pop(row.id, None)

    def listed(self, kind: str, account_id: str | None) -> Iterator[Resource]:
        """Rows that are not removed, in id order; of every account when `account_id` is None."""
        rows = self._by_type.get(kind, []) if account_id is None else self._by_account.get((kind, account_id), [])
        return (row for row in rows if row.removed is None)

    def addressed(self, project_id: str, server_address: str) -> list[Resource]:
        """Registries of a project with this address, ignoring case, that are not removed."""
        rows = self._by_address.get((project_id, server_address.lower()), [])
        return [row for row in rows if row.removed is None]

    def pull(self, image_host: str, project_id: str) -> Login | None:
        """Look a login up as the server does for a host that pulls `image_host`/x (facts.md, "Which login").

        The first active registry with exactly that address, ignoring case; of its active credentials the lowest id.
        """
        for registry in self.addressed(project_id, image_host):
            if registry.state == "active":
                for row in self._by_registry.get(registry.id, []):
                    if row.state == "active":
                        return Login(row.id, registry.id, row.values["publicValue"], row.values["secretValue"])
                return None
        return None


def number_of(row_id: str) -> int | None:
    """Return the number in an id such as 1sp12; None for what is no id."""
    digits = row_id.lstrip("1").lstrip("abcdefghijklmnopqrstuvwxyz") if row_id[:1] == "1" else ""
    return int(digits) if digits.isascii() and digits.isdecimal() else None


def new_key() -> tuple[str, str]:
    """Draw an access key and a secret in the lengths Cattle uses."""
    return secrets.token_hex(10).upper(), secrets.token_urlsafe(30)


def _insert(rows: list[Resource], row: Resource) -> None:
    insort(rows, row, key=lambda other: other.number)
