"""What each path answers, as a pure function of the State and the time. No socket and no thread may enter."""

import json
from collections.abc import Iterator
from datetime import datetime

from attrs import frozen

from rancher_ecr.agenda import Moment
from rancher_ecr.logs import scrubbed, utc
from rancher_ecr.model import Change
from rancher_ecr.redaction import Secrets
from rancher_ecr.state import State, Trouble

STANDS_STILL = 180.0
"""Seconds without a turn of the loop, which turns once a minute, until it counts as standing still."""
LONGEST_SYNC = 600.0
"""Seconds that a sync may run until it counts as standing still; it is bounded to 240."""

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"


@frozen
class Answer:
    """An HTTP answer."""

    status: int
    content_type: str
    body: bytes


def answer(path: str, state: State, now: Moment, secrets: Secrets) -> Answer:
    """Answer a GET.

    Args:
        path: without query.
        state: what the service knows.
        now: the time on both clocks.
        secrets: what must not be shown, whatever a message quotes.
    """
    if path == "/ping":
        return Answer(200, _TEXT, b"pong!")  # exactly this: load balancers and the old tools' users look for it
    if path == "/healthz":
        problem = standstill(state, now.monotonic)
        return _json(
            503 if problem else 200, {"ok": problem is None, "reasons": [{"reason": problem}] if problem else []}
        )
    if path == "/readyz":
        return _readyz(state, now.wall, secrets)
    if path == "/metrics":
        return _metrics(state, now.wall, secrets)
    return Answer(404, _TEXT, b"not here; there are /ping, /healthz, /readyz and /metrics\n")


def standstill(state: State, monotonic: float) -> str | None:
    """Say why the loop does not run; None when it does."""
    if state.stopped:
        return "the loop has ended"
    if monotonic - state.beat > STANDS_STILL:
        return f"the loop has not turned for {monotonic - state.beat:.0f} s"
    if state.syncing_since is not None and monotonic - state.syncing_since > LONGEST_SYNC:
        return f"a sync has been running for {monotonic - state.syncing_since:.0f} s"
    return None


def unready(state: State, now: datetime) -> Iterator[dict[str, str]]:
    """Yield why a registry that should have a live login has not, or may not have."""
    if state.syncs["ok"] + state.syncs["failed"] == 0:
        yield {"reason": state.bug.strip().splitlines()[-1] if state.bug else "no sync has ended yet"}
    alive = {place for place, login in state.logins.items() if login.expires_at > now}
    for place, login in state.logins.items():
        if place not in alive:
            yield _reason(*place, None, f"its login has ended at {utc(login.expires_at)}")
    for subject, trouble in state.troubles.items():
        if subject.is_whole:
            # What it delivered before is remembered, and told by its own end.
            covered = trouble.worked
        else:
            covered = trouble.outcome.change is Change.FAILED and subject.place in state.logins
        if not covered:
            yield _trouble(trouble)
    for address, verdict in state.verdicts.items():
        if verdict.accepted is False:
            yield _reason(None, address, None, f"it refuses its login: {verdict.reason}")


def _readyz(state: State, now: datetime, secrets: Secrets) -> Answer:
    reasons = list(unready(state, now))
    warnings = [told for told in map(_trouble, state.troubles.values()) if told not in reasons]
    times = {"last_sync": state.last_at, "last_success": state.last_ok_at, "next_sync": state.next_at}
    body = {
        "ready": not reasons,
        "reasons": reasons,
        "warnings": [*warnings, *({"reason": warning} for warning in state.warnings)],
        "logins": [
            {"store": login.store, "server_address": login.server_address, "expires_at": utc(login.expires_at)}
            for login in state.logins.values()
        ],
        **{name: utc(time) if time else None for name, time in times.items()},
    }
    return _json(503 if reasons else 200, body, secrets)


def _metrics(state: State, now: datetime, secrets: Secrets) -> Answer:
    try:
        from rancher_ecr import metrics  # noqa: PLC0415  # needs the extra `metrics`
    except ImportError:
        return Answer(404, _TEXT, b"prometheus_client is not installed: pip install 'rancher-ecr[metrics]'\n")
    return Answer(200, metrics.CONTENT_TYPE, metrics.render(state, now, secrets))


def _trouble(trouble: Trouble) -> dict[str, str]:
    outcome = trouble.outcome
    told = f"{outcome.change.value} since {utc(trouble.since)}"
    return _reason(outcome.store, outcome.server_address, outcome.source, f"{told}: {outcome.error}")


def _reason(store: str | None, server_address: str | None, source: str | None, reason: str) -> dict[str, str]:
    told = {"source": source, "store": store, "server_address": server_address, "reason": reason}
    return {name: value for name, value in told.items() if value}


def _json(status: int, body: object, secrets: Secrets | None = None) -> Answer:
    text = json.dumps(body if secrets is None else scrubbed(body, secrets), indent=1, ensure_ascii=False)
    return Answer(status, _JSON, f"{text}\n".encode(errors="backslashreplace"))  # foreign text may hold surrogates
