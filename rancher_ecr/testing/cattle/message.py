"""A request as the server reads it, and an answer before it is sent: URLs, headers and JSON, no rules about rows."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl

from attrs import field, frozen
from werkzeug.wrappers import Request as HTTPRequest

from rancher_ecr.testing.cattle.schemas import Engine

DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
JSON_TYPES: Final = {"rancher": "application/json; charset=utf-8", "pasturestack": "application/json;charset=utf-8"}
MESSAGES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method not allowed",
}
CHALLENGE: Final = 'Basic realm="Enter API access key and secret key as username and password"'
NOT_FOUND_PAGE: Final = """<html>
<head>
<meta http-equiv="Content-Type" content="text/html; charset=UTF-8"/>
<title>Error 404 Not Found</title>
</head>
<body><h2>HTTP ERROR 404</h2>
<p>Problem accessing /index.html. Reason:
<pre>    Not Found</pre></p>
</body>
</html>
"""


@frozen
class Answer:
    """What goes back. `cut`: send only so many bytes of the body, then break the connection."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    cut: int | None = None


@frozen
class Incoming:
    """A request, taken apart."""

    method: str
    path: str
    query: str
    parameters: list[tuple[str, str]]
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    base: str  # scheme://host:port for links

    @property
    def url(self) -> str:
        """The request's own URL without its query."""
        return self.base + self.path

    def parameter(self, name: str) -> str | None:
        """Return the first parameter of that name."""
        return next((value for known, value in self.parameters if known == name), None)


def incoming(request: HTTPRequest, engine: Engine) -> Incoming:
    """Read a WSGI request."""
    query = request.query_string.decode("latin-1")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Incoming(
        method=request.method,
        path=request.path,
        query=query,
        parameters=parse_qsl(query, keep_blank_values=True),
        headers=headers,
        body=request.get_data(),
        base=base_url(request.scheme, headers, engine),
    )


def base_url(scheme: str, headers: dict[str, str], engine: Engine) -> str:
    """Return scheme, host and port as links show them (recordings 192 to 202).

    Forwarded headers count only together with X-Forwarded-Proto; PastureStack believes X-Forwarded-Host only when it
    says the same as Host.
    """
    host = headers.get("host", "")
    forwarded = headers.get("x-forwarded-proto", "").split(",")[0].strip()
    if not forwarded:
        return f"{scheme}://{host}"
    other = headers.get("x-forwarded-host", "").split(",")[0].strip()
    if other and engine == "rancher":
        host = other
    port = headers.get("x-forwarded-port", "").split(",")[0].strip()
    if port:
        host = host if host.endswith("]") or ":" not in host else host.rpartition(":")[0]
        host += "" if port == DEFAULT_PORTS.get(forwarded) else f":{port}"
    return f"{forwarded}://{host}"


def content(request: Incoming) -> dict[str, Any]:
    """Return a body's fields, none for what is no object (recordings 181); raise ValueError for what is no JSON."""
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {name: values[0] for name, values in parse_qs(request.body.decode("latin-1")).items()}
    if not request.body.strip():
        return {}
    parsed = json.loads(request.body)
    return parsed if isinstance(parsed, dict) else {}


def reply(engine: Engine, status: int, body: object, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Return an answer in JSON."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return Answer(status, (("Content-Type", JSON_TYPES[engine]), *headers), text)


def error(status: int, code: str | None = None, field_name: str | None = None) -> dict[str, Any]:
    """Return an error's body. A 422 has no message; a `fieldName` is there only when a field is to blame."""
    code = code or MESSAGES[status]
    body = {
        "id": str(uuid.uuid4()),
        "type": "error",
        "links": {},
        "actions": {},
        "status": status,
        "code": code,
        "message": None if field_name is not None else code,
        "detail": None,
        "baseType": "error",
    }
    return body if field_name is None else {**body, "fieldName": field_name}


def no_api(engine: Engine, request: Incoming) -> Answer:
    """Answer where no API is: a page; PastureStack's depends on Accept, and its JSON is of another kind."""
    if engine == "pasturestack" and "text/html" not in request.headers.get("accept", ""):
        return plain_error(404, "Not Found", request, origin="default")
    kind = "text/html; charset=ISO-8859-1" if engine == "rancher" else "text/html;charset=iso-8859-1"
    return Answer(404, (("Content-Type", kind),), NOT_FOUND_PAGE.encode())


def plain_error(status: int, message: str, request: Incoming, **more: str) -> Answer:
    """Answer as PastureStack's web server does, before its API has seen the request."""
    url = request.url + (f"?{request.query}" if request.query else "")
    body = {**more, "message": message, "url": url, "status": str(status)}
    return Answer(status, (("Content-Type", "application/json"),), json.dumps(body).encode())
