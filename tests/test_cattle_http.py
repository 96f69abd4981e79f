"""One exchange over real sockets and over a network that misbehaves: retries, limits, redirects, failures, secrets."""

import base64
import http.client
import http.cookiejar
import importlib
import json
import logging
import pkgutil
import shutil
import socket
import ssl
import subprocess
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st
from rancher import HOST, URL, Raising, World, api_of, app_of, environments, retrying_session, session_of, token, world
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError
from urllib3.response import HTTPResponse
from werkzeug.serving import WSGIRequestHandler, make_server

from rancher_ecr import StoreError, StoreResponseError
from rancher_ecr.stores._cattle_api import CattleAPI
from rancher_ecr.stores._cattle_http import DEFAULT_LIMITS, CattleHTTP, Limits
from rancher_ecr.stores._cattle_session import LONGEST_RETRY_AFTER, PatientRetry, new_session
from rancher_ecr.stores.cattle import CattleStore
from rancher_ecr.testing.cattle import CattleSimulator, Key, WSGIAdapter, answer, every, lose_answer, lose_request, nth
from rancher_ecr.testing.contracts.leaks import Ears

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

KEY = Key("access", "secret-of-the-key")
EMPTY = json.dumps({"type": "collection", "data": []})


# --- servers


@contextmanager
def listening(converse: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server on a socket; every connection is handed to `converse`, in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            try:
                converse(connection)
            except OSError:
                return  # the client has had enough

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(10)
        for thread in threads:
            thread.join(10)


def request_of(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        if not more:
            raise ConnectionResetError
        received += more
    return received


def head(*headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1")


@contextmanager
def session_without_pauses() -> Iterator[requests.Session]:
    """The real session on real sockets, but for the pauses between its retries."""
    with new_session() as session:
        adapter = session.get_adapter(URL)
        assert isinstance(adapter, HTTPAdapter)
        for scheme in ("http://", "https://"):
            retries = adapter.max_retries.new(backoff_factor=0, backoff_jitter=0)
            session.mount(scheme, HTTPAdapter(max_retries=retries, pool_maxsize=8, pool_block=True))
        yield session


def ask(url: str, method: str = "GET", *, limits: Limits = DEFAULT_LIMITS, **options: Any) -> Any:
    with session_without_pauses() as session:
        http = CattleHTTP(url, "", KEY.access, KEY.secret, session=session, limits=limits, **options)
        return http.ask(method, "/v2-beta/registries", body=None if method == "GET" else {"a": "b"})


# --- retries


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}])
def test_only_what_is_safe_is_asked_again(headers: dict[str, str], method: str, status: int) -> None:
    asked: list[str] = []

    def say(asked_method: str, _path: str, _query: str) -> Any:
        asked.append(asked_method)
        return (status, headers, "busy")

    http = CattleHTTP(URL, "", *_key(), session=retrying_session(app_of(say)))
    assert http.ask(method, "/v2-beta/registries", body={}).status == status
    assert asked == [method] * (3 if method in {"GET", "PUT"} else 1)


def _key() -> tuple[str, str]:
    return KEY.access, KEY.secret


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 422, 501])
def test_a_decided_answer_is_not_asked_for_again(status: int) -> None:
    w = world()
    w.sim.faults.on(every, answer(status), times=None)
    store = w.reopen(retrying_session(w.sim))
    with pytest.raises(StoreResponseError):
        store.registries()
    assert len(w.sim.requests) == 1


@pytest.mark.parametrize("action", [lose_request, lose_answer])
def test_a_post_that_may_have_arrived_is_never_repeated(action: Any) -> None:
    w = world()
    w.sim.faults.on(every, action, times=None)
    api = api_of(retrying_session(w.sim), w.key)
    with pytest.raises(StoreError):
        api.post(f"projects/{w.project}/registries", "registry", {"serverAddress": HOST})
    assert [request.method for request in w.sim.requests] == ["POST"]


def test_a_lost_answer_to_a_read_or_an_update_is_asked_for_once_more() -> None:
    w = world()
    w.add(HOST, ("AWS", "old"))
    store = w.reopen(retrying_session(w.sim))
    w.sim.faults.on(nth(1), lose_answer)
    (listed,) = store.registries()
    w.sim.restart_count()
    w.sim.faults.on(nth(1), lose_answer)
    store.write({listed: token(HOST)})
    assert [request.method for request in w.sim.requests] == ["PUT", "PUT"]
    assert w.pull(HOST) == ("AWS", "new")
    w.sim.faults.on(every, lose_answer, times=None)
    w.sim.restart_count()
    with pytest.raises(StoreError):
        store.registries()
    assert len(w.sim.requests) == 2


def test_a_connection_that_was_never_made_is_tried_again_whatever_was_to_be_sent() -> None:
    retry = new_session().get_adapter(URL).max_retries  # type: ignore[attr-defined]  # it is an HTTPAdapter
    never_sent = urllib3.exceptions.ConnectTimeoutError("timed out")
    following = retry.increment("POST", "/", error=never_sent).increment("POST", "/", error=never_sent)
    following = following.increment("POST", "/", error=never_sent)
    with pytest.raises(MaxRetryError):
        following.increment("POST", "/", error=never_sent)
    sent = urllib3.exceptions.ProtocolError("reset")
    with pytest.raises(urllib3.exceptions.ProtocolError):
        retry.increment("POST", "/", error=sent)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 60 ", 60),
        ("61", 60),
        ("86400", 60),
        ("9" * 30, 60),
        ("9" * 5000, None),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("1.5", None),
        ("Mon, 01 Jan 1990 00:00:00 GMT", 0),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 60),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", None),
        (None, None),
    ],
)
def test_retry_after_is_honoured_up_to_a_minute(value: str | None, seconds: float | None) -> None:
    retry = PatientRetry(total=3)
    response = HTTPResponse(headers={} if value is None else {"Retry-After": value}, status=503)
    assert retry.get_retry_after(response) == seconds
    assert LONGEST_RETRY_AFTER == 60


def test_the_capped_retry_after_survives_a_retry() -> None:
    retry = PatientRetry(total=3).increment("GET", "/", response=HTTPResponse(status=503, body=b""))
    assert retry.get_retry_after(HTTPResponse(headers={"Retry-After": "3600"}, status=503)) == 60


def test_a_retry_after_of_nonsense_is_no_failure() -> None:
    w = world()
    w.sim.faults.on(nth(1), answer(503, "busy", {"Retry-After": "when it is over"}))
    assert w.reopen(retrying_session(w.sim)).registries() == []


def test_retry_after_reaches_the_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)  # urllib3 has no argument for it
    w = world()
    w.sim.faults.on(nth(1), answer(503, "busy", {"Retry-After": "17"}))
    w.sim.faults.on(nth(2), answer(429, "busy", {"Retry-After": "3600"}))
    w.reopen(retrying_session(w.sim)).registries()
    assert slept == [17, 60]


def test_every_request_has_a_connect_and_a_read_timeout() -> None:
    seen: list[Any] = []

    class Watching(WSGIAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **how: Any) -> requests.Response:
            seen.append(how["timeout"])
            return super().send(request, *args, **how)

    w = world(transition=0.3)
    session = w.sim.session()
    session.mount("http://", Watching(w.sim))
    session.mount(URL, Watching(w.sim))
    w.add(HOST, ("AWS", "old"))
    store = w.reopen(session)
    (listed,) = store.registries()
    store.write({listed: token(HOST)})
    store.create("new.example.com", token("new.example.com"))
    list(environments(session, w.key))
    assert len(seen) == len(w.sim.requests) > 10
    assert set(seen) == {(5.0, 30.0)}


# --- connections


def test_a_connection_that_the_server_closed_while_idle_is_no_failure() -> None:
    sim = CattleSimulator()
    project = sim.add_project("Default")
    with sim.serve(idle_timeout=0.1) as url, new_session() as session:
        api = api_of(session, sim.add_environment_key(project), url)
        store = CattleStore(api, project, "x")
        for place in range(3):
            store.registries()
            time.sleep(0.3)
            store.create(f"{place}.example.com", token(f"{place}.example.com"))  # begins with a POST
            time.sleep(0.3)
            store.write({store.registries()[place]: token("x")})
    assert {request.status for request in sim.requests} <= {200, 201}
    assert len(sim.registries(project)) == 3


def test_connections_are_used_again_and_none_is_lost_to_a_failure() -> None:
    """The pool blocks when it is empty: an answer that is not given back would hang the ninth request."""
    opened: list[int] = []

    def converse(connection: socket.socket) -> None:
        opened.append(1)
        while True:
            request_of(connection)
            connection.sendall(head("Content-Length: 4", status="503 Busy") + b"busy")

    with listening(converse) as url, session_without_pauses() as session:
        http = CattleHTTP(url, "", *_key(), session=session)
        for _ in range(10):
            assert http.ask("GET", "/").status == 503
            assert http.ask("POST", "/", body={}).status == 503
    assert len(opened) <= 21, "a retried failure costs its connection, nothing else does"


def broken_call(api: CattleAPI, method: str) -> object:
    return api.rows("registries", "registry") if method == "GET" else api.post("registries", "registry", {})


@pytest.mark.parametrize(
    "broken",
    [
        head("Content-Length: 1000") + b"{",  # then closed
        head("Content-Length: 2", "Content-Length: 3") + b"{}",
        head("Transfer-Encoding: chunked") + b"5\r\n{}",
        head("Transfer-Encoding: chunked") + b"zz\r\n{}",
        head("Content-Encoding: gzip", "Content-Length: 2") + b"{}",
        head("Content-Encoding: deflate", "Content-Length: 2") + b"{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 200 + b"\r\n",
        b"HTTP/9.9 9999 What\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x02\x00",
        b"HTTP/1.1 200 OK\r\n",
        b"",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_broken_answer_is_a_store_error(method: str, broken: bytes) -> None:
    def converse(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(broken)

    with listening(converse) as url, session_without_pauses() as session, pytest.raises(StoreError) as caught:
        broken_call(api_of(session, KEY, url), method)
    assert "CATTLE_URL right" in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: nonsense"],
        ["Content-Length: -1"],
        ["Content-Length: 1e3"],
        [],
        ["Content-Length: " + "9" * 5000],
    ],
)
def test_a_length_that_is_none_does_not_matter(headers: list[str]) -> None:
    def converse(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(head(*headers) + EMPTY.encode())

    with listening(converse) as url:
        try:
            assert ask(url).body == json.loads(EMPTY)
        except StoreError as error:
            assert "999" in headers[0], error  # noqa: PT017  # what is so long may be refused as well


@pytest.mark.parametrize("status", ["200 OK", "503 Service Unavailable", "404 Not Found", "302 Found"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_endless_answer_is_ended(method: str, status: str) -> None:
    """A failure that is asked for again is not read to its end either."""

    def converse(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(head("Transfer-Encoding: chunked", "Location: https://x.example.com/", status=status))
        while True:
            connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")

    with listening(converse) as url, pytest.raises(StoreError, match="longer than 3000000 bytes") as caught:
        ask(url, method, limits=Limits(size=3_000_000))
    assert caught.value.__context__ is None


def test_a_small_answer_that_unpacks_to_a_large_one_is_ended() -> None:
    packed = zlib.compress(b" " * 200_000_000, 9)

    def converse(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(head(f"Content-Length: {len(packed)}", "Content-Encoding: deflate") + packed)

    with listening(converse) as url, pytest.raises(StoreError, match="longer than"):
        ask(url, limits=Limits(size=10_000_000))


def test_a_packed_answer_is_unpacked() -> None:
    packed = zlib.compress(EMPTY.encode())

    def converse(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(head(f"Content-Length: {len(packed)}", "Content-Encoding: deflate") + packed)

    with listening(converse) as url:
        assert ask(url).body == json.loads(EMPTY)


@pytest.mark.parametrize("status", ["200 OK", "503 Service Unavailable"])
@pytest.mark.parametrize("headers", [["Content-Length: 1000000"], ["Connection: close"]])
def test_a_byte_now_and_then_is_ended(status: str, headers: list[str]) -> None:
    def converse(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(head(*headers, status=status))
        while True:
            connection.sendall(b" ")
            time.sleep(0.02)

    began = time.monotonic()
    with listening(converse) as url, pytest.raises(StoreError, match=r"was not complete after 0\.2 s"):
        ask(url, limits=Limits(read=5, body=0.2))
    assert time.monotonic() - began < 20


def test_silence_is_ended() -> None:
    asked: list[bytes] = []
    done = threading.Event()

    def converse(connection: socket.socket) -> None:
        asked.append(request_of(connection))
        done.wait(10)

    with listening(converse) as url:
        with pytest.raises(StoreError, match=r"(?i)timed out") as caught:
            ask(url, limits=Limits(read=0.1))
        with pytest.raises(StoreError, match=r"no answer within 0.1 s"):
            ask(url, "POST", limits=Limits(read=0.1))
        done.set()
    assert "is Rancher overloaded" in str(caught.value)
    assert len(asked) == 2 + 1


def test_silence_in_the_middle_of_an_answer_is_ended() -> None:
    done = threading.Event()

    def converse(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(head("Content-Length: 100") + b"{")
        done.wait(10)

    with listening(converse) as url:
        with pytest.raises(StoreError, match=r"no answer within 0.1 s"):
            ask(url, limits=Limits(read=0.1))
        done.set()


def test_a_black_hole_is_ended() -> None:
    """A listener whose queue is full drops what comes, as a firewall does."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filling in (first, second):
            filling.setblocking(False)
            filling.connect_ex(listener.getsockname())
        with pytest.raises(StoreError, match=r"no connection within 0\.1 s; is CATTLE_URL right"):
            ask(f"http://127.0.0.1:{listener.getsockname()[1]}", limits=Limits(connect=0.1))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid", "http://[::1]:1"])
def test_an_unreachable_server_is_told(url: str) -> None:
    with pytest.raises(StoreError, match="is Rancher up, and CATTLE_URL right"):
        ask(url)


def test_a_proxy_that_fails_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:proxy-password@127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(StoreError, match="HTTP_PROXY") as caught:
        ask("http://rancher.example.com:8080")
    assert "proxy-password" not in "".join(traceback.format_exception(caught.value))


def test_keys_in_netrc_are_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login netrc password netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen: list[bytes] = []

    def converse(connection: socket.socket) -> None:
        seen.append(request_of(connection))
        connection.sendall(head("Content-Length: 2") + b"{}")

    with listening(converse) as url:
        ask(url)
    assert authorization(KEY) in seen[0]


def authorization(key: Key) -> bytes:
    return b"Authorization: Basic " + base64.b64encode(f"{key.access}:{key.secret}".encode(errors="surrogateescape"))


@pytest.mark.parametrize("secret", ["brötchen €", "\udcff from bytes that are no text"])
def test_keys_beyond_latin_1_are_sent_as_they_are(secret: str) -> None:
    seen: list[bytes] = []

    def converse(connection: socket.socket) -> None:
        seen.append(request_of(connection))
        connection.sendall(head("Content-Length: 2") + b"{}")

    with listening(converse) as url, session_without_pauses() as session:
        CattleHTTP(url, "", "käse", secret, session=session).ask("GET", "/")
    assert authorization(Key("käse", secret)) in seen[0]


# --- redirects and TLS


@contextmanager
def certificate(folder: Path) -> Iterator[Path]:
    """A certificate for 127.0.0.1 that nobody trusts, with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    made = folder / "server.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key.pem"), "-out", str(folder / "ca.pem")],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )  # fmt: skip
    made.write_text((folder / "ca.pem").read_text() + (folder / "key.pem").read_text())
    yield folder


class Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # werkzeug's own name
        """Say nothing."""


@contextmanager
def tls(app: "WSGIApplication", folder: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Silent, ssl_context=context)
    server.daemon_threads = True  # type: ignore[attr-defined]  # socketserver's, for threaded servers
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@contextmanager
def redirecting(to: str, status: int = 301, seen: list[bytes] | None = None) -> Iterator[str]:
    """A server that sends every request on to the same path at `to`."""

    def converse(connection: socket.socket) -> None:
        while True:
            request = request_of(connection)
            if seen is not None:
                seen.append(request)
            path = request.split()[1].decode()
            connection.sendall(head(f"Location: {to}{path}", "Content-Length: 0", status=f"{status} Moved"))

    with listening(converse) as url:
        yield url


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with certificate(tmp_path_factory.mktemp("tls")) as folder:
        yield folder


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_https_at_the_same_host_moves_reads_and_writes(
    status: int, pem: Path, caplog: pytest.LogCaptureFixture
) -> None:
    w = world()
    w.add(HOST, ("AWS", "old"))
    seen: list[bytes] = []
    with (
        tls(w.sim, pem) as secure,
        redirecting(secure, status, seen) as url,
        session_without_pauses() as session,
        caplog.at_level(logging.WARNING, "rancher_ecr"),
    ):
        api = api_of(session, w.key, url, ca_bundle=str(pem / "ca.pem"))
        store = CattleStore(api, w.project, "x", sleep=w.clock.sleep)
        (listed,) = store.registries()
        store.write({listed: token(HOST)})
        store.create("new.example.com", token("new.example.com"))
        assert f"https://{api.host}" == secure
    assert w.pull(HOST) == w.pull("new.example.com") == ("AWS", "new")
    assert len(seen) == 1, "and then https at once"
    assert caplog.text.count("which is used from now on; set CATTLE_URL to it") == 1
    assert secure in caplog.text


def test_threads_at_once_move_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    w = world()
    all_there = threading.Barrier(8)

    def say(_method: str, path: str, query: str) -> Any:
        all_there.wait(20)
        return (301, {"Location": f"https://rancher{path}?{query}"}, "")

    session = session_of(w.sim, "https://rancher")
    session.mount("http://", WSGIAdapter(app_of(say)))
    api = api_of(session, w.key, "http://rancher/v2-beta")
    threads = [
        threading.Thread(target=lambda: api.rows(f"projects/{w.project}/registries", "registry")) for _ in range(8)
    ]
    with caplog.at_level(logging.WARNING, "rancher_ecr"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert caplog.text.count("which is used from now on") == 1
    assert api.host == "rancher"


REDIRECTS = {
    "another host": ("GET", "http://127.0.0.1:1", "https://elsewhere.example.com{path}"),
    "another host in http": ("GET", "http://127.0.0.1:1", "http://elsewhere.example.com{path}"),
    "another path": ("GET", "http://127.0.0.1:1", "https://127.0.0.1/login"),
    "another version": ("GET", "http://127.0.0.1:1", "https://127.0.0.1/v3/registries"),
    "a write": ("PUT", "http://127.0.0.1:1", "https://127.0.0.1{path}"),
    "a creation": ("POST", "http://127.0.0.1:1", "https://127.0.0.1{path}"),
    "a removal": ("DELETE", "http://127.0.0.1:1", "https://127.0.0.1{path}"),
    "back to http": ("GET", "https://127.0.0.1:1", "http://127.0.0.1{path}"),
    "https to https": ("GET", "https://127.0.0.1:1", "https://127.0.0.1:2{path}"),
    "http to http": ("GET", "http://127.0.0.1:1", "http://127.0.0.1:2{path}"),
    "to itself": ("GET", "http://127.0.0.1:1", "http://127.0.0.1:1{path}"),
    "a path alone": ("GET", "http://127.0.0.1:1", "/login"),
    "another scheme": ("GET", "http://127.0.0.1:1", "ftp://127.0.0.1{path}"),
    "a look-alike": ("GET", "http://127.0.0.1:1", "https://127.0.0.1@elsewhere.example.com{path}"),
    "a subdomain": ("GET", "http://127.0.0.1:1", "https://x.127.0.0.1{path}"),
}


@pytest.mark.parametrize("kind", REDIRECTS)
def test_any_other_redirect_is_an_error_that_names_both(kind: str) -> None:
    method, origin, location = REDIRECTS[kind]
    target = location.format(path="/v2-beta/registries")
    asked: list[str] = []

    def say(_method: str, path: str, _query: str) -> Any:
        asked.append(path)
        return (302, {"Location": target}, "")

    http = CattleHTTP(origin, "", *_key(), session=session_of(app_of(say)))
    with pytest.raises(StoreError, match="which is not followed; ") as caught:
        http.ask(method, "/v2-beta/registries", body={})
    assert f"{method} {origin}/v2-beta/registries" in str(caught.value)
    shown = target.replace("127.0.0.1@", "")
    assert shown in str(caught.value)
    assert asked == ["/v2-beta/registries"]
    assert http.host == origin.partition("//")[2]


def test_a_second_redirect_is_an_error_that_names_both() -> None:
    def say(_method: str, path: str, _query: str) -> Any:
        return (302, {"Location": f"https://rancher{path}" if path != "/v1/x" else "https://rancher/v1/x"}, "")

    http = CattleHTTP("http://rancher", "", *_key(), session=session_of(app_of(say)))
    with pytest.raises(StoreError, match=r"GET https://rancher/v2/x was redirected to https://rancher/v2/x"):
        http.ask("GET", "/v2/x")


@pytest.mark.parametrize(
    "location",
    ["http://[", "https://[::1", "//[", "https://rancher:port/v1", "https://rancher:99999999/v1", "\xe4", "", "?"],
)
def test_a_redirect_to_nonsense_is_an_error(location: str) -> None:
    http = CattleHTTP(
        "http://rancher", "", *_key(), session=session_of(app_of(lambda *_: (302, {"Location": location}, "")))
    )
    with pytest.raises(StoreError, match="CATTLE_URL"):
        http.ask("GET", "/v1")


def test_userinfo_and_secrets_in_a_redirect_are_not_shown() -> None:
    encoded = base64.b64encode(f"{KEY.access}:{KEY.secret}".encode()).decode()
    for path in (f"/login/{KEY.secret}", f"/{encoded}", f"/?{encoded}"):
        location = f"https://user:in-the-redirect@elsewhere.example.com{path}"
        say = lambda *_, to=location: (302, {"Location": to}, "")  # noqa: E731  # it is one expression
        http = CattleHTTP("http://rancher", "", *_key(), session=session_of(app_of(say)))
        with pytest.raises(StoreError, match=r"elsewhere\.example\.com") as caught:
            http.ask("GET", "/v1")
        for secret in ("in-the-redirect", KEY.secret, encoded):
            assert secret not in str(caught.value)


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_keys_never_reach_another_host(method: str) -> None:
    reached: list[bytes] = []

    def record(connection: socket.socket) -> None:
        reached.append(b"connected")
        reached.append(request_of(connection))

    with (
        listening(record) as other,
        redirecting(other.replace("127.0.0.1", "localhost")) as url,
        pytest.raises(StoreError, match="localhost"),
    ):
        ask(url, method)
    assert reached == []


def test_the_certificate_has_to_be_trusted(pem: Path) -> None:
    with tls(app_of(lambda *_: {}), pem) as url:
        with pytest.raises(StoreError, match=r"TLS failed; is the certificate's authority in CATTLE_CA_BUNDLE"):
            ask(url)
        assert ask(url, ca_bundle=str(pem / "ca.pem")).body == {}


def test_cattle_ca_bundle_wins(pem: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other").mkdir()
    with certificate(tmp_path / "other") as other, tls(app_of(lambda *_: {}), pem) as url:
        right, wrong = str(pem / "ca.pem"), str(other / "ca.pem")
        for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(variable, wrong)
            assert ask(url, ca_bundle=right).body == {}
            with pytest.raises(StoreError, match="TLS failed"):
                ask(url)
            monkeypatch.setenv(variable, right)
            with pytest.raises(StoreError, match="TLS failed"):
                ask(url, ca_bundle=wrong)
            assert ask(url).body == {}
            monkeypatch.delenv(variable)


def test_a_bundle_that_cannot_be_read_is_told(pem: Path, tmp_path: Path) -> None:
    (tmp_path / "garbage").write_text("no certificate")
    for name in ("missing", "garbage"):
        with tls(app_of(lambda *_: {}), pem) as url, pytest.raises(StoreError, match="CATTLE_CA_BUNDLE"):
            ask(url, ca_bundle=str(tmp_path / name))


def test_https_asked_of_a_server_without_tls_is_told() -> None:
    def converse(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(head(status="400 Bad Request"))

    with listening(converse) as url, pytest.raises(StoreError, match="TLS failed"):
        ask(url.replace("http:", "https:"))


# --- every exception class


def exception_classes() -> list[type[Exception]]:
    """All that requests, urllib3 and the layers below define, and everything derived of it."""
    modules = [ssl, socket, http.client, http.cookiejar, zlib, json]
    for package in (requests, urllib3):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            try:
                modules.append(importlib.import_module(info.name))
            except ImportError:
                continue  # for other interpreters, or wants an optional package
    found: set[type[Exception]] = {
        OSError,
        ValueError,
        RuntimeError,
        MemoryError,
        RecursionError,
        AssertionError,
        KeyError,
    }
    for module in modules:
        found |= {item for item in vars(module).values() if isinstance(item, type) and issubclass(item, Exception)}
    layers = ("requests", "urllib3", "http.", "ssl", "socket", "json", "zlib", "idna", "builtins")
    pending = [cls for cls in found if cls.__module__.startswith(layers)]
    while pending:
        more = {cls for cls in pending.pop().__subclasses__() if cls.__module__.startswith(layers)} - found
        found |= more
        pending += more
    return sorted(found, key=lambda cls: (cls.__module__, cls.__name__))


def instance(cls: type[Exception], text: str) -> Exception | None:
    attempts: list[tuple[Any, ...]] = [
        (text,),
        (None, text),
        (None, None, text),
        (None, f"/{text}", text),
        (text, text, 0),
        ("utf-8", text.encode(), 0, 1, text),
        ("utf-8", text, 0, 1, text),
        (text, 0, 1, text),
        (HTTPResponse(b""), text.encode()),
        (text, 7),
        (7, 7),
        (7, text),
        (b"", 7),
        (),
    ]
    for arguments in attempts:
        try:
            made = cls(*arguments)
            str(made), repr(made)
        except Exception:  # noqa: BLE001, S112  # not with these arguments
            continue
        return made
    return None


RIDDLES = {cls for cls in exception_classes() if instance(cls, "text") is None}
CLASSES = [cls for cls in exception_classes() if cls not in RIDDLES]


def test_the_enumeration_finds_the_classes() -> None:
    known = {
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.InvalidProxyURL,
        requests.cookies.CookieConflictError,
    }
    known |= {urllib3.exceptions.NewConnectionError, urllib3.exceptions.IncompleteRead, ssl.SSLCertVerificationError}
    known |= {socket.gaierror, http.client.LineTooLong, BrokenPipeError, TimeoutError, zlib.error, UnicodeDecodeError}
    assert known <= set(CLASSES)
    assert len(CLASSES) > 100
    assert set() == RIDDLES, "they could not be made, and so were left out"


class RaisingAt(WSGIAdapter):
    """The simulator, until from one request on everything ends with an exception that quotes what was sent."""

    def __init__(self, w: World, at: int, make: Callable[[str], Exception]) -> None:
        super().__init__(w.sim)
        self.left = at
        self.make = make
        self.sent = ""

    def send(self, request: requests.PreparedRequest, *args: Any, **how: Any) -> requests.Response:
        self.left -= 1
        if PASSWORD.encode() in (request.body or b""):
            self.sent = PASSWORD
        if self.left <= 0:
            raise self.make(f"{request.headers} {self.sent}")
        return super().send(request, *args, **how)


def every_call(w: World, session: requests.Session) -> dict[str, Callable[[], object]]:
    listed = w.listed(HOST)
    store = w.reopen(session)
    return {
        "registries": store.registries,
        "write": lambda: store.write({listed: token(HOST, password=PASSWORD)}),
        "create": lambda: store.create("new.example.com", token("new.example.com", password=PASSWORD)),
        "environments": lambda: list(environments(session, w.key)),
    }


PASSWORD = "a-password-that-nobody-may-see"
REQUESTS = {"registries": 2, "write": 1, "create": 7, "environments": 1}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.__module__}.{cls.__qualname__}")
def test_every_exception_comes_out_as_a_store_error(cls: type[Exception]) -> None:
    w = world()
    w.add(HOST, ("AWS", "old"))

    def make(quoted: str) -> Exception:
        made = instance(cls, f"something about {w.key.secret} and {quoted}")
        assert made is not None
        return made

    encoded = base64.b64encode(f"{w.key.access}:{w.key.secret}".encode()).decode()
    for call, count in REQUESTS.items():
        for at in range(1, count + 1):
            session = session_of(w.sim)
            session.mount("http", RaisingAt(w, at, make))
            for row in w.sim.registries(w.project)[1:]:
                w.sim.set_state(row.id, "removed")
            with pytest.raises(StoreError) as caught:
                every_call(w, session)[call]()
            check(caught.value, (w.key.secret, encoded, PASSWORD))


def check(error: StoreError, secrets: tuple[str, ...]) -> None:
    assert type(error) is StoreError
    assert "?" in str(error) or "see " in str(error), "no remedy"
    assert "http://rancher:8080/v2-beta/" in str(error), "it does not say where"
    assert error.__cause__ is not None
    assert error.__context__ is None
    chain, current = "", error
    while current is not None:
        chain += f"{current} {current!r}"
        current = current.__cause__ or current.__context__  # type: ignore[assignment]  # whatever it is
    chain += "".join(traceback.format_exception(error))
    for secret in secrets:
        assert secret not in chain


def test_an_exception_that_cannot_be_shown_is_a_store_error() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise AttributeError("no text")

    session = requests.Session()
    session.mount("http://", Raising(MuteError()))
    with pytest.raises(StoreError, match="MuteError"):
        api_of(session, KEY).projects()


def test_a_bug_or_an_interrupt_is_not_swallowed() -> None:
    session = requests.Session()
    session.mount("http://", Raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        api_of(session, KEY).projects()


# --- secrets

SECRET = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), min_size=6, max_size=40
).map(lambda text: f"Zq9{text}")
BROKEN: list[Any] = [
    None,
    lose_request,
    lose_answer,
    answer(500),
    answer(200, "<html>"),
    answer(302, "", {"Location": "https://x.example.com"}),
]


@given(SECRET, SECRET, st.sampled_from(BROKEN), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_secrets_are_nowhere(secret: str, password: str, fault: Any, at: int) -> None:
    w = world("v1")
    w.sim._state.rows[w.sim._state.keys[w.key.access].id].values["secretValue"] = secret
    w.key = Key(w.key.access, secret)
    w.add(HOST, ("AWS", "old"))
    ears = Ears()
    with ears.listening():
        http = CattleHTTP(URL, "", w.key.access, secret, session=w.sim.session())
        api = CattleAPI(http, "v1")
        store = CattleStore(api, w.project, "rancher/Default", sleep=w.clock.sleep)
        if fault is not None:
            w.sim.faults.on(nth(at), fault)
        login = token(HOST, password=password)
        ears.note(http, api, store, login, vars(store), vars(api), vars(http))
        for call in (
            lambda: http.ask("GET", "/v1"),
            store.registries,
            lambda: store.write(dict.fromkeys(store.registries(), login)),
            lambda: store.create("new.example.com", login),
            lambda: api.rows("projects/1a5/registrycredentials", "registryCredential"),
            lambda: http.ask("POST", "/v1/projects/1a5/registries", body={"serverAddress": password}, secret=password),
        ):
            try:
                ears.note(call())
            except StoreError as error:
                ears.note(error)
        if fault is None:
            assert w.pull(HOST) == ("AWS", password)
    said = ears._said.getvalue()
    for each in (secret, password, base64.b64encode(f"{w.key.access}:{secret}".encode()).decode()):
        assert each not in said
        assert repr(each)[1:-1] not in said
        assert json.dumps(each)[1:-1] not in said


def test_an_error_code_that_is_a_secret_is_not_shown() -> None:
    w = world()
    w.add(HOST, ("AWS", "old"))
    listed = w.listed(HOST)
    for secret in (PASSWORD, w.key.secret):
        w.sim.faults.on(every, answer(422, json.dumps({"type": "error", "code": secret, "fieldName": secret})))
        with pytest.raises(StoreResponseError) as caught:
            w.store.write({listed: token(HOST, password=PASSWORD)})
        assert secret not in repr((str(caught.value), caught.value.code, caught.value.field))


def test_a_redirect_that_leads_nowhere_is_not_followed_for_ever() -> None:
    away = [True]

    def say(_method: str, _path: str, _query: str) -> Any:
        if away[0]:
            return (302, {"Location": "https://rancher:1/v2-beta/projects"}, "")
        return (200, {}, '{"type": "collection", "data": []}')

    session = session_of(app_of(say))
    session.mount("https://", Raising(requests.ConnectionError("refused")))
    http = CattleHTTP("http://rancher", "", *_key(), session=session)
    with pytest.raises(StoreError):
        http.ask("GET", "/v2-beta/projects")
    away[0] = False
    assert http.ask("GET", "/v2-beta/projects").status == 200


def test_one_lost_answer_behind_a_redirect_fails_one_write() -> None:
    w = world()
    hosts = [f"{place}.example.com" for place in range(6)]
    for host in hosts:
        w.add(host, ("AWS", "old"))
    session = session_of(w.sim, "https://rancher")
    to_https = app_of(lambda _method, path, query: (301, {"Location": f"https://rancher{path}?{query}"}, ""))
    session.mount("http://", WSGIAdapter(to_https))
    api = api_of(session, w.key, "http://rancher/v2-beta")
    w.store = CattleStore(api, w.project, "x", sleep=w.clock.sleep)
    w.sim.faults.on(lambda request: request.method == "PUT", lose_answer, skip=1)
    report = w.sync(*map(token, hosts))
    assert [outcome.ok for outcome in report.outcomes] == [True, False, True, True, True, True]
