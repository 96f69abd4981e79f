"""That a RegistryStore fails well: all or none, StoreErrors only, and no secret is shown."""

from collections.abc import Callable, Sequence

import pytest

from rancher_ecr.errors import StoreError
from rancher_ecr.model import AuthorizationToken, Registry, server_address
from rancher_ecr.protocols import RegistryStore
from rancher_ecr.testing.contracts._store_hooks import (
    HOSTS,
    NEW,
    StoreHooks,
    as_logins,
    by_ref,
    largest_group,
    write_late,
)
from rancher_ecr.testing.contracts.leaks import Ears, draw_token


class FailingContract(StoreHooks):
    """What is promised for bad days."""

    # Obstacles

    def test_an_obstacle_is_said_exactly_where_one_stands(self) -> None:
        """What is written alone is what a pull gets, unless an obstacle was listed."""
        ears, passwords = Ears(), []
        listing = self.make_obstructed_store().registries()
        assert any(registry.obstacle for registry in listing), "nothing stands in the way anywhere"
        for place, listed in enumerate(listing):
            store = self.make_obstructed_store()
            registry = store.registries()[place]
            assert registry.obstacle == listed.obstacle, f"{registry} was {listed} before"
            assert registry.server_address == server_address(registry.address), f"{registry} is not normalised"
            assert registry.obstacle is None or registry.obstacle.strip(), f"{registry} has a blank obstacle"
            token = draw_token(registry.server_address or NEW)
            passwords.append(token.password)
            try:
                with ears.listening():
                    store.write({registry: token})
            except StoreError as error:
                ears.note(error)
                assert registry.obstacle is not None, f"{registry} has no obstacle and was refused"
            pulled = self.pull(registry.server_address) == (token.username, token.password)
            assert pulled == (registry.obstacle is None), f"{registry}: used at a pull: {pulled}"
        self._check_ears("obstacles", ears, passwords)

    # Faults

    def test_a_listing_is_complete_or_an_error(self) -> None:
        """Whichever request fails; and it is complete once the server is well again."""
        for fault in self._each_fault():
            store, _ = self._make()
            with fault:
                self._check_listed(store, HOSTS)
            self._check_listed(store, HOSTS)

    @pytest.mark.parametrize("vacant", [False, True], ids=["update", "fill"])
    def test_a_write_that_fails_writes_all_or_none(self, *, vacant: bool) -> None:
        """One that does not fail wrote all; the next one heals; other hosts keep their logins throughout."""
        for fault in self._each_fault():
            store, before = (self._make_vacant(), self._pulls(HOSTS)) if vacant else self._make()
            group = largest_group(store.registries())
            tokens = {registry: draw_token(registry.server_address) for registry in group}
            after = before | as_logins(tokens)
            with fault:
                store.write(tokens)
            pulled = self._pulls(before)
            assert pulled == after or (fault.error and pulled == before), "a part was written, or another login lost"
            write_late(store, tokens)
            self._check_pulls(after)
            self._check_listed(store, HOSTS)
            self._check_counts(host for host, login in after.items() if login is not None)

    def test_a_create_that_fails_is_completed_by_the_next(self) -> None:
        """Whichever request or answer was lost, one registry with one login is left."""
        for fault in self._each_fault():
            store, logins = self._make()
            token = draw_token(NEW)
            with fault:
                store.create(NEW, token)
            if fault.error is None:
                self._check_pulls({NEW: (token.username, token.password)})
            self._check_pulls(logins)
            for again in (token, draw_token(NEW)):
                store.create(NEW, again)
                self._check_pulls(logins | {NEW: (again.username, again.password)})
                self._check_listed(store, [*HOSTS, NEW])
                self._check_counts([NEW])

    # Secrets

    def test_no_secret_is_shown(self) -> None:
        """Not in a repr, a name, a log at DEBUG, on stdout or in a warning."""
        for call in self._calls():
            ears = Ears()
            store, passwords = self._prepare(call)
            with ears.listening():
                for _ in range(2):
                    token = draw_token(NEW)
                    passwords.append(token.password)
                    listing = store.registries()
                    call(store, listing, token)
                    ears.note(store, store.name, listing)
            self._check_ears(call.__name__, ears, passwords)

    def test_no_secret_is_shown_when_the_server_fails(self) -> None:
        """Not in an error or in anything that is rendered with it, either; and the error says something."""
        for call in self._calls():
            for fault in self._each_fault():
                ears, token = Ears(), draw_token(NEW)
                store, passwords = self._prepare(call)
                listing = store.registries()
                with ears.listening(), fault:
                    ears.note(store, store.name)
                    call(store, listing, token)
                if fault.error is not None:
                    assert str(fault.error).strip(), f"{fault}: the error is blank"
                    ears.note(fault.error)
                self._check_ears(f"{call.__name__}, {fault}", ears, [*passwords, token.password])

    def _calls(self) -> list["Call"]:
        return [read, update, create, create_again, *([fill] if self.holds_vacant else [])]

    def _prepare(self, call: "Call") -> tuple[RegistryStore, list[str]]:
        store = self._make_vacant() if call is fill else self._make()[0]
        return store, [login[1] for login in self._pulls(HOSTS).values() if login is not None]


def read(store: RegistryStore, _listing: Sequence[Registry], _token: AuthorizationToken) -> None:
    """Do no more than list."""
    store.registries()


def update(store: RegistryStore, listing: Sequence[Registry], token: AuthorizationToken) -> None:
    """Write all of one ref."""
    store.write(dict.fromkeys(largest_group(listing), token))


def fill(store: RegistryStore, listing: Sequence[Registry], token: AuthorizationToken) -> None:
    """Write all that are vacant, of all refs."""
    for group in by_ref(registry for registry in listing if registry.vacant):
        store.write(dict.fromkeys(group, token))


def create(store: RegistryStore, _listing: Sequence[Registry], token: AuthorizationToken) -> None:
    """Create what is not there."""
    store.create(NEW, token)


def create_again(store: RegistryStore, _listing: Sequence[Registry], token: AuthorizationToken) -> None:
    """Create what is there."""
    store.create(HOSTS[0], token)


Call = Callable[[RegistryStore, Sequence[Registry], AuthorizationToken], None]
