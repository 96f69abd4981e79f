"""The health page: what each path answers, and a listener that no client can hold up. Real sockets."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve
from prometheus_client.parser import text_string_to_metric_families

from rancher_ecr import Change, Outcome, Report, SettingsError, SourceError
from rancher_ecr.agenda import Moment
from rancher_ecr.health import LONGEST_SYNC, STANDS_STILL, Answer, answer
from rancher_ecr.listener import Listener, open_socket, respond
from rancher_ecr.redaction import Secrets
from rancher_ecr.state import State, Verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = Moment(START, 1000)
SECRET = 'pass"wörd\\/1'
SOON = 10.0
PATHS = ("/ping", "/healthz", "/readyz", "/metrics", "/elsewhere")


def state_of(*outcomes: Outcome) -> State:
    state = State(started_at=START, beat=NOW.monotonic)
    return state.after_sync(Report(outcomes=outcomes), now=START, seconds=2.5) if outcomes else state


def delivered(address: str = "a.example.com", store: str = "default") -> Outcome:
    return Outcome(Change.UPDATED, address, store=store, expires_at=START + timedelta(hours=12))


def ask(path: str, state: State, now: Moment = NOW) -> Answer:
    return answer(path, state, now, Secrets(SECRET))


# Answers


def test_ping_is_exactly_what_it_always_was() -> None:
    assert ask("/ping", evolve(state_of(), stopped=True)).body == b"pong!"


def test_healthz_fails_when_the_loop_has_ended_or_stands_still() -> None:
    state = state_of()
    assert ask("/healthz", state).status == 200
    later = Moment(START, NOW.monotonic + STANDS_STILL + 1)
    sick = {
        "has ended": (evolve(state, stopped=True), NOW),
        "has not turned": (state, later),
        "has been running": (evolve(state, syncing_since=NOW.monotonic - LONGEST_SYNC - 1), NOW),
    }
    for text, (known, now) in sick.items():
        told = ask("/healthz", known, now)
        assert told.status == 503
        assert text in json.loads(told.body)["reasons"][0]["reason"]
    assert ask("/healthz", evolve(state, syncing_since=NOW.monotonic - 240)).status == 200


def test_readyz_tells_why_not() -> None:
    ready = ask("/readyz", state_of(delivered()))
    assert (ready.status, json.loads(ready.body)["ready"]) == (200, True)
    error = SourceError(f"AWS said {SECRET}")
    told = ask("/readyz", state_of(delivered(), Outcome(Change.FAILED, source="ecr", error=error)))
    body = json.loads(told.body)
    assert (told.status, body["ready"], body["last_success"]) == (503, False, None)
    assert body["reasons"] == [{"source": "ecr", "reason": "failed since 2026-01-01T00:00:00Z: AWS said ***"}]
    assert body["logins"][0]["expires_at"] == "2026-01-01T12:00:00Z"


def test_readyz_warns_of_what_fails_while_the_login_lives() -> None:
    failure = Outcome(Change.FAILED, source="ecr", error=SourceError("nothing"))
    state = state_of(delivered()).after_sync(Report(outcomes=(failure,), warnings=("odd",)), now=START, seconds=1)
    told = ask("/readyz", state)
    assert told.status == 200
    assert [warning["reason"].split(": ")[-1] for warning in json.loads(told.body)["warnings"]] == ["nothing", "odd"]


def metrics(state: State, now: datetime = START) -> dict[str, float]:
    told = ask("/metrics", state, Moment(now, NOW.monotonic))
    assert (told.status, told.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return {
        ",".join([sample.name, *(value for _, value in sorted(sample.labels.items()))]): sample.value
        for family in text_string_to_metric_families(told.body.decode())
        for sample in family.samples
    }


def test_metrics() -> None:
    missing = Outcome(Change.MISSING, "b.example.com", error=SourceError("nowhere"))
    state = state_of(delivered(), missing).after_bug("x")
    state = state.after_crash(now=START, seconds=1, next_at=START)
    state = evolve(state, verdicts={"a.example.com": Verdict(False, ""), "c": Verdict(None, "")})
    told = metrics(state)
    end = (START + timedelta(hours=12)).timestamp()
    expected = {
        "rancher_ecr_login_expiry_timestamp_seconds,a.example.com,default": end,
        "rancher_ecr_login_endangered,a.example.com,default": 0,
        "rancher_ecr_undelivered,missing,b.example.com,,": 1,
        "rancher_ecr_login_accepted,a.example.com": 0,
        "rancher_ecr_syncs_total,failed": 1,
        "rancher_ecr_syncs_total,ok": 0,
        "rancher_ecr_syncs_total,bug": 1,
        "rancher_ecr_bugs_total": 1,
        "rancher_ecr_outcomes_total,updated": 1,
        "rancher_ecr_sync_duration_seconds_count": 2,
        "rancher_ecr_sync_duration_seconds_sum": 3.5,
        "rancher_ecr_last_sync_timestamp_seconds": START.timestamp(),
        "rancher_ecr_last_success_timestamp_seconds": 0,
    }
    assert {name: told.get(name) for name in expected} == expected
    assert "rancher_ecr_login_accepted,c" not in told
    assert any(name.startswith("rancher_ecr_build_info,0.") for name in told)
    assert metrics(state, START + timedelta(hours=10))["rancher_ecr_login_endangered,a.example.com,default"] == 1


def test_a_registry_that_is_no_more_leaves_no_series() -> None:
    state = state_of(delivered(), delivered("b.example.com"))
    state = state.after_sync(Report(outcomes=(delivered(),)), now=START, seconds=1)
    assert not [name for name in metrics(state) if "b.example.com" in name]


def test_without_prometheus_client_metrics_says_what_to_install() -> None:
    code = """
import sys; sys.modules["prometheus_client"] = None
from datetime import datetime, UTC
from rancher_ecr.health import answer; from rancher_ecr.agenda import Moment
from rancher_ecr.state import State; from rancher_ecr.redaction import Secrets
now = datetime.now(UTC)
told = answer("/metrics", State(started_at=now), Moment(now, 0), Secrets())
print(told.status, told.body.decode())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("404 ")
    assert "rancher-ecr[metrics]" in done.stdout


@pytest.mark.parametrize("path", PATHS)
def test_no_path_shows_a_secret(path: str) -> None:
    failure = Outcome(Change.FAILED, f"{SECRET}.example", store=SECRET, error=SourceError(SECRET))
    state = evolve(state_of(delivered(SECRET, SECRET), failure), bug=SECRET, verdicts={SECRET: Verdict(False, SECRET)})
    shown = ask(path, state).body.decode()
    assert SECRET not in shown
    assert json.dumps(SECRET)[1:-1] not in shown
    assert json.dumps(SECRET, ensure_ascii=False)[1:-1] not in shown


# The alert rules


def test_the_alert_rules_use_metrics_that_exist() -> None:
    rules = Path(__file__).parents[1] / "examples" / "alerts.yml"
    words = {word.strip("(){}[],") for word in rules.read_text().replace("{", " ").replace("[", " ").split()}
    used = {word for word in words if word.startswith("rancher_ecr_")}
    missing = Outcome(Change.MISSING, "b", error=SourceError("nowhere"))
    state = evolve(state_of(delivered(), missing), verdicts={"a.example.com": Verdict(True, "")})
    known = {name.split(",", maxsplit=1)[0] for name in metrics(state)}
    assert len(used) >= 5
    assert used <= known


# Requests


def well(path: str) -> Answer:
    return Answer(200, "text/plain", path.encode())


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /ping HTTP/1.1\r\n\r\n", 200),
        ("GET /ping?x=1 HTTP/1.0\r\n\r\n", 200),
        ("HEAD /ping HTTP/1.1\r\n\r\n", 200),
        ("POST /ping HTTP/1.1\r\n\r\n", 405),
        ("DELETE / HTTP/1.1\r\n\r\n", 405),
        ("OPTIONS * HTTP/1.1\r\n\r\n", 400),
        ("GET http://x/ping HTTP/1.1\r\n\r\n", 400),
        ("GET /ping\r\n\r\n", 400),
        ("GET /ping HTTP/2.0\r\n\r\n", 400),
        ("\x16\x03\x01\r\n\r\n", 400),
    ],
)
def test_only_get_and_head_of_http_1(head: str, status: int) -> None:
    response = respond(head.encode("latin-1"), well)
    lines, _, body = response.partition(b"\r\n\r\n")
    assert lines.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Server" not in lines
    assert b"Connection: close" in lines
    if status == 200:
        assert b"Content-Length: 5" in lines
        assert body == (b"" if head.startswith("HEAD") else b"/ping")
    if status == 405:
        assert b"Allow: GET, HEAD" in lines


# The listener


Start = Callable[..., Listener]


@pytest.fixture
def start() -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def begin(how: Callable[[str], Answer] = well, *, seconds: float = SOON, places: int = 64) -> Listener:
            listener = Listener(socket.create_server(("127.0.0.1", 0)), how, seconds=seconds, places=places)
            stack.callback(listener.close)
            listener.start()
            return listener

        yield begin


def connect(listener: Listener) -> socket.socket:
    return socket.create_connection(("127.0.0.1", listener.port), timeout=SOON)


def get(listener: Listener, request: bytes = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n") -> bytes:
    with connect(listener) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_it_answers_many_clients_from_one_thread(start: Start) -> None:
    listener = start()
    threads = threading.active_count()
    for _ in range(200):
        assert get(listener).endswith(b"/ping")
    assert threading.active_count() == threads


def test_a_body_that_nobody_wants_does_not_cost_the_answer(start: Start) -> None:
    listener = start()
    assert b" 405 " in get(listener, b"POST /ping HTTP/1.1\r\nContent-Length: 50000\r\n\r\n" + b"x" * 50000)


def test_slow_clients_end_and_keep_nobody_out(start: Start) -> None:
    listener = start(seconds=0.5, places=8)
    threads = threading.active_count()
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(listener)) for _ in range(40)]
        for connection in slow:
            with contextlib.suppress(OSError):  # the oldest have lost their places already
                connection.sendall(b"GET /pi")
        assert get(listener).endswith(b"/ping")
        assert threading.active_count() == threads
        end = time.monotonic() + SOON
        for connection in slow:
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(10) == b""
        assert time.monotonic() < end


def test_one_byte_at_a_time_does_not_buy_more_time(start: Start) -> None:
    listener = start(seconds=0.5)
    with connect(listener) as connection:
        end = time.monotonic() + SOON
        with contextlib.suppress(OSError):
            while time.monotonic() < end:
                connection.sendall(b"G")
                time.sleep(0.05)
        assert time.monotonic() < end


def test_an_endless_request_is_cut(start: Start) -> None:
    listener = start()
    with connect(listener) as connection, contextlib.suppress(OSError):
        while True:
            connection.sendall(b"GET /" + b"x" * 65536)
    assert get(listener).endswith(b"/ping")


def test_a_bug_costs_one_answer(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    def fail(path: str) -> Answer:
        if path == "/bug":
            raise KeyError(path)
        return well(path)

    listener = start(fail)
    with contextlib.suppress(OSError):
        assert get(listener, b"GET /bug HTTP/1.1\r\n\r\n") == b""
    assert get(listener).endswith(b"/ping")
    assert "a bug in the health page" in caplog.text


def test_it_closes_while_clients_are_there(start: Start) -> None:
    listener = start()
    with connect(listener):
        assert get(listener).endswith(b"/ping")
        listener.close()
        with pytest.raises(OSError):  # noqa: PT011  # refused, or bad descriptor
            connect(listener)


# The port


def test_a_busy_port_is_an_error_when_asked_for_and_else_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(SettingsError, match=f"LISTEN_PORT.*{port}.*busy"):
            open_socket(port, asked=True)
        assert open_socket(port, asked=False) is None
    assert f"port {port} is busy" in caplog.text


def test_every_address_of_the_machine_is_listened_on() -> None:
    sock = open_socket(0, asked=True)
    assert sock is not None
    with sock:
        port = sock.getsockname()[1]
        hosts = ["127.0.0.1", *(["::1"] if sock.family == socket.AF_INET6 else [])]
        for host in hosts:
            with contextlib.closing(socket.create_connection((host, port), timeout=SOON)) as connection:
                assert connection.getpeername()[1] == port


def test_a_page_survives_text_that_is_no_unicode() -> None:
    state = state_of(Outcome(Change.MISSING, "b.example.com", error=SourceError("\ud800 came from afar")))
    for path in ("/readyz", "/metrics"):
        assert answer(path, state, Moment(START, 0), Secrets()).status in {200, 503}
