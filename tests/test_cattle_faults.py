"""Break every step: one request or its answer goes wrong in a sync; the next one converges. Twice at once as well."""

import random
import time
from collections.abc import Callable

import pytest
import requests
from attrs import define
from rancher import HOST, URL, VERSIONS, api_of, at_once, environments, retrying_session, token

from rancher_ecr import AuthorizationToken, RegistryStore, Report, Syncer
from rancher_ecr.sources.static import StaticTokenSource
from rancher_ecr.stores.cattle import CattleStore
from rancher_ecr.testing.cattle import (
    CattleSimulator,
    Key,
    answer,
    lose_answer,
    lose_request,
    nth,
    truncate,
)
from rancher_ecr.testing.cattle.faults import Action, Wait
from rancher_ecr.testing.cattle.message import Answer

LOGIN_PAGE = "<!DOCTYPE html><title>Log in</title>"
UPDATED, FILLED, CREATED = HOST, "vacant.example.com", "new.example.com:5000"
HOSTS = (UPDATED, FILLED, CREATED)


def afterwards(action: Action) -> Action:
    """Process the request, then answer something else."""

    def act(process: Callable[[], Answer], wait: Wait) -> Answer:
        process()
        return action(process, wait)

    return act


FAULTS: dict[str, Action] = {
    "request lost": lose_request,
    "answer lost": lose_answer,
    "answer cut": truncate,
    "500": answer(500, '{"type":"error","status":500,"code":"ServerError"}'),
    "500 though done": afterwards(answer(500, '{"type":"error","status":500,"code":"ServerError"}')),
    "502 in HTML": answer(502, "<html>Bad Gateway</html>", {"Content-Type": "text/html"}),
    "504 though done": afterwards(answer(504, "<html>Gateway Timeout</html>")),
    "409": answer(409, '{"type":"error","status":409,"code":"Conflict"}'),
    "401": answer(401, '{"type":"error","status":401,"code":"Unauthorized"}'),
    "login page": answer(200, LOGIN_PAGE),
    "login page though done": afterwards(answer(200, LOGIN_PAGE)),
    "empty": answer(200, b""),
    "half a JSON": answer(200, b'{"type":"collection","data":[{'),
    "redirect": answer(302, b"", {"Location": "https://login.example.com/"}),
    "redirect though done": afterwards(answer(302, b"", {"Location": "https://login.example.com/"})),
}


def nap(seconds: float) -> None:
    time.sleep(seconds / 50)


@define
class Site:
    """A server with a registry to update and one to fill; a third is to be created."""

    sim: CattleSimulator
    project: str
    key: Key

    def syncer(self, tokens: list[AuthorizationToken], version: str, session: requests.Session | None = None) -> Syncer:
        stores = environments(session or self.sim.session(), self.key, f"{URL}/{version}", sleep=nap)
        return Syncer([StaticTokenSource(tokens)], stores, create_missing=True, concurrency=1)

    def check(self, tokens: list[AuthorizationToken]) -> None:
        registries = [row for row in self.sim.registries(self.project) if not row.removed]
        assert sorted(row.server_address for row in registries) == sorted(HOSTS), "not one registry each"
        for row in registries:
            logins = [login for login in self.sim.credentials(self.project) if login.registry_id == row.id]
            assert [login.state for login in logins if not login.removed] == ["active"], "not one live login each"
        for each in tokens:
            login = self.sim.pull(each.server_addresses[0], self.project)
            assert login is not None
            assert login.password == each.password, "not the newest token"


def site(**options: bool | float) -> Site:
    sim = CattleSimulator(**options)  # type: ignore[arg-type]  # the options of a simulator
    project = sim.add_project("Default")
    made = Site(sim, project, sim.add_environment_key(project))
    sim.add_credential(sim.add_registry(project, UPDATED), "AWS", "old")
    sim.add_registry(project, FILLED)
    sim.restart_count()
    return made


def tokens_of(generation: str) -> list[AuthorizationToken]:
    return [token(host, password=f"{generation} of {host}") for host in HOSTS]


def requests_of_a_sync(version: str) -> int:
    undisturbed = site()
    assert undisturbed.syncer(tokens_of("first"), version).sync().ok
    undisturbed.check(tokens_of("first"))
    return len(undisturbed.sim.requests)


@pytest.mark.parametrize(
    ("version", "fault"),
    [*(("v2-beta", fault) for fault in FAULTS), ("v1", "answer lost"), ("v1", "answer cut"), ("v1", "500 though done")],
)
def test_whatever_breaks_the_next_sync_converges(version: str, fault: str) -> None:
    steps = requests_of_a_sync(version)
    assert steps >= 12, "a list of environments, two lists, an update, a filling and a creation"
    for step in range(1, steps + 1):
        broken = site()
        rule = broken.sim.faults.on(nth(step), FAULTS[fault])
        syncer = broken.syncer(tokens_of("first"), version)
        report = syncer.sync()
        assert rule.hits == 1
        check_said(broken, report)
        if broken.sim.requests[-1].number % 2:
            syncer.sync(previous=report).raise_for_failures()  # a retry of what is left
            broken.check(tokens_of("first"))
        second = broken.syncer(tokens_of("second"), version)  # as restarted
        second.sync().raise_for_failures()
        broken.check(tokens_of("second"))


def check_said(broken: Site, report: Report) -> None:
    """What is said to be delivered is; what is not says why."""
    for outcome in report.outcomes:
        if outcome.delivered and outcome.server_address:
            login = broken.sim.pull(outcome.server_address, broken.project)
            assert login is not None
            assert login.password.startswith("first")  # type: ignore[union-attr]  # it has one
        if not outcome.ok:
            assert outcome.error is not None
            assert "http" in str(outcome.error) or "rancher" in str(outcome.error)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("action", [lose_request, lose_answer], ids=["request", "answer"])
def test_a_process_that_dies_at_any_step_is_completed_by_the_next(version: str, action: Action) -> None:
    """From one step on nothing arrives any more; then it is started again."""
    for step in range(1, requests_of_a_sync(version) + 1):
        broken = site()
        broken.sim.faults.on(lambda request, last=step: request.number >= last, action, times=None)  # type: ignore[misc]  # mypy knows no default of a lambda
        broken.syncer(tokens_of("first"), version).sync()
        broken.sim.faults.clear()
        broken.syncer(tokens_of("second"), version).sync().raise_for_failures()
        broken.check(tokens_of("second"))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_third_of_all_answers_fail_and_it_heals(version: str) -> None:
    broken = site()
    chance = random.Random(3)  # noqa: S311  # faults need no cryptography
    broken.sim.faults.on(lambda _: chance.random() < 1 / 3, lose_answer, times=None)
    syncer, report = broken.syncer(tokens_of("first"), version), None
    for _ in range(30):
        report = syncer.sync(previous=report)
        if report.ok:
            break
    assert report is not None
    report.raise_for_failures()
    broken.check(tokens_of("first"))


@pytest.mark.parametrize(
    ("version", "fault"),
    [
        ("v1", "answer lost"),
        ("v1", "500 though done"),
        ("v2-beta", "request lost"),
        ("v2-beta", "answer lost"),
        ("v2-beta", "answer cut"),
        ("v2-beta", "login page"),
    ],
)
def test_two_instances_at_once_whatever_breaks(version: str, fault: str) -> None:
    for step in range(1, 36):
        broken = site(racy_creates=True, latency=0.001)
        broken.sim.faults.on(nth(step), FAULTS[fault])
        stores: list[RegistryStore] = []
        syncers = []
        for place in range(2):
            api = api_of(broken.sim.session(), broken.key, f"{URL}/{version}")
            store = CattleStore(api, broken.project, f"instance {place}", sleep=nap)
            stores.append(store)
            syncers.append(Syncer([StaticTokenSource(tokens_of(f"first {place}"))], [store], create_missing=True))
        at_once(*(syncer.sync for syncer in syncers))
        broken.sim.faults.clear()
        Syncer([StaticTokenSource(tokens_of("second"))], [stores[0]], create_missing=True).sync().raise_for_failures()
        broken.check(tokens_of("second"))


@pytest.mark.parametrize("version", VERSIONS)
def test_two_instances_at_once_with_states_in_passing(version: str) -> None:
    for _ in range(3):
        both = site(racy_creates=True, latency=0.001, transition=0.01)
        at_once(*(both.syncer(tokens_of("first"), version).sync for _ in range(2)))
        both.syncer(tokens_of("second"), version).sync().raise_for_failures()
        both.check(tokens_of("second"))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_one_bad_answer_is_not_even_noticed(status: int) -> None:
    """With the session as it is in production, short of its pauses."""
    broken = site()
    for step in (1, 2, 4):  # environments, a list, a write
        broken.sim.faults.on(nth(step), answer(status, "busy", {"Retry-After": "0"}))
    syncer = broken.syncer(tokens_of("first"), "v2-beta", retrying_session(broken.sim))
    syncer.sync().raise_for_failures()
    broken.check(tokens_of("first"))


def test_what_worked_stays_done() -> None:
    broken = site()
    broken.sim.faults.on(lambda request: request.method == "POST", lose_request, times=None)
    report = broken.syncer(tokens_of("first"), "v2-beta").sync()
    assert {outcome.server_address: outcome.ok for outcome in report.outcomes} == {
        UPDATED: True,
        FILLED: False,
        CREATED: False,
    }
    broken.sim.faults.clear()
    broken.sim.restart_count()
    again = broken.syncer(tokens_of("first"), "v2-beta").sync(previous=report)
    assert again.ok
    broken.check(tokens_of("first"))
