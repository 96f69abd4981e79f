import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial

import pytest

from rancher_ecr._crew import Crew, GivenUpError, StillHangingError

SOON = 10.0  # seconds until a test gives up


def results(futures: list[Future[int]]) -> list[int]:
    return [future.result(timeout=SOON) for future in futures]


class Calls:
    """Counts how often it was called."""

    count = 0

    def __call__(self) -> int:
        self.count += 1
        return self.count


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.001)


def threads() -> int:
    return sum(thread.name == "rancher_ecr call" for thread in threading.enumerate())


def test_results_come_in_the_order_of_the_calls() -> None:
    assert results(Crew[int](3).start([partial(pow, n, 2) for n in range(20)])) == [n * n for n in range(20)]


def test_no_calls_are_no_trouble() -> None:
    assert Crew[int](3).start([]) == []


@pytest.mark.parametrize("width", [1, 2, 5])
def test_as_many_calls_run_at_once_as_the_crew_is_wide(width: int) -> None:
    lock, running, most, gate = threading.Lock(), 0, 0, threading.Event()

    def call() -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait(SOON)
        with lock:
            running -= 1
        return 0

    futures = Crew[int](width).start([call] * 12)
    until(lambda: running == width)
    gate.set()
    assert results(futures) == [0] * 12
    assert most == width


@pytest.mark.parametrize("error", [ValueError("bug"), SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_whatever_is_raised_comes_out_of_its_own_future(error: BaseException) -> None:
    def fail() -> int:
        raise error

    good, bad, last = Crew[int](1).start([lambda: 1, fail, lambda: 2])
    assert bad.exception(timeout=SOON) is error
    assert results([good, last]) == [1, 2]


def test_nothing_is_started_while_an_earlier_call_hangs() -> None:
    crew, gate, calls = Crew[int](2), threading.Event(), Calls()
    (hanging,) = crew.start([lambda: int(gate.wait(SOON))])
    until(lambda: crew.is_hanging)
    before = threads()
    for _ in range(5):
        for future in crew.start([calls] * 3):
            assert isinstance(future.exception(timeout=0), StillHangingError)
    assert threads() == before
    gate.set()
    assert results([hanging]) == [1]
    assert calls.count == 0
    assert results(crew.start([lambda: 7])) == [7]


def test_whoever_has_a_result_may_start_again_at_once() -> None:
    crew, gate, seen = Crew[int](1), threading.Event(), list[bool]()
    (future,) = crew.start([lambda: int(gate.wait(SOON))])
    future.add_done_callback(lambda _: seen.append(crew.is_hanging))
    until(lambda: crew.is_hanging)
    gate.set()
    until(lambda: seen == [False])
    for _ in range(200):
        assert results(crew.start([lambda: 1])) == [1]


def test_calls_that_were_given_up_before_they_began_are_never_made() -> None:
    crew, gate, calls = Crew[int](1), threading.Event(), Calls()
    hanging, waiting = crew.start([lambda: int(gate.wait(SOON)), calls])
    until(lambda: crew.is_hanging)
    assert waiting.cancel()
    gate.set()
    assert results([hanging]) == [1]
    until(lambda: not crew.is_hanging)
    assert results(crew.start([lambda: 2])) == [2]
    assert calls.count == 0


def test_threads_end_with_their_calls() -> None:
    before = threads()
    wait(Crew[int](8).start([lambda: 1] * 50), timeout=SOON)
    until(lambda: threads() == before)


def test_what_hangs_does_not_hold_up_the_interpreters_exit() -> None:
    code = (
        "import threading; from rancher_ecr._crew import Crew; crew = Crew(1)\n"
        "crew.start([threading.Event().wait])\n"
        "while not crew.is_hanging: pass\n"
        "print('over')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=60)
    assert done.stdout == "over\n"


def test_a_call_that_dribbles_on_ends_when_it_is_given_up() -> None:
    dribbling = threading.Event()

    def dribble() -> None:
        while True:  # as a connection does that brings one byte now and then
            dribbling.set()
            time.sleep(0.01)

    crew = Crew[None](1)
    (future,) = crew.start([dribble])
    assert dribbling.wait(10)
    crew.give_up()
    with pytest.raises(GivenUpError):
        future.result(10)
    assert not crew.is_hanging
    (again,) = crew.start([lambda: None])
    assert again.result(10) is None


def test_giving_up_what_has_ended_does_nothing() -> None:
    crew = Crew[int](1)
    (future,) = crew.start([lambda: 1])
    assert future.result(10) == 1
    crew.give_up()
    (again,) = crew.start([lambda: 2])
    assert again.result(10) == 2
