"""A WSGI application on a socket: threads, keep-alive, idle connections cut, real cuts. Knows no Cattle."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class _Server(TCPServer):
    """One daemon thread a connection; `close` leaves none behind."""

    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], app: WSGIApplication, idle_timeout: float) -> None:
        self.app = app
        self.idle_timeout = idle_timeout
        self.ending = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self._converse, args=(request, client_address), daemon=True)
        with self._lock:
            self._open[request] = thread
        thread.start()

    def _converse(self, connection: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(connection, client_address)
        except OSError:
            pass  # the client has gone, or a fault cut it
        finally:
            with self._lock:
                self._open.pop(connection, None)
            self.shutdown_request(connection)

    def close(self) -> None:
        """End every connection and wait for its thread."""
        self.ending.set()
        self.server_close()
        with self._lock:
            conversations = list(self._open.items())
        for connection, _ in conversations:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for _, thread in conversations:
            thread.join(timeout=10)


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 for one connection."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave together

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.idle_timeout)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the standard library's own name
        """Stay silent: a request line may hold what nobody should read."""

    def converse(self) -> None:
        """Answer one request."""
        environ = self._environ()
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, sent: list[tuple[str, str]], _error: object = None, /
        ) -> Callable[[bytes], object]:
            started.append((status, sent))
            return self.wfile.write

        try:
            answered = self.server.app(environ, start_response)
            self._send_head(*started[-1])
            for chunk in answered:
                self.wfile.write(chunk)
        except ConnectionResetError:
            self.close_connection = True
        self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = converse  # noqa: N815 -- http.server's names

    def _send_head(self, status: str, headers: list[tuple[str, str]]) -> None:
        code, _, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        if "date" not in {name.lower() for name, _ in headers}:
            self.send_header("Date", self.date_time_string())
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def _wait(self, seconds: float) -> None:
        if self.server.ending.wait(seconds):
            raise ConnectionResetError("the server is ending")

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = io.BytesIO()
        while size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16):
            body.write(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return body.getvalue()

    def _environ(self) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        host, port = self.server.server_address[:2]
        data = self._body()
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(data),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "rancher_ecr.wait": self._wait,
        }
        for name, value in self.headers.items():
            variable = name.upper().replace("-", "_")
            environ["CONTENT_TYPE" if variable == "CONTENT_TYPE" else f"HTTP_{variable}"] = value.strip()
        environ.pop("HTTP_CONTENT_LENGTH", None)
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        return environ


@contextlib.contextmanager
def serve(app: WSGIApplication, host: str, port: int, *, idle_timeout: float) -> Iterator[str]:
    """Serve an application while the context lasts; gives http://HOST:PORT."""
    server = _Server((host, port), app, idle_timeout)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.close()
