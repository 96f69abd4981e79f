"""The simulator as tests and the demo hold it: a WSGI application, and the hands that change its state."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from requests import Session

from rancher_ecr.testing.cattle import keys, message
from rancher_ecr.testing.cattle.adapter import WSGIAdapter
from rancher_ecr.testing.cattle.changes import Order
from rancher_ecr.testing.cattle.faults import Faults, Request
from rancher_ecr.testing.cattle.gate import Gate
from rancher_ecr.testing.cattle.schemas import Engine
from rancher_ecr.testing.cattle.server import serve
from rancher_ecr.testing.cattle.state import GONE, Account, Login, Resource, State, new_key
from rancher_ecr.testing.cattle.values import Key, StoredCredential, StoredRegistry
from rancher_ecr.testing.cattle.wire import Cattle

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MEMBER_ROLES = ("owner", "member", "restricted", "readonly")


class CattleSimulator:
    """A Rancher 1.6 server, or PastureStack's engine, as far as projects, registries and their logins go.

    It is a WSGI application and may be called from several threads. Its rules are those measured on real servers:
    `tests/test_recordings.py` replays the recordings on it. The database under it behaves as theirs, H2: filters tell
    upper from lower case, and what is longer than a column is a 409. There are no events (websockets).

    Args:
        engine: "rancher" (1.6) or "pasturestack"; both versions, v1 and v2-beta, answer at once.
        access_control: whether keys count; without, everyone is an administrator.
        transition: seconds each state in passing lasts; with 0 the next read sees the final state.
        latency: seconds added to each request.
        racy_creates: the check that an address is new does not see creates under way at once, as in the real server.
        clock: monotonic seconds, for states in passing.
        now: the time that rows are stamped with, aware.
    """

    def __init__(
        self,
        *,
        engine: Engine = "rancher",
        access_control: bool = True,
        transition: float = 0.0,
        latency: float = 0.0,
        racy_creates: bool = False,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._state = State(clock, now, transition)
        self._cattle = Cattle(engine, access_control, racy_creates, self._state)
        self._gate = Gate(engine, self._answer, now, latency)
        self._lock = threading.RLock()
        for kind, account_id in keys.OWN_IDS.items():
            self._state.accounts[account_id] = Account(account_id, kind, kind)

    # --- environments and keys

    def add_project(self, name: str, *, project_id: str | None = None, state: str = "active") -> str:
        """Add an environment; return its id. The first one is 1a5, as on a fresh server."""
        with self._lock:
            row = self._state.add("project", None, {"name": name, "description": None}, row_id=project_id)
            self._state.put(row, state)
            self._state.members[row.id] = {}
            return row.id

    def add_environment_key(self, project_id: str) -> Key:
        """Add an environment's own key, as the UI's "Add Environment API Key" does."""
        with self._lock:
            return self._add_key("apiKey", self._row(project_id, "project").id)

    def add_account_key(self, account: str, *, kind: str = "user", account_id: str | None = None) -> Key:
        """Add a key of an account, which comes to be by its first key.

        `kind` is "user", "admin", "superadmin", "service" or "projectadmin". What a user's key sees are the
        environments the account is a member of: `add_member`.
        """
        with self._lock:
            return self._add_key("apiKey", self._account(account, kind, account_id).id)

    def add_member(self, project_id: str, account: str, role: str) -> None:
        """Make an account a member: owner, member, restricted or readonly."""
        if role not in MEMBER_ROLES:
            raise ValueError(f"role is {role!r}, and must be one of {', '.join(MEMBER_ROLES)}")
        with self._lock:
            self._state.members[self._row(project_id, "project").id][self._account(account, "user").id] = role

    def add_agent_key(self, project_id: str, *, role: str | None, system: bool = False) -> Key:
        """Add the key that a container labelled io.rancher.container.create_agent gets.

        `role` is the value of its label io.rancher.container.agent.role, None without; `system`: it is a container of
        a system stack.
        """
        with self._lock:
            self._row(project_id, "project")
            agent = Account(self._state.next_id("1a"), f"agent of {project_id}", "agent")
            self._state.accounts[agent.id] = agent
            return self._add_key("agentKey", agent.id, project=project_id, role=role, system=system)

    # --- the state, changed as the UI or an operator would

    def add_registry(self, project_id: str, server_address: str, *, state: str = "active") -> str:
        """Add a registry, true duplicates of an address too; return its id."""
        with self._lock:
            project = self._row(project_id, "project")
            row = self._state.add("registry", project.id, {"serverAddress": server_address})
            self._state.put(row, state)
            return row.id

    def add_credential(
        self,
        registry_id: str,
        username: str | None,
        password: str | None,
        *,
        state: str = "active",
        email: str | None = None,
    ) -> str:
        """Add a login to a registry; return its id."""
        with self._lock:
            registry = self._row(registry_id, "registry")
            values = {"registryId": registry.id, "publicValue": username, "secretValue": password, "email": email}
            row = self._state.add("registryCredential", registry.account_id, values)
            self._state.put(row, state)
            return row.id

    def set_state(self, resource_id: str, state: str) -> None:
        """Put a registry, credential, project or key into a state at once; "removed" removes it."""
        with self._lock:
            row = self._row(resource_id)
            self._state.halt(row)
            self._state.put(row, state)

    def deactivate_key(self, key: Key) -> None:
        """Make a key answer 401, as when it is deactivated in the UI."""
        with self._lock:
            self.set_state(self._state.keys[key.access].id, "inactive")

    # --- asking

    def pull(self, image_host: str, project_id: str) -> Login | None:
        """Return the login the server would hand to a host that pulls `image_host`/x; None for none."""
        with self._lock:
            self._state.settle()
            return self._state.pull(image_host, project_id)

    def registries(self, project_id: str) -> list[StoredRegistry]:
        """Return an environment's registries in id order, removed ones too."""
        return [
            StoredRegistry(row.id, row.values["serverAddress"], row.state, row.state in GONE)
            for row in self._rows("registry", project_id)
        ]

    def credentials(self, project_id: str) -> list[StoredCredential]:
        """Return an environment's logins in id order, removed ones too."""
        return [
            StoredCredential(
                id=row.id,
                registry_id=row.values["registryId"],
                username=row.values["publicValue"],
                password=row.values["secretValue"],
                state=row.state,
                email=row.values.get("email"),
                removed=row.state in GONE,
            )
            for row in self._rows("registryCredential", project_id)
        ]

    @property
    def requests(self) -> deque[Request]:
        """What arrived, oldest first, without secrets; `clear()` it at will."""
        return self._gate.requests

    @property
    def faults(self) -> Faults:
        """Rules for what goes wrong: `faults.on(matches, action)`."""
        return self._gate.faults

    def restart_count(self) -> None:
        """Forget the requests seen so far: the next one is number 1 again (faults.nth)."""
        self._gate.restart_count()

    # --- reaching it

    def session(self, base: str = "http://rancher:8080") -> Session:
        """Return a session whose requests to `base` (and to any other host) end in this simulator, without sockets."""
        session = Session()
        session.trust_env = False
        adapter = WSGIAdapter(self)
        for prefix in ("http://", "https://", base):
            session.mount(prefix, adapter)
        return session

    def serve(
        self, host: str = "127.0.0.1", port: int = 0, *, idle_timeout: float = 30.0
    ) -> AbstractContextManager[str]:
        """Serve on a socket while the context lasts; gives the base URL.

        Idle connections are cut after `idle_timeout` seconds; the real server's is 30.
        """
        return serve(self, host, port, idle_timeout=idle_timeout)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a WSGI request; raises ConnectionCutError where a fault says that the connection breaks."""
        return self._gate(environ, start_response)

    # --- within

    def _answer(self, heard: message.Incoming, order: Order) -> message.Answer:
        with self._lock:
            self._state.settle()
            return self._cattle.answer(heard, order)

    def _add_key(self, kind: Literal["apiKey", "agentKey"], account_id: str, **more: Any) -> Key:
        access, secret = new_key()
        self._state.add(kind, account_id, {"name": None, "publicValue": access, "secretValue": secret, **more})
        return Key(access, secret)

    def _account(self, name: str, kind: str, account_id: str | None = None) -> Account:
        for account in self._state.accounts.values():
            if account.name == name and account.kind != "agent":
                return account
        account = Account(account_id or self._state.next_id("1a"), name, kind)
        self._state.accounts[account.id] = account
        return account

    def _row(self, row_id: str, kind: str | None = None) -> Resource:
        row = self._state.rows.get(row_id)
        if row is None or kind not in (None, row.type):
            raise LookupError(f"there is no {kind or 'resource'} {row_id!r}")
        return row

    def _rows(self, kind: str, project_id: str) -> list[Resource]:
        with self._lock:
            self._state.settle()
            self._row(project_id, "project")
            return [row for row in self._state.rows.values() if (row.type, row.account_id) == (kind, project_id)]
