"""The ways in which the double of AWS goes wrong. What a right answer is may never enter here."""

import contextlib
import socket
import threading
from collections.abc import Callable

from werkzeug.wrappers import Request, Response

_HANG_AT_MOST = 60.0  # seconds


class AWSError(Exception):
    """An answer of AWS that is an error; each service tells it in its own protocol."""

    def __init__(self, code: str, status: int = 400, message: str = "The double was told to answer so.") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status
        self.message = message


Fault = Callable[[Request, threading.Event], Response]
"""What answers in the place of an operation. The event is set when the double ends."""


def error(code: str, status: int = 400, message: str = "The double was told to answer so.") -> Fault:
    """Answer with an error of AWS, such as `error("ThrottlingException")`."""

    def answer(_request: Request, _ended: threading.Event) -> Response:
        raise AWSError(code, status, message)

    return answer


def body(content: str | bytes, status: int = 200, mimetype: str = "application/x-amz-json-1.1") -> Fault:
    """Answer with exactly this."""
    return lambda _request, _ended: Response(content, status, mimetype=mimetype)


def hang(request: Request, ended: threading.Event) -> Response:
    """Never answer; the connection is cut when the double ends."""
    ended.wait(_HANG_AT_MOST)
    return reset(request, ended)


def reset(request: Request, _ended: threading.Event) -> Response:
    """Cut the connection without an answer."""
    with contextlib.suppress(OSError):
        request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return Response()


garbage: Fault = body("<html><title>Sign in to the hotel's Wi-Fi</title></html>", mimetype="text/html")
"""Answer as a captive portal does."""
