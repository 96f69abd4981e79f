"""One HTTP exchange with a Rancher API: session, time limits, retries, redirects. Knows no resource."""

import http.client
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from attrs import frozen
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3.util.retry import Retry

from rancher_ecr.errors import StoreError
from rancher_ecr.redaction import Secrets

_LOG = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
BODY_TIMEOUT = 60.0  # a read timeout does not bound one byte a second
LONGEST_BODY = 64 * 1024 * 1024  # 3,000 registries are about 10 MB
LONGEST_CHUNK = 1024 * 1024
LONGEST_RETRY_AFTER = 60
CONNECTIONS = 8

# What requests lets through of the layers below it, and of itself.
_FOREIGN_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,  # idna and header values
    Warning,  # when an application turns warnings into errors
)


class _Retry(Retry):
    """Honours Retry-After, though for a minute at the most (urllib3 itself knows that limit only since 2.6.3)."""

    def get_retry_after(self, response: Any) -> float | None:
        seconds = super().get_retry_after(response)
        return None if seconds is None else min(seconds, LONGEST_RETRY_AFTER)


def new_session() -> requests.Session:
    """Make a session that retries what is safe to repeat, and keeps a few connections."""
    retry = _Retry(
        total=3,
        connect=3,
        read=1,
        status=2,
        other=0,
        redirect=False,
        allowed_methods=frozenset({"GET", "PUT"}),  # a POST creates, so it is never repeated unseen
        status_forcelist=frozenset({429, 500, 502, 503, 504}),
        backoff_factor=0.5,
        backoff_jitter=0.5,
        raise_on_status=False,
    )
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=CONNECTIONS, pool_block=True))
    return session


@frozen
class Answer:
    """What the server said.

    Attributes:
        method: of the request.
        url: of the request; it holds no secret.
        status: the HTTP status.
        body: the JSON object; None when it was no JSON object.
    """

    method: str
    url: str
    status: int
    body: Mapping[str, Any] | None


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
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._origin = origin
        self._prefix = prefix
        self._auth = HTTPBasicAuth(access_key.encode(), secret_key.encode())  # requests would encode text as latin-1
        self._ca_bundle = ca_bundle
        self._session = session or new_session()
        self._secrets = secrets or Secrets(secret_key, f"{access_key}:{secret_key}")
        self._monotonic = monotonic
        self._lock = threading.Lock()

    @property
    def host(self) -> str:
        """Host and port, for people."""
        return self._origin.partition("://")[2]

    def ask(self, method: str, path: str, *, body: Mapping[str, Any] | None = None) -> Answer:
        """Send one request.

        Args:
            method: GET, PUT, POST or DELETE.
            path: what follows the prefix, query included.
            body: the JSON object to send.

        Raises:
            StoreError: there was no complete answer, or a redirect that must not be followed.
        """
        url = f"{self._origin}{self._prefix}{path}"
        answer, location = self._exchange(method, url, body)
        if location is not None:
            self._move(method, url, location)
            url = f"{self._origin}{self._prefix}{path}"
            answer, location = self._exchange(method, url, body)
        if location is not None:
            raise StoreError(f"{method} {url}: redirected again and again; set CATTLE_URL to the address it ends at")
        return answer

    def _exchange(self, method: str, url: str, body: Mapping[str, Any] | None) -> tuple[Answer, str | None]:
        problem: BaseException
        try:
            with self._session.request(
                method,
                url,
                json=body,
                auth=self._auth,
                headers={"Accept": "application/json", "User-Agent": "rancher-ecr"},
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                allow_redirects=False,
                stream=True,
                verify=self._ca_bundle or True,  # given per request, REQUESTS_CA_BUNDLE does not override it
            ) as response:
                body = _parse(self._read(response.raw, method, url))
                location = response.headers["Location"] if response.is_redirect else None
                return Answer(method, url, response.status_code, body), location
        except _FOREIGN_ERRORS as error:
            problem = self._secrets.scrub_cause(error)
        # Outside the except block, so that the unscrubbed error is not the new one's __context__.
        raise StoreError(f"{method} {url}: {self._explain(problem)}") from problem

    def _read(self, raw: Any, method: str, url: str) -> bytes:
        read = getattr(raw, "read1", raw.read)  # read1 returns what has come; older urllib3 has only read
        until = self._monotonic() + BODY_TIMEOUT
        content = bytearray()
        while chunk := read(LONGEST_CHUNK, decode_content=True):
            content += chunk
            if len(content) > LONGEST_BODY:
                raise StoreError(
                    f"{method} {url}: the answer is longer than {LONGEST_BODY >> 20} MiB; no Rancher API's"
                )
            if self._monotonic() > until:
                raise StoreError(f"{method} {url}: the answer was not complete after {BODY_TIMEOUT:g} s")
        return bytes(content)

    def _move(self, method: str, url: str, location: str) -> None:
        """Follow a redirect of a read from http to https at the same host name; refuse any other.

        The keys go to no other host, and a write is never repeated at an address it was not sent to.
        """
        old, target = urlsplit(url), urlsplit(urljoin(url, location))
        shown = f"{target.scheme}://{target.hostname}" + (f":{target.port}" if target.port else "") + target.path
        moved = (
            method == "GET"
            and (old.scheme, target.scheme) == ("http", "https")
            and old.hostname == target.hostname
            and old.path.rstrip("/") == target.path.rstrip("/")
        )
        if not moved:
            raise StoreError(f"{method} {url} was redirected to {shown}, which is not followed; set CATTLE_URL to it")
        origin = f"https://{target.netloc.rpartition('@')[2]}"
        with self._lock:
            if self._origin != origin:
                self._origin = origin
                _LOG.warning("%s redirects to %s, which is used from now on; set CATTLE_URL to it", url, origin)

    def _explain(self, problem: BaseException) -> str:
        text = self._secrets.scrub(str(problem)) or type(problem).__name__
        if isinstance(problem, requests.exceptions.SSLError):
            return f"TLS failed; is the certificate's authority in CATTLE_CA_BUNDLE? ({text})"
        if isinstance(problem, requests.exceptions.ProxyError):
            return f"the proxy failed; see HTTP_PROXY, HTTPS_PROXY and NO_PROXY ({text})"
        if isinstance(problem, requests.exceptions.ConnectTimeout):
            return f"no connection within {CONNECT_TIMEOUT:g} s; is CATTLE_URL right, and the way there open? ({text})"
        if isinstance(problem, requests.exceptions.ReadTimeout):
            return f"no answer within {READ_TIMEOUT:g} s ({text})"
        return f"no complete answer; is Rancher up, and CATTLE_URL right? ({text})"


def _parse(content: bytes) -> Mapping[str, Any] | None:
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
