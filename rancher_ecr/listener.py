"""A small HTTP listener in a thread of its own, which no client can hold up or make grow. What it answers is health's.

It sleeps while nobody asks. Each connection has one request, few seconds in all and a place among few; when all places
are taken the oldest connection loses its own, so that slow clients never keep others out.
"""

import asyncio
import contextlib
import errno
import logging
import socket
import threading
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus

from rancher_ecr.errors import SettingsError
from rancher_ecr.health import Answer

_LOG = logging.getLogger(__name__)

_PLACES = 64
_SECONDS = 5.0  # for one connection, from its begin to its end
_HEAD_LIMIT = 16 * 1024
_PARTS = 3  # of a request line
_DRAINED = 64 * 1024


def open_socket(port: int, *, asked: bool, host: str | None = None) -> socket.socket | None:
    """Listen on a port, on every address of this machine, IPv6's too where there is any.

    Args:
        port: LISTEN_PORT.
        asked: whether it was set; a default port that is busy (Rancher's own server likes 8080) is only a warning.
        host: one address instead of every.

    Returns:
        the socket; None when the default port could not be had.

    Raises:
        SettingsError: the port that was asked for could not be had.
    """
    try:
        return _open(port, host)
    except OSError as error:
        reason = "is busy" if error.errno == errno.EADDRINUSE else f"cannot be listened on ({error.strerror})"
        remedy = "set LISTEN_PORT to a free one, or to off"
        if asked:
            raise SettingsError(f"LISTEN_PORT: port {port} {reason}; {remedy}") from error
        _LOG.warning("port %s %s, so there is no health page; %s", port, reason, remedy)
        return None


def _open(port: int, host: str | None) -> socket.socket:
    if host is None and socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_PLACES)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise
            # IPv6 is compiled in, but switched off, as in many containers.
    return socket.create_server((host or "", port), backlog=_PLACES)


class Listener:
    """Answers GET and HEAD.

    Args:
        sock: what to listen on; the listener closes it.
        answer: gives the answer for a path without query; it must be quick and is called in the listener's thread.
        seconds: how long a connection may take in all.
        places: how many connections at once.
    """

    def __init__(
        self,
        sock: socket.socket,
        answer: Callable[[str], Answer],
        *,
        seconds: float = _SECONDS,
        places: int = _PLACES,
    ) -> None:
        self._sock = sock
        self._answer = answer
        self._seconds = seconds
        self._places = places
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="rancher_ecr listener", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._sock.getsockname()[1])

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        """Answer no longer, and close the socket."""
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(self._seconds)
        self._sock.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:  # noqa: BLE001  # the loop goes on without
            _LOG.exception("the health page has ended")
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, sock=self._sock, limit=_HEAD_LIMIT)
        self._ready.set()
        async with server:
            await self._stop.wait()
            server.close()
            for writer in self._open.values():
                writer.transport.abort()
            if self._open:  # or asyncio.run would cancel them, and complain of it
                await asyncio.wait(list(self._open), timeout=1)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # asyncio runs every coroutine in a task
            return
        if len(self._open) >= self._places:
            self._open.pop(next(iter(self._open))).transport.abort()
        self._open[task] = writer
        try:
            with contextlib.suppress(OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
                async with asyncio.timeout(self._seconds):
                    await self._converse(reader, writer)
        except Exception:  # noqa: BLE001  # it ends one connection, not the listener
            _LOG.exception("a bug in the health page")
        finally:
            self._open.pop(task, None)
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(respond(head, self._answer))
        await writer.drain()
        writer.write_eof()
        # Closing with bytes unread would reset the connection and could take the answer with it.
        left = _DRAINED
        while left > 0 and (got := await reader.read(left)):
            left -= len(got)


def respond(head: bytes, answer: Callable[[str], Answer]) -> bytes:
    """Return the response to a request's head; a request's body does not matter to GET and HEAD."""
    parts = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(parts) != _PARTS or not parts[1].startswith("/") or not parts[2].startswith("HTTP/1."):
        return _render(Answer(400, "text/plain", b"not an HTTP/1 request\n"))
    method, target, _ = parts
    if method not in {"GET", "HEAD"}:
        return _render(Answer(405, "text/plain", b"only GET and HEAD\n"), "Allow: GET, HEAD")
    return _render(answer(target.partition("?")[0]), has_body=method == "GET")


def _render(answer: Answer, *headers: str, has_body: bool = True) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
        *headers,
    ]
    head = "".join(f"{line}\r\n" for line in lines) + "\r\n"
    return head.encode("latin-1") + (answer.body if has_body else b"")
