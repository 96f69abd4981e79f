"""One HTTP exchange with a Rancher API: keys, limits, redirects, failures. Knows no resource."""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from attrs import field, frozen
from requests.auth import HTTPBasicAuth

from rancher_ecr.errors import StoreError
from rancher_ecr.redaction import Secrets
from rancher_ecr.stores._cattle_session import new_session

_LOG = logging.getLogger(__name__)

_CHUNK = 64 * 1024  # what unpacks from it is in memory before it is counted


@frozen
class Limits:
    """What one request may take.

    Attributes:
        connect: seconds until there is a connection.
        read: seconds of silence while an answer is awaited.
        body: seconds until an answer's body is complete; a limit of silence does not bound one byte a second.
        size: bytes of a body, unpacked; 3,000 registries are about 10 MB.
    """

    connect: float = 5.0
    read: float = 30.0
    body: float = 60.0
    size: int = 64 * 1024 * 1024


DEFAULT_LIMITS = Limits()


@frozen
class Answer:
    """What the server said.

    Attributes:
        method: of the request.
        url: of the request; it holds no secret.
        status: the HTTP status.
        body: the JSON object, which may show secrets in clear; None when it was no JSON object.
    """

    method: str
    url: str
    status: int
    body: Mapping[str, Any] | None = field(repr=False)


class CattleHTTP:
    """Requests to one server with one key. Thread-safe.

    Args:
        origin: scheme, host and port.
        prefix: the path all requests begin with.
        access_key: the key's public part.
        secret_key: its secret part.
        ca_bundle: file of the certificate authorities to trust; None leaves that to requests and its variables.
        session: who does the requests; `new_session()` when None.
        secrets: what must not be shown of foreign messages.
        limits: what one request may take.
        monotonic: the clock for durations.
    """

    def __init__(
        self,
        origin: str,
        prefix: str,
        access_key: str,
        secret_key: str,
        *,
        ca_bundle: str | None = None,
        session: requests.Session | None = None,
        secrets: Secrets | None = None,
        limits: Limits = DEFAULT_LIMITS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configured = self._origin = origin
        self._prefix = prefix
        # As bytes, since requests would encode text as latin-1; the environment's own may be no text at all.
        self._auth = HTTPBasicAuth(*(key.encode(errors="surrogateescape") for key in (access_key, secret_key)))
        self._ca_bundle = ca_bundle
        self._session = session or new_session()
        self._secrets = secrets or Secrets(secret_key, f"{access_key}:{secret_key}")
        self._limits = limits
        self._monotonic = monotonic
        self._lock = threading.Lock()

    @property
    def host(self) -> str:
        """Host and port, for people."""
        return self._origin.partition("://")[2]

    def scrub(self, text: str) -> str:
        """Take the secrets out of what the server said, so that it may be shown."""
        return self._secrets.scrub(text)

    def ask(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, secret: str | None = None
    ) -> Answer:
        """Send one request.

        Args:
            method: GET, PUT, POST or DELETE.
            path: what follows the prefix, query included.
            body: the JSON object to send.
            secret: what of the body must not be shown, whoever quotes it.

        Raises:
            StoreError: there was no complete answer, or a redirect that must not be followed.
        """
        if secret is not None:
            self._secrets.add(secret, json.dumps(secret)[1:-1])  # as it is, and as the body spells it
        while True:
            origin = self._origin
            url = f"{origin}{self._prefix}{path}"
            try:
                answer, location = self._exchange(method, url, body)
            except StoreError:
                if method == "GET":  # or one lost answer to a write would send the other writes into a redirect
                    self._return_from(origin)
                raise
            if location is None:
                return answer
            self._move(method, url, location)  # from http to https alone, so this comes to an end

    def _exchange(self, method: str, url: str, body: Mapping[str, Any] | None) -> tuple[Answer, str | None]:
        try:
            request = self._session.prepare_request(
                requests.Request(
                    method,
                    url,
                    json=body,
                    auth=self._auth,
                    headers={"Accept": "application/json", "User-Agent": "rancher-ecr"},
                )
            )
            # Given per request, REQUESTS_CA_BUNDLE does not override what is to be verified.
            settings: Mapping[str, Any] = self._session.merge_environment_settings(
                url, {}, True, self._ca_bundle or True, None
            )
            # Not session.send: it reads the body of a redirect to its end, followed or not, and that may never come.
            with self._session.get_adapter(url).send(
                request, timeout=(self._limits.connect, self._limits.read), **settings
            ) as response:
                content = self._read(response.raw)
                location = response.headers["Location"] if response.is_redirect else None
                return Answer(method, url, response.status_code, _parse(content)), location
        except _TooMuchError as error:
            problem, why = None, str(error)
        except Exception as error:  # noqa: BLE001  # whatever foreign code raises here, the answer did not come
            problem = self._secrets.scrub_cause(error)
            why = self._explain(error, str(problem) or type(error).__name__)
        # Outside the except block, so that the unscrubbed error is not the new one's __context__.
        raise StoreError(f"{method} {url}: {why}") from problem

    def _read(self, raw: Any) -> bytes:
        read = getattr(raw, "read1", raw.read)  # read1 returns what has come; older urllib3 has only read
        until = self._monotonic() + self._limits.body
        content = bytearray()
        while chunk := read(_CHUNK, decode_content=True):
            content += chunk
            if len(content) > self._limits.size:
                raise _TooMuchError(f"the answer is longer than {self._limits.size} bytes; is this a Rancher API?")
            if self._monotonic() > until:
                raise _TooMuchError(
                    f"the answer was not complete after {self._limits.body:g} s; is Rancher, or a proxy, overloaded?"
                )
        return bytes(content)

    def _move(self, method: str, url: str, location: str) -> None:
        """Follow a redirect of a read from http to https at the same host name; refuse any other.

        The keys go to no other host, and a write is never repeated at an address it was not sent to.
        """
        try:
            old, target = urlsplit(url), urlsplit(urljoin(url, location))
            _ = target.port  # raises when it is no number
        except ValueError:
            raise StoreError(f"{method} {url} was redirected to what is no URL; is CATTLE_URL right?") from None
        origin = f"{target.scheme}://{target.netloc.rpartition('@')[2]}"
        moved = (
            method == "GET"
            and (old.scheme, target.scheme) == ("http", "https")
            and old.hostname == target.hostname
            and old.path.rstrip("/") == target.path.rstrip("/")
        )
        if not moved:
            same_path = target.path.endswith(old.path[len(self._prefix) :])
            remedy = (
                f"set CATTLE_URL to {self.scrub(origin + target.path.removesuffix(old.path[len(self._prefix) :]))}"
                if same_path
                else "is CATTLE_URL right, or a login page in front?"
            )
            shown = self.scrub(origin + target.path)
            raise StoreError(f"{method} {url} was redirected to {shown}, which is not followed; {remedy}")
        with self._lock:
            if self._origin != origin:
                self._origin = origin
                _LOG.warning("%s redirects to %s, which is used from now on; set CATTLE_URL to it", url, origin)

    def _return_from(self, origin: str) -> None:
        """Go back to the configured origin: where a redirect has led to there is no answer, so it may be gone."""
        with self._lock:
            if self._origin == origin:
                self._origin = self._configured

    def _explain(self, error: Exception, text: str) -> str:
        reason = getattr(error.args[0], "reason", None) if error.args else None
        if isinstance(reason, urllib3.exceptions.ReadTimeoutError):  # what requests makes of it does not say so
            error = reason
        match error:
            case requests.exceptions.SSLError() | urllib3.exceptions.SSLError():
                return f"TLS failed; is the certificate's authority in CATTLE_CA_BUNDLE? ({text})"
            case requests.exceptions.ProxyError() | urllib3.exceptions.ProxyError():
                return f"the proxy failed; see HTTP_PROXY, HTTPS_PROXY and NO_PROXY ({text})"
            case requests.exceptions.ConnectTimeout():
                return (
                    f"no connection within {self._limits.connect:g} s; is CATTLE_URL right, and the way there open? "
                    f"({text})"
                )
            case requests.exceptions.ReadTimeout() | urllib3.exceptions.ReadTimeoutError():
                return f"no answer within {self._limits.read:g} s; is Rancher overloaded? ({text})"
            case OSError() if type(error) is OSError:  # requests on a file of authorities that is not there
                return f"is CATTLE_CA_BUNDLE, or REQUESTS_CA_BUNDLE, a file that can be read? ({text})"
        return f"no complete answer; is Rancher up, and CATTLE_URL right? ({text})"


class _TooMuchError(Exception):
    """An answer went beyond the limits."""


def _parse(content: bytes) -> Mapping[str, Any] | None:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):  # the latter from a million opening brackets
        return None
    return body if isinstance(body, dict) else None
