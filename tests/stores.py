"""Stores for the tests of the contract: their set-ups, and a store of grouped hosts such as a stranger might write."""

import base64
import itertools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, TypeVar

from rancher_ecr.errors import StoreError
from rancher_ecr.model import AuthorizationToken, Registry, server_address
from rancher_ecr.testing.contracts import Login, RegistryStoreContract
from rancher_ecr.testing.memory import MemoryStore

T = TypeVar("T")

KEY = "yuWtAVvJkpBnjXFAY7UFYzTm4LsJwYdM"


class MemoryContract(RegistryStoreContract):
    """The contract's set-up for a MemoryStore, or for what is made of one."""

    kind: type[MemoryStore] = MemoryStore
    many: ClassVar[int] = 120
    faults: ClassVar[Sequence[str]] = ("lost request", "lost answer")
    store: MemoryStore

    def make_store(self, logins: Mapping[str, Login | None]) -> MemoryStore:
        self.store = self.kind()
        for address, login in logins.items():
            registry = self.store.add_registry(address)
            if login is not None:
                self.store.add_login(registry, *login)
        return self.store

    def pull(self, host: str) -> Login | None:
        return self.store.pull(host)

    def reopen(self) -> MemoryStore:
        return self.store

    def count_logins(self, host: str) -> int:
        return sum(len(held.logins) for held in self.store.held if held.address == host)

    def make_obstructed_store(self) -> MemoryStore:
        self.store = self.kind()
        for address in (
            "https://a.example.com",
            "a.example.com",
            "B.example.com",
            "b.example.com",
            "/",
            "c.example.com/x",
        ):
            self.store.add_login(self.store.add_registry(address), "user", "password")
        self.store.add_login(self.store.add_registry("off.example.com", active=False), "user", "password")
        self.store.add_login(self.store.add_registry("idle.example.com"), "user", "password", active=False)
        self.store.add_registry("off.example.com")
        self.store.add_registry("off.example.com")
        two = self.store.add_registry("two.example.com")
        self.store.add_login(two, "user", "password", active=False)
        self.store.add_login(two, "user", "password")
        return self.store

    def remove_registry(self, host: str) -> None:
        for held in self.store.held:
            if held.address == host:
                self.store.remove(held.id)

    def break_server(self, fault: str, failing: range) -> None:
        strike = _strike(failing, StoreError(f"{fault}: try again"))
        if fault == "lost answer":
            self.store.on_answer = strike
        else:
            self.store.on_request = strike

    def repair_server(self) -> None:
        self.store.on_request = self.store.on_answer = _nothing


class Conflict(Exception):  # noqa: N818  # Kubernetes calls it so
    """Somebody else has replaced the object since it was read."""


class ObjectServer:
    """A server of versioned documents that are replaced whole, in pages of two names, as Kubernetes has Secrets."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[int, str]] = {}
        self.on_request: Callable[[str], object] = _nothing
        self.on_answer: Callable[[str], object] = _nothing
        self._lock = threading.Lock()

    def page(self, start: int) -> list[str]:
        self.on_request(f"LIST {start}")
        names = sorted(self.objects)[start : start + 2]
        self.on_answer("")
        return names

    def get(self, name: str) -> tuple[int, str]:
        self.on_request(f"GET {name}")
        version_and_text = self.objects.get(name, (0, "{}"))
        self.on_answer(version_and_text[1])
        return version_and_text

    def put(self, name: str, text: str, version: int | None = None) -> None:
        """Replace an object; with a version, only when that is still the current one."""
        self.on_request(f"PUT {name} {text}")
        with self._lock:
            current, _ = self.objects.get(name, (0, ""))
            if version not in {None, current}:
                raise Conflict
            self.objects[name] = (current + 1, text)
        self.on_answer("")

    def pull(self, host: str) -> Login | None:
        for _, text in self.objects.values():
            if auth := json.loads(text).get(host, {}).get("auth"):
                username, _, password = base64.b64decode(auth).decode().partition(":")
                return username, password
        return None


class GroupedStore:
    """Registries in documents of Docker's config.json form: one ref, several hosts, replaced whole."""

    def __init__(self, server: ObjectServer) -> None:
        self.server = server

    @property
    def name(self) -> str:
        return "objects"

    def registries(self) -> Sequence[Registry]:
        return [
            Registry(server_address(address), address, name, vacant="auth" not in entry)
            for name in self._names()
            for address, entry in self._document(name)[1].items()
        ]

    def write(self, logins: Mapping[Registry, AuthorizationToken]) -> None:
        (name,) = {str(registry.ref) for registry in logins}
        self._put_into(name, {registry.address: token for registry, token in logins.items()})

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        same = [registry for registry in self.registries() if registry.server_address == server_address]
        name = str(same[0].ref) if same else next(iter(self._names()), "registries")
        self._put_into(name, {server_address: token})

    def _names(self) -> list[str]:
        names: list[str] = []
        while page := self._ask(partial(self.server.page, len(names))):
            names += page
        return names

    def _document(self, name: str) -> tuple[int, dict[str, Any]]:
        version, text = self._ask(partial(self.server.get, name))
        return version, json.loads(text)

    def _put_into(self, name: str, logins: Mapping[str, AuthorizationToken]) -> None:
        for _ in range(100):
            version, document = self._document(name)
            document |= {address: entry(token) for address, token in logins.items()}
            try:
                self._ask(partial(self.server.put, name, json.dumps(document), version))
            except Conflict:
                continue
            return
        raise StoreError(f"{name}: somebody else replaces it all the time")

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except OSError:
            raise StoreError("the server cannot be reached; is it up?") from None


def entry(token: AuthorizationToken) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{token.username}:{token.password}".encode()).decode()}


class GroupedContract(RegistryStoreContract):
    """The contract's set-up for a GroupedStore, or for what is made of one."""

    kind: type[GroupedStore] = GroupedStore
    many: ClassVar[int] = 120
    faults: ClassVar[Sequence[str]] = ("lost request", "lost answer", "quotes the request", "quotes the answer")
    server: ObjectServer

    def make_store(self, logins: Mapping[str, Login | None]) -> GroupedStore:
        self.server = ObjectServer()
        for start in range(0, len(logins), 2):
            group = list(logins.items())[start : start + 2]
            auths = {
                address: {} if login is None else {"auth": base64.b64encode(":".join(login).encode()).decode()}
                for address, login in group
            }
            self.server.objects[f"group-{start:04}"] = (1, json.dumps(auths))
        return self.reopen()

    def pull(self, host: str) -> Login | None:
        return self.server.pull(host)

    def reopen(self) -> GroupedStore:
        return self.kind(self.server)

    def secrets(self) -> Sequence[str]:
        return (KEY,)

    def remove_registry(self, host: str) -> None:
        for name, (version, text) in self.server.objects.items():
            document = json.loads(text)
            document.pop(host, None)
            self.server.objects[name] = (version + 1, json.dumps(document))

    def break_server(self, fault: str, failing: range) -> None:
        if fault == "quotes the request":
            self.server.on_request = _strike(failing, None)
        elif fault == "quotes the answer":
            self.server.on_answer = _strike(failing, None)
        elif fault == "lost request":
            self.server.on_request = _strike(failing, ConnectionError("refused"))
        else:
            self.server.on_answer = _strike(failing, TimeoutError("timed out"))

    def repair_server(self) -> None:
        self.server.on_request = self.server.on_answer = _nothing


def _nothing(_what: str) -> None:
    """What happens to a request or an answer while the server is well."""


def _strike(failing: range, error: Exception | None) -> Callable[[str], None]:
    numbers = itertools.count()

    def strike(what: str) -> None:
        if next(numbers) in failing:
            raise error or OSError(f"cannot make sense of {what!r}")

    return strike
