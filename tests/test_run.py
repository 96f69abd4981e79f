"""`python -m rancher_ecr`, the service as a process: signals, ports, outages, kills. Real sockets throughout."""

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from rancher_ecr.testing.aws import AWS
from rancher_ecr.testing.cattle import CattleSimulator, nth
from rancher_ecr.testing.cattle.faults import Action

HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
PATIENCE = 60.0  # far beyond what anything here takes; only a failure waits for it


class Process:
    """The service, its log as it comes."""

    def __init__(self, env: Mapping[str, str]) -> None:
        inherited = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "rancher_ecr"], env={**inherited, **env}, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stderr
        for line in self.popen.stderr:
            self._queue.put(line)
        self._queue.put(None)

    def wait_for(self, text: str) -> str:
        end = time.monotonic() + PATIENCE
        while (line := self._queue.get(timeout=max(0.1, end - time.monotonic()))) is not None:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"ended without {text!r}: {''.join(self.lines)}")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code; TimeoutExpired when it does not end by it."""
        self.popen.send_signal(number)
        return self.popen.wait(5)

    def close(self) -> None:
        self.popen.kill()
        self.popen.wait()
        self._reader.join()
        if self.popen.stderr:
            self.popen.stderr.close()


@pytest.fixture
def start() -> Iterator[Callable[[Mapping[str, str]], Process]]:
    with contextlib.ExitStack() as stack:

        def begin(env: Mapping[str, str]) -> Process:
            process = Process(env)
            stack.callback(process.close)
            return process

        yield begin


@pytest.fixture
def aws() -> Iterator[tuple[AWS, dict[str, str]]]:
    double = AWS()
    with double.serve() as url:
        yield double, {**double.environment(url), "AWS_REGION": "us-east-1"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def rancher_with_one_registry() -> tuple[CattleSimulator, str, dict[str, str]]:
    rancher = CattleSimulator()
    project = rancher.add_project("Default")
    rancher.add_credential(rancher.add_registry(project, HOST), "AWS", "stale")
    key = rancher.add_environment_key(project)
    return rancher, project, {"CATTLE_ACCESS_KEY": key.access, "CATTLE_SECRET_KEY": key.secret}


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_it_starts_while_rancher_is_down_and_delivers_when_it_comes(
    start: Callable[[Mapping[str, str]], Process], aws: tuple[AWS, dict[str, str]]
) -> None:
    double, env = aws
    rancher, project, keys = rancher_with_one_registry()
    port, health = free_port(), free_port()
    process = start({**env, **keys, "CATTLE_URL": f"http://127.0.0.1:{port}", "LISTEN_PORT": str(health)})
    process.wait_for("is Rancher up")
    assert get(health, "/ping") == (200, "pong!")
    assert get(health, "/healthz")[0] == 200
    assert get(health, "/readyz")[0] == 503
    with rancher.serve(port=port):
        process.wait_for(f"{HOST} updated")
        process.wait_for("synced")
        assert get(health, "/readyz")[0] == 200
    login = rancher.pull(HOST, project)
    assert login is not None
    assert login.password in double.passwords
    assert double.operations().count("GetAuthorizationToken") == 1  # the retry used the token it had
    assert process.end() == 0


def test_it_starts_while_aws_is_down(
    start: Callable[[Mapping[str, str]], Process], aws: tuple[AWS, dict[str, str]]
) -> None:
    _, env = aws
    rancher, project, keys = rancher_with_one_registry()
    port = free_port()
    double = AWS()
    env = {**env, **double.environment(f"http://127.0.0.1:{port}"), "AWS_MAX_ATTEMPTS": "1"}
    with rancher.serve() as url:
        process = start({**env, **keys, "CATTLE_URL": url, "LISTEN_PORT": "off"})
        process.wait_for("ecr us-east-1 failed")
        with double.serve(port=port):
            process.wait_for(f"{HOST} updated")
        assert process.end(signal.SIGINT) == 0
    login = rancher.pull(HOST, project)
    assert login is not None
    assert login.password in double.passwords


def test_signals_end_it_while_a_request_hangs(
    start: Callable[[Mapping[str, str]], Process], aws: tuple[AWS, dict[str, str]]
) -> None:
    _, env = aws
    _, _, keys = rancher_with_one_registry()
    with socket.create_server(("127.0.0.1", 0)) as black_hole:
        url = f"http://127.0.0.1:{black_hole.getsockname()[1]}"
        process = start({**env, **keys, "CATTLE_URL": url, "LISTEN_PORT": "off"})
        connection, _ = black_hole.accept()
        with connection:
            assert connection.recv(10)
            assert process.end() == 0


def test_sighup_syncs_now_and_the_log_may_be_json(
    start: Callable[[Mapping[str, str]], Process], aws: tuple[AWS, dict[str, str]]
) -> None:
    double, env = aws
    rancher, project, keys = rancher_with_one_registry()
    with rancher.serve() as url:
        process = start({**env, **keys, "CATTLE_URL": url, "LISTEN_PORT": "off", "LOG_FORMAT": "json"})
        process.wait_for("synced")
        process.popen.send_signal(signal.SIGHUP)
        process.wait_for("synced")
        assert process.end() == 0
    login = rancher.pull(HOST, project)
    assert login is not None
    assert login.password == double.passwords[-1]
    assert len(double.passwords) == 2
    records = [json.loads(line) for line in process.lines]
    assert all({"time", "level", "logger", "message"} <= record.keys() for record in records)
    assert all(record["time"].endswith("Z") for record in records)


def test_a_busy_port_that_was_asked_for_is_an_error(
    start: Callable[[Mapping[str, str]], Process], aws: tuple[AWS, dict[str, str]]
) -> None:
    _, env = aws
    _, _, keys = rancher_with_one_registry()
    with socket.create_server(("", 0)) as busy:
        port = str(busy.getsockname()[1])
        process = start({**env, **keys, "CATTLE_URL": "http://127.0.0.1:1", "LISTEN_PORT": port})
        process.wait_for("LISTEN_PORT")
        assert process.popen.wait(PATIENCE) == 2


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(1, 11))
def test_killed_at_any_step_and_started_again_leaves_one_registry_and_one_login(
    start: Callable[[Mapping[str, str]], Process], aws: tuple[AWS, dict[str, str]], step: int, *, answered: bool
) -> None:
    double, env = aws
    rancher = CattleSimulator()
    project = rancher.add_project("Default")
    key = rancher.add_environment_key(project)
    killed = threading.Event()
    processes: list[Process] = []

    def kill(process: Callable[[], object]) -> None:
        if answered:
            process()
        processes[0].popen.kill()
        killed.set()

    rancher.faults.on(nth(step), _kill_action(kill))
    with rancher.serve() as url:
        env |= {
            "CATTLE_URL": url,
            "CATTLE_ACCESS_KEY": key.access,
            "CATTLE_SECRET_KEY": key.secret,
            "AUTO_CREATE": "true",
            "LISTEN_PORT": "off",
        }
        processes.append(start(env))
        assert killed.wait(PATIENCE)
        processes[0].popen.wait()
        again = start(env)
        again.wait_for("synced")
        assert again.end() == 0
    assert [registry.server_address for registry in rancher.registries(project)] == [HOST]
    (credential,) = rancher.credentials(project)
    login = rancher.pull(HOST, project)
    assert login is not None
    assert (login.credential_id, login.password) == (credential.id, double.passwords[-1])


def _kill_action(kill: Callable[[Callable[[], object]], None]) -> Action:
    def act(process: Callable[[], object], _wait: object) -> object:
        kill(process)
        raise ConnectionResetError

    return act  # type: ignore[return-value]  # it never returns
