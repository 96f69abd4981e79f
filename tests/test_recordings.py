"""Every recording of the real servers, replayed from top to bottom on the simulator.

What it holds comes from the recorded writes and from the set-up tables below, never from the answer compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from attrs import define, field

from rancher_ecr.testing.cattle import CattleSimulator, Key
from rancher_ecr.testing.cattle.schemas import Engine

FOLDER: Final = Path(__file__).parent / "recordings"
BASE: Final = "http://rancher:8080"

# Which recordings were made on one server, in this order. The last ones were taken for both versions on the server that
# had v2-beta's first ones (ids go on there), with and without access control.
PARTS: Final = {
    "access control off, v1": [("v1", r"\d{3}-")],
    "access control off, v2-beta": [("v2-beta", r"\d{3}-"), ("v1", r"extra-8[0-4]"), ("v2-beta", r"extra-8[0-4]")],
    "access control on": [
        ("v1", r"auth-"),
        ("v2-beta", r"auth-"),
        ("v1", r"extra-85"),
        ("v2-beta", r"extra-85"),
    ],
}

# A kind of request that is not replayed needs its reason here. There is none.
LEFT_OUT: Final[dict[str, str]] = {}
REPLAYED: Final = {
    ("rancher", "v1"): 336,
    ("rancher", "v2-beta"): 333,
    ("pasturestack", "v1"): 336,
    ("pasturestack", "v2-beta"): 333,
}

# How far the server had got when these were answered, a few ms after a write, was a matter of its speed: the recordings
# of the four servers differ here. The state may be any that the write passes through.
CREATING: Final = ("registering", "activating", "active")
IN_PASSING: Final = {
    "110": CREATING,
    "111": CREATING,
    "119": ("deactivating", "inactive"),
    "120": ("activating", "active"),
    "121": CREATING,
}

# Values that no two servers share: their kind is compared (there or null).
OF_THE_MACHINE: Final = ("uuid", "created", "createdTS", "removed", "removedTS")
# Left out of the recorded bodies by the recorder.
NOT_RECORDED: Final = ("sortLinks", "filters", "createDefaults")
# The default network is another resource, which the simulator does not have.
NOT_SIMULATED: Final = ("defaultNetworkId",)
HEADERS: Final = (
    "Content-Type",
    "WWW-Authenticate",
    "X-API-ACCOUNT-ID",
    "X-API-USER-ID",
    "X-API-ACCOUNT-KIND",
    "X-API-Schemas",
)


def recordings(engine: Engine, version: str) -> list[dict[str, Any]]:
    name = f"recordings-{version}.jsonl" if engine == "rancher" else f"recordings-{engine}-{version}.jsonl"
    return [json.loads(line) for line in (FOLDER / name).read_text("utf-8").splitlines()]


def number(name: str) -> str:
    found = re.search(r"\d{3}", name)
    assert found
    return found.group()


@define
class Replay:
    """A simulator, its clock, and the keys that the recordings hide."""

    engine: Engine
    access_control: bool
    version: str = "v1"
    time: float = 0.0
    keys: dict[str, Key] = field(factory=dict)
    simulator: CattleSimulator = field(init=False)
    session: requests.Session = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.simulator = CattleSimulator(
            engine=self.engine, access_control=self.access_control, transition=1.0, clock=lambda: self.time
        )
        self.session = self.simulator.session()

    def send(
        self, method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None, key: str = ""
    ) -> requests.Response:
        given = dict(headers or {})
        data = None
        if isinstance(body, dict) and "_raw" in body:
            data = body["_raw"].encode()
        elif body is not None:
            data = json.dumps(body).encode()
        auth = (self.keys[key].access, self.keys[key].secret) if key in self.keys else None
        if key and auth is None:
            given["Authorization"] = key
        else:
            given.pop("Authorization", None)
        return self.session.request(method, url, data=data, headers=given, auth=auth, timeout=10)

    def settle(self) -> None:
        """Enough time goes by for everything to reach its last state."""
        self.time += 100

    def write(self, method: str, path: str, body: object = None, key: str = "") -> None:
        """A write that happened and is not among the recordings."""
        self.settle()
        answered = self.send(method, f"{BASE}/{self.version}{path}", body, key=key)
        assert answered.status_code < 500


# --- set-up: what happened on the servers and is not among the recordings


def only_default(replay: Replay) -> None:
    replay.simulator.add_project("Default")
    replay.simulator._state.reserve("1c", 1)  # the server's own registration token


def with_members(replay: Replay) -> None:
    simulator, keys = replay.simulator, replay.keys
    simulator.add_project("Default", project_id="1a5")
    for name, account_id in {"alice": "1a7", "bob": "1a8", "carol": "1a9", "dave": "1a10"}.items():
        keys[name] = simulator.add_account_key(name, account_id=account_id)
    keys["admin"] = simulator.add_account_key("admin", kind="admin")
    keys["superadmin"] = simulator.add_account_key("superadmin", kind="superadmin")
    keys["projectadmin_account"] = simulator.add_account_key("pa", kind="projectadmin", account_id="1a12")
    keys["service_account"] = simulator.add_account_key("sa", kind="service", account_id="1a13")
    simulator.add_project("Beta", project_id="1a14")
    simulator.add_project("Gamma", project_id="1a15")
    simulator.add_member("1a15", "alice", "owner")
    for name, role in {"alice": "owner", "bob": "readonly", "carol": "member", "dave": "restricted"}.items():
        simulator.add_member("1a14", name, role)
    keys["env_beta"] = simulator.add_environment_key("1a14")
    keys["env_gamma"] = simulator.add_environment_key("1a15")
    keys["inactive"] = simulator.add_environment_key("1a14")
    simulator.deactivate_key(keys["inactive"])
    keys["bad_secret"] = Key(keys["env_beta"].access, "wrong")
    # An agent's account id depends on the order in which the containers started.
    third = "1a26" if replay.engine == "rancher" else "1a28"
    for name, account_id, role_label, system in (
        ("host_agent", "1a16", None, False),
        ("agent_role_environment", "1a17", "environment", False),
        ("agent_system_environment", "1a18", "environment", True),
        ("agent_system_environmentAdmin", "1a19", "environmentAdmin", True),
        ("agent_role_agent", third, "agent", False),
        ("agent_role_None", "1a29", None, False),
        ("agent_role_agent_environment", "1a30", "agent,environment", False),
        ("agent_role_environmentAdmin", "1a32", "environmentAdmin", False),
    ):
        simulator._state.reserve("1a", int(account_id[2:]) - 1)
        keys[name] = simulator.add_agent_key("1a14", role=role_label, system=system)
    simulator._state.reserve("1sp", 2)  # storage pools of hosts
    simulator._state.reserve("1c", 37)  # keys of agents and hosts


def attempts_of(role: str) -> Callable[[Replay], None]:
    """Each role tried the same six writes; those of some roles were kept back, or came to nothing."""

    def write(replay: Replay) -> None:
        credential, registry = ("1c38", "1sp3") if replay.version == "v1" else ("1c60", "1sp22")
        for where, scope in (("unscoped", ""), ("projects", "/projects/1a14")):
            login = {"publicValue": "AWS", "secretValue": f"by-{role}"}
            replay.write("PUT", f"{scope}/registrycredentials/{credential}", login, role)
            created = {"registryId": registry, "publicValue": f"by-{role}", "secretValue": "x", "email": "x@y.example"}
            replay.write("POST", f"{scope}/registrycredentials", created, role)
            address = {"serverAddress": f"{role}-{where}-{replay.version}.example.com"}
            replay.write("POST", f"{scope}/registries", address, role)

    return write


def first_registry_removed(replay: Replay) -> None:
    """An experiment with pages lost a registry."""
    url = f"{BASE}/{replay.version}/projects/1a5/registries?limit=1"
    first = replay.send("GET", url).json()["data"][0]["id"]
    replay.write("POST", f"/projects/1a5/registries/{first}?action=deactivate", {})
    replay.write("DELETE", f"/projects/1a5/registries/{first}")


def login_of_1c2(action: str) -> Callable[[Replay], None]:
    def act(replay: Replay) -> None:
        replay.write("POST", f"/projects/1a5/registrycredentials/1c2?action={action}", {})

    return act


def user_name_back(replay: Replay) -> None:
    replay.write("PUT", "/projects/1a5/registrycredentials/1c2", {"publicValue": "AWS"})


def credential_created(replay: Replay) -> None:
    body = {"registryId": "1sp1", "publicValue": "mid", "secretValue": "x", "email": "not-really@required.anymore"}
    replay.write("POST", "/projects/1a5/registrycredentials", body)


def ids_given(prefix: str, last: int) -> Callable[[Replay], None]:
    return lambda replay: replay.simulator._state.reserve(prefix, last)


# Before the recording with this number: what happened by then.
STEPS: Final[Mapping[str, list[Callable[[Replay], None]]]] = {
    "103": [user_name_back],
    "119": [login_of_1c2("deactivate")],
    "120": [login_of_1c2("activate")],
    "121": [credential_created],
    "133": [login_of_1c2("deactivate")],
    "391": [attempts_of("carol")],
    "406": [attempts_of("dave")],
    "451": [attempts_of("projectadmin_account")],
    "466": [attempts_of("service_account")],
    "586": [attempts_of("agent_system_environment")],
    "601": [attempts_of("agent_system_environmentAdmin")],
}
STEPS_OF_VERSION: Final[Mapping[tuple[Engine, str, str], list[Callable[[Replay], None]]]] = {
    ("rancher", "v2-beta", "301"): [ids_given("1c", 59)],  # keys made anew for the second run
    ("pasturestack", "v2-beta", "301"): [ids_given("1c", 59)],
    ("rancher", "v1", "809"): [first_registry_removed, ids_given("1c", 13)],
    ("pasturestack", "v1", "809"): [first_registry_removed, ids_given("1c", 19)],
    ("rancher", "v2-beta", "809"): [first_registry_removed],
    ("pasturestack", "v2-beta", "809"): [first_registry_removed],
}

# The recordings show <key> only; which one it was: by the recording's name, first match.
KEYS: Final = {
    r"auth-302": "bad_secret",
    r"auth-303": "Basic bm9zdWNoa2V5OnNlY3JldA==",
    r"auth-305": "inactive",
    r"auth-306": "Basic !!!",
    r"auth-307": "Bearer garbage",
    r"auth-\d+-envkey": "env_beta",
    r"auth-\d+-otherenv": "env_gamma",
    r"auth-\d+-role-(\w+?)-(unscoped|projects)": "",
    r"auth-\d+-accountkey-(\w+?)-": "",
    r"extra-85[26]": "env_gamma",
    r"extra-85": "alice",
    r"extra-\d+-security-off-use-envkey": "made",
    r"extra-\d+-security-off-bad-envkey": "Basic bm9zdWNoa2V5OnNlY3JldA==",
    r"187-": "Basic bm9zdWNoa2V5OnNlY3JldA==",
}


def key_for(name: str) -> str:
    for pattern, key in KEYS.items():
        if found := re.match(pattern, name):
            return key or found.group(1)
    raise LookupError(name)


# --- comparing


def expanded(value: Any) -> Any:
    """Undo the recorder's short form of runs: <'x' * 2500>."""
    if isinstance(value, str):
        return re.sub(r"<'(.)' \* (\d+)>", lambda found: found.group(1) * int(found.group(2)), value)
    if isinstance(value, list):
        return [expanded(item) for item in value]
    return {key: expanded(item) for key, item in value.items()} if isinstance(value, dict) else value


def differences(recorded: Any, actual: Any, where: str = "") -> Iterator[str]:
    """Say where an answer is not what was recorded."""
    if isinstance(recorded, dict) and isinstance(actual, dict):
        yield from different_fields(recorded, actual, where)
    elif isinstance(recorded, list) and isinstance(actual, list):
        yield from different_rows(recorded, actual, where)
    elif isinstance(recorded, str) and (shape := re.match(r"<(\d+) characters", recorded)):
        if len(actual) != int(shape.group(1)):
            yield f"{where}: {shape.group(1)} characters != {len(actual)}"
    elif recorded != actual or type(recorded) is not type(actual):
        yield f"{where}: {str(recorded)[:200]!r} != {str(actual)[:200]!r}"


def different_fields(recorded: dict[str, Any], actual: dict[str, Any], where: str) -> Iterator[str]:
    of_the_machine = (*OF_THE_MACHINE, "id") if recorded.get("type") == "error" else OF_THE_MACHINE
    for key in sorted({*recorded, *actual} - {*NOT_RECORDED, *NOT_SIMULATED, "_recorder"}):
        if key not in recorded or key not in actual:
            yield f"{where}.{key} is {'missing' if key in recorded else 'too much'}"
        elif key in of_the_machine:
            if type(recorded[key]) is not type(actual[key]):
                yield f"{where}.{key}: {recorded[key]!r} != {actual[key]!r}"
        elif key == "includeableLinks":  # in the order of a hash table
            yield from differences(sorted(recorded[key]), sorted(actual[key]), f"{where}.{key}")
        else:
            yield from differences(recorded[key], actual[key], f"{where}.{key}")


def different_rows(recorded: list[Any], actual: list[Any], where: str) -> Iterator[str]:
    rows, count = recorded, len(recorded)
    if rows and isinstance(rows[-1], str) and (cut := re.fullmatch(r"<(\d+) more>", rows[-1])):
        rows, count = rows[:-1], count - 1 + int(cut.group(1))
    if count != len(actual):
        yield f"{where}: {count} rows != {len(actual)}"
    for index, (row, other) in enumerate(zip(rows, actual, strict=False)):
        yield from differences(row, other, f"{where}[{index}]")


def without_passing(body: Any, allowed: tuple[str, ...]) -> Any:
    """Take a state in passing, and what follows from it, out of the comparison, after a look at it."""
    if isinstance(body, dict) and "data" in body and isinstance(body["data"], list):
        return {**body, "data": [without_passing(row, allowed) for row in body["data"]]}
    if not isinstance(body, dict) or body.get("state") not in allowed:
        return body
    follows = ("state", "transitioning", "transitioningMessage", "actions")
    return {key: value for key, value in body.items() if key not in follows}


def check_answer(replay: Replay, recording: dict[str, Any], public: str) -> list[str]:
    """Send a recorded request; return how the answer differs from the recorded one."""
    request = recording["request"]
    replay.settle()
    headers = request.get("headers") or {}
    key = key_for(recording["name"]) if "Authorization" in headers else ""
    given = replay.send(request["method"], request["url"], expanded(request["body"]), headers, key)
    found = [] if given.status_code == recording["status"] else [f"status {recording['status']} != {given.status_code}"]
    for name in HEADERS:
        there, here = recording["headers"].get(name), given.headers.get(name)
        found += [] if there == here else [f"{name}: {there} != {here}"]
    recorded = expanded(recording["body"])
    if recorded is None:
        return found + ([] if given.content == b"" else ["a body"])
    if "_nonjson" in recorded:
        return found + ([] if public in given.text else ["another page"])
    actual = given.json()
    if recording["name"].endswith("make-envkey"):
        replay.keys["made"] = Key(actual["publicValue"], actual["secretValue"])
        recorded["publicValue"] = re.sub(r"^[0-9A-F]{20}$", actual["publicValue"], recorded["publicValue"])
    if allowed := IN_PASSING.get(number(recording["name"])):
        recorded, actual = without_passing(recorded, allowed), without_passing(actual, allowed)
    return found + list(differences(recorded, actual))


def check_states(replay: Replay, recording: dict[str, Any]) -> list[str]:
    """Follow the states from the last write on: what was seen must be on the way, and end where it ended."""
    path: list[list[Any]] = []
    for _ in range(5):
        given = replay.send("GET", recording["poll"])
        body = given.json()
        path.append([given.status_code, *map(body.get, ("state", "transitioning", "transitioningMessage"))])
        replay.time += 1
    seen = [row[1:] for row in recording["seen"]]
    rest = iter(path)
    on_the_way = all(any(step == passed for passed in rest) for step in seen)
    return [] if on_the_way and seen[-1] == path[-1] else [f"states {seen} are not on the way {path}"]


@pytest.mark.parametrize("engine", ["rancher", "pasturestack"])
@pytest.mark.parametrize("part", PARTS)
def test_answers_are_those_recorded(engine: Engine, part: str) -> None:
    replay = Replay(engine, access_control=part == "access control on")
    (with_members if replay.access_control else only_default)(replay)
    wrong: list[str] = []
    for version, pattern in PARTS[part]:
        replay.version = version
        for recording in recordings(engine, version):
            name = recording["name"]
            if not re.match(pattern, name) or name in LEFT_OUT:
                continue
            for step in (*STEPS.get(number(name), ()), *STEPS_OF_VERSION.get((engine, version, number(name)), ())):
                step(replay)
            if "poll" in recording:
                found = check_states(replay, recording)
            else:
                found = check_answer(replay, recording, "pong" if name.endswith("ping") else "404 Not Found")
            wrong += [f"{version} {name}: {difference}" for difference in found]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("engine", "version"), REPLAYED)
def test_every_recording_is_replayed_once(engine: Engine, version: str) -> None:
    names = [recording["name"] for recording in recordings(engine, version)]
    assert LEFT_OUT == {}
    patterns = [pattern for part in PARTS.values() for known, pattern in part if known == version]
    replayed = [name for name in names for pattern in patterns if re.match(pattern, name)]
    assert sorted(replayed) == sorted(names)
    assert len(replayed) == REPLAYED[engine, version] >= 250
