"""The service with the real Rancher adapter, on a network that misbehaves: real sockets, a clock that runs fast."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from rancher import HOST, api_of
from services import Cloud, FastClock, running, until

from rancher_ecr import Syncer
from rancher_ecr.service import Service
from rancher_ecr.stores.cattle import CattleStore
from rancher_ecr.testing.cattle import CattleSimulator

TIMEOUT = 0.4
Fault = Callable[[socket.socket, threading.Event], None]


def silence(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(65536)
    over.wait()


def one_byte_at_a_time(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not over.wait(0.02):
        connection.sendall(b" ")


def endless_headers(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not over.wait(0.02):
        connection.sendall(b"X")


def endless_body(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not over.wait(0.005):
        connection.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")


def cut(connection: socket.socket, _over: threading.Event) -> None:
    connection.recv(65536)


def cut_in_the_middle(connection: socket.socket, _over: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"data": [')


def tls_alert(connection: socket.socket, _over: threading.Event) -> None:
    connection.sendall(b"\x15\x03\x01\x00\x02\x02\x28")


def login_page(connection: socket.socket, _over: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>")


FAULTS = [
    silence,
    one_byte_at_a_time,
    endless_headers,
    endless_body,
    cut,
    cut_in_the_middle,
    tls_alert,
    login_page,
]
HANGING = {silence, one_byte_at_a_time, endless_headers, endless_body}


class Network:
    """Where Rancher should be: answers with a fault until it is told to answer no more."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.over = threading.Event()
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.threads = [threading.Thread(target=self._accept, name="network")]
        self.threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.threads.append(threading.Thread(target=self._serve, args=(connection,), name="network"))
            self.threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self.fault(connection, self.over)

    def close(self) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)


@pytest.fixture
def simulator() -> tuple[CattleSimulator, str]:
    sim = CattleSimulator()
    project = sim.add_project("Default")
    sim.add_credential(sim.add_registry(project, HOST), "AWS", "old")
    return sim, project


@contextlib.contextmanager
def serving(sim: CattleSimulator, project: str, url: str) -> Iterator[tuple[Service, Cloud]]:
    """A running service whose Rancher is at that URL."""
    clock = FastClock()
    cloud = Cloud(clock, HOST)
    with requests.Session() as session:
        session.trust_env = False
        store = CattleStore(api_of(session, sim.add_environment_key(project), url), project, "rancher/Default")
        service = Service(Syncer([cloud], [store], timeout=TIMEOUT, now=clock.now), clock=clock)
        with running(service):
            yield service, cloud
    until(lambda: calls() == 0)


def calls() -> int:
    return sum(thread.name == "rancher_ecr call" for thread in threading.enumerate())


def pulled(sim: CattleSimulator, project: str) -> str | None:
    login = sim.pull(HOST, project)
    return login.password if login else None


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_ends_in_time_says_so_and_heals(
    fault: Fault, simulator: tuple[CattleSimulator, str], caplog: pytest.LogCaptureFixture
) -> None:
    network = Network(fault)
    try:
        with serving(*simulator, f"http://127.0.0.1:{network.port}/v2-beta") as (service, cloud):
            begin = time.monotonic()
            until(lambda: service.state.syncs["failed"] >= 3)
            assert time.monotonic() - begin < 3 * TIMEOUT + 10
            assert service.answer("/healthz").status == 200
            assert b"rancher/Default" in service.answer("/readyz").body
            if fault in HANGING:
                # Nothing new is started before it returns; what brings a byte now and then returns when it is given up.
                assert calls() <= 1
                assert (network.connections == 1) is (fault is silence)
            network.close()
            with simulator[0].serve(port=network.port):
                until(lambda: service.state.syncs["ok"])
            assert service.answer("/readyz").status == 200
            assert [pulled(*simulator)] == cloud.passwords  # one token for all tries
    finally:
        network.close()
    assert "rancher/Default failed" in caplog.text


@pytest.mark.parametrize("fault", [silence, endless_body, cut], ids=lambda fault: fault.__name__)
def test_it_is_stopped_within_a_second_during_each(fault: Fault, simulator: tuple[CattleSimulator, str]) -> None:
    network = Network(fault)
    try:
        with serving(*simulator, f"http://127.0.0.1:{network.port}/v2-beta") as (service, _):
            until(lambda: network.connections)
            service.stop()  # `running` sees that it ends
            until(lambda: service.state.stopped)
            network.close()
    finally:
        network.close()


def test_a_rancher_that_moves_to_another_address_behind_its_name_is_found(
    simulator: tuple[CattleSimulator, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, resolve = "127.0.0.1", socket.getaddrinfo

    def resolve_rancher(host: str, *arguments: Any, **options: Any) -> Any:
        return resolve(address if host == "rancher.example.com" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_rancher)  # there is no resolver to be given
    sim = simulator[0]
    with contextlib.ExitStack() as stack:
        with sim.serve("127.0.0.1") as url:
            port = int(url.rpartition(":")[2])
            service, cloud = stack.enter_context(serving(*simulator, f"http://rancher.example.com:{port}/v2-beta"))
            until(lambda: service.state.syncs["ok"])
        address = "127.0.0.2"
        stack.enter_context(sim.serve("127.0.0.2", port))
        service.sync_now()
        until(lambda: service.state.syncs["ok"] == 2)
        assert [pulled(*simulator)] == cloud.passwords[1:]
        service.stop()
        until(lambda: service.state.stopped)
