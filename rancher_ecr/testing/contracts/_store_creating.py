"""That a RegistryStore creates a registry with its login, once."""

from collections.abc import Sequence

import pytest

from rancher_ecr.testing.contracts._store_hooks import HOSTS, NEW, StoreHooks
from rancher_ecr.testing.contracts.leaks import draw_token


class CreatingContract(StoreHooks):
    """What `create` promises."""

    @pytest.mark.parametrize("hosts", [(), HOSTS], ids=["empty", "full"])
    def test_what_is_created_is_listed_and_pulled(self, hosts: Sequence[str]) -> None:
        """With its login, and no other is touched."""
        store, logins = self._make(hosts)
        for host in (NEW, "new.example.com:5000"):
            token = draw_token(host)
            store.create(host, token)
            logins[host] = (token.username, token.password)
        self._check_pulls(logins)
        self._check_listed(store, logins)
        created = next(registry for registry in store.registries() if registry.server_address == NEW)
        assert not created.vacant, f"{created} was created with a login"
        assert created.obstacle is None, f"{created} is used at a pull"

    def test_creating_again_leaves_one(self) -> None:
        """As after a lost answer: with the same token, and with the next one."""
        store, logins = self._make()
        first, second = draw_token(NEW), draw_token(NEW)
        for token in (first, first, second):
            store.create(NEW, token)
            logins[NEW] = (token.username, token.password)
            self._check_pulls(logins)
            self._check_listed(store, logins)
            self._check_counts([NEW])

    def test_creating_delivers_to_a_registry_that_is_there(self) -> None:
        """Another writer may have been faster."""
        store, logins = self._make()
        token = draw_token(HOSTS[0])
        store.create(HOSTS[0], token)
        logins[HOSTS[0]] = (token.username, token.password)
        self._check_pulls(logins)
        self._check_listed(store, HOSTS)
        self._check_counts(HOSTS)

    def test_creating_completes_a_vacant_registry(self) -> None:
        """As one is left by a crash between the registry and its login."""
        store = self._make_vacant()
        tokens = {host: draw_token(host) for host in HOSTS[1:]}
        for host, token in tokens.items():
            store.create(host, token)
        self._check_pulls({host: (token.username, token.password) for host, token in tokens.items()})
        self._check_listed(store, HOSTS)
        self._check_counts(HOSTS)

    def test_what_was_created_can_be_written(self) -> None:
        """With the next token."""
        store, logins = self._make()
        store.create(NEW, draw_token(NEW))
        for registry in store.registries():
            token = draw_token(registry.server_address)
            store.write({registry: token})
            logins[registry.server_address] = (token.username, token.password)
        self._check_pulls(logins)
        self._check_counts([NEW])
