"""What a stranger supplies to the contract of a RegistryStore, and what its tests share. No test lives here."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import ClassVar

import pytest

from rancher_ecr.errors import StoreError
from rancher_ecr.model import AuthorizationToken, Registry
from rancher_ecr.protocols import RegistryStore
from rancher_ecr.testing.contracts.leaks import Ears, draw_password

Login = tuple[str, str]
"""A user name and a password."""

HOSTS = (
    "a.example.com",
    "a.example.com:5000",
    "example.com",
    "xa.example.com",
    "10.0.0.4:5000",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
)
"""Hosts, some of which are a part of others."""
NEW = "new.example.com"
_MOST_REQUESTS = 50  # no call of one registry or one group needs more


class StoreHooks:
    """The hooks; what they are for is in `RegistryStoreContract`."""

    holds_vacant: ClassVar[bool] = True
    many: ClassVar[int] = 1100
    faults: ClassVar[Sequence[str]] = ()

    def make_store(self, logins: Mapping[str, Login | None]) -> RegistryStore:
        """Make a fresh server that holds a usable registry for each of these addresses, and a store on it.

        A login of None means a registry that is there and holds none. If the server has objects of several registries,
        put several into one object.
        """
        raise NotImplementedError

    def pull(self, host: str) -> Login | None:
        """Return what the orchestrator would hand out now for an image of HOST/…, on the server made last."""
        raise NotImplementedError

    def reopen(self) -> RegistryStore:
        """Optional: make another store on the server made last, as a second instance or a restarted one would."""
        pytest.skip("reopen() is not given")

    def make_obstructed_store(self) -> RegistryStore:
        """Optional: make a fresh server, and a store on it, some of whose registries are not used at a pull."""
        pytest.skip("make_obstructed_store() is not given")

    def count_logins(self, host: str) -> int | None:
        """Optional: count the logins that are stored for exactly this host, used or not."""
        _ = host
        return None

    def secrets(self) -> Sequence[str]:
        """Optional: what else must not be shown, such as the keys for the server; drawn ones."""
        return ()

    def remove_registry(self, host: str) -> None:
        """Optional: remove the registry as another writer would, on the server made last."""
        pytest.skip(f"remove_registry({host!r}) is not given")

    def break_server(self, fault: str, failing: range) -> None:
        """Optional, with `faults`: count the requests from now on, from 0, and let those fail whose number is in it."""
        raise NotImplementedError

    def repair_server(self) -> None:
        """Optional, with `faults`: undo `break_server`."""
        raise NotImplementedError

    # What the tests share

    def _make(self, hosts: Sequence[str] = HOSTS) -> tuple[RegistryStore, dict[str, Login | None]]:
        logins: dict[str, Login | None] = {host: ("old-user", draw_password()) for host in hosts}
        store = self.make_store(logins)
        self._check_pulls(logins)
        return store, logins

    def _make_vacant(self) -> RegistryStore:
        """Make a store of which the first registry alone holds a login."""
        if not self.holds_vacant:
            pytest.skip("holds_vacant is False")
        logins = dict.fromkeys(HOSTS) | {HOSTS[0]: ("old-user", draw_password())}
        store = self.make_store(logins)
        self._check_pulls(logins)
        return store

    def _pulls(self, hosts: Iterable[str]) -> dict[str, Login | None]:
        return {host: self.pull(host) for host in hosts}

    def _check_pulls(self, expected: Mapping[str, Login | None]) -> None:
        for host, login in expected.items():
            pulled = self.pull(host)
            assert pulled == login, f"a pull from {host} gets {pulled}, not {login}"

    def _check_listed(self, store: RegistryStore, hosts: Iterable[str]) -> None:
        listed = Counter(registry.server_address for registry in store.registries())
        held = Counter(list(hosts))
        assert listed == held, f"the listing lacks {list(held - listed)}, and has {list(listed - held)} beyond"

    def _check_counts(self, hosts: Iterable[str]) -> None:
        for host in hosts:
            count = self.count_logins(host)
            assert count in {None, 1}, f"{host} has {count} logins"

    def _check_ears(self, what: str, ears: Ears, passwords: Sequence[str]) -> None:
        leak = ears.leak_of([*passwords, *self.secrets()])
        assert leak is None, f"{what}: a secret is shown: {leak}"

    def _each_fault(self) -> Iterator["Fault"]:
        """Break the server in every way at every step: for good until what is done ends well, and for one request."""
        if not self.faults:
            pytest.skip("faults are not given")
        struck = False
        for name in self.faults:
            steps = 0
            while True:
                fault = Fault(self, name, range(steps, sys.maxsize))
                yield fault
                if fault.error is None:
                    break
                struck = True
                steps += 1
                assert steps < _MOST_REQUESTS, f"{name}: it still fails after {steps} requests"
            for step in range(steps):
                yield Fault(self, name, range(step, step + 1))
        assert struck, "nothing fails: break_server() breaks nothing, or the store keeps errors to itself"


class Fault:
    """A broken server, as long as it is entered. A StoreError is what is expected, and kept."""

    def __init__(self, contract: StoreHooks, name: str, failing: range) -> None:
        self._contract = contract
        self._name = name
        self._failing = failing
        self.error: StoreError | None = None

    def __str__(self) -> str:
        """Name the fault and the step."""
        more = " and later ones" if len(self._failing) > 1 else ""
        return f"{self._name}, request {self._failing.start}{more}"

    def __enter__(self) -> None:
        """Break the server."""
        self._contract.break_server(self._name, self._failing)

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> bool:
        """Repair it."""
        self._contract.repair_server()
        if isinstance(error, StoreError):
            self.error = error
            return True
        if isinstance(error, Exception) and not isinstance(error, AssertionError):
            pytest.fail(f"{self}: {type(error).__qualname__} left the store, not a StoreError")
        return False


def by_ref(registries: Iterable[Registry]) -> list[list[Registry]]:
    """Group what may be written in one call."""
    groups: dict[object, list[Registry]] = {}
    for registry in registries:
        groups.setdefault(registry.ref, []).append(registry)
    return list(groups.values())


def largest_group(registries: Iterable[Registry]) -> list[Registry]:
    """Choose the ref with the most registries."""
    return max(by_ref(registries), key=len)


def as_logins(tokens: Mapping[Registry, AuthorizationToken]) -> dict[str, Login | None]:
    """Say what pulls get once the tokens are written."""
    return {registry.server_address: (token.username, token.password) for registry, token in tokens.items()}


def write_late(store: RegistryStore, tokens: Mapping[Registry, AuthorizationToken]) -> None:
    """Write with a listing that others have written after; a store may refuse that, until it was asked anew."""
    try:
        store.write(tokens)
    except StoreError:
        by_host = {registry.server_address: token for registry, token in tokens.items()}
        listing = [registry for registry in store.registries() if registry.server_address in by_host]
        for group in by_ref(listing):
            store.write({registry: by_host[registry.server_address] for registry in group})
