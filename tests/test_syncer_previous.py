"""What a sync makes of the last one's report: it asks and writes no more than is needed."""

from datetime import datetime, timedelta

import pytest
from parties import LIFE, NOW, Calls, Source, login, raiser, said, store_of
from stores import GroupedStore, ObjectServer

from rancher_ecr import Change, Report, SourceError, StoreError, Syncer
from rancher_ecr.testing.memory import MemoryStore

A, B = "a.example.com", "b.example.com"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def watched(store: MemoryStore) -> Calls:
    store.on_request = calls = Calls()
    return calls


def test_what_was_delivered_is_neither_asked_for_nor_written_again() -> None:
    store, source = store_of(A, B), Source(login(A), login(B))
    joined = Syncer([source], [store], now=Clock())
    first = joined.sync()
    calls = watched(store)
    second = joined.sync(previous=first)
    assert source.calls == 1
    assert calls.made == ["registries"]
    assert said(second) == said(first)
    assert second.expires_at == first.expires_at
    third = joined.sync(previous=second)
    assert calls.made == ["registries"] * 2
    assert said(third) == said(first)


def test_without_a_last_report_everything_is_done_again() -> None:
    store, source = store_of(A), Source(login(A))
    joined = Syncer([source], [store], now=Clock())
    joined.sync()
    calls = watched(store)
    joined.sync()
    assert source.calls == 2
    assert calls.made == ["registries", "write"]


def test_a_registry_that_was_missing_is_served_once_it_is_there() -> None:
    store, source = store_of(A), Source(login(A), login(B))
    joined = Syncer([source], [store], now=Clock())
    first = joined.sync()
    assert [outcome.change for outcome in first.failures] == [Change.MISSING]
    store.add_login(store.add_registry(B), "AWS", "old")
    calls = watched(store)
    second = joined.sync(previous=first)
    assert second.ok
    assert source.calls == 1
    assert calls.made == ["registries", "write"]
    assert store.pull(B) == ("AWS", "new")


@pytest.mark.parametrize("create_missing", [False, True])
def test_a_login_that_vanished_is_written_again(*, create_missing: bool) -> None:
    store, source = store_of(A), Source(login(A))
    joined = Syncer([source], [store], create_missing=create_missing, now=Clock())
    first = joined.sync()
    store.remove(store.held[0].logins[0].id)
    second = joined.sync(previous=first)
    assert store.pull(A) == (("AWS", "new") if create_missing else None)
    assert [outcome.change for outcome in second.outcomes] == [Change.CREATED if create_missing else Change.UNUSABLE]


def test_a_registry_that_vanished_is_created_again() -> None:
    store, source = store_of(A), Source(login(A))
    joined = Syncer([source], [store], create_missing=True, now=Clock())
    first = joined.sync()
    store.remove(store.held[0].id)
    assert said(joined.sync(previous=first)) == [("created", A, "memory")]
    assert store.pull(A) == ("AWS", "new")


def test_a_registry_in_another_ones_place_is_written() -> None:
    store, source = store_of(A), Source(login(A))
    joined = Syncer([source], [store], now=Clock())
    first = joined.sync()
    store.remove(store.held[0].id)
    store.add_login(store.add_registry(A), "AWS", "somebody's")
    assert joined.sync(previous=first).ok
    assert store.pull(A) == ("AWS", "new")


def test_a_second_registry_is_written_though_the_first_was() -> None:
    store, source = store_of(A), Source(login(A))
    joined = Syncer([source], [store], now=Clock())
    first = joined.sync()
    store.add_login(store.add_registry(f"https://{A}"), "AWS", "old")
    calls = watched(store)
    joined.sync(previous=first)
    assert calls.made == ["registries", "write"]
    assert store.held[1].logins[0].password == "new"


def test_a_registry_whose_obstacle_is_gone_is_written_again() -> None:
    store, source = store_of(A), Source(login(A))
    store.set_active(store.held[0].id, active=False)
    joined = Syncer([source], [store], now=Clock())
    first = joined.sync()
    assert [outcome.change for outcome in first.outcomes] == [Change.UNUSABLE]
    calls = watched(store)
    assert said(joined.sync(previous=first)) == said(first)
    assert calls.made == ["registries"]
    store.set_active(store.held[0].id, active=True)
    assert said(joined.sync(previous=first)) == [("updated", A, "memory")]
    assert calls.made == ["registries", "registries", "write"]


def test_what_was_created_is_not_written_again() -> None:
    store, source = store_of(), Source(login(A), login(B))
    store.add_registry(B)
    joined = Syncer([source], [store], create_missing=True, now=Clock())
    report = joined.sync()
    calls = watched(store)
    for _ in range(3):
        report = joined.sync(previous=report)
        assert report.ok
        assert report.expires_at == NOW + LIFE
    assert calls.made == ["registries"] * 3


def test_a_write_that_failed_is_tried_again_alone() -> None:
    store, source = store_of(A, B), Source(login(A), login(B))
    joined = Syncer([source], [store], concurrency=1, now=Clock())
    store.on_request = calls = Calls()
    calls.at = {"write": lambda: calls.count("write") == 1 and raiser(StoreError("busy"))()}
    first = joined.sync()
    assert said(first) == [("failed", A, "memory"), ("updated", B, "memory")]
    calls.made = []
    calls.at = {}
    second = joined.sync(previous=first)
    assert calls.made == ["registries", "write"]
    assert second.ok
    assert store.pull(A) == ("AWS", "new")


def test_a_store_that_could_not_be_read_is_written_alone() -> None:
    well, ill = store_of(A, name="well"), store_of(A, name="ill")
    source = Source(login(A))
    joined = Syncer([source], [well, ill], now=Clock())
    ill.on_request = Calls(registries=raiser(StoreError("down")))
    first = joined.sync()
    calls = watched(well), watched(ill)
    second = joined.sync(previous=first)
    assert [call.made for call in calls] == [["registries"], ["registries", "write"]]
    assert second.ok
    assert source.calls == 1


def test_a_ref_is_written_whole_when_one_of_its_logins_is_not_there_yet() -> None:
    server = ObjectServer()
    server.objects = {"one": (1, f'{{"{A}": {{}}, "{B}": {{}}}}')}
    source = Source(login(A), SourceError("throttled"))
    joined = Syncer([source], [GroupedStore(server)], create_missing=True, now=Clock())
    first = joined.sync()
    assert (server.pull(A), server.pull(B)) == (("AWS", "new"), None)
    source.says = [login(A), login(B)]
    second = joined.sync(previous=first)
    assert second.ok
    assert server.pull(B) == ("AWS", "new")
    joined.sync(previous=second)
    assert server.objects["one"][0] == 3


def test_what_was_only_said_is_not_taken_for_delivered() -> None:
    store, source = store_of(), Source(login(A))
    registry = store.add_registry(A)
    joined = Syncer([source], [store], now=Clock())
    first = joined.sync()
    assert [outcome.change for outcome in first.outcomes] == [Change.UNUSABLE]
    store.add_login(registry, "AWS", "somebody's")
    assert joined.sync(previous=first).ok
    assert store.pull(A) == ("AWS", "new")


def test_deliveries_belong_to_a_store_and_not_to_its_name() -> None:
    one, two = store_of(A, name="same"), store_of(A, name="same")
    two.on_request = Calls(write=raiser(StoreError("busy")))
    joined = Syncer([Source(login(A))], [one, two], now=Clock())
    first = joined.sync()
    calls = watched(one), watched(two)
    assert joined.sync(previous=first).ok
    assert [call.made for call in calls] == [["registries"], ["registries", "write"]]


# Tokens


def test_a_source_that_failed_is_asked_again_alone() -> None:
    store = store_of(A, B)
    well, ill = Source(login(A), name="well"), Source(SourceError("throttled"), name="ill")
    joined = Syncer([well, ill], [store], now=Clock())
    first = joined.sync()
    ill.says = [login(B)]
    calls = watched(store)
    second = joined.sync(previous=first)
    assert (well.calls, ill.calls) == (1, 2)
    assert calls.made == ["registries", "write"]
    assert second.ok
    assert store.pull(B) == ("AWS", "new")


def test_what_a_source_gave_before_it_failed_is_used_again() -> None:
    store = store_of(A, B)
    source = Source(login(A), SourceError("throttled"))
    joined = Syncer([source], [store], now=Clock())
    first = joined.sync()
    source.says = [login(A, password="newer"), login(B)]
    calls = watched(store)
    second = joined.sync(previous=first)
    assert source.calls == 2
    assert calls.made == ["registries", "write"]
    assert (store.pull(A), store.pull(B)) == (("AWS", "new"), ("AWS", "new"))
    assert second.ok
    assert second.warnings == ()
    assert joined.sync(previous=second).ok
    assert source.calls == 2


def test_what_a_source_gave_is_used_while_it_fails_again() -> None:
    store = store_of()
    source = Source(login(A), SourceError("throttled"))
    joined = Syncer([source], [store], now=Clock())
    first = joined.sync()
    source.says = [SourceError("throttled")]
    store.add_login(store.add_registry(A), "AWS", "old")
    second = joined.sync(previous=first)
    assert said(second) == [("failed", "", ""), ("updated", A, "memory")]
    assert store.pull(A) == ("AWS", "new")


@pytest.mark.parametrize(("elapsed", "asked"), [(timedelta(hours=5, minutes=59), 1), (timedelta(hours=6), 2)])
def test_tokens_with_half_their_life_left_or_less_are_asked_for_again(elapsed: timedelta, asked: int) -> None:
    clock, store, source = Clock(), store_of(A), Source(login(A))
    joined = Syncer([source], [store], now=clock)
    first = joined.sync()
    clock.now += elapsed
    source.says = [login(A, password="newer", expires_at=clock.now + LIFE)]
    second = joined.sync(previous=first)
    assert source.calls == asked
    assert store.pull(A) == ("AWS", "new" if asked == 1 else "newer")
    assert second.expires_at == NOW + LIFE + (elapsed if asked == 2 else timedelta())


def test_the_age_of_a_token_counts_from_its_first_fetch() -> None:
    clock, store, source = Clock(), store_of(A), Source(login(A))
    joined = Syncer([source], [store], now=clock)
    report = joined.sync()
    for _ in range(7):
        clock.now += timedelta(hours=1)
        report = joined.sync(previous=report)
    assert source.calls == 2


def test_one_stale_token_lets_its_source_be_asked_and_keeps_the_fresh_ones() -> None:
    clock, store = Clock(), store_of(A, B)
    source = Source(login(A, expires_at=NOW + timedelta(hours=2)), login(B))
    joined = Syncer([source], [store], now=clock)
    first = joined.sync()
    clock.now += timedelta(hours=1)
    source.says = [login(A, password="newer"), login(B, password="newer")]
    joined.sync(previous=first)
    assert source.calls == 2
    assert (store.pull(A), store.pull(B)) == (("AWS", "newer"), ("AWS", "new"))


def test_a_source_that_gives_nothing_is_asked_again() -> None:
    source = Source()
    joined = Syncer([source], [store_of(A)], now=Clock())
    joined.sync(previous=joined.sync())
    assert source.calls == 2


def test_tokens_stay_with_their_source() -> None:
    clock, store = Clock(), store_of(A)
    first_source, second_source = Source(SourceError("down"), name="1"), Source(login(A, password="second"), name="2")
    joined = Syncer([first_source, second_source], [store], now=clock)
    first = joined.sync()
    assert store.pull(A) == ("AWS", "second")
    first_source.says = [login(A, password="first")]
    second = joined.sync(previous=first)
    assert store.pull(A) == ("AWS", "first")
    assert len(second.warnings) == 1


def test_an_empty_report_is_as_good_as_none() -> None:
    store, source = store_of(A), Source(login(A))
    assert Syncer([source], [store], now=Clock()).sync(previous=Report()).ok
    assert store.pull(A) == ("AWS", "new")
