"""A RegistryStore in memory that follows Cattle's rules of which login counts. No HTTP, no files, no clock."""

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import evolve, field, frozen

from rancher_ecr.errors import RegistryUnusableError, StoreError
from rancher_ecr.model import AuthorizationToken, Registry, server_address


@frozen
class HeldLogin:
    """A login as a MemoryStore holds it."""

    id: int
    username: str
    password: str = field(repr=False)
    active: bool = True


@frozen
class HeldRegistry:
    """A registry as a MemoryStore holds it, with its logins in the order of their ids."""

    id: int
    address: str
    active: bool = True
    logins: tuple[HeldLogin, ...] = ()

    @property
    def active_logins(self) -> tuple[HeldLogin, ...]:
        """Those an orchestrator may hand out; the first one counts."""
        return tuple(login for login in self.logins if login.active)


def _nothing(_call: str) -> None:
    """What happens to a request or an answer by default."""


class MemoryStore:
    """A RegistryStore in memory, with the other writers that a server has, and with what a pull would get.

    Args:
        name: for people.

    Attributes:
        on_request: called with `registries`, `write` or `create` before such a call does anything. What it raises is a
            lost request; while it blocks, the call hangs.
        on_answer: called with the same once the call is done. What it raises is a lost answer.
    """

    def __init__(self, name: str = "memory") -> None:
        self._name = name
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._held: dict[int, HeldRegistry] = {}
        self.on_request: Callable[[str], object] = _nothing
        self.on_answer: Callable[[str], object] = _nothing

    @property
    def name(self) -> str:
        """As it was given."""
        return self._name

    def __repr__(self) -> str:
        """Show the name alone."""
        return f"MemoryStore({self._name!r})"

    # The seam

    def registries(self) -> Sequence[Registry]:
        """List every registry, with what stands in the way of its login."""
        self.on_request("registries")
        listing = [_as_listed(registry, self.held) for registry in self.held]
        self.on_answer("registries")
        return listing

    def write(self, logins: Mapping[Registry, AuthorizationToken]) -> None:
        """Write a login into the one that counts, and into any other active one of the same user name.

        Raises:
            StoreError: the registry is gone, or its login would not be used, contrary to what was listed.
        """
        self.on_request("write")
        with self._lock:
            gone = [registry.address for registry in logins if registry.ref not in self._held]
            if gone:
                raise StoreError(f"{self._name}: {', '.join(map(repr, gone))} does not exist any more")
            for registry, token in logins.items():
                held = self._held[_id(registry)]
                obstacle = _obstacle(held, self._held.values())
                if obstacle is not None and registry.obstacle is None:
                    raise RegistryUnusableError(f"{self._name}: {held.address!r} would not be used: {obstacle}")
                self._write(held, token)
        self.on_answer("write")

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        """Create a registry with its login; one that has the address already is used and gets the login.

        Raises:
            StoreError: there is one with that address, and it would not be used.
        """
        self.on_request("create")
        with self._lock:
            same = [held for held in self._held.values() if held.address.lower() == server_address.lower()]
            same = same or [self._add(server_address)]
            held = next((held for held in same if _obstacle(held, self._held.values()) is None), same[0])
            obstacle = _obstacle(held, self._held.values())
            if obstacle is not None:
                raise RegistryUnusableError(f"{self._name}: {server_address!r} would not be used: {obstacle}")
            self._write(held, token)
        self.on_answer("create")

    # What the orchestrator would do, and what is really there

    def pull(self, host: str) -> tuple[str, str] | None:
        """Return the user name and password handed out for an image of HOST/…; None when there are none.

        Cattle's rule: the first active registry whose address equals the host but for case; of that one, the first
        active login.
        """
        for registry in self.held:
            if registry.active and registry.address.lower() == host.lower():
                return next(((login.username, login.password) for login in registry.active_logins), None)
        return None

    @property
    def held(self) -> tuple[HeldRegistry, ...]:
        """Everything that is stored now, in the order of the ids."""
        with self._lock:
            return tuple(self._held.values())

    # Other writers: people at the orchestrator's own pages, and other programs

    def add_registry(self, address: str, *, active: bool = True) -> int:
        """Add a registry, even beside one of the same address; return its id."""
        with self._lock:
            return self._add(address, active=active).id

    def add_login(self, registry: int, username: str, password: str, *, active: bool = True) -> int:
        """Add a login to the registry with that id; return the login's id."""
        with self._lock:
            login = HeldLogin(next(self._ids), username, password, active)
            held = self._held[registry]
            self._held[registry] = evolve(held, logins=(*held.logins, login))
            return login.id

    def set_active(self, id_: int, active: bool) -> None:  # noqa: FBT001  # the value to set, not a switch
        """Activate or deactivate the registry or the login with that id."""
        with self._lock:
            if id_ in self._held:
                self._held[id_] = evolve(self._held[id_], active=active)
            self._change_logins(lambda login: evolve(login, active=active) if login.id == id_ else login)

    def remove(self, id_: int) -> None:
        """Remove the registry, with its logins, or the login with that id."""
        with self._lock:
            self._held.pop(id_, None)
            self._change_logins(lambda login: None if login.id == id_ else login)

    # Called with the lock held

    def _add(self, address: str, *, active: bool = True) -> HeldRegistry:
        held = HeldRegistry(next(self._ids), address, active)
        self._held[held.id] = held
        return held

    def _write(self, held: HeldRegistry, token: AuthorizationToken) -> None:
        counting = next(iter(held.active_logins), next(iter(held.logins), None))
        if counting is None:
            login = HeldLogin(next(self._ids), token.username, token.password)
            self._held[held.id] = evolve(held, logins=(login,))
            return
        written = {counting.id} | {login.id for login in held.active_logins if login.username == token.username}
        self._change_logins(
            lambda login: (
                evolve(login, username=token.username, password=token.password) if login.id in written else login
            )
        )

    def _change_logins(self, change: Callable[[HeldLogin], HeldLogin | None]) -> None:
        for id_, held in self._held.items():
            changed = (change(login) for login in held.logins)
            self._held[id_] = evolve(held, logins=tuple(login for login in changed if login is not None))


def _as_listed(held: HeldRegistry, all_held: Iterable[HeldRegistry]) -> Registry:
    return Registry(
        server_address=server_address(held.address),
        address=held.address,
        ref=held.id,
        vacant=not held.logins,
        obstacle=_obstacle(held, all_held),
    )


def _obstacle(held: HeldRegistry, all_held: Iterable[HeldRegistry]) -> str | None:
    """Say why a pull would not use the registry's login; holding none yet is no obstacle."""
    if held.address.lower() != server_address(held.address):
        return "it is not stored as a bare host, which an image's host is compared with: add one that is"
    if not held.active:
        return "it is inactive: activate it"
    if held.logins and not held.active_logins:
        return "it holds only inactive logins: activate one"
    first = next(other for other in all_held if other.active and other.address.lower() == held.address.lower())
    if first.id != held.id:
        return f"registry {first.id} has the same address and comes first: remove one of them"
    return None


def _id(registry: Registry) -> int:
    if not isinstance(registry.ref, int):
        raise StoreError(f"{registry.address!r} is not from a MemoryStore")
    return registry.ref
