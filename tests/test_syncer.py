"""What one sync does, and that sources, stores and refs fail each alone."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parties import NOW, Calls, Source, login, raiser, said, store_of
from stores import GroupedStore, ObjectServer

from rancher_ecr import (
    AuthorizationToken,
    Change,
    Registry,
    RegistryMissingError,
    RegistryStore,
    RegistryUnusableError,
    Report,
    SourceError,
    StoreError,
    Syncer,
    SyncError,
    TokenSource,
)
from rancher_ecr.testing.memory import MemoryStore

A, B, C = "a.example.com", "b.example.com", "c.example.com"


def syncer(sources: Iterable[TokenSource], stores: Iterable[RegistryStore], **options: Any) -> Syncer:
    return Syncer(sources, stores, **({"now": lambda: NOW} | options))


# Delivering


def test_every_registry_of_every_store_gets_its_login() -> None:
    one, two = store_of(A, B, name="one"), store_of(B, name="two")
    report = syncer([Source(login(A), login(B, password="newer"))], [one, two]).sync()
    assert said(report) == [("absent", A, "two"), ("updated", A, "one"), ("updated", B, "one"), ("updated", B, "two")]
    assert [store.pull(host) for store, host in ((one, A), (one, B), (two, B))] == [
        ("AWS", "new"),
        ("AWS", "newer"),
        ("AWS", "newer"),
    ]
    assert report.ok
    assert report.warnings == ()
    assert report.expires_at == login(A).expires_at


def test_an_outcome_says_what_was_written_where() -> None:
    store = store_of(A)
    listed = store.registries()
    (outcome,) = syncer([Source(login(A))], [store]).sync().outcomes
    assert outcome.registry == listed[0]
    assert (outcome.store, outcome.source, outcome.error) == ("memory", None, None)
    assert outcome.expires_at == login(A).expires_at


def test_what_matches_no_token_is_left_alone() -> None:
    store = store_of(A, B)
    before = store.held[1]
    syncer([Source(login(A))], [store], create_missing=True).sync()
    assert store.held[1] == before


def test_every_source_and_every_store_is_asked_once() -> None:
    sources = [Source(login(A)), Source(login(B))]
    stores = [store_of(A, B), store_of(A, B), store_of()]
    calls = [Calls() for _ in stores]
    for store, call in zip(stores, calls, strict=True):
        store.on_request = call
    syncer(sources, stores, create_missing=True).sync()
    assert [source.calls for source in sources] == [1, 1]
    assert [call.count("registries") for call in calls] == [1, 1, 1]
    assert [sorted(call.made[1:]) for call in calls] == [["write", "write"], ["write", "write"], ["create", "create"]]


def test_with_create_missing_registries_and_logins_come_into_being() -> None:
    store = store_of()
    store.add_registry(B)
    report = syncer([Source(login(A), login(B))], [store], create_missing=True).sync()
    assert said(report) == [("created", A, "memory"), ("created", B, "memory")]
    assert (store.pull(A), store.pull(B)) == (("AWS", "new"), ("AWS", "new"))
    assert report.ok


def test_without_create_missing_nothing_comes_into_being() -> None:
    store = store_of()
    store.add_registry(B)
    before = store.held
    report = syncer([Source(login(A), login(B))], [store]).sync()
    assert said(report) == [("missing", A, ""), ("unusable", B, "memory")]
    assert store.held == before
    assert [type(outcome.error) for outcome in report.failures] == [RegistryUnusableError, RegistryMissingError]
    assert report.expires_at is None


def test_what_an_obstacle_stands_before_is_written_and_said() -> None:
    store = store_of(f"https://{A}")
    (outcome,) = syncer([Source(login(A))], [store]).sync().outcomes
    assert (outcome.change, outcome.expires_at) == (Change.UNUSABLE, None)
    assert isinstance(outcome.error, RegistryUnusableError)
    assert store.held[0].logins[0].password == "new"


def test_an_address_that_no_store_has_is_missing() -> None:
    (outcome,) = syncer([Source(login(A))], [store_of(name="one"), store_of(name="two")]).sync().outcomes
    assert outcome.change is Change.MISSING
    assert isinstance(outcome.error, RegistryMissingError)
    assert "one, two" in str(outcome.error)


def test_an_address_is_not_missing_while_a_store_could_not_be_read() -> None:
    broken = store_of(name="broken")
    broken.on_request = Calls(registries=raiser(StoreError("down")))
    report = syncer([Source(login(A))], [store_of(name="well"), broken]).sync()
    assert said(report) == [("failed", "", "broken")]


def test_a_store_in_which_nothing_matched_is_one_warning() -> None:
    report = syncer([Source(login(A), login(B))], [store_of(A, B), store_of(C, name="other")]).sync()
    assert [warning for warning in report.warnings if "other" in warning] == list(report.warnings)
    assert len(report.warnings) == 1
    assert report.ok


def test_no_tokens_and_no_stores_are_no_trouble() -> None:
    assert syncer([], []).sync() == Report()
    assert syncer([], [store_of(A)]).sync() == Report()
    assert syncer([Source()], [store_of(A)]).sync().outcomes == ()
    assert syncer([Source(login(A))], []).sync().outcomes == ()


def test_of_two_tokens_for_one_address_the_first_sources_is_used_and_said_once() -> None:
    slow = threading.Event()
    first = Source(slow, login(A, password="first"))
    second = Source(login(A, password="second"), login(B), name="second")
    threading.Timer(0.05, slow.set).start()
    store = store_of(A, B)
    report = syncer([first, second], [store]).sync()
    assert store.pull(A) == ("AWS", "first")
    assert store.pull(B) == ("AWS", "new")
    assert len(report.warnings) == 1
    assert A in report.warnings[0]


def test_registries_of_one_ref_are_written_together() -> None:
    class OneRef:
        name = "one ref"

        def __init__(self) -> None:
            self.written: list[dict[str, str]] = []

        def registries(self) -> Sequence[Registry]:
            return [Registry(A, A, "x"), Registry(B, B, "x", vacant=True), Registry(C, C, "y"), Registry("z", "z", "x")]

        def write(self, logins: Mapping[Registry, AuthorizationToken]) -> None:
            self.written.append({registry.address: token.password for registry, token in logins.items()})

        def create(self, server_address: str, token: AuthorizationToken) -> None:
            raise AssertionError(server_address, token)

    store = OneRef()
    source = Source(login(A, password="a"), login(B, password="b"), login(C, password="c"))
    assert syncer([source], [store], create_missing=True).sync().ok
    assert sorted(store.written, key=len) == [{C: "c"}, {A: "a", B: "b"}]


def test_what_is_not_written_does_not_keep_its_ref_from_being_written() -> None:
    server = ObjectServer()
    server.objects = {"one": (1, f'{{"{A}": {{}}, "{B}": {{"auth": "eDp5"}}, "{C}": {{}}}}')}
    report = syncer([Source(login(A), login(B), login(C))], [GroupedStore(server)]).sync()
    assert said(report) == [("unusable", A, "objects"), ("unusable", C, "objects"), ("updated", B, "objects")]
    assert [server.pull(host) for host in (A, B, C)] == [None, ("AWS", "new"), None]


def test_a_store_of_grouped_hosts_is_served() -> None:
    server = ObjectServer()
    server.objects = {"one": (1, f'{{"{A}": {{}}, "{C}": {{"auth": "eDp5"}}}}')}
    report = syncer([Source(login(A), login(B))], [GroupedStore(server)], create_missing=True).sync()
    assert said(report) == [("created", A, "objects"), ("created", B, "objects")]
    assert (server.pull(A), server.pull(B), server.pull(C)) == (("AWS", "new"), ("AWS", "new"), ("x", "y"))


@pytest.mark.parametrize("concurrency", [1, 3])
def test_one_store_is_called_no_more_at_once_than_it_may(concurrency: int) -> None:
    store = store_of(*(f"{n}.example.com" for n in range(12)))
    lock, running, most = threading.Lock(), 0, 0
    full = threading.Barrier(concurrency)

    def begin() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        full.wait(10)

    def end(call: str) -> None:
        nonlocal running
        with lock:
            running -= call == "write"

    store.on_request, store.on_answer = Calls(write=begin), end
    source = Source(*(login(f"{n}.example.com") for n in range(12)))
    assert syncer([source], [store], concurrency=concurrency).sync().ok
    assert most == concurrency


def test_a_syncer_needs_a_thread() -> None:
    with pytest.raises(ValueError, match="concurrency"):
        Syncer([], [], concurrency=0)


# Failing, each alone


def test_a_source_that_fails_keeps_no_other_from_delivering() -> None:
    store = store_of(A, B)
    report = syncer([Source(SourceError("no keys"), name="broken"), Source(login(B))], [store]).sync()
    assert [(o.change, o.source, str(o.error)) for o in report.failures] == [(Change.FAILED, "broken", "no keys")]
    assert store.pull(A) == ("AWS", "old")
    assert store.pull(B) == ("AWS", "new")


def test_what_a_source_gave_before_it_failed_is_delivered() -> None:
    store = store_of(A, B)
    source = Source(login(A), SourceError("no second"), login(B))
    report = syncer([source], [store]).sync()
    assert said(report) == [("failed", "", ""), ("updated", A, "memory")]
    assert store.pull(A) == ("AWS", "new")
    assert not report.ok


def test_a_store_that_cannot_be_read_keeps_no_other_from_being_written() -> None:
    broken, well = store_of(A, name="broken"), store_of(A, name="well")
    broken.on_request = calls = Calls(registries=raiser(StoreError("down")))
    report = syncer([Source(login(A))], [broken, well], create_missing=True).sync()
    assert said(report) == [("failed", "", "broken"), ("updated", A, "well")]
    assert well.pull(A) == ("AWS", "new")
    assert calls.made == ["registries"]


def test_a_ref_that_fails_keeps_no_other_from_being_written() -> None:
    store = store_of(A, B, C)
    gone = store.held[1].id
    store.on_answer = Calls(registries=lambda: store.remove(gone))
    report = syncer([Source(login(A), login(B), login(C))], [store]).sync()
    assert said(report) == [("failed", B, "memory"), ("updated", A, "memory"), ("updated", C, "memory")]
    (failure,) = report.failures
    assert failure.registry is not None
    assert failure.registry.ref == gone
    assert failure.expires_at is None


def test_a_creation_that_fails_keeps_nothing_else_from_being_done() -> None:
    store = store_of(A)
    store.on_request = Calls(create=raiser(StoreError("quota")))
    report = syncer([Source(login(A), login(B))], [store], create_missing=True).sync()
    assert said(report) == [("failed", B, "memory"), ("updated", A, "memory")]


def test_a_group_fails_as_a_whole() -> None:
    server = ObjectServer()
    server.objects = {"one": (1, f'{{"{A}": {{}}, "{B}": {{}}}}'), "two": (1, f'{{"{C}": {{}}}}')}

    def strike(request: str) -> None:
        if request.startswith("PUT one"):
            raise ConnectionError

    server.on_request = strike
    source = Source(login(A), login(B), login(C))
    report = syncer([source], [GroupedStore(server)], create_missing=True).sync()
    assert said(report) == [("created", C, "objects"), ("failed", A, "objects"), ("failed", B, "objects")]


def test_stores_that_cannot_be_looked_up_are_a_failure() -> None:
    def roster() -> Iterator[MemoryStore]:
        raise StoreError("no environments")
        yield

    class Roster:
        def __iter__(self) -> Iterator[MemoryStore]:
            return roster()

    source = Source(login(A))
    (outcome,) = syncer([source], Roster()).sync().outcomes
    assert (outcome.change, outcome.store, str(outcome.error)) == (Change.FAILED, None, "no environments")


def test_stores_are_looked_up_in_every_sync() -> None:
    stores = [store_of(A, name="one")]
    joined = syncer([Source(login(A))], stores)
    joined.sync()
    stores.append(store_of(A, name="two"))
    assert said(joined.sync()) == [("updated", A, "one"), ("updated", A, "two")]


def test_failures_are_raised_together() -> None:
    report = syncer([Source(SourceError("no keys"))], [store_of()]).sync()
    with pytest.raises(SyncError) as caught:
        report.raise_for_failures()
    assert [str(error) for error in caught.value.exceptions] == ["no keys"]


# Bugs


@pytest.mark.parametrize("place", ["source", "roster", "registries", "write", "create"])
def test_a_bug_comes_out_after_everything_else_is_done(place: str) -> None:
    bug = ZeroDivisionError("a bug")
    well, ill = store_of(A, name="well"), store_of(A, name="ill")
    stores: Any = [ill, well]
    sources = [Source(login(A), login(B))]
    if place == "source":
        sources.insert(0, Source(bug))
    elif place == "roster":
        stores = Bug(bug)
    else:
        ill.on_request = Calls(**{place: raiser(bug)})
    with pytest.raises(ZeroDivisionError) as caught:
        syncer(sources, stores, create_missing=True).sync()
    assert caught.value is bug
    if place != "roster":
        assert well.pull(A) == ("AWS", "new")
        assert well.pull(B) == ("AWS", "new")
    if place in {"source", "create"}:
        assert ill.pull(A) == ("AWS", "new")


class Bug:
    def __init__(self, bug: Exception) -> None:
        self.bug = bug

    def __iter__(self) -> Iterator[RegistryStore]:
        raise self.bug


def test_whoever_takes_bugs_gets_the_report_as_well() -> None:
    bug = ZeroDivisionError("a bug")
    ill, well = store_of(A, name="ill"), store_of(A, name="well")
    ill.on_request = Calls(registries=raiser(bug))
    taken: list[BaseException] = []
    report = syncer([Source(login(A))], [ill, well]).sync(on_bug=taken.append)
    assert taken == [bug]
    assert [(outcome.store, outcome.change) for outcome in report.outcomes] == [
        ("ill", Change.FAILED),
        ("well", Change.UPDATED),
    ]


def test_several_bugs_come_out_together() -> None:
    bugs = [ZeroDivisionError("one"), LookupError("two")]
    with pytest.raises(ExceptionGroup) as caught:
        syncer([Source(bug) for bug in bugs], [store_of()]).sync()
    assert list(caught.value.exceptions) == bugs


# Trying it out


def test_a_dry_run_writes_nothing_and_says_what_would_be_done() -> None:
    def stores() -> list[MemoryStore]:
        made = [store_of(A, f"https://{B}", name="one"), store_of(name="two")]
        made[1].add_registry(C)
        return made

    tried, real = stores(), stores()
    before = [store.held for store in tried]
    source = Source(login(A), login(B), login(C), SourceError("no more"))
    dry = syncer([source], tried, create_missing=True).sync(dry_run=True)
    assert [store.held for store in tried] == before
    assert dry.dry_run
    assert dry.deliveries == ()
    wet = syncer([source], real, create_missing=True).sync()
    assert not wet.dry_run
    assert said(dry) == said(wet)
    assert dry.expires_at == wet.expires_at


def test_a_dry_run_is_not_taken_for_a_delivery() -> None:
    store = store_of(A)
    joined = syncer([Source(login(A))], [store])
    assert joined.sync(previous=joined.sync(dry_run=True)).ok
    assert store.pull(A) == ("AWS", "new")


# Properties

HOSTS = (A, B, "c.example.com:5000")


@st.composite
def memory_stores(draw: st.DrawFn) -> MemoryStore:
    store = MemoryStore(draw(st.sampled_from(["one", "two"])))
    for host in draw(st.lists(st.sampled_from(HOSTS), max_size=5)):
        address = draw(st.sampled_from([host, host, host.upper(), f"https://{host}", f"{host}/"]))
        registry = store.add_registry(address, active=draw(st.sampled_from([True, True, False])))
        for active in draw(st.lists(st.sampled_from([True, True, False]), max_size=2)):
            store.add_login(registry, draw(st.sampled_from(["AWS", "user"])), "old", active=active)
    return store


token_lists = st.lists(
    st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2, unique=True).map(lambda hosts: login(*hosts)), max_size=3
)


@settings(max_examples=50, deadline=None)
@given(stores=st.lists(memory_stores(), max_size=3), tokens=token_lists, create_missing=st.booleans())
def test_a_pull_gets_what_the_report_says(
    *, stores: list[MemoryStore], tokens: list[AuthorizationToken], create_missing: bool
) -> None:
    before = [store.held for store in stores]
    joined = syncer([Source(*tokens)], stores, create_missing=create_missing)
    dry = joined.sync(dry_run=True)
    assert [store.held for store in stores] == before
    report = joined.sync()
    assert said(report) == said(dry)
    assert not any(outcome.change is Change.FAILED for outcome in report.outcomes)
    for outcome in report.outcomes:
        for store in stores:
            if outcome.delivered and store.name == outcome.store and [s.name for s in stores].count(store.name) == 1:
                assert store.pull(str(outcome.server_address)) == ("AWS", "new")
    wanted = {address for token in tokens for address in token.server_addresses}
    for store, held in zip(stores, before, strict=True):
        assert [registry.id for registry in store.held][: len(held)] == [registry.id for registry in held]
        listed = {registry.ref: registry.server_address for registry in store.registries()}
        untouched = [registry for registry in held if listed[registry.id] not in wanted]
        assert [registry for registry in store.held if listed[registry.id] not in wanted] == untouched
        if create_missing:
            addresses = [registry.address.lower() for registry in store.held]
            assert len(addresses) - len(set(addresses)) == len(held) - len(
                {registry.address.lower() for registry in held}
            )
        else:
            assert [len(registry.logins) for registry in store.held] == [len(registry.logins) for registry in held]


@settings(max_examples=50, deadline=None)
@given(stores=st.lists(memory_stores(), max_size=2), tokens=token_lists, create_missing=st.booleans())
def test_a_second_sync_with_the_first_report_writes_nothing(
    *, stores: list[MemoryStore], tokens: list[AuthorizationToken], create_missing: bool
) -> None:
    joined = syncer([Source(*tokens)], stores, create_missing=create_missing)
    first = joined.sync()
    calls = Calls()
    for store in stores:
        store.on_request = calls
    second = joined.sync(previous=first)
    assert set(calls.made) <= {"registries"}
    assert {(address, store) for _, address, store in said(second)} <= {
        (address, store) for _, address, store in said(first)
    }
    assert second.ok == first.ok
    assert second.expires_at == first.expires_at
