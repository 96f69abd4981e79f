"""The loop: real threads, a real Syncer, a clock that runs a hundred times as fast."""

import logging
import os
import signal
import threading
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import pytest
from parties import Calls, raiser, store_of
from services import Cloud, FastClock, messages, running, until

from rancher_ecr import AuthorizationToken, Registry, Report, StoreError, Syncer
from rancher_ecr.redaction import Secrets
from rancher_ecr.schedule import Schedule
from rancher_ecr.service import Service, serve
from rancher_ecr.state import Verdict
from rancher_ecr.testing.memory import MemoryStore

A, B = "a.example.com", "b.example.com"
SECRET = "extremely-secret"


class Scene:
    """One cloud, one store, one service."""

    def __init__(self, *addresses: str, life: timedelta = timedelta(hours=12), timeout: float = 5.0) -> None:
        self.clock = FastClock()
        self.cloud = Cloud(self.clock, *(addresses or (A,)), life=life)
        self.store = store_of(*(addresses or (A,)))
        self.syncer = Syncer([self.cloud], [self.store], timeout=timeout, now=self.clock.now)
        self.secrets = Secrets(SECRET)

    def service(self, **settings: object) -> Service:
        return Service(
            self.syncer,
            clock=self.clock,
            secrets=self.secrets,
            about="eu-west-1; Default",
            random=lambda: 0.5,
            **settings,  # type: ignore[arg-type]  # each test names its own
        )


def syncs(service: Service) -> int:
    return sum(service.state.syncs.values())


def reached(service: Service, count: int) -> bool:
    return syncs(service) >= count


def pulled(store: MemoryStore, address: str = A) -> str | None:
    login = store.pull(address)
    return login[1] if login else None


@pytest.fixture(autouse=True)
def debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "rancher_ecr")


def test_it_refreshes_at_half_a_life_again_and_again() -> None:
    scene = Scene(life=timedelta(seconds=200))
    service = scene.service()
    with running(service):
        until(lambda: syncs(service) >= 4)
    assert service.state.syncs["ok"] == syncs(service) == len(scene.cloud.passwords)
    assert pulled(scene.store) == scene.cloud.passwords[-1]
    assert service.answer("/readyz").status == 200
    assert service.answer("/healthz").status == 503  # it has ended
    assert service.answer("/ping").body == b"pong!"


def test_the_line_at_start_has_what_was_told_and_the_version(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.secrets.add("eu-west-1")
    service = scene.service()
    with running(service):
        until(lambda: syncs(service))
    first, *_ = messages(caplog.records, logging.INFO)
    assert first.startswith("rancher-ecr 0.")
    assert first.endswith("***; Default")


def test_idle_it_wakes_once_a_minute() -> None:
    scene = Scene()
    service = scene.service()
    with running(service):
        until(lambda: syncs(service))
        del scene.clock.waits[:]
        until(lambda: len(scene.clock.waits) >= 3)
    assert all(wait == 60 for wait in scene.clock.waits)
    assert syncs(service) == 1


def test_it_starts_while_everything_is_down_and_heals(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.cloud.fail()
    scene.store.on_request = Calls(registries=raiser(StoreError("down")))
    service = scene.service()
    with running(service):
        until(lambda: service.state.syncs["failed"] >= 3)
        assert service.answer("/readyz").status == 503
        assert service.answer("/healthz").status == 200
        scene.cloud.error = None
        until(lambda: scene.cloud.passwords)
        scene.store.on_request = Calls()
        until(lambda: service.state.syncs["ok"])
        assert service.answer("/readyz").status == 200
    assert scene.cloud.passwords == [pulled(scene.store)]  # the retries did not ask for another
    assert len(messages(caplog.records, logging.ERROR)) == 2  # each failure once


def test_a_bug_is_logged_scrubbed_counted_and_survived(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.cloud.error = KeyError(f"told {SECRET}")
    service = scene.service()
    with running(service):
        until(lambda: service.state.bugs >= 2)
        scene.cloud.error = None
        until(lambda: service.state.syncs["ok"])
    assert pulled(scene.store) == scene.cloud.passwords[-1]
    told, failed = messages(caplog.records, logging.ERROR)  # once each, though it came again and again
    assert "Traceback" in told
    assert "KeyError: 'told ***'" in told
    assert "cloud failed" in failed
    assert SECRET not in caplog.text


def test_a_bug_in_one_store_hides_nothing_of_the_others() -> None:
    class Buggy(MemoryStore):
        def registries(self) -> Sequence[Registry]:
            raise KeyError("a bug")

    scene = Scene()
    syncer = Syncer([scene.cloud], [Buggy("buggy"), scene.store], now=scene.clock.now)
    service = Service(syncer, clock=scene.clock)
    with running(service):
        until(lambda: service.state.bugs >= 2)
    assert pulled(scene.store) == scene.cloud.passwords[-1]
    assert len(scene.cloud.passwords) == 1  # what was delivered is known, and the token used again
    assert [login.store for login in service.state.logins.values()] == [scene.store.name]


def test_a_bug_in_the_syncer_itself_does_not_end_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    class Buggy(Syncer):
        def sync(self, **_: object) -> Report:
            raise KeyError("a bug")

    service = Service(Buggy([], []), clock=FastClock())
    with running(service):
        until(lambda: service.state.syncs["bug"] >= 2)
    assert len(messages(caplog.records, logging.ERROR)) == 1


def test_an_error_that_cannot_be_rendered_does_not_end_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    class RudeError(StoreError):
        def __str__(self) -> str:
            raise ValueError("I have no text")

    scene = Scene()
    scene.store.on_request = Calls(registries=raiser(RudeError()))
    service = scene.service()
    with running(service):
        until(lambda: "a bug in the service" in caplog.text)
        scene.store.on_request = Calls()
        until(lambda: service.state.syncs["ok"])
    assert pulled(scene.store) == scene.cloud.passwords[-1]


@pytest.mark.parametrize("jump", [timedelta(hours=-5), timedelta(hours=2)])
def test_a_wall_clock_that_is_set_is_noticed_within_a_minute(jump: timedelta, caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    service = scene.service()
    with running(service):
        until(lambda: syncs(service))
        begin = scene.clock.monotonic()
        scene.clock.set_by = jump
        until(lambda: syncs(service) >= 2)
        assert scene.clock.monotonic() - begin < 60 + 60  # and what the machine takes, a hundredfold
    assert f"the wall clock has jumped by {jump.total_seconds():.0f} s" in caplog.text
    assert len(scene.cloud.passwords) == 2


def test_sync_now_asks_and_writes_anew() -> None:
    scene = Scene()
    service = scene.service()
    with running(service):
        for count in range(1, 5):
            until(partial(reached, service, count))
            service.sync_now()
        until(partial(reached, service, 5))
    assert len(scene.cloud.passwords) == 5
    assert pulled(scene.store) == scene.cloud.passwords[-1]


def test_stop_ends_it_while_a_sync_hangs() -> None:
    scene = Scene(timeout=60)
    gate, asked = threading.Event(), threading.Event()

    def hang(_call: str) -> None:
        asked.set()
        gate.wait(60)

    scene.store.on_request = hang
    service = scene.service()
    with running(service):
        assert asked.wait(10)
    gate.set()
    assert syncs(service) == 0


def test_what_hangs_is_said_and_nothing_new_is_started_against_it(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(timeout=0.1)
    gate, calls = threading.Event(), list[str]()

    def hang(call: str) -> None:
        calls.append(call)
        gate.wait(60)

    scene.store.on_request = hang
    service = scene.service()
    with running(service):
        until(lambda: syncs(service) >= 4)
        assert len(calls) == 1
        assert service.answer("/healthz").status == 200
        gate.set()
        until(lambda: service.state.syncs["ok"])
    assert "abandoned" in caplog.text
    assert pulled(scene.store) == scene.cloud.passwords[-1]


def test_a_login_about_to_die_is_told(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(life=timedelta(minutes=10))
    service = scene.service(schedule=Schedule(timedelta(minutes=10)))
    with running(service):
        until(lambda: service.state.syncs["ok"])
        scene.cloud.fail()
        until(lambda: "dies in" in " ".join(messages(caplog.records, logging.WARNING)))
        assert service.answer("/readyz").status == 200
        assert b"login_endangered{" in service.answer("/metrics").body
        until(lambda: "has died undelivered" in " ".join(messages(caplog.records, logging.ERROR)))
        assert service.answer("/readyz").status == 503
        scene.cloud.error = None
        until(lambda: service.answer("/readyz").status == 200)


def test_each_registry_is_asked_once_a_sync_and_a_refused_login_is_fetched_anew() -> None:
    scene = Scene(A, B)
    asked: list[tuple[str, str]] = []
    refuse = True

    def verify(address: str, token: AuthorizationToken) -> Verdict:
        asked.append((address, token.password))
        return Verdict(not (refuse and address == A), "because")

    service = scene.service(verify=verify)
    with running(service):
        until(lambda: syncs(service) >= 3)
        until(lambda: service.answer("/readyz").status == 503)
        assert b"because" in service.answer("/readyz").body
        refuse = False
        until(lambda: service.answer("/readyz").status == 200)
        count = syncs(service)
    assert count - 1 <= len(scene.cloud.passwords) <= count + 1
    assert sorted(asked) == sorted((address, password) for password in scene.cloud.passwords for address in (A, B))


def test_a_registry_that_does_not_answer_delays_nothing_and_is_not_asked_again_meanwhile() -> None:
    scene = Scene(life=timedelta(seconds=200))
    gate, asked = threading.Event(), list[str]()

    def verify(address: str, _token: AuthorizationToken) -> Verdict:
        asked.append(address)
        gate.wait(60)
        raise KeyError("a bug")

    service = scene.service(verify=verify)
    with running(service):
        until(lambda: service.state.syncs["ok"] >= 3)
        assert asked == [A]
        gate.set()
        until(lambda: len(asked) >= 2)
        until(lambda: service.state.verdicts)
    assert service.state.verdicts[A] == Verdict(None, "KeyError, a bug")
    assert service.answer("/readyz").status == 200


def test_a_dry_run_writes_nothing() -> None:
    scene = Scene()
    service = scene.service(dry_run=True)
    with running(service):
        until(lambda: syncs(service))
    assert pulled(scene.store) == "old"


def test_two_instances_at_once_do_no_harm() -> None:
    scene = Scene(A, B, life=timedelta(seconds=130))
    one, two = scene.service(), Service(Syncer([scene.cloud], [scene.store], now=scene.clock.now), clock=scene.clock)
    with running(one), running(two):
        until(lambda: syncs(one) >= 4)
        until(lambda: syncs(two) >= 4)
    assert one.state.syncs["ok"] + two.state.syncs["ok"] == syncs(one) + syncs(two)
    assert {pulled(scene.store, address) for address in (A, B)} <= set(scene.cloud.passwords)


def test_threads_stay_where_they_are() -> None:
    scene = Scene()
    service = scene.service(verify=lambda _address, _token: Verdict(True, ""))
    before = threading.active_count()
    with running(service):
        for count in range(1, 101):
            until(partial(reached, service, count))
            service.sync_now()
            assert threading.active_count() <= before + 8
    until(lambda: threading.active_count() == before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals(number: signal.Signals) -> None:
    scene = Scene()
    service = scene.service()
    before = signal.getsignal(number)

    def send() -> None:
        until(lambda: syncs(service) == 1)
        os.kill(os.getpid(), signal.SIGHUP)
        until(lambda: syncs(service) == 2)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send)
    sender.start()
    serve(service)
    sender.join()
    assert syncs(service) == 2
    assert signal.getsignal(number) is before
