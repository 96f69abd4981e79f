"""What the tests of the Rancher side share: tokens, a store on a simulator, servers that say what they are told."""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import requests
from attrs import define, field
from requests.adapters import HTTPAdapter

from rancher_ecr import AuthorizationToken, Registry, Syncer
from rancher_ecr.sources.static import StaticTokenSource
from rancher_ecr.stores._cattle_api import CattleAPI
from rancher_ecr.stores._cattle_http import CattleHTTP
from rancher_ecr.stores._cattle_session import new_session
from rancher_ecr.stores._cattle_url import parse_cattle_url
from rancher_ecr.stores.cattle import CattleStore
from rancher_ecr.stores.cattle_environments import CattleEnvironments
from rancher_ecr.testing.cattle import CattleSimulator, Key, WSGIAdapter

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

URL = "http://rancher:8080"
VERSIONS = ("v1", "v2-beta")
ENGINES = ("rancher", "pasturestack")
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


def token(*addresses: str, password: str = "new", username: str = "AWS") -> AuthorizationToken:
    return AuthorizationToken(
        proxy_endpoint=f"https://{addresses[0]}",
        server_addresses=addresses,
        username=username,
        password=password,
        expires_at=datetime.now(UTC) + timedelta(hours=12),
    )


@define
class Clock:
    """A clock that only sleeping moves. Thread-safe enough: time goes forward."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@define
class World:
    """A simulator with one environment and its key, and a store on it."""

    sim: CattleSimulator
    project: str
    key: Key
    version: str
    clock: Clock
    store: CattleStore = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.store = self.reopen()

    def reopen(self, session: requests.Session | None = None) -> CattleStore:
        """Another instance, as a restart makes it."""
        api = api_of(session or self.sim.session(), self.key, f"{URL}/{self.version}")
        return CattleStore(api, self.project, "rancher/Default", sleep=self.clock.sleep)

    def add(self, address: str, *logins: tuple[str, str], state: str = "active") -> str:
        """A registry with its logins."""
        registry = self.sim.add_registry(self.project, address, state=state)
        for username, password in logins:
            self.sim.add_credential(registry, username, password)
        return registry

    def pull(self, host: str) -> tuple[str | None, str | None] | None:
        login = self.sim.pull(host, self.project)
        return None if login is None else (login.username, login.password)

    def sync(self, *tokens: AuthorizationToken, create_missing: bool = False) -> Any:
        return Syncer([StaticTokenSource(tokens)], [self.store], create_missing=create_missing, concurrency=1).sync()

    def listed(self, address: str) -> Registry:
        (registry,) = [registry for registry in self.store.registries() if registry.address == address]
        return registry

    def alive(self, address: str) -> list[tuple[str, list[tuple[str | None, str | None]]]]:
        """Every registry of that address, ignoring case, with its active logins."""
        return [
            (
                registry.id,
                [
                    (credential.username, credential.password)
                    for credential in self.sim.credentials(self.project)
                    if credential.registry_id == registry.id and credential.state == "active"
                ],
            )
            for registry in self.sim.registries(self.project)
            if registry.server_address.lower() == address.lower() and not registry.removed
        ]


def world(version: str = "v2-beta", *, transition: float = 0.0, **options: Any) -> World:
    clock = Clock()
    sim = CattleSimulator(clock=clock, transition=transition, **options)
    project = sim.add_project("Default")
    return World(sim, project, sim.add_environment_key(project), version, clock)


def api_of(session: requests.Session, key: Key, url: str = URL, **options: Any) -> CattleAPI:
    """The API behind any form of CATTLE_URL; what it names as environment is left out."""
    parsed = parse_cattle_url(url)
    http = CattleHTTP(parsed.origin, parsed.prefix, key.access, key.secret, session=session, **options)
    return CattleAPI(http, parsed.version)


def environments(session: requests.Session, key: Key, url: str = URL, **options: Any) -> CattleEnvironments:
    """As wiring.py makes them of CATTLE_URL and CATTLE_ENVIRONMENTS."""
    return CattleEnvironments(api_of(session, key, url), project_id=parse_cattle_url(url).project_id, **options)


def retrying_session(app: "WSGIApplication") -> requests.Session:
    """The real session's retries, without their pauses, and the application in the place of the network."""
    session = new_session()
    retries = session.get_adapter(URL).max_retries.new(backoff_factor=0, backoff_jitter=0)  # type: ignore[attr-defined]  # every adapter here is an HTTPAdapter
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, WSGIAdapter(app, max_retries=retries))
    return session


Said = tuple[int, Mapping[str, str], str | bytes]


def app_of(say: Callable[[str, str, str], Said | Mapping[str, Any]]) -> "WSGIApplication":
    """A server that answers what `say(method, path, query)` gives: an answer, or an object to be sent as JSON."""

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        said = say(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
        status, headers, body = said if isinstance(said, tuple) else (200, {}, json.dumps(said))
        content = body.encode() if isinstance(body, str) else body
        start_response(f"{status} Said", [("Content-Length", str(len(content))), *headers.items()])
        return [content]

    return app


def session_of(app: "WSGIApplication", base: str = "http") -> requests.Session:
    """A session in which URLs that begin with `base` end in the application, and all others fail."""
    session = requests.Session()
    session.trust_env = False
    session.adapters.clear()
    session.mount(base, WSGIAdapter(app))
    return session


class Raising(HTTPAdapter):
    """A network on which everything ends with one exception."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def send(self, *_: Any, **__: Any) -> Any:
        raise self.error


def at_once(*calls: Callable[[], object]) -> None:
    """Make the calls in a thread each, all at once, and wait for them."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        barrier.wait()
        call()

    threads = [threading.Thread(target=run, args=(call,), daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
