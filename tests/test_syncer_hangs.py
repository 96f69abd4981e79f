"""What hangs is abandoned in time, said, not called again while it hangs, and does not hold up anything else."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from parties import NOW, SOON, Calls, Source, login, said, store_of

from rancher_ecr import AuthorizationToken, Change, Report, Syncer
from rancher_ecr.testing.memory import MemoryStore

A, B, C = "a.example.com", "b.example.com", "c.example.com"
TIMEOUT = 0.2


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What the hanging ones wait for; opened at the end, so that no thread is left."""
    event = threading.Event()
    yield event
    event.set()
    until(lambda: threads() == 0)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.002)


def threads() -> int:
    return sum(thread.name == "rancher_ecr call" for thread in threading.enumerate())


def sync(joined: Syncer, previous: Report | None = None) -> Report:
    """Sync, and see that it ends in time, give or take a busy machine."""
    begin = time.monotonic()
    report = joined.sync(previous=previous)
    assert time.monotonic() - begin < TIMEOUT + 5
    return report


def reasons(report: Report) -> list[str]:
    return [str(outcome.error) for outcome in report.failures if outcome.change is Change.FAILED]


def syncer(
    sources: list[Source], stores: list[MemoryStore], *, create_missing: bool = False, concurrency: int = 8
) -> Syncer:
    return Syncer(
        sources,
        stores,
        create_missing=create_missing,
        concurrency=concurrency,
        timeout=TIMEOUT,
        now=lambda: NOW,
    )


def test_a_source_that_hangs_is_abandoned_and_said(gate: threading.Event) -> None:
    store, hanging = store_of(A, B), Source(gate, login(A), name="hanging")
    joined = syncer([hanging, Source(login(B))], [store])
    report = sync(joined)
    assert said(report) == [("failed", "", ""), ("updated", B, "memory")]
    assert [outcome.source for outcome in report.failures] == ["hanging"]
    assert ["hanging: no answer" in reason and "abandoned" in reason for reason in reasons(report)] == [True]
    assert store.pull(A) == ("AWS", "old")


def test_what_a_source_gave_before_it_hung_is_delivered(gate: threading.Event) -> None:
    store = store_of(A, B)
    report = sync(syncer([Source(login(A), gate, login(B))], [store]))
    assert said(report) == [("failed", "", ""), ("updated", A, "memory")]
    assert store.pull(A) == ("AWS", "new")


def test_what_an_abandoned_call_brings_later_does_not_change_the_report(gate: threading.Event) -> None:
    joined = syncer([Source(login(A), gate, login(B))], [store_of(A, B)])
    report = sync(joined)
    before = (report.tokens, said(report))
    gate.set()
    until(lambda: threads() == 0)
    assert (report.tokens, said(report)) == before


def test_what_an_abandoned_call_brings_while_others_are_written_is_not_in_the_report(gate: threading.Event) -> None:
    store, over = store_of(A, B), threading.Event()

    class Late(Source):
        def tokens(self) -> Iterator[AuthorizationToken]:
            yield from super().tokens()
            over.set()

    def write() -> None:
        gate.set()
        assert over.wait(SOON)

    store.on_request = Calls(write=write)
    report = sync(syncer([Late(login(A), gate, login(B))], [store]))
    assert [issued.token for issued in report.tokens] == [login(A)]
    assert store.pull(B) == ("AWS", "old")


def test_a_source_is_not_called_again_while_it_hangs(gate: threading.Event) -> None:
    store, hanging = store_of(A), Source(gate, login(A), name="hanging")
    joined = syncer([hanging], [store])
    report = sync(joined)
    for _ in range(3):
        report = sync(joined, report)
        assert ["still hangs" in reason for reason in reasons(report)] == [True]
    assert hanging.calls == 1
    gate.set()
    until(lambda: threads() == 0)
    assert sync(joined, report).ok
    assert hanging.calls == 2
    assert store.pull(A) == ("AWS", "new")


def test_a_listing_that_hangs_is_abandoned_said_and_not_begun_again(gate: threading.Event) -> None:
    hanging, well = store_of(A, name="hanging"), store_of(A, name="well")
    hanging.on_request = calls = Calls(registries=gate.wait)
    joined = syncer([Source(login(A))], [hanging, well], create_missing=True)
    report = sync(joined)
    assert said(report) == [("failed", "", "hanging"), ("updated", A, "well")]
    assert ["hanging: no answer" in reason for reason in reasons(report)] == [True]
    for _ in range(3):
        report = sync(joined, report)
        assert said(report) == [("failed", "", "hanging"), ("updated", A, "well")]
        assert ["still hangs" in reason for reason in reasons(report)] == [True]
    assert calls.made == ["registries"]
    gate.set()
    until(lambda: threads() == 0)
    assert sync(joined, report).ok
    assert hanging.pull(A) == ("AWS", "new")


@pytest.mark.parametrize("call", ["write", "create"])
def test_a_write_that_hangs_is_abandoned_said_and_not_begun_again(call: str, gate: threading.Event) -> None:
    hanging, well = store_of(*[A] * (call == "write"), B, name="hanging"), store_of(A, B, name="well")
    hangs, numbers = threading.Event(), count()

    def hang() -> None:
        if next(numbers) == 0:
            hangs.set()
            gate.wait(SOON)

    hanging.on_request = calls = Calls(**{call: hang})
    joined = syncer([Source(login(A), login(B))], [hanging, well], create_missing=True)
    report = sync(joined)
    assert hangs.is_set()
    assert ["hanging: no answer" in reason for reason in reasons(report)] == [True]
    assert len(report.failures) == 1
    assert (well.pull(A), well.pull(B)) == (("AWS", "new"), ("AWS", "new"))
    made = list(calls.made)
    for _ in range(3):
        report = sync(joined, report)
        assert ["still hangs" in reason for reason in reasons(report)] == [True]
    assert calls.made == made
    gate.set()
    until(lambda: threads() == 0)
    assert sync(joined, report).ok
    assert (hanging.pull(A), hanging.pull(B)) == (("AWS", "new"), ("AWS", "new"))


def test_what_there_was_no_time_for_is_said_and_not_begun_later(gate: threading.Event) -> None:
    store = store_of(A, B, C)
    store.on_request = calls = Calls(write=gate.wait)
    joined = syncer([Source(login(A), login(B), login(C))], [store], concurrency=1)
    report = sync(joined)
    assert len(report.failures) == 3
    assert sorted("no answer" in reason for reason in reasons(report)) == [False, False, True]
    assert sorted("no time left to begin" in reason for reason in reasons(report)) == [False, True, True]
    gate.set()
    until(lambda: threads() == 0)
    assert calls.count("write") == 1
    assert sync(joined, report).ok


def test_stores_that_cannot_be_looked_up_in_time_are_said(gate: threading.Event) -> None:
    class Roster:
        looks = 0

        def __iter__(self) -> Iterator[MemoryStore]:
            self.looks += 1
            gate.wait(SOON)
            return iter([store])

    store, roster, source = store_of(A), Roster(), Source(login(A))
    joined = Syncer([source], roster, timeout=TIMEOUT, now=lambda: NOW)
    report = sync(joined)
    assert said(report) == [("failed", "", "")]
    assert ["no answer" in reason for reason in reasons(report)] == [True]
    report = sync(joined, report)
    assert ["still hangs" in reason for reason in reasons(report)] == [True]
    assert roster.looks == 1
    gate.set()
    until(lambda: threads() == 0)
    assert sync(joined, report).ok
    assert source.calls == 1
    assert store.pull(A) == ("AWS", "new")


def test_threads_stay_bounded_while_things_hang(gate: threading.Event) -> None:
    stores = [store_of(*(f"{n}.example.com" for n in range(20)), name=str(n)) for n in range(3)]
    stores[0].on_request = Calls(write=gate.wait)
    stores[1].on_request = Calls(registries=gate.wait)
    sources = [Source(gate), Source(*(login(f"{n}.example.com") for n in range(20)))]
    joined = syncer(sources, stores, concurrency=4)
    report = sync(joined)
    assert threads() == 1 + 4 + 1
    for _ in range(3):
        report = sync(joined, report)
        assert threads() == 1 + 4 + 1


def test_a_store_that_hangs_is_told_from_a_namesake(gate: threading.Event) -> None:
    hanging, well = store_of(A, name="same"), store_of(A, name="same")
    hanging.on_request = Calls(registries=gate.wait)
    joined = syncer([Source(login(A))], [hanging, well])
    for _ in range(2):
        assert said(sync(joined)) == [("failed", "", "same"), ("updated", A, "same")]


def test_a_store_that_is_no_more_may_hang_alone(gate: threading.Event) -> None:
    hanging, well = store_of(A, name="hanging"), store_of(A, name="well")
    hanging.on_request = Calls(registries=gate.wait)
    stores = [hanging, well]
    joined = syncer([Source(login(A))], stores)
    sync(joined)
    stores.remove(hanging)
    assert sync(joined).ok


def test_slow_is_not_hanging() -> None:
    store = store_of(A)
    store.on_request = Calls(registries=lambda: time.sleep(0.02), write=lambda: time.sleep(0.02))
    slow = threading.Event()
    threading.Timer(0.02, slow.set).start()
    assert Syncer([Source(slow, login(A))], [store], timeout=SOON).sync().ok


def test_no_time_at_all_is_said() -> None:
    report = Syncer([Source(login(A))], [store_of(A)], timeout=0.0, now=lambda: NOW).sync()
    assert all("within 0 s" in reason or "(0 s)" in reason for reason in reasons(report))
    until(lambda: threads() == 0)


@pytest.mark.parametrize("what", ["source", "registries", "write"])
def test_what_hangs_does_not_hold_up_the_interpreters_exit(what: str) -> None:
    code = f"""
import threading
from parties import Calls, Source, login, store_of
from rancher_ecr import Syncer
store = store_of("a.example.com")
never = threading.Event()
if {what!r} == "source":
    source = Source(never)
else:
    source = Source(login("a.example.com"))
    store.on_request = Calls({what if what != "source" else "write"}=never.wait)
print(len(Syncer([source], [store], timeout=0.2).sync().failures))
"""
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
        cwd=__file__.rpartition("/")[0],
    )
    assert done.stdout == "1\n"
    assert done.stderr == ""
    assert time.monotonic() - begin < 8, "the exit waited for what hangs"
