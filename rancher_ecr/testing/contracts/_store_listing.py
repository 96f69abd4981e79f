"""That a RegistryStore lists what it holds: complete, hashable, the same each time."""

from collections.abc import Sequence

import pytest

from rancher_ecr.model import Registry, server_address
from rancher_ecr.testing.contracts._store_hooks import HOSTS, NEW, StoreHooks
from rancher_ecr.testing.contracts.leaks import draw_password, draw_token


class ListingContract(StoreHooks):
    """What `registries` promises."""

    def test_the_name_is_for_people(self) -> None:
        """One line, and the same each time."""
        store, _ = self._make()
        assert isinstance(store.name, str), "the name is no string"
        assert store.name.strip(), "the name is blank"
        assert store.name.isprintable(), "the name has line breaks or the like in it"
        assert len({store.name for _ in range(3)}) == 1, "the name is another one each time"

    def test_every_registry_is_listed(self) -> None:
        """Once, with what it is."""
        store, _ = self._make()
        listing = store.registries()
        assert isinstance(listing, Sequence), "registries() must return a sequence"
        assert all(isinstance(registry, Registry) for registry in listing), "there is something else in the listing"
        self._check_listed(store, HOSTS)
        for registry in listing:
            assert registry.server_address == server_address(registry.address), f"{registry} is not normalised"
            assert not registry.vacant, f"{registry} holds a login"
            assert registry.obstacle is None, f"{registry} is used at a pull"

    def test_many_registries_are_listed(self) -> None:
        """All of them, however many pages they take."""
        hosts = [f"{n}.many.example.com" for n in range(self.many)]
        store = self.make_store(dict.fromkeys(hosts, ("user", draw_password())))
        self._check_listed(store, hosts)

    def test_an_empty_store_is_listed(self) -> None:
        """No registries are no error."""
        self._check_listed(self.make_store({}), [])

    def test_vacant_registries_are_listed(self) -> None:
        """As such, since to write one is to create a login."""
        store = self._make_vacant()
        self._check_listed(store, HOSTS)
        for registry in store.registries():
            assert registry.vacant == (registry.server_address != HOSTS[0]), f"{registry}: vacant is wrong"
            assert not registry.obstacle, f"{registry}: to hold no login is no obstacle"

    def test_registries_are_hashable_and_distinct(self) -> None:
        """They are the keys of write()."""
        store, _ = self._make()
        listing = store.registries()
        for registry in listing:
            try:
                hash(registry)
            except TypeError:
                pytest.fail(f"the ref {registry.ref!r} is not hashable")
        assert len(set(listing)) == len(listing), "two registries are equal"

    def test_listings_agree(self) -> None:
        """Nothing was written, so nothing looks different."""
        store, _ = self._make()
        assert set(store.registries()) == set(store.registries()), "the second listing is another one"

    def test_a_listing_does_not_change_later(self) -> None:
        """It says what was there when it was made."""
        store, _ = self._make()
        listing = store.registries()
        before = list(listing)
        store.create(NEW, draw_token(NEW))
        assert list(listing) == before, "a call of create() changed a listing made before"
