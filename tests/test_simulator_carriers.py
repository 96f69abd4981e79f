"""How the simulator is reached, in a session and on a socket; what its faults look like; what it leaves behind."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from rancher_ecr.testing.cattle import (
    CattleSimulator,
    WSGIAdapter,
    answer,
    delay,
    every,
    lose_answer,
    lose_request,
    nth,
    truncate,
    writes,
)

PATH = "/v2-beta/projects/1a5/registries"


@contextmanager
def reached(simulator: CattleSimulator, how: str) -> Iterator[tuple[requests.Session, str]]:
    """A session and the base URL, in this process or over a socket."""
    if how == "in process":
        yield simulator.session(), "http://rancher:8080"
        return
    with simulator.serve() as base, requests.Session() as session:
        session.trust_env = False
        yield session, base


@pytest.fixture
def simulator() -> CattleSimulator:
    simulator = CattleSimulator(access_control=False)
    simulator.add_project("Default")
    return simulator


both = pytest.mark.parametrize("how", ["in process", "socket"])


@both
def test_a_lost_request_changes_nothing_a_lost_answer_does(simulator: CattleSimulator, how: str) -> None:
    with reached(simulator, how) as (session, base):
        for action, address, left in ((lose_request, "a.example", 0), (lose_answer, "b.example", 1)):
            simulator.faults.on(writes, action)
            with pytest.raises(requests.ConnectionError):
                session.post(base + PATH, json={"serverAddress": address}, timeout=10)
            assert len(simulator.registries("1a5")) == left
        assert session.get(base + PATH, timeout=10).status_code == 200
    assert [request.status for request in simulator.requests] == [None, None, 200]


@both
def test_half_an_answer_is_an_error(simulator: CattleSimulator, how: str) -> None:
    with reached(simulator, how) as (session, base):
        simulator.faults.on(every, truncate)
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
            session.get(base + PATH, timeout=10)
        assert session.get(base + PATH, timeout=10).status_code == 200


@both
def test_a_late_answer_is_a_read_timeout(simulator: CattleSimulator, how: str) -> None:
    with reached(simulator, how) as (session, base):
        simulator.faults.on(every, delay(60))
        began = time.monotonic()
        with pytest.raises(requests.ReadTimeout):
            session.get(base + PATH, timeout=(10, 0.2))
        assert time.monotonic() - began < 8
        simulator.faults.on(every, delay(0.05))
        assert session.get(base + PATH, timeout=10).status_code == 200


@both
def test_anything_can_be_answered_instead(simulator: CattleSimulator, how: str) -> None:
    with reached(simulator, how) as (session, base):
        simulator.faults.on(every, answer(503, "<html>try later</html>", {"Retry-After": "7"}))
        answered = session.get(base + PATH, timeout=10)
        assert (answered.status_code, answered.headers["Retry-After"]) == (503, "7")
        assert answered.headers["Content-Type"].startswith("text/html")
        simulator.faults.on(every, answer(200, b"\x00\xff garbage", {"Content-Type": "application/json"}))
        with pytest.raises(ValueError, match=r"."):
            session.get(base + PATH, timeout=10).json()


@both
def test_faults_hit_the_request_that_is_meant(simulator: CattleSimulator, how: str) -> None:
    with reached(simulator, how) as (session, base):

        def statuses(count: int) -> list[int]:
            return [session.get(base + PATH, timeout=10).status_code for _ in range(count)]

        simulator.faults.on(nth(3), answer(418))
        assert statuses(4) == [200, 200, 418, 200]
        simulator.restart_count()
        simulator.faults.on(nth(1), answer(418))
        assert statuses(2) == [418, 200]
        rule = simulator.faults.on(every, answer(500), times=2, skip=1)
        assert statuses(4) == [200, 500, 500, 200]
        assert rule.hits == 2
        simulator.faults.on(every, answer(500), times=None)
        assert statuses(3) == [500] * 3
        simulator.faults.clear()
        assert statuses(1) == [200]


@both
def test_retries_of_urllib3_see_the_faults(simulator: CattleSimulator, how: str) -> None:
    policy = Retry(total=3, backoff_factor=0, status_forcelist=[503], allowed_methods=["GET"])
    with reached(simulator, how) as (session, base):
        session.mount(
            base, WSGIAdapter(simulator, max_retries=policy) if how == "in process" else HTTPAdapter(max_retries=policy)
        )
        simulator.faults.on(nth(1), lose_answer)
        simulator.faults.on(nth(2), answer(503))
        assert session.get(base + PATH, timeout=10).status_code == 200
    assert [request.status for request in simulator.requests] == [None, 503, 200]


def test_one_connection_carries_many_requests_of_every_kind(simulator: CattleSimulator) -> None:
    with simulator.serve() as base:
        connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=10)
        connection.connect()
        first = connection.sock
        for method, path, body, expected in (
            ("GET", PATH, None, 200),
            ("POST", PATH, {"serverAddress": "a.example"}, 201),
            ("HEAD", PATH, None, 405),
            ("OPTIONS", PATH, None, 405),
            ("PATCH", PATH, {}, 405),
            ("GET", "/v9", None, 404),
            ("GET", "/ping", None, 200),
            ("PUT", f"{PATH}/1sp1", {"name": "n"}, 200),
            ("POST", f"{PATH}/1sp1?action=deactivate", {}, 202),
            ("DELETE", f"{PATH}/1sp1", None, 200),
        ):
            connection.request(method, path, body=None if body is None else json.dumps(body))
            answered = connection.getresponse()
            answered.read()
            assert (method, path, answered.status) == (method, path, expected)
            assert connection.sock is first
        connection.request("POST", PATH, body=iter([b'{"serverAddress":', b'"chunked.example"}']), encode_chunked=True)
        assert connection.getresponse().status == 201
        connection.close()


def test_idle_connections_are_cut(simulator: CattleSimulator) -> None:
    with simulator.serve(idle_timeout=0.2) as base:
        host, _, port = urlsplit(base).netloc.partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: rancher\r\n\r\n")
            received = b""
            while piece := connection.recv(4096):
                received += piece
        assert received.startswith(b"HTTP/1.1 200")
        assert received.endswith(b"pong\n")
        assert b"connection: close" not in received.lower()


def test_serving_leaves_no_threads_and_no_listener_behind(simulator: CattleSimulator) -> None:
    before = set(threading.enumerate())
    with simulator.serve() as base:
        simulator.faults.on(nth(2), delay(600))
        session = requests.Session()
        session.trust_env = False
        assert session.get(base + PATH, timeout=10).status_code == 200
        with pytest.raises(requests.ReadTimeout):
            session.get(base + PATH, timeout=(10, 0.1))
        idle = requests.Session()
        idle.trust_env = False
        assert idle.get(base + PATH, timeout=10).status_code == 200
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) == before
    with pytest.raises(requests.ConnectionError):
        idle.get(base + PATH, timeout=10)
    session.close()
    idle.close()


def test_many_clients_at_once_are_all_served(simulator: CattleSimulator) -> None:
    clients, each = 16, 25
    failed: list[object] = []

    def work(base: str, client: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for index in range(each):
                address = {"serverAddress": f"{client}-{index}.example.com"}
                answered = session.post(base + PATH, json=address, timeout=30)
                if answered.status_code != 201:
                    failed.append(answered)

    with simulator.serve() as base:
        threads = [threading.Thread(target=work, args=(base, client)) for client in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []
    stored = simulator.registries("1a5")
    assert len({row.id for row in stored}) == len({row.server_address for row in stored}) == clients * each
    assert len({request.number for request in simulator.requests}) == clients * each


def test_no_proxy_comes_between(simulator: CattleSimulator) -> None:
    session = simulator.session()
    session.proxies = {"http": "http://127.0.0.1:9", "https": "http://127.0.0.1:9"}
    for scheme in ("http", "https"):
        assert session.get(f"{scheme}://rancher.example.com/ping", timeout=10).text == "pong\n"


def test_latency_is_added_to_each_request() -> None:
    simulator = CattleSimulator(access_control=False, latency=0.1)
    session = simulator.session()
    began = time.monotonic()
    for _ in range(3):
        session.get("http://rancher:8080/ping", timeout=10)
    assert time.monotonic() - began >= 0.3
    with pytest.raises(requests.ReadTimeout):
        session.get("http://rancher:8080/ping", timeout=0.01)


def test_it_needs_no_aws() -> None:
    program = "import sys, rancher_ecr.testing.cattle; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
