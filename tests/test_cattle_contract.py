"""CattleStore keeps the contract of a RegistryStore: both versions, both engines."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import requests
from rancher import World, app_of, session_of, world

from rancher_ecr import RegistryStore
from rancher_ecr.testing.cattle import CattleSimulator, WSGIAdapter, answer, every, lose_answer, truncate
from rancher_ecr.testing.cattle.faults import Action
from rancher_ecr.testing.contracts import Login, RegistryStoreContract

FAULTS: dict[str, Action] = {
    "lost answer": lose_answer,
    "cut answer": truncate,
    "HTML": answer(502, "<html>Bad Gateway</html>"),
    "login page": answer(200, "<html>Log in</html>"),
    "elsewhere": answer(302, b"", {"Location": "https://user:password@elsewhere.example.com/login"}),
}
QUOTED_ERROR = "what was sent is in a foreign error"
QUOTED_ANSWER = "what was sent is in an answer"


class Quoting(WSGIAdapter):
    """A network that, for some requests, says everything it knows."""

    def __init__(self, app: CattleSimulator) -> None:
        super().__init__(app)
        self.quotes = ""
        self.failing = range(0)
        self.sent = 0

    def send(self, request: requests.PreparedRequest, *args: Any, **how: Any) -> requests.Response:
        self.sent += 1
        if not self.quotes or self.sent - 1 not in self.failing:
            return super().send(request, *args, **how)
        said = [str(request.body), str(request.headers)]
        if self.quotes == QUOTED_ERROR:
            raise requests.ConnectionError(*said, request=request) from OSError(repr(said))
        password = json.loads(request.body or b"{}").get("secretValue", "")
        body = {"type": "error", "status": 422, "code": password, "fieldName": password[:40], "message": said}
        return send_json(body, request)


def send_json(body: object, request: requests.PreparedRequest) -> requests.Response:
    session = session_of(app_of(lambda *_: (422, {}, json.dumps(body))))
    return session.get_adapter(request.url or "").send(request, stream=True)


class CattleContract(RegistryStoreContract):
    version: ClassVar[str]
    engine: ClassVar[str] = "rancher"
    many: ClassVar[int] = 3100  # more than Cattle's largest page
    world: World
    network: Quoting

    def make_store(self, logins: Mapping[str, Login | None]) -> RegistryStore:
        self.world = world(self.version, engine=self.engine)
        self.network = Quoting(self.world.sim)
        for address, login in logins.items():
            self.world.add(address, *([login] if login else []))
        return self.reopen()

    def pull(self, host: str) -> Login | None:
        login = self.world.pull(host)
        return login and (str(login[0]), str(login[1]))

    def reopen(self) -> RegistryStore:
        session = self.world.sim.session()
        session.adapters.clear()
        session.mount("http", self.network)
        return self.world.reopen(session)

    def count_logins(self, host: str) -> int:
        return sum(len(logins) for _, logins in self.world.alive(host))

    def secrets(self) -> Sequence[str]:
        return [self.world.key.secret]

    def make_obstructed_store(self) -> RegistryStore:
        store = self.make_store({})
        add, sim = self.world.add, self.world.sim
        login = ("user", "password")
        for address in (
            "https://a.example.com",
            "a.example.com",
            "B.example.com",
            "b.example.com",
            "/",
            "c.example.com/x",
        ):
            add(address, login)
        for address in ("d.example.com/", " e.example.com", "f.example.com:443", "http://g.example.com:80"):
            add(address, login)
        add("off.example.com", login, state="inactive")
        add("off.example.com")
        add("off.example.com")
        idle, two = add("idle.example.com"), add("two.example.com")
        sim.add_credential(idle, *login, state="inactive")
        sim.add_credential(two, *login, state="inactive")
        sim.add_credential(two, *login)
        return store

    # No remove_registry: a removed registry's credentials stay active and are written with 200 (recordings 159), so its
    # removal between a listing and a write shows at the next listing only; asking for it would double every sync.

    def break_server(self, fault: str, failing: range) -> None:
        if fault in FAULTS:
            times = None if failing.stop == sys.maxsize else len(failing)
            self.world.sim.faults.on(every, FAULTS[fault], times=times, skip=failing.start)
        else:
            self.network.quotes, self.network.failing, self.network.sent = fault, failing, 0

    def repair_server(self) -> None:
        self.world.sim.faults.clear()
        self.network.quotes = ""


class TestV1(CattleContract):
    version = "v1"
    faults = ("HTML", "login page", QUOTED_ANSWER)


class TestV2Beta(CattleContract):
    version = "v2-beta"
    faults = ("lost answer", "cut answer", QUOTED_ERROR)


class TestPastureV1(CattleContract):
    version = "v1"
    engine = "pasturestack"
    many = 110
    faults = ("elsewhere",)


class TestPastureV2Beta(CattleContract):
    version = "v2-beta"
    engine = "pasturestack"
    many = 110
    faults = ("lost answer",)
