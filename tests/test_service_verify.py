"""Whether a registry accepts a login: one request, no redirect followed, no exception. Real sockets."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from rancher_ecr import AuthorizationToken
from rancher_ecr.state import Verdict
from rancher_ecr.verify import verify

PASSWORD = "extremely-secret"
TOKEN = AuthorizationToken("https://x", ("x",), "AWS", PASSWORD, datetime.now(UTC) + timedelta(hours=12))


@contextmanager
def registry(answer: str) -> Iterator[tuple[str, list[str]]]:
    """Answer each request with the same; give the address and the heads of the requests."""
    heads: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    heads.append(connection.recv(65536).decode("latin-1"))
                    connection.sendall(answer.encode())

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}", heads
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def said(status: str, *headers: str) -> str:
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Length: 0", "Connection: close", *headers, "", ""])


@pytest.mark.parametrize(
    ("status", "accepted"),
    [
        ("200 OK", True),
        ("400 Bad Request", False),
        ("401 Unauthorized", False),
        ("403 Forbidden", False),
        ("302 Found", None),
        ("404 Not Found", None),
        ("429 Too Many Requests", None),
        ("503 Service Unavailable", None),
    ],
)
def test_the_status_decides(status: str, *, accepted: bool | None) -> None:
    with registry(said(status, "Location: http://127.0.0.1:1/")) as (address, heads):
        verdict = verify(address, TOKEN, scheme="http")
    (head,) = heads
    assert verdict.accepted is accepted
    assert PASSWORD not in verdict.reason
    assert head.startswith("GET /v2/ HTTP/1.1\r\n")
    assert base64.b64encode(f"AWS:{PASSWORD}".encode()).decode() in head


def test_an_endless_body_does_not_matter() -> None:
    with registry("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx") as (address, _):
        assert verify(address, TOKEN, scheme="http").accepted is True


@pytest.mark.parametrize("answer", ["", "nonsense\r\n\r\n", "HTTP/1.1 OK 200\r\n\r\n"])
def test_a_broken_answer_is_no_verdict(answer: str) -> None:
    with registry(answer) as (address, _):
        assert verify(address, TOKEN, scheme="http").accepted is None


@pytest.mark.parametrize("address", ["127.0.0.1:1", "", "no such host", "x" * 300, "[", "host:99999999", "\udc80"])
def test_what_cannot_be_asked_is_no_verdict(address: str) -> None:
    told = verify(address, TOKEN, scheme="http")
    assert told.accepted is None
    assert PASSWORD not in told.reason


def test_silence_and_no_tls_are_no_verdicts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        for scheme in ("http", "https"):
            assert verify(address, TOKEN, scheme=scheme, timeout=(0.2, 0.2)).accepted is None
    with registry("nonsense") as (address, _):
        assert verify(address, TOKEN) == Verdict(None, "TLS failed (SSLError)")
