"""Which login counts, how it is written, how what is missing is created: on the simulator, then what a pull gets."""

import itertools
import json
import time
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rancher import ENGINES, HOST, URL, VERSIONS, World, api_of, at_once, session_of, token, world

from rancher_ecr import AuthorizationToken, Change, RegistryUnusableError, StoreError, StoreResponseError, Syncer
from rancher_ecr.model import Registry
from rancher_ecr.sources.static import StaticTokenSource
from rancher_ecr.stores._cattle_registries import CattleRef, read_registries
from rancher_ecr.stores.cattle import CattleStore
from rancher_ecr.testing.cattle import (
    CattleSimulator,
    Request,
    StoredCredential,
    StoredRegistry,
    answer,
    lose_answer,
    lose_request,
    writes,
)
from rancher_ecr.testing.memory import MemoryStore

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ACTIVE_STATES = ("requested", "registering", "activating", "active", "updating-active")


def only_change(w: World, *tokens: AuthorizationToken, create_missing: bool = False) -> Change:
    (outcome,) = w.sync(*tokens, create_missing=create_missing).outcomes
    change: Change = outcome.change
    return change


# --- which login counts


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_login_that_a_pull_gets_is_written(version: str, engine: str) -> None:
    w = world(version, engine=engine)
    w.add(HOST, ("AWS", "old"))
    w.add("other.example.com", ("me", "mine"))
    assert only_change(w, token(HOST)) is Change.UPDATED
    assert w.pull(HOST) == ("AWS", "new")
    assert w.pull("other.example.com") == ("me", "mine")


def test_the_lowest_id_counts_as_a_number() -> None:
    w = world()
    w.sim._state.reserve("1c", 8)
    registry = w.add(HOST, ("nine", "old"), ("ten", "old"))
    assert [login.id for login in ref(w.listed(HOST)).logins] == ["1c9", "1c10"]
    w.sync(token(HOST))
    assert w.pull(HOST) == ("AWS", "new")
    assert w.alive(HOST) == [(registry, [("AWS", "new"), ("ten", "old")])]


def ref(registry: Registry) -> CattleRef:
    assert isinstance(registry.ref, CattleRef)
    return registry.ref


def test_the_lowest_registry_counts_as_a_number() -> None:
    w = world()
    w.sim._state.reserve("1sp", 8)
    nine, ten = w.add(HOST, ("AWS", "old")), w.add(HOST, ("AWS", "old"))
    assert (nine, ten) == ("1sp9", "1sp10")
    first, second = w.store.registries()
    assert first.obstacle is None
    assert second.obstacle is not None
    assert nine in second.obstacle


@pytest.mark.parametrize("state", ACTIVE_STATES)
def test_states_in_passing_are_no_obstacle(state: str) -> None:
    w = world()
    registry = w.add(HOST, ("AWS", "old"), state=state)
    for credential in w.sim.credentials(w.project):
        w.sim.set_state(credential.id, state)
    assert w.listed(HOST).obstacle is None
    assert only_change(w, token(HOST)) is Change.UPDATED
    w.sim.set_state(registry, "active")
    w.sim.set_state(w.sim.credentials(w.project)[0].id, "active")
    assert w.pull(HOST) == ("AWS", "new")


@pytest.mark.parametrize("state", ["inactive", "deactivating", "updating-inactive", "error", "restoring"])
def test_a_registry_that_is_not_active_says_so(state: str) -> None:
    w = world()
    w.add(HOST, ("AWS", "old"), state=state)
    obstacle = w.listed(HOST).obstacle
    assert obstacle is not None
    assert state in obstacle
    assert "activate it" in obstacle
    assert only_change(w, token(HOST)) is Change.UNUSABLE
    assert [credential.password for credential in w.sim.credentials(w.project)] == ["new"]
    assert [registry.state for registry in w.sim.registries(w.project)] == [state]


def test_only_inactive_credentials_say_so_and_the_first_is_written() -> None:
    w = world()
    registry = w.sim.add_registry(w.project, HOST)
    first = w.sim.add_credential(registry, "AWS", "old", state="inactive")
    second = w.sim.add_credential(registry, "AWS", "old", state="inactive")
    obstacle = w.listed(HOST).obstacle
    assert obstacle is not None
    assert first in obstacle
    assert second in obstacle
    (outcome,) = w.sync(token(HOST), create_missing=True).outcomes
    assert outcome.change is Change.UNUSABLE
    assert obstacle in str(outcome.error)
    assert [(c.password, c.state) for c in w.sim.credentials(w.project)] == [("new", "inactive"), ("old", "inactive")]


def test_an_inactive_credential_with_a_lower_id_does_not_count() -> None:
    w = world()
    registry = w.sim.add_registry(w.project, HOST)
    w.sim.add_credential(registry, "AWS", "old", state="inactive")
    w.sim.add_credential(registry, "AWS", "old")
    assert only_change(w, token(HOST)) is Change.UPDATED
    assert w.pull(HOST) == ("AWS", "new")
    assert [c.password for c in w.sim.credentials(w.project)] == ["old", "new"]


@pytest.mark.parametrize("address", ["https://HOST", "HOST/", " HOST ", "HOST:443", "http://HOST/x", "HOST/team"])
def test_an_address_that_rancher_never_matches_says_what_to_do(address: str) -> None:
    w = world()
    stored = address.replace("HOST", HOST)
    w.add(stored, ("AWS", "old"))
    (outcome,) = w.sync(token(HOST)).outcomes
    assert outcome.change is Change.UNUSABLE
    assert isinstance(outcome.error, RegistryUnusableError)
    assert repr(stored) in str(outcome.error)
    assert f"add a registry with the address {HOST!r}" in str(outcome.error)
    assert w.alive(stored)[0][1] == [("AWS", "new")], "written all the same: somebody may be about to mend the address"
    assert w.pull(HOST) is None
    report = w.sync(token(HOST), create_missing=True)
    assert report.ok
    assert w.pull(HOST) == ("AWS", "new")


def test_case_is_no_obstacle() -> None:
    w = world()
    w.add(HOST.upper(), ("AWS", "old"))
    assert only_change(w, token(HOST), create_missing=True) is Change.UPDATED
    assert w.pull(HOST) == ("AWS", "new")
    assert len(w.sim.registries(w.project)) == 1


@pytest.mark.parametrize("address", ["", "/", "???", "https://", "a b", "user@host"])
def test_an_address_that_is_none_is_listed_and_matches_nothing(address: str) -> None:
    w = world()
    w.add(address, ("AWS", "old"))
    (registry,) = w.store.registries()
    assert registry.server_address == ""
    assert registry.obstacle is not None


def test_the_second_registry_of_one_address_is_shadowed() -> None:
    w = world()
    first, second = w.add(HOST, ("AWS", "old")), w.add(HOST.upper(), ("AWS", "old"))
    report = w.sync(token(HOST), create_missing=True)
    assert report.ok
    assert w.pull(HOST) == ("AWS", "new")
    assert w.alive(HOST) == [(first, [("AWS", "new")]), (second, [("AWS", "new")])], "both: the first may be removed"
    w.sim.set_state(first, "removed")
    assert w.pull(HOST) == ("AWS", "new")


@pytest.mark.parametrize(("create_missing", "change"), [(False, Change.UNUSABLE), (True, Change.CREATED)])
def test_a_vacant_registry_shadows_too(create_missing: bool, change: Change) -> None:  # noqa: FBT001  # pytest passes it
    w = world()
    w.add(HOST)
    w.add(HOST, ("AWS", "old"))
    report = w.sync(token(HOST), create_missing=create_missing)
    assert report.outcomes[0].change is change
    assert report.ok is create_missing
    assert w.pull(HOST) == (("AWS", "new") if create_missing else None)


def test_an_inactive_registry_does_not_shadow() -> None:
    w = world()
    w.add(HOST, ("AWS", "old"), state="inactive")
    w.add(HOST, ("AWS", "old"))
    assert w.sync(token(HOST)).ok
    assert w.pull(HOST) == ("AWS", "new")


def test_two_credentials_of_one_user_name_are_both_written() -> None:
    w = world()
    registry = w.add(HOST, ("AWS", "old"), ("AWS", "old"), ("bob", "his"))
    w.sync(token(HOST))
    assert w.alive(HOST) == [(registry, [("AWS", "new"), ("AWS", "new"), ("bob", "his")])]


def test_another_user_name_that_counts_is_replaced_and_its_namesake_kept() -> None:
    w = world()
    registry = w.add(HOST, ("bob", "old"), ("bob", "his"), ("AWS", "old"))
    w.sync(token(HOST))
    assert w.alive(HOST) == [(registry, [("AWS", "new"), ("bob", "his"), ("AWS", "new")])]


def test_removed_rows_are_not_there() -> None:
    w = world()
    w.sim.set_state(w.add(HOST, ("AWS", "old")), "removed")
    registry = w.add(HOST, ("AWS", "old"), ("AWS", "second"))
    w.sim.set_state(w.sim.credentials(w.project)[1].id, "purged")
    w.sync(token(HOST))
    assert w.pull(HOST) == ("AWS", "new")
    assert w.alive(HOST) == [(registry, [("AWS", "new")])]


def test_another_environment_is_not_touched() -> None:
    w = world()
    other = w.sim.add_project("Other")
    w.sim.add_credential(w.sim.add_registry(other, HOST), "AWS", "old")
    assert only_change(w, token(HOST)) is Change.MISSING
    login = w.sim.pull(HOST, other)
    assert login is not None
    assert login.password == "old"


STATES = st.sampled_from(["active", "active", "inactive", "removed", "registering", "updating-active", "deactivating"])
ADDRESSES = st.sampled_from([HOST, HOST, HOST.upper(), f"https://{HOST}", f"{HOST}/", f"{HOST}:443", f" {HOST}"])
CREDENTIALS = st.lists(st.tuples(st.sampled_from(["AWS", "bob"]), STATES), max_size=3)


def states(w: World) -> dict[str, str]:
    rows: list[StoredRegistry | StoredCredential] = [*w.sim.registries(w.project), *w.sim.credentials(w.project)]
    return {row.id: row.state for row in rows}


@given(st.lists(st.tuples(ADDRESSES, STATES, CREDENTIALS), max_size=4), st.booleans())
@settings(max_examples=150, deadline=None)
def test_what_is_reported_is_what_a_pull_gets(
    rows: list[tuple[str, str, list[tuple[str, str]]]],
    create_missing: bool,  # noqa: FBT001  # hypothesis passes it
) -> None:
    w = world()
    for address, state, credentials in rows:
        registry = w.sim.add_registry(w.project, address, state=state)
        for username, credential_state in credentials:
            w.sim.add_credential(registry, username, "old", state=credential_state)
    before = states(w)
    report = w.sync(token(HOST), create_missing=create_missing)
    after = states(w)
    assert after.items() >= before.items(), "something was activated, deactivated or removed"
    assert create_missing or after == before, "something was created"
    for row_id, state in after.items():
        if state in ACTIVE_STATES:
            w.sim.set_state(row_id, "active")  # as time goes by
    assert (w.pull(HOST) == ("AWS", "new")) == report.ok


# --- writing


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("state", ["removing", "removed", "purging", "purged", "inactive", "deactivating"])
def test_a_credential_that_vanished_is_looked_up_again(version: str, state: str) -> None:
    w = world(version)
    registry = w.add(HOST, ("AWS", "old"))
    listed = w.listed(HOST)
    w.sim.set_state(w.sim.credentials(w.project)[0].id, state)
    w.sim.add_credential(registry, "AWS", "another")
    w.sim.restart_count()
    w.store.write({listed: token(HOST)})
    assert w.pull(HOST) == ("AWS", "new")
    looks = [request for request in w.sim.requests if request.method == "GET"]
    assert len(looks) == 1
    assert f"registryId={registry}" in looks[0].query


def test_a_credential_that_never_was_is_looked_up_again() -> None:
    w = world()
    registry = w.add(HOST, ("AWS", "old"))
    listed = w.listed(HOST)
    w.sim.faults.on(writes, answer(404, '{"type":"error","status":404,"code":"Not Found"}'))
    w.sim.add_credential(registry, "AWS", "another")
    w.store.write({listed: token(HOST)})
    assert w.alive(HOST) == [(registry, [("AWS", "new"), ("AWS", "new")])]


@pytest.mark.parametrize("state", ["removed", "inactive"])
def test_a_credential_that_vanished_without_another_is_an_error_and_nothing_is_created(state: str) -> None:
    w = world()
    w.add(HOST, ("AWS", "old"))
    listed = w.listed(HOST)
    w.sim.set_state(w.sim.credentials(w.project)[0].id, state)
    with pytest.raises(RegistryUnusableError, match="the next sync looks again"):
        w.store.write({listed: token(HOST)})
    assert len(w.sim.credentials(w.project)) == 1
    change = only_change(w, token(HOST), create_missing=True)
    assert change is (Change.CREATED if state == "removed" else Change.UNUSABLE)


def test_the_filter_is_not_believed() -> None:
    """Cattle ignores filters it does not know; another server may ignore this one."""
    w = world()
    w.add("other.example.com", ("other", "other"))
    registry = w.add(HOST, ("AWS", "old"))
    listed = w.listed(HOST)
    w.sim.set_state(w.sim.credentials(w.project)[1].id, "removed")
    w.sim.add_credential(registry, "AWS", "another")
    body = w.sim.session().get(
        f"{URL}/v2-beta/projects/{w.project}/registrycredentials", auth=(w.key.access, w.key.secret), timeout=5
    )
    w.sim.faults.on(lambda request: "registryId" in request.query, answer(200, body.content))
    w.store.write({listed: token(HOST)})
    assert w.pull("other.example.com") == ("other", "other")
    assert w.pull(HOST) == ("AWS", "new")


@pytest.mark.parametrize("version", VERSIONS)
def test_writing_again_changes_nothing(version: str) -> None:
    w = world(version)
    w.add(HOST, ("AWS", "old"), ("bob", "his"))
    w.sync(token(HOST))
    before, listed = w.sim.credentials(w.project), w.store.registries()
    w.sync(token(HOST))
    w.store.write(dict.fromkeys(listed, token(HOST)))
    assert w.sim.credentials(w.project) == before
    assert w.store.registries() == listed


def test_a_refused_write_says_why() -> None:
    w = world()
    w.add(HOST, ("AWS", "old"))
    (outcome,) = w.sync(token(HOST, password="x" * 4097)).outcomes
    assert outcome.change is Change.FAILED
    assert isinstance(outcome.error, StoreResponseError)
    assert (outcome.error.status, outcome.error.code, outcome.error.field) == (422, "MaxLengthExceeded", "secretValue")
    assert "the token is longer than this server stores" in str(outcome.error)
    assert w.pull(HOST) == ("AWS", "old")


def test_a_token_that_the_database_refuses_is_said() -> None:
    """PastureStack's v2-beta lets longer ones through to the database, whose column may be shorter."""
    w = world(engine="pasturestack")
    w.add(HOST, ("AWS", "old"))
    (outcome,) = w.sync(token(HOST, password="x" * 5000)).outcomes
    assert isinstance(outcome.error, StoreResponseError)
    assert (outcome.error.status, outcome.error.code) == (409, "Conflict")
    assert "the database refused the value" in str(outcome.error)


def test_a_registry_of_another_store_is_refused() -> None:
    w = world()
    memory = MemoryStore()
    memory.add_registry(HOST)
    with pytest.raises(StoreError, match="not from a Rancher environment"):
        w.store.write({memory.registries()[0]: token(HOST)})


def test_what_was_delivered_is_not_written_again() -> None:
    """A look for a missing registry costs two lists, whatever else was delivered."""
    w = world()
    w.add(HOST, ("AWS", "old"))
    w.add("vacant.example.com")
    tokens = [token(HOST), token("vacant.example.com"), token("new.example.com")]
    syncer = Syncer([StaticTokenSource(tokens)], [w.store], create_missing=True)
    report = syncer.sync()
    assert [outcome.change for outcome in report.outcomes].count(Change.CREATED) == 2
    w.sim.restart_count()
    again = syncer.sync(previous=report)
    assert again.ok
    assert [request.method for request in w.sim.requests] == ["GET", "GET"]


# --- creating


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("transition", [0.0, 0.3, 1.5])
def test_a_registry_is_created_with_its_login(version: str, engine: str, transition: float) -> None:
    w = world(version, engine=engine, transition=transition)
    assert only_change(w, token(HOST), create_missing=True) is Change.CREATED
    assert w.pull(HOST) == ("AWS", "new"), "active when create returns"
    assert [len(logins) for _, logins in w.alive(HOST)] == [1]
    (credential,) = w.sim.credentials(w.project)
    assert bool(credential.email) == (version == "v1" and engine == "rancher")


def test_a_server_slower_than_our_patience_is_no_failure() -> None:
    w = world(transition=3600.0)
    assert w.sync(token(HOST), create_missing=True).ok
    assert w.sync(token(HOST), create_missing=True).ok
    assert [len(logins) for _, logins in w.alive(HOST)] == [0], "still registering"
    assert len(w.sim.credentials(w.project)) == 1


def test_without_create_missing_nothing_is_created() -> None:
    w = world()
    w.add("vacant.example.com")
    w.sync(token(HOST), token("vacant.example.com"))
    assert [registry.server_address for registry in w.sim.registries(w.project)] == ["vacant.example.com"]
    assert w.sim.credentials(w.project) == []


@pytest.mark.parametrize("state", ["active", "inactive"])
def test_a_registry_without_credential_is_completed_only_when_it_would_be_used(state: str) -> None:
    w = world()
    w.add(HOST, state=state)
    change = only_change(w, token(HOST), create_missing=True)
    assert change is (Change.CREATED if state == "active" else Change.UNUSABLE)
    assert len(w.sim.credentials(w.project)) == (1 if state == "active" else 0)


def test_an_address_that_came_to_be_meanwhile_is_used() -> None:
    w = world()
    registry = w.add(HOST.upper(), ("bob", "his"))
    w.store.create(HOST, token(HOST))
    assert w.alive(HOST) == [(registry, [("AWS", "new")])]
    assert [request.method for request in w.sim.requests if request.method != "GET"] == ["POST", "PUT"]


def test_a_login_that_came_to_be_meanwhile_is_used() -> None:
    w = world()
    theirs: list[str] = []

    def be_faster(request: Request) -> bool:
        if request.method == "POST" and "registrycredentials" in request.path and not theirs:
            theirs.append(w.sim.add_credential(w.sim.registries(w.project)[0].id, "bob", "his"))
        return False

    w.sim.faults.on(be_faster, lose_answer)
    w.store.create(HOST, token(HOST))
    assert w.pull(HOST) == ("AWS", "new")
    assert w.sim.credentials(w.project)[0].id == theirs[0]
    assert [row.removed for row in w.sim.credentials(w.project)] == [False, True], "ours is withdrawn"


@pytest.mark.parametrize("path", ["registries", "registrycredentials"])
def test_a_creation_that_did_not_arrive_says_what_failed(path: str) -> None:
    w = world()
    w.sim.faults.on(lambda request: request.method == "POST" and request.path.endswith(path), lose_request)
    with pytest.raises(StoreError, match=rf"^POST .*/{path}: .*is Rancher up"):
        w.store.create(HOST, token(HOST))


@pytest.mark.parametrize("state", ["active", "inactive", "error"])
def test_a_row_with_a_time_of_removal_is_gone(state: str) -> None:
    row = {"id": "1sp1", "type": "registry", "serverAddress": HOST, "state": state}
    assert len(read_registries([row], [])) == 1
    assert read_registries([row | {"removed": "2026-01-01T00:00:00Z"}], []) == []


def test_an_inactive_one_of_that_address_is_said() -> None:
    w = world()
    w.add(HOST, ("AWS", "old"), state="inactive")
    with pytest.raises(RegistryUnusableError, match="activate it"):
        w.store.create(HOST, token(HOST))
    assert [(row.server_address, row.state) for row in w.sim.registries(w.project)] == [(HOST, "inactive")]


def test_a_registry_removed_while_it_is_filled_is_said() -> None:
    w = world()

    def remove(request: Request) -> bool:
        if request.method == "POST" and "registrycredentials" in request.path:
            w.sim.set_state(w.sim.registries(w.project)[0].id, "removed")
        return False

    w.sim.faults.on(remove, lose_answer)
    with pytest.raises(RegistryUnusableError, match="the next sync looks again"):
        w.store.create(HOST, token(HOST))


def test_a_token_that_is_too_long_leaves_a_registry_to_be_completed() -> None:
    w = world("v1")
    with pytest.raises(StoreResponseError, match="longer"):
        w.store.create(HOST, token(HOST, password="x" * 4097))
    w.store.create(HOST, token(HOST))
    assert [logins for _, logins in w.alive(HOST)] == [[("AWS", "new")]]


@pytest.mark.parametrize("version", VERSIONS)
def test_v1_of_rancher_wants_an_email(version: str) -> None:
    """The rule that the email is there for: the simulator has it, so leaving it out fails."""
    w = world(version)
    registry = w.add(HOST)
    answered = w.sim.session().post(
        f"{URL}/{version}/projects/{w.project}/registrycredentials",
        json={"registryId": registry, "publicValue": "AWS", "secretValue": "x"},
        auth=(w.key.access, w.key.secret),
        timeout=5,
    )
    assert answered.status_code == (422 if version == "v1" else 201)


def test_creation_tells_where_it_came_from() -> None:
    w = world()
    w.store.create(HOST, token(HOST))
    rows = w.sim._state.rows.values()
    marks = [row.values["description"] for row in rows if row.type in {"registry", "registryCredential"}]
    assert len(marks) == 2
    assert all(mark.startswith("created by rancher-ecr ") for mark in marks)


def forgetting(sim: CattleSimulator) -> "WSGIApplication":
    """A server that keeps no descriptions."""

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        kept = {name: value for name, value in json.loads(body or b"{}").items() if name != "description"}
        content = json.dumps(kept).encode() if body else b""
        return sim(environ | {"wsgi.input": BytesIO(content), "CONTENT_LENGTH": str(len(content))}, start_response)

    return app


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("transition", "forgets"), [(0.0, False), (0.01, False), (0.0, True)])
def test_instances_at_once_leave_one_registry_and_one_login(
    version: str,
    transition: float,
    forgets: bool,  # noqa: FBT001  # pytest passes it
) -> None:
    for _ in range(5):
        sim = CattleSimulator(racy_creates=True, transition=transition, latency=0.002)
        project = sim.add_project("Default")
        key = sim.add_environment_key(project)
        sessions = [session_of(forgetting(sim) if forgets else sim) for _ in range(3)]
        stores = [
            CattleStore(api_of(session, key, f"{URL}/{version}"), project, "x", sleep=lambda s: time.sleep(s / 20))
            for session in sessions
        ]
        tokens = [token(HOST, password=f"password {place}") for place in range(3)]
        at_once(*(lambda s=s, t=t: s.create(HOST, t) for s, t in zip(stores, tokens, strict=True)))
        registries = [row for row in sim.registries(project) if not row.removed]
        credentials = [row for row in sim.credentials(project) if not row.removed]
        assert [row.server_address for row in registries] == [HOST]
        assert [(row.registry_id, row.state) for row in credentials] == [(registries[0].id, "active")]
        login = sim.pull(HOST, project)
        assert login is not None
        assert login.password in {t.password for t in tokens}


def test_the_simulator_really_races() -> None:
    """Or the test above would show nothing: without a look afterwards, true duplicates stay."""
    sim = CattleSimulator(racy_creates=True, latency=0.01)
    project = sim.add_project("Default")
    key = sim.add_environment_key(project)
    api = api_of(sim.session(), key, f"{URL}/v2-beta")
    at_once(
        *itertools.repeat(lambda: api.post(f"projects/{project}/registries", "registry", {"serverAddress": HOST}), 4)
    )
    assert len(sim.registries(project)) > 1
