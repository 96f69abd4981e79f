"""The simulator's front door, a WSGI application: order of arrival, latency, faults and the log. Knows no Cattle."""

from __future__ import annotations

import base64
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

from attrs import define, evolve, field
from werkzeug.wrappers import Request as HTTPRequest
from werkzeug.wrappers import Response

from rancher_ecr.testing.cattle import message
from rancher_ecr.testing.cattle.changes import Order
from rancher_ecr.testing.cattle.faults import ConnectionCutError, Faults, Request, Wait
from rancher_ecr.testing.cattle.message import Answer, Incoming
from rancher_ecr.testing.cattle.schemas import Engine

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

REMEMBERED: Final = 100_000  # requests


@define(eq=False)
class Gate:
    """Lets requests in to `answer`, which is called under no lock, and answers out."""

    engine: Engine
    answer: Callable[[Incoming, Order], Answer]
    now: Callable[[], datetime]
    latency: float
    faults: Faults = field(factory=Faults)
    requests: deque[Request] = field(factory=lambda: deque(maxlen=REMEMBERED))
    _lock: threading.Lock = field(factory=threading.Lock)
    _arrived: int = 0
    _count_from: int = 0
    _underway: set[int] = field(factory=set)

    def restart_count(self) -> None:
        """Forget the requests seen so far: the next one is number 1 again."""
        with self._lock:
            self._count_from = self._arrived
            self.requests.clear()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a WSGI request; raise ConnectionCutError where the connection is to break.

        `rancher_ecr.wait` in environ may hold what to sleep with; it may raise to end a wait early.
        """
        wait: Wait = environ.get("rancher_ecr.wait", time.sleep)
        heard = message.incoming(HTTPRequest(environ), self.engine)
        with self._lock:
            self._arrived += 1
            order = Order(self._arrived, frozenset(self._underway))
            self._underway.add(order.number)
            seen = order.number - self._count_from
        request = Request(seen, heard.method, heard.path, scrubbed(heard.query), self.now(), access_key(heard.headers))
        try:
            answered = self._faulted(request, wait, lambda: self.answer(heard, order))
        except BaseException:
            self.requests.append(request)
            raise
        finally:
            with self._lock:
                self._underway.discard(order.number)
        self.requests.append(evolve(request, status=answered.status))
        response = Response(answered.body, answered.status, list(answered.headers))
        if "content-type" not in {name.lower() for name, _ in answered.headers}:
            response.headers["Content-Type"] = "text/html"
        if answered.cut is None:
            return response(environ, start_response)
        start_response(response.status, response.get_wsgi_headers(environ).to_wsgi_list())
        return _cut_after(answered.body[: answered.cut])

    def _faulted(self, request: Request, wait: Wait, process: Callable[[], Answer]) -> Answer:
        if self.latency:
            wait(self.latency)
        action = self.faults.action_for(request)
        return process() if action is None else action(process, wait)


def access_key(headers: dict[str, str]) -> str | None:
    """Return the user name of a Basic Authorization header, which is no secret."""
    encoded = headers.get("authorization", "").partition(" ")[2]
    try:
        return base64.b64decode(encoded).decode().partition(":")[0] or None
    except ValueError:
        return None


def scrubbed(query: str) -> str:
    """Return a query without the value of a `secretValue` filter."""
    return "&".join("secretValue=..." if "secretvalue" in part.lower() else part for part in query.split("&"))


def _cut_after(body: bytes) -> Iterator[bytes]:
    yield body
    raise ConnectionCutError("the connection was cut in the middle of the answer")
