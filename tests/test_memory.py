"""MemoryStore by the rules of "Which login Rancher uses at an image pull"; the contract is in test_contracts.py."""

import pytest
from parties import login

from rancher_ecr import RegistryUnusableError, StoreError
from rancher_ecr.testing.memory import MemoryStore

HOST = "a.example.com"
TOKEN = login(HOST)
NEW = ("AWS", "new")


@pytest.mark.parametrize(
    ("address", "used"),
    [
        (HOST, True),
        ("A.Example.COM", True),
        (f"https://{HOST}", False),
        (f"{HOST}/", False),
        (f" {HOST}", False),
        (f"{HOST}:443", False),
        ("/", False),
    ],
)
def test_an_address_counts_when_it_is_the_host_but_for_case(address: str, *, used: bool) -> None:
    store = MemoryStore()
    store.add_login(store.add_registry(address), "user", "password")
    assert store.pull(HOST) == (("user", "password") if used else None)
    assert store.pull(HOST.upper()) == store.pull(HOST)
    (listed,) = store.registries()
    assert (listed.obstacle is None) is used


def test_an_inactive_registry_is_not_used() -> None:
    store = MemoryStore()
    registry = store.add_registry(HOST, active=False)
    store.add_login(registry, "user", "password")
    (listed,) = store.registries()
    assert store.pull(HOST) is None
    assert "inactive" in str(listed.obstacle)
    store.set_active(registry, active=True)
    (listed,) = store.registries()
    assert store.pull(HOST) == ("user", "password")
    assert listed.obstacle is None


def test_the_first_active_registry_shadows_the_others_even_without_a_login() -> None:
    store = MemoryStore()
    store.add_login(store.add_registry(HOST, active=False), "inactive", "password")
    first = store.add_registry(HOST)
    store.add_login(store.add_registry(HOST.upper()), "second", "password")
    assert store.pull(HOST) is None
    assert [bool(registry.obstacle) for registry in store.registries()] == [True, False, True]
    store.add_login(first, "first", "password")
    assert store.pull(HOST) == ("first", "password")


def test_the_first_active_login_is_used() -> None:
    store = MemoryStore()
    registry = store.add_registry(HOST)
    logins = [store.add_login(registry, name, "password", active=name != "0") for name in ("0", "1", "2")]
    assert store.pull(HOST) == ("1", "password")
    store.set_active(logins[1], active=False)
    assert store.pull(HOST) == ("2", "password")
    store.remove(logins[2])
    assert store.pull(HOST) is None
    (listed,) = store.registries()
    assert not listed.vacant
    assert "inactive" in str(listed.obstacle)
    store.set_active(logins[0], active=True)
    assert store.pull(HOST) == ("0", "password")


def test_a_write_changes_the_login_that_counts_and_active_ones_of_its_user_name() -> None:
    store = MemoryStore()
    registry = store.add_registry(HOST)
    for username, active in (("AWS", False), ("user", True), ("AWS", True), ("other", True)):
        store.add_login(registry, username, "old", active=active)
    (listed,) = store.registries()
    store.write({listed: TOKEN})
    logins = [(login.username, login.password) for login in store.held[0].logins]
    assert logins == [("AWS", "old"), NEW, NEW, ("other", "old")]
    assert store.pull(HOST) == NEW


def test_a_write_to_inactive_logins_changes_the_first() -> None:
    store = MemoryStore()
    registry = store.add_registry(HOST)
    for _ in range(2):
        store.add_login(registry, "user", "old", active=False)
    (listed,) = store.registries()
    store.write({listed: TOKEN})
    assert [login.password for login in store.held[0].logins] == ["new", "old"]
    assert store.pull(HOST) is None


def test_a_write_to_what_is_gone_is_refused() -> None:
    store = MemoryStore()
    store.add_registry(HOST)
    (listed,) = store.registries()
    store.remove(store.held[0].id)
    with pytest.raises(StoreError, match="does not exist any more"):
        store.write({listed: TOKEN})
    assert store.held == ()


def test_a_write_to_what_has_become_unusable_is_refused() -> None:
    store = MemoryStore()
    store.add_login(store.add_registry(HOST), "user", "old")
    (listed,) = store.registries()
    store.set_active(store.held[0].id, active=False)
    with pytest.raises(RegistryUnusableError, match="inactive"):
        store.write({listed: TOKEN})


def test_create_uses_the_registry_that_counts_and_refuses_when_none_does() -> None:
    store = MemoryStore()
    store.add_registry(HOST.upper(), active=False)
    with pytest.raises(RegistryUnusableError, match="inactive"):
        store.create(HOST, TOKEN)
    assert len(store.held) == 1
    store.add_registry(HOST)
    store.create(HOST, TOKEN)
    assert len(store.held) == 2
    assert store.pull(HOST) == NEW


def test_what_is_held_shows_no_password() -> None:
    store = MemoryStore()
    store.create(HOST, login(HOST, password="jQ2nVhd8TmBz"))
    assert "jQ2nVhd8TmBz" not in f"{store!r} {store} {store.held!r} {store.registries()!r}"
    assert store.held[0].logins[0].password == "jQ2nVhd8TmBz"


@pytest.mark.parametrize("call", ["registries", "write", "create"])
def test_a_request_may_be_lost_and_so_may_an_answer(call: str) -> None:
    def lose(what: str) -> None:
        if what == call:
            raise StoreError("lost")

    def run() -> None:
        (listed, *_) = store.registries()
        store.write({listed: TOKEN})
        store.create("b.example.com", TOKEN)

    store = MemoryStore()
    store.add_login(store.add_registry(HOST), "AWS", "old")
    store.on_request = lose
    with pytest.raises(StoreError, match="lost"):
        run()
    assert (store.pull(HOST) == NEW, store.pull("b.example.com")) == (call == "create", None)
    store.on_request, store.on_answer = (lambda _call: None), lose
    with pytest.raises(StoreError, match="lost"):
        run()
    assert store.pull(HOST) == (("AWS", "old") if call == "registries" else NEW)
    assert store.pull("b.example.com") == (NEW if call == "create" else None)
