"""A WSGI application in the place of a network: for requests, below its retries and error mapping. Knows no Cattle."""

from __future__ import annotations

import http.client
import io
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPHeaderDict, HTTPResponse, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class _Connection(HTTPConnection):
    """A connection whose other end is the application."""

    app: WSGIApplication
    scheme: str
    _connected = False

    def connect(self) -> None:
        """There is nothing to connect to, and nobody listens: urllib3 need not warn."""
        self.is_verified = self._connected = True

    def close(self) -> None:
        """Be as closed as a connection that was never there."""
        self._connected = False
        super().close()

    @property
    def is_closed(self) -> bool:
        """What urllib3 looks at before it sets the read timeout."""
        return not self._connected

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **how: Any) -> None:
        """Remember the request: urllib3 looks for failures to read in getresponse, so it is sent there."""
        self.connect()
        self._asked = (method, url, body, headers or {})
        self._how = how

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # the same class, as urllib3's own pools use it
        """Run the application, and return its answer as if it had been read from a socket."""
        method, url, body, headers = self._asked
        patience = self.timeout if isinstance(self.timeout, (int, float)) else None
        environ = self._environ(method, url, body, headers)
        environ["rancher_ecr.wait"] = _patient(patience)
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, sent: list[tuple[str, str]], _error: object = None, /
        ) -> Callable[[bytes], object]:
            started.append((status, sent))
            return lambda _data: None

        sent_body = io.BytesIO()
        try:
            answered = self.app(environ, start_response)
            try:
                for chunk in answered:
                    sent_body.write(chunk)
            finally:
                if hasattr(answered, "close"):
                    answered.close()
        except ConnectionResetError:
            if not started:  # as http.client says it when a server hangs up
                raise http.client.RemoteDisconnected("Remote end closed connection without response") from None
        status, sent = started[-1]
        code, _, reason = status.partition(" ")
        sent_body.seek(0)
        return HTTPResponse(
            body=sent_body,
            headers=HTTPHeaderDict(sent),
            status=int(code),
            version=11,
            reason=reason,
            preload_content=self._how.get("preload_content", True),
            decode_content=self._how.get("decode_content", True),
            enforce_content_length=self._how.get("enforce_content_length", True),
            request_method=method,
            request_url=url,
        )

    def _environ(self, method: str, url: str, body: Any, headers: Any) -> dict[str, Any]:
        path, _, query = url.partition("?")
        data = body.encode() if isinstance(body, str) else body.read() if hasattr(body, "read") else body or b""
        usual = self.port == {"http": 80, "https": 443}[self.scheme]
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": self.host,
            "SERVER_PORT": str(self.port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": self.host if usual else f"{self.host}:{self.port}",
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.scheme,
            "wsgi.input": io.BytesIO(data),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in dict(headers).items():
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            variable = name.upper().replace("-", "_")
            environ["CONTENT_TYPE" if variable == "CONTENT_TYPE" else f"HTTP_{variable}"] = text
        environ.pop("HTTP_CONTENT_LENGTH", None)
        return environ


class WSGIAdapter(HTTPAdapter):
    """Hand a session's requests to a WSGI application in this process.

    It sits where urllib3 has its sockets, so that retries, timeouts and the errors requests makes of them are the real
    ones. ConnectionResetError from the application (a cut connection) comes out as requests.ConnectionError, or as
    ChunkedEncodingError when part of the body was sent; one that waits longer than the read timeout as ReadTimeout.
    """

    def __init__(self, app: WSGIApplication, **more: Any) -> None:
        self.app = app
        super().__init__(**more)

    def init_poolmanager(self, *args: Any, **how: Any) -> None:
        """Make pools whose connections end in the application."""
        super().init_poolmanager(*args, **how)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {
            "http": _pool_class(HTTPConnectionPool, self.app, "http"),
            "https": _pool_class(HTTPSConnectionPool, self.app, "https"),
        }

    def send(self, request: PreparedRequest, *args: Any, **how: Any) -> Response:
        """Send a request; a proxy that the environment names is none of its business."""
        return super().send(request, *args, **{**how, "proxies": None})

    def cert_verify(self, *_args: Any, **_how: Any) -> None:
        """There is no TLS, so there are no certificates to look at."""


def _pool_class(parent: type[HTTPConnectionPool], app: WSGIApplication, scheme: str) -> type[HTTPConnectionPool]:
    connection = type("_Connection", (_Connection,), {"app": staticmethod(app), "scheme": scheme})

    def new_connection(pool: HTTPConnectionPool) -> HTTPConnection:
        made: HTTPConnection = connection(pool.host, pool.port, timeout=pool.timeout.connect_timeout)
        return made

    return type("_Pool", (parent,), {"ConnectionCls": connection, "_new_conn": new_connection})


def _patient(patience: float | None) -> Callable[[float], None]:
    """Return a sleep that ends in a TimeoutError when it is longer than the client waits."""

    def wait(seconds: float) -> None:
        if patience is not None and seconds > patience:
            time.sleep(patience)
            raise TimeoutError("timed out")
        time.sleep(seconds)

    return wait
