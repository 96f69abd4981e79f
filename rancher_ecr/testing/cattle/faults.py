"""Faults put between client and server: which request, how often, and what happens to it. Knows no Cattle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from attrs import define, evolve, field, frozen

from rancher_ecr.testing.cattle.message import Answer

Wait = Callable[[float], None]
Action = Callable[[Callable[[], Answer], Wait], Answer]


class ConnectionCutError(ConnectionResetError):
    """Raised to whoever carries the simulator: break the connection now, send nothing more."""


@frozen
class Request:
    """A request that arrived, without its secrets. `number` counts from 1; `status` is None when none was sent."""

    number: int
    method: str
    path: str
    query: str
    at: datetime
    access_key: str | None = None
    status: int | None = None


@define(eq=False)
class Rule:
    """One fault: for matching requests, after the first `skip`, `times` times (None: always)."""

    matches: Callable[[Request], bool]
    action: Action
    times: int | None = 1
    skip: int = 0
    hits: int = 0  # how often it has acted


@define
class Faults:
    """The rules in force; of several that match, the first acts. Thread-safe."""

    _rules: list[Rule] = field(factory=list)
    _lock: threading.Lock = field(factory=threading.Lock, repr=False)

    def on(self, matches: Callable[[Request], bool], action: Action, *, times: int | None = 1, skip: int = 0) -> Rule:
        """Let `action` act on requests that match: after the first `skip` of them, `times` times (None: for good)."""
        rule = Rule(matches, action, times, skip)
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Forget every rule."""
        with self._lock:
            self._rules.clear()

    def action_for(self, request: Request) -> Action | None:
        """Return what shall happen to a request, and count it."""
        with self._lock:
            for rule in self._rules:
                if rule.times == 0 or not rule.matches(request):
                    continue
                if rule.skip:
                    rule.skip -= 1
                    continue
                rule.times = None if rule.times is None else rule.times - 1
                rule.hits += 1
                return rule.action
        return None


def every(_request: Request) -> bool:
    """Match every request."""
    return True


def nth(number: int) -> Callable[[Request], bool]:
    """Match the request with this number: the first is 1; `CattleSimulator.restart_count` begins anew."""
    return lambda request: request.number == number


def writes(request: Request) -> bool:
    """Match every request that may change something."""
    return request.method not in ("GET", "HEAD", "OPTIONS")


def lose_request(_process: Callable[[], Answer], _wait: Wait) -> Answer:
    """Cut the connection before the request is processed."""
    raise ConnectionCutError("the connection was cut before the request was processed")


def lose_answer(process: Callable[[], Answer], _wait: Wait) -> Answer:
    """Process the request, then cut the connection."""
    process()
    raise ConnectionCutError("the connection was cut before the answer was sent")


def truncate(process: Callable[[], Answer], _wait: Wait) -> Answer:
    """Process the request, send half of the answer's body, then cut the connection."""
    answered = process()
    return evolve(answered, cut=len(answered.body) // 2)


def delay(seconds: float) -> Action:
    """Process the request after so many seconds."""

    def act(process: Callable[[], Answer], wait: Wait) -> Answer:
        wait(seconds)
        return process()

    return act


def answer(status: int, body: str | bytes = b"", headers: Mapping[str, str] | None = None) -> Action:
    """Answer this instead of processing the request: a proxy's page, garbage, 429 or 503 with Retry-After."""
    text = body.encode() if isinstance(body, str) else body
    given = tuple((headers or {}).items())
    return lambda _process, _wait: Answer(status, given, text)
