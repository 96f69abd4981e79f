"""That several threads, and several instances, may use a RegistryStore at once."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from rancher_ecr.errors import StoreError
from rancher_ecr.model import Registry
from rancher_ecr.testing.contracts._store_hooks import HOSTS, NEW, StoreHooks, as_logins, by_ref
from rancher_ecr.testing.contracts.leaks import Ears, draw_token

_TURNS = 12  # at a fast server a race shows itself in nearly all of them, but not in each
_FEWEST_TURNS = 3  # at a slow one calls overlap longer
_TIME = 2.0  # seconds
_PATIENCE = 60.0  # seconds


class TogetherContract(StoreHooks):
    """What is promised to several callers at once."""

    def test_threads_may_write_and_create_at_once(self) -> None:
        """Never at once for one ref; what is created may well go into an object that is written as well."""
        store, logins = self._make()
        begin = time.monotonic()
        for turn in range(_TURNS):
            if turn >= _FEWEST_TURNS and time.monotonic() - begin > _TIME:
                break
            calls: list[Callable[[], object]] = []
            for group in by_ref(store.registries()):
                tokens = {registry: draw_token(registry.server_address) for registry in group}
                calls.append(partial(store.write, tokens))
                logins |= as_logins(tokens)
            for place in range(4):
                token = draw_token(f"{turn}.{place}.new.example.com")
                calls.append(partial(store.create, token.server_addresses[0], token))
                logins[token.server_addresses[0]] = (token.username, token.password)
            run_at_once(calls)
            self._check_pulls(logins)
            self._check_listed(store, logins)
        self._check_counts(logins)

    def test_calls_may_come_from_any_thread(self) -> None:
        """Listed in one, written in another."""
        store, logins = self._make()
        listing: list[Registry] = []
        run_at_once([lambda: listing.extend(store.registries())])
        for group in by_ref(listing):
            tokens = {registry: draw_token(registry.server_address) for registry in group}
            run_at_once([partial(store.write, tokens)])
            logins |= as_logins(tokens)
        self._check_pulls(logins)

    def test_instances_see_each_other(self) -> None:
        """A listing is of what is there now, whoever wrote it."""
        store, _ = self._make()
        store.registries()
        other = self.reopen()
        other.create(NEW, draw_token(NEW))
        self._check_listed(store, [*HOSTS, NEW])
        assert set(store.registries()) == set(other.registries()), "a restart makes other refs of the same registries"

    def test_instances_lose_nothing_of_each_other(self) -> None:
        """Each writes with a listing from before the other's write; a refusal is no loss."""
        store, logins = self._make()
        listings = [(store, store.registries())]
        other = self.reopen()
        listings.append((other, other.registries()))
        for turn, host in enumerate(HOSTS):
            writer, listing = listings[turn % 2]
            registry = next(registry for registry in listing if registry.server_address == host)
            token = draw_token(host)
            try:
                writer.write({registry: token})
            except StoreError:
                continue
            logins[host] = (token.username, token.password)
        self._check_pulls(logins)

    def test_instances_create_one_registry(self) -> None:
        """A restarted one does not know what it created before."""
        store, logins = self._make()
        for instance in (store, self.reopen()):
            token = draw_token(NEW)
            instance.create(NEW, token)
            logins[NEW] = (token.username, token.password)
        self._check_pulls(logins)
        self._check_listed(store, [*HOSTS, NEW])
        self._check_counts([NEW])

    def test_what_was_removed_is_not_taken_for_written(self) -> None:
        """Between a listing and a write: the login is delivered all the same, or an error says that it is not."""
        for host in HOSTS:
            store, logins = self._make()
            registry = next(registry for registry in store.registries() if registry.server_address == host)
            self.remove_registry(host)
            self._check_listed(store, logins.keys() - {host})
            ears, token = Ears(), draw_token(host)
            try:
                with ears.listening():
                    store.write({registry: token})
            except StoreError as error:
                ears.note(error)
                store.create(host, token)
            logins[host] = (token.username, token.password)
            self._check_pulls(logins)
            self._check_listed(store, logins)
            self._check_ears(f"{host} was removed", ears, [token.password])


def run_at_once(calls: Sequence[Callable[[], object]]) -> None:
    """Make the calls in a thread each, as much at once as the interpreter lets them."""
    barrier = threading.Barrier(len(calls))
    errors: list[BaseException] = []

    def run(call: Callable[[], object]) -> None:
        try:
            barrier.wait()
            call()
        except BaseException as error:  # noqa: BLE001  # raised below, in the thread of the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,), daemon=True) for call in calls]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_PATIENCE)
            assert not thread.is_alive(), "calls made at once hang"
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]
