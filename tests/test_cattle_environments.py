"""Which environments are served: URL, names, ids, all; what comes and goes; and a server that is down meanwhile."""

import logging
from collections.abc import Sequence

import pytest
from rancher import HOST, URL, Clock, environments, token

from rancher_ecr import Change, StoreError, StoreResponseError, Syncer
from rancher_ecr.sources.static import StaticTokenSource
from rancher_ecr.stores.cattle_environments import CattleEnvironments
from rancher_ecr.testing.cattle import CattleSimulator, Key, Request, answer, every, lose_request

HOUR = 3600.0


class Server:
    """Three environments, of which the key's account is a member of two."""

    def __init__(self) -> None:
        self.sim = CattleSimulator()
        self.one = self.sim.add_project("Default")
        self.two = self.sim.add_project("Prod")
        self.three = self.sim.add_project("Not mine")
        for project in (self.one, self.two, self.three):
            self.sim.add_credential(self.sim.add_registry(project, HOST), "AWS", "old")
        for project in (self.one, self.two):
            self.sim.add_member(project, "ann", "owner")
        self.key = self.sim.add_account_key("ann")
        self.clock = Clock()

    def environments(self, *selection: str, url: str = URL, key: Key | None = None) -> CattleEnvironments:
        return environments(self.sim.session(), key or self.key, url, selection=selection, monotonic=self.clock)

    def names(self, *selection: str, url: str = URL, key: Key | None = None) -> list[str]:
        return names(self.environments(*selection, url=url, key=key))

    def passwords(self) -> list[str | None]:
        logins = [self.sim.pull(HOST, project) for project in (self.one, self.two, self.three)]
        return [None if login is None else login.password for login in logins]


def names(found: CattleEnvironments) -> list[str]:
    return [store.name for store in found]


@pytest.mark.parametrize("version", ["v1", "v2-beta"])
@pytest.mark.parametrize("selection", [(), ("Prod",), ("*",), ("nowhere",)])
def test_the_urls_environment_wins(version: str, selection: Sequence[str]) -> None:
    server = Server()
    url = f"{URL}/{version}/projects/{server.one}/schemas"
    assert server.names(*selection, url=url) == ["rancher:8080/Default"]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (("Prod",), ["Prod"]),
        (("prod",), ["Prod"]),
        (("1a6",), ["Prod"]),
        (("Prod", "Default"), ["Prod", "Default"]),
        (("1a5", "Default", "default"), ["Default"]),
        (("*",), ["Default", "Prod"]),
        (("Prod", "*"), ["Default", "Prod"]),
    ],
)
def test_environments_are_chosen_by_name_id_or_all(selection: Sequence[str], expected: Sequence[str]) -> None:
    assert Server().names(*selection) == [f"rancher:8080/{name}" for name in expected]


def test_the_keys_only_one_needs_no_choice() -> None:
    server = Server()
    assert server.names(key=server.sim.add_environment_key(server.three)) == ["rancher:8080/Not mine"]


def test_several_and_none_chosen_lists_them() -> None:
    server = Server()
    server.sim.set_state(server.two, "inactive")
    with pytest.raises(StoreError, match="CATTLE_ENVIRONMENTS") as caught:
        server.names()
    assert "Default (1a5, active), Prod (1a6, inactive)" in str(caught.value)
    assert "Not mine" not in str(caught.value)


@pytest.mark.parametrize("selection", [(), ("*",)])
def test_a_key_that_sees_none_is_told(selection: Sequence[str]) -> None:
    server = Server()
    with pytest.raises(StoreError, match="the key sees no environment; use an environment key"):
        server.names(*selection, key=server.sim.add_account_key("new here"))


@pytest.mark.parametrize("wanted", ["not mine", "1a7"])
def test_an_administrator_may_choose_those_of_others(wanted: str) -> None:
    server = Server()
    admin = server.sim.add_account_key("root", kind="admin")
    server.sim.add_member(server.one, "root", "owner")
    assert server.names(key=admin) == ["rancher:8080/Default"]
    assert server.names(wanted, "default", key=admin) == ["rancher:8080/Not mine", "rancher:8080/Default"]
    stores = server.environments(wanted, key=admin)
    assert Syncer([StaticTokenSource([token(HOST)])], stores).sync().ok
    assert server.passwords() == ["old", "old", "new"]


def test_an_unknown_name_fails_alone_and_is_looked_for_again() -> None:
    server = Server()
    stores = server.environments("Default", "Staging", "Not mine", "Nowhere")
    syncer = Syncer([StaticTokenSource([token(HOST)])], stores)
    report = syncer.sync()
    assert [outcome.change for outcome in report.outcomes].count(Change.UPDATED) == 1
    failed = {outcome.store: str(outcome.error) for outcome in report.failures}
    assert failed.keys() == {"rancher:8080/Staging", "rancher:8080/Not mine", "rancher:8080/Nowhere"}
    assert "CATTLE_ENVIRONMENTS" in failed["rancher:8080/Staging"]
    assert "the key sees Default (1a5, active), Prod (1a6, active)" in failed["rancher:8080/Staging"]
    assert server.passwords() == ["new", "old", "old"]
    for store in stores:
        if store.name != "rancher:8080/Default":
            for call in (store.registries, lambda s=store: s.write({}), lambda s=store: s.create(HOST, token(HOST))):
                with pytest.raises(StoreError, match="no such environment"):
                    call()
    staging = server.sim.add_project("Staging")
    server.sim.add_member(staging, "ann", "owner")
    assert names(stores)[1] == "rancher:8080/Staging", "without the hour's wait"
    server.sim.restart_count()
    syncer.sync(previous=report)
    assert [request.query for request in server.sim.requests if request.path == "/v2-beta/projects"] == [
        "",
        "all=true",
    ], "one look, however many are unknown"


def test_a_name_that_several_have_is_told() -> None:
    server = Server()
    twin = server.sim.add_project("PROD")
    server.sim.add_member(twin, "ann", "owner")
    assert server.names("Prod") == ["rancher:8080/Prod"], "exactly this one"
    assert server.names("prod", "1a5") == ["rancher:8080/Default", "rancher:8080/prod"]
    (_, unknown) = server.environments("prod", "1a5")
    with pytest.raises(
        StoreError, match=rf"several are called so \(Prod \(1a6, active\), PROD \({twin}, active\)\); use ids"
    ):
        unknown.registries()


def test_environments_of_one_name_are_told_apart() -> None:
    server = Server()
    twin = server.sim.add_project("Prod")
    server.sim.add_member(twin, "ann", "owner")
    assert server.names("*") == ["rancher:8080/Default", "rancher:8080/Prod (1a6)", f"rancher:8080/Prod ({twin})"]


def test_all_leaves_out_inactive_ones() -> None:
    server = Server()
    server.sim.set_state(server.one, "inactive")
    assert server.names("*") == ["rancher:8080/Prod"]


def test_an_inactive_one_that_was_chosen_fails_alone() -> None:
    server = Server()
    server.sim.set_state(server.one, "inactive")
    report = Syncer([StaticTokenSource([token(HOST)])], server.environments("Default", "Prod")).sync()
    (failed,) = report.failures
    assert failed.store == "rancher:8080/Default"
    assert isinstance(failed.error, StoreResponseError)
    assert failed.error.status == 403
    assert "deactivated" in str(failed.error)
    assert server.passwords() == ["old", "new", "old"]


def test_a_name_with_line_breaks_is_not_logged() -> None:
    server = Server()
    server.sim._state.rows[server.one].values["name"] = "Default\nERROR forged"
    assert server.names("1a5") == ["rancher:8080/1a5"]
    with pytest.raises(StoreError) as caught:
        server.names()
    assert "\n" not in str(caught.value)


def test_stores_stay_the_same_objects_and_are_not_looked_up_within_the_hour() -> None:
    server = Server()
    stores = server.environments("*")
    first = list(stores)
    server.clock.sleep(HOUR - 1)
    assert len(server.sim.requests) == 1
    assert [id(store) for store in stores] == [id(store) for store in first]
    assert len(server.sim.requests) == 1
    server.clock.sleep(1)
    assert [id(store) for store in stores] == [id(store) for store in first], "or `previous` would save no writes"
    assert len(server.sim.requests) == 2


def test_what_is_renamed_recreated_or_new_is_found_after_an_hour() -> None:
    server = Server()
    stores = server.environments("*")
    default, prod = stores
    server.sim._state.rows[server.one].values["name"] = "Renamed"
    server.sim.set_state(server.two, "removed")
    again = server.sim.add_project("Prod")
    server.sim.add_member(again, "ann", "owner")
    assert names(stores) == ["rancher:8080/Default", "rancher:8080/Prod"]
    server.clock.sleep(HOUR)
    assert names(stores) == ["rancher:8080/Renamed", "rancher:8080/Prod"]
    renamed, recreated = stores
    assert renamed != default
    assert recreated != prod, "of one name, and another environment"
    server.sim.add_registry(again, HOST)
    assert Syncer([StaticTokenSource([token(HOST)])], stores, create_missing=True).sync().ok
    login = server.sim.pull(HOST, again)
    assert login is not None
    assert login.password == "new"


def test_a_server_that_is_down_at_first_is_asked_again() -> None:
    server = Server()
    server.sim.faults.on(every, lose_request, times=None)
    stores = server.environments("*")
    for _ in range(2):
        with pytest.raises(StoreError, match="is Rancher up"):
            list(stores)
    server.sim.faults.clear()
    assert len(names(stores)) == 2


def test_known_environments_go_on_when_they_cannot_be_looked_up_again(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    stores = server.environments("*")
    known = names(stores)
    server.clock.sleep(HOUR)

    def lists_projects(request: Request) -> bool:
        return request.path == "/v2-beta/projects"

    server.sim.faults.on(lists_projects, answer(503, "busy"), times=2)
    with caplog.at_level(logging.WARNING, "rancher_ecr"):
        assert names(stores) == known
        assert Syncer([StaticTokenSource([token(HOST)])], stores).sync().ok
    assert "the known ones go on" in caplog.text
    assert server.passwords() == ["new", "new", "old"]
    server.sim.restart_count()
    assert names(stores) == known
    assert len(server.sim.requests) == 1, "the next time it is tried again"


def test_a_lost_environment_of_the_url_is_told() -> None:
    server = Server()
    with pytest.raises(StoreResponseError, match="404"):
        server.names(url=f"{URL}/v2-beta/projects/1a999")
    with pytest.raises(StoreResponseError, match="404"):
        server.names(url=f"{URL}/v2-beta/projects/{server.three}")


def test_one_account_key_serves_several_environments() -> None:
    server = Server()
    report = Syncer([StaticTokenSource([token(HOST)])], server.environments("*")).sync()
    report.raise_for_failures()
    assert sorted(str(outcome.store) for outcome in report.outcomes) == ["rancher:8080/Default", "rancher:8080/Prod"]
    assert server.passwords() == ["new", "new", "old"]
