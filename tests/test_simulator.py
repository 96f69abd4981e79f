"""The simulator's rules, where the recordings do not show them: pulls, keys, pages, races."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import requests

from rancher_ecr.testing.cattle import CattleSimulator, Key

HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
BASE = "http://rancher:8080"
VERSIONS = ("v1", "v2-beta")


class Client:
    """A session with a key, and short names for what the tests ask."""

    def __init__(self, simulator: CattleSimulator, key: Key | None = None, version: str = "v2-beta") -> None:
        self.session = simulator.session()
        self.session.auth = (key.access, key.secret) if key else None
        self.root = f"{BASE}/{version}"

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.request(method, self.root + path, json=body, headers=named, timeout=10)

    def ids(self, path: str) -> list[str]:
        return [row["id"] for row in self("GET", path).json()["data"]]


@pytest.fixture
def simulator() -> CattleSimulator:
    simulator = CattleSimulator()
    assert simulator.add_project("Default") == "1a5"
    return simulator


@pytest.fixture
def client(simulator: CattleSimulator) -> Client:
    return Client(simulator, simulator.add_environment_key("1a5"))


# --- which login a pull gets


@pytest.mark.parametrize("stored", [HOST, HOST.upper()])
def test_an_address_is_found_ignoring_case(simulator: CattleSimulator, stored: str) -> None:
    registry = simulator.add_registry("1a5", stored)
    credential = simulator.add_credential(registry, "AWS", "p")
    login = simulator.pull(HOST, "1a5")
    assert login is not None
    assert (login.credential_id, login.registry_id, login.username, login.password) == (
        credential,
        registry,
        "AWS",
        "p",
    )


@pytest.mark.parametrize("stored", [f"https://{HOST}", f"{HOST}/", f" {HOST} ", f"{HOST}:443", f"{HOST}/repo"])
def test_an_address_that_is_not_exactly_the_host_is_never_used(simulator: CattleSimulator, stored: str) -> None:
    simulator.add_credential(simulator.add_registry("1a5", stored), "AWS", "p")
    assert simulator.pull(HOST, "1a5") is None


@pytest.mark.parametrize("state", ["inactive", "registering", "activating", "deactivating", "removed", "purged"])
def test_only_what_is_active_is_used(simulator: CattleSimulator, state: str) -> None:
    registry = simulator.add_registry("1a5", HOST)
    first, second = (simulator.add_credential(registry, "AWS", password) for password in ("first", "second"))
    simulator.set_state(first, state)
    login = simulator.pull(HOST, "1a5")
    assert login is not None
    assert login.credential_id == second
    simulator.set_state(registry, state)
    assert simulator.pull(HOST, "1a5") is None
    simulator.set_state(registry, "active")
    simulator.set_state(first, "active")
    login = simulator.pull(HOST, "1a5")
    assert login is not None
    assert login.credential_id == first


def test_the_lowest_id_is_a_number_not_a_text(simulator: CattleSimulator) -> None:
    registry = simulator.add_registry("1a5", HOST)
    ids = [simulator.add_credential(registry, "AWS", str(index)) for index in range(12)]
    assert min(ids) != ids[1]
    simulator.set_state(ids[0], "inactive")
    login = simulator.pull(HOST, "1a5")
    assert login is not None
    assert login.credential_id == ids[1]


def test_of_true_duplicates_the_first_active_registry_decides_alone(simulator: CattleSimulator) -> None:
    first, second = simulator.add_registry("1a5", HOST), simulator.add_registry("1a5", HOST)
    credential = simulator.add_credential(second, "AWS", "p")
    assert simulator.pull(HOST, "1a5") is None
    simulator.set_state(first, "inactive")
    login = simulator.pull(HOST, "1a5")
    assert login is not None
    assert login.credential_id == credential


def test_another_environment_gets_nothing(simulator: CattleSimulator) -> None:
    simulator.add_credential(simulator.add_registry("1a5", HOST), "AWS", "p")
    assert simulator.pull(HOST, simulator.add_project("Other")) is None


# --- keys: facts.md, "Keys and scope"

ROLES = ("owner", "member", "restricted", "readonly")


def key_of(simulator: CattleSimulator, kind: str) -> Key:
    if kind == "environment":
        return simulator.add_environment_key("1a5")
    if kind.startswith("agent"):
        return simulator.add_agent_key("1a5", role=kind.partition(" ")[2] or None)
    key = simulator.add_account_key(kind, kind="admin" if kind == "admin" else "user")
    if kind in ROLES:
        simulator.add_member("1a5", kind, kind)
    return key


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("kind", "unscoped", "scoped"),
    [
        ("environment", (200, 200, 201), (200, 200, 201)),
        ("agent environment", (200, 200, 201), (200, 200, 201)),
        ("agent", (404, 404, 404), (403, 403, 403)),
        ("agent agent,environment", (404, 404, 404), (403, 403, 403)),
        ("admin", (200, 405, 405), (200, 200, 201)),
        ("owner", (200, 405, 405), (200, 200, 201)),
        ("member", (200, 405, 405), (200, 200, 201)),
        ("restricted", (200, 405, 405), (200, 200, 201)),
        ("readonly", (200, 405, 405), (200, 405, 405)),
        ("stranger", (200, 405, 405), (403, 403, 403)),
    ],
)
def test_what_a_key_may_do(
    simulator: CattleSimulator, version: str, kind: str, unscoped: tuple[int, ...], scoped: tuple[int, ...]
) -> None:
    registry = simulator.add_registry("1a5", HOST)
    credential = simulator.add_credential(registry, "AWS", "p", email="x@y.example")
    ask = Client(simulator, key_of(simulator, kind), version)
    login = {"registryId": registry, "publicValue": "AWS", "secretValue": "q", "email": "x@y.example"}
    for scope, expected in (("", unscoped), ("/projects/1a5", scoped)):
        path = f"{scope}/registrycredentials"
        answers = ask("GET", path), ask("PUT", f"{path}/{credential}", login), ask("POST", path, login)
        assert tuple(answered.status_code for answered in answers) == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_projects_are_listed_to_those_in_them(simulator: CattleSimulator, version: str) -> None:
    other = simulator.add_project("Other", state="inactive")
    simulator.add_member(other, "alice", "owner")

    def listed(key: Key, query: str = "") -> list[str]:
        return Client(simulator, key, version).ids(f"/projects{query}")

    admin = simulator.add_account_key("admin", kind="admin")
    assert listed(simulator.add_environment_key("1a5")) == ["1a5"]
    assert listed(simulator.add_account_key("alice")) == [other]
    assert listed(simulator.add_account_key("alice"), "?all=true") == [other]
    assert listed(admin) == ["1a5"]
    assert listed(admin, "?all=true") == ["1a5", other]
    assert listed(admin, "?all=true&name=Other") == [other]


def test_an_inactive_environment_shuts_its_keys_out(simulator: CattleSimulator) -> None:
    key, agent = simulator.add_environment_key("1a5"), simulator.add_agent_key("1a5", role="environment")
    member = simulator.add_account_key("alice")
    simulator.add_member("1a5", "alice", "owner")
    simulator.set_state("1a5", "inactive")
    assert Client(simulator, key)("GET", "/registries").status_code == 401
    assert Client(simulator, agent)("GET", "/registries").status_code == 401
    assert Client(simulator, member)("GET", "/projects/1a5/registries").status_code == 403
    (project,) = Client(simulator, member)("GET", "/projects").json()["data"]
    assert project["state"] == "inactive"


def test_a_key_made_by_the_api_opens_its_environment(simulator: CattleSimulator) -> None:
    simulator.add_member("1a5", "alice", "owner")
    made = Client(simulator, simulator.add_account_key("alice"))("POST", "/projects/1a5/apikeys", {"name": "ci"}).json()
    key = Key(made["publicValue"], made["secretValue"])
    assert Client(simulator, key).ids("/projects") == ["1a5"]
    simulator.deactivate_key(key)
    assert Client(simulator, key)("GET", "/projects").status_code == 401


# --- lists


@pytest.mark.parametrize("version", VERSIONS)
def test_three_thousand_registries_come_page_by_page(simulator: CattleSimulator, version: str) -> None:
    ids = [simulator.add_registry("1a5", f"{index}.example.com") for index in range(3001)]
    for registry in ids:
        simulator.add_credential(registry, "AWS", "p" * 2500)
    ask = Client(simulator, simulator.add_environment_key("1a5"), version)
    for limit, pages in (("", 31), ("?limit=3000", 2), ("?limit=0", 2), ("?limit=1500", 3)):
        found: list[str] = []
        url: str | None = f"{ask.root}/registries{limit}"
        for _ in range(pages):
            assert url is not None
            body = ask.session.get(url, timeout=30).json()
            found += [row["id"] for row in body["data"]]
            url = body["pagination"]["next"]
        assert url is None
        assert found == ids
    login = simulator.pull("2999.example.com", "1a5")
    assert login is not None
    assert login.registry_id == ids[2999]


def test_the_marker_is_an_offset_so_a_removal_hides_a_row(simulator: CattleSimulator, client: Client) -> None:
    ids = [simulator.add_registry("1a5", f"{index}.example.com") for index in range(4)]
    page = client("GET", "/registries?limit=2").json()
    simulator.set_state(ids[0], "removed")
    rest = client.session.get(page["pagination"]["next"], timeout=10).json()
    assert [row["id"] for row in (*page["data"], *rest["data"])] == [ids[0], ids[1], ids[3]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name=a", [0]),
        ("name_ne=a", [1]),
        ("name_prefix=b", [1]),
        ("name_like=%25l%25", [1]),
        ("name_null", [2]),
        ("name_notnull", [0, 1]),
        ("state=inactive", [1]),
        ("id_gt=1sp1", [1, 2]),
        ("id=1sp1", [0]),
        ("id=1c1", []),
        ("accountId=1a6", []),
        ("name=a&state=inactive", []),
        ("serverAddress=x", [0, 1, 2]),
        ("serverAddress_like=x", [0, 1, 2]),
        ("bogus=1", [0, 1, 2]),
        ("name_bogus=1", [0, 1, 2]),
    ],
)
def test_what_filters_and_what_is_ignored(
    simulator: CattleSimulator, client: Client, query: str, expected: list[int]
) -> None:
    ids = [simulator.add_registry("1a5", f"{index}.example.com") for index in range(3)]
    for registry, name in zip(ids, ("a", "blue"), strict=False):
        assert client("PUT", f"/registries/{registry}", {"name": name}).status_code == 200
    simulator.set_state(ids[1], "inactive")
    assert client.ids(f"/registries?{query}") == [ids[index] for index in expected]


# --- writing


def test_null_keeps_the_secret_and_clears_the_user_name(simulator: CattleSimulator, client: Client) -> None:
    credential = simulator.add_credential(simulator.add_registry("1a5", HOST), "AWS", "p")

    def written(body: dict[str, Any]) -> tuple[str | None, str | None]:
        answered = client("PUT", f"/registrycredentials/{credential}", body)
        assert answered.status_code == 200
        assert answered.json()["secretValue"] is None
        (stored,) = simulator.credentials("1a5")
        return stored.username, stored.password

    assert written({"registryId": "1sp999", "id": "1c999", "state": "removed"}) == ("AWS", "p")
    assert written({"secretValue": None}) == ("AWS", "p")
    assert written({"publicValue": None}) == (None, "p")
    assert written({"secretValue": ""}) == (None, "")
    assert written({"publicValue": "AWS", "secretValue": "q"}) == ("AWS", "q")


def test_a_put_to_a_removed_credential_is_answered_and_changes_no_pull(
    simulator: CattleSimulator, client: Client
) -> None:
    credential = simulator.add_credential(simulator.add_registry("1a5", HOST), "AWS", "p")
    simulator.set_state(credential, "removed")
    answered = client("PUT", f"/registrycredentials/{credential}", {"secretValue": "q"})
    assert (answered.status_code, answered.json()["state"]) == (200, "removed")
    assert answered.json()["removed"]
    assert client.ids("/registrycredentials") == []
    assert simulator.pull(HOST, "1a5") is None


def test_email_counts_in_rancher_v1_only() -> None:
    for engine, version, expected in (
        ("rancher", "v1", 422),
        ("rancher", "v2-beta", 201),
        ("pasturestack", "v1", 201),
        ("pasturestack", "v2-beta", 201),
    ):
        simulator = CattleSimulator(engine="pasturestack" if engine == "pasturestack" else "rancher")
        simulator.add_project("Default")
        ask = Client(simulator, simulator.add_environment_key("1a5"), version)
        body = {"registryId": simulator.add_registry("1a5", HOST), "publicValue": "AWS", "secretValue": "p"}
        assert ask("POST", "/registrycredentials", body).status_code == expected
        assert ask("POST", "/registrycredentials", {**body, "email": "x@y.example"}).status_code == 201


def test_states_in_passing_last_as_long_as_asked() -> None:
    time = [0.0]
    simulator = CattleSimulator(access_control=False, transition=5, clock=lambda: time[0])
    simulator.add_project("Default")
    ask = Client(simulator)
    made = ask("POST", "/projects/1a5/registries", {"serverAddress": HOST}).json()
    seen = [made["state"]]
    for moment in (0, 4.9, 5, 9.9, 10, 1000):
        time[0] = moment
        seen.append(ask("GET", f"/projects/1a5/registries/{made['id']}").json()["state"])
    assert seen == ["registering"] * 3 + ["activating"] * 2 + ["active"] * 2
    assert simulator.registries("1a5")[0].state == "active"


@pytest.mark.parametrize("racy", [False, True])
def test_creates_under_way_at_once_may_make_duplicates(racy: bool) -> None:  # noqa: FBT001 -- the parameter is the point
    simulator = CattleSimulator(access_control=False, racy_creates=racy, latency=0.2)
    simulator.add_project("Default")
    statuses: list[int] = []

    def create() -> None:
        answered = Client(simulator)("POST", "/projects/1a5/registries", {"serverAddress": HOST})
        statuses.append(answered.status_code)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == ([201] * 4 if racy else [201] + [400] * 3)
    assert len(simulator.registries("1a5")) == statuses.count(201)
    create()
    assert statuses[-1] == 400


# --- where links lead


@pytest.mark.parametrize(
    ("headers", "rancher", "pasturestack"),
    [
        ({}, "http://rancher:8080", "http://rancher:8080"),
        ({"Host": "r.example"}, "http://r.example", "http://r.example"),
        ({"X_Forwarded_Proto": "https"}, "https://rancher:8080", "https://rancher:8080"),
        ({"Host": "r.example", "X_Forwarded_Proto": "https"}, "https://r.example", "https://r.example"),
        (
            {"Host": "r.example", "X_Forwarded_Proto": "https", "X_Forwarded_Port": "443"},
            "https://r.example",
            "https://r.example",
        ),
        (
            {"Host": "r.example", "X_Forwarded_Proto": "https", "X_Forwarded_Port": "8443"},
            "https://r.example:8443",
            "https://r.example:8443",
        ),
        ({"X_Forwarded_Host": "front.example"}, "http://rancher:8080", "http://rancher:8080"),
        (
            {"X_Forwarded_Host": "front.example", "X_Forwarded_Proto": "https"},
            "https://front.example",
            "https://rancher:8080",
        ),
    ],
)
def test_links_follow_host_and_forwarded_headers(headers: dict[str, str], rancher: str, pasturestack: str) -> None:
    for simulator, expected in (
        (CattleSimulator(access_control=False), rancher),
        (CattleSimulator(engine="pasturestack", access_control=False), pasturestack),
    ):
        simulator.add_project("Default")
        simulator.add_registry("1a5", HOST)
        answered = Client(simulator)("GET", "/projects/1a5/registries?limit=1", **headers)
        assert answered.headers["X-API-Schemas"] == f"{expected}/v2-beta/projects/1a5/schemas"
        assert answered.json()["data"][0]["links"]["self"] == f"{expected}/v2-beta/projects/1a5/registries/1sp1"


def test_an_https_address_without_a_proxy_makes_https_links(client: Client) -> None:
    answered = client.session.get("https://rancher.example.com/v2-beta/registries", timeout=10)
    assert answered.json()["links"]["self"] == "https://rancher.example.com/v2-beta/registries"


@pytest.mark.parametrize("host", ["", "a b", "r.example:port"])
def test_pasturestack_refuses_a_host_that_is_none(host: str) -> None:
    simulator = CattleSimulator(engine="pasturestack", access_control=False)
    assert Client(simulator)("GET", "/projects", Host=host).status_code == 400


# --- secrets


def test_no_secret_shows_in_a_repr_or_in_the_log_of_requests(simulator: CattleSimulator) -> None:
    key = simulator.add_environment_key("1a5")
    registry = simulator.add_registry("1a5", HOST)
    simulator.add_credential(registry, "AWS", "hunter2-password")
    ask = Client(simulator, key)
    ask("GET", "/registrycredentials?secretValue=hunter2-password")
    ask("POST", "/registrycredentials", {"registryId": registry, "secretValue": "hunter2-password"})
    shown = repr((key, simulator.credentials("1a5"), simulator.pull(HOST, "1a5"), list(simulator.requests), simulator))
    assert "hunter2" not in shown
    assert key.secret not in shown
    assert [(request.method, request.status) for request in simulator.requests] == [("GET", 200), ("POST", 201)]
    assert simulator.requests[0].access_key == key.access
