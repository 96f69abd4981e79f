"""A small double of AWS on a loopback socket, for demonstrations and tests: what it remembers, its faults, its server.

It answers in the shapes of botocore's service models and refuses what AWS refuses. It holds no images and no policies.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from attrs import field, frozen
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request

from rancher_ecr.testing.aws.faults import AWSError, Fault, body, error, garbage, hang, reset
from rancher_ecr.testing.aws.keys import KeyRing, Keys
from rancher_ecr.testing.aws.services import ECR, STS, ContainerCredentials, InstanceMetadata, Service
from rancher_ecr.testing.aws.signature import read_signature

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["AWS", "AWSError", "Call", "Fault", "Keys", "body", "error", "garbage", "hang", "reset"]


@frozen
class Call:
    """A request that arrived.

    Attributes:
        operation: such as `AssumeRole`; `InstanceMetadataToken`, `InstanceMetadata` and `ContainerCredentials` for what
            has no name.
        region: of the credential scope; empty when unsigned.
        access_key_id: who signed; empty when unsigned.
        parameters: what was asked.
    """

    operation: str
    region: str
    access_key_id: str
    parameters: Mapping[str, Any] = field(repr=False)


class AWS:
    """One pretended AWS with one user, reachable at one URL for all services.

    Args:
        account_id: the user's account.
        token_lifetime: of ECR's logins.
        credentials_lifetime: of temporary credentials; IMDS and containers get new ones after half of it.
        password_length: in characters, as ECR's vary.
        denied_ids: accounts whose logins are refused.
        external_id: what AssumeRole must bring, if anything.
        clock_skew: how far AWS's clock is ahead of this machine's.

    Attributes:
        keys: the user's long-lived keys.
        web_identity_token: the one that AssumeRoleWithWebIdentity takes.
        container_token: what the container endpoint wants in its Authorization header.
        calls: every request that arrived, in order.
        passwords: every ECR password that was given.
        secrets: these and all other secrets it knows, which must never be printed.
    """

    def __init__(
        self,
        *,
        account_id: str = "123456789012",
        token_lifetime: timedelta = timedelta(hours=12),
        credentials_lifetime: timedelta = timedelta(hours=1),
        password_length: int = 2000,
        denied_ids: Sequence[str] = (),
        external_id: str | None = None,
        clock_skew: timedelta = timedelta(0),
    ) -> None:
        self.clock_skew = clock_skew
        ring = self._ring = KeyRing(account_id, credentials_lifetime, self._now)
        ecr = ECR(ring, self._now, token_lifetime, password_length, frozenset(denied_ids))
        sts = STS(ring, external_id)
        container = ContainerCredentials(ring)
        self._services: tuple[Service, ...] = (ecr, sts, InstanceMetadata(ring), container)
        self.keys = ring.issue_user_keys()
        self.web_identity_token = sts.web_identity_token
        self.container_token = container.token
        self.calls: list[Call] = []
        self.passwords = ecr.passwords
        self.secrets = ring.secrets
        self._faults: dict[str, list[tuple[Fault, float]]] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def __repr__(self) -> str:
        """Show no secret."""
        return f"AWS(account_id={self._ring.account_id!r})"

    @contextlib.contextmanager
    def serve(self, port: int = 0) -> Iterator[str]:
        """Serve on a loopback port, 0 for a free one, and give the URL; it is the endpoint of every service."""
        self._ended.clear()
        server = make_server("127.0.0.1", port, self, threaded=True, request_handler=_QuietHandler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            self._ended.set()
            server.shutdown()
            thread.join()
            server.server_close()

    def environment(self, url: str) -> dict[str, str]:
        """Return the variables with which a process uses this double at `url` as its user."""
        return {
            "AWS_ACCESS_KEY_ID": self.keys.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.keys.secret_access_key,
            "AWS_ENDPOINT_URL": url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def issue_user_keys(self) -> Keys:
        """Make another pair of long-lived keys of the user."""
        return self._ring.issue_user_keys()

    def issue_session(self) -> Keys:
        """Make temporary keys of the user, as GetSessionToken does."""
        return self._ring.issue_session(self.keys.arn)

    def revoke(self, access_key_id: str) -> None:
        """Delete a key, so that AWS no longer knows it."""
        self._ring.revoke(access_key_id)

    def inject(self, operation: str, fault: Fault, times: float = float("inf")) -> None:
        """Let the next `times` calls of an operation go wrong, after those injected before."""
        with self._lock:
            self._faults.setdefault(operation, []).append((fault, times))

    def heal(self) -> None:
        """Forget the faults that were injected."""
        with self._lock:
            self._faults.clear()

    def operations(self) -> list[str]:
        """Return the operations called so far."""
        return [call.operation for call in self.calls]

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Any:
        """Answer as a WSGI application."""
        request = Request(environ)
        request.get_data()  # kept for the signature, before reading the form eats it
        service = next(service for service in self._services if service.serves(request))
        operation, parameters = service.read(request)
        try:
            fault = self._note(request, operation, parameters)
            response = fault(request, self._ended) if fault else service.answer(request, operation, parameters)
        except AWSError as problem:
            response = service.refuse(problem)
        response.headers["Date"] = format_datetime(self._now().replace(microsecond=0), usegmt=True)
        response.headers["x-amzn-RequestId"] = "00000000-0000-4000-8000-000000000000"
        return response(environ, start_response)

    def _now(self) -> datetime:
        return datetime.now(UTC) + self.clock_skew

    def _note(self, request: Request, operation: str, parameters: Mapping[str, Any]) -> Fault | None:
        """Remember the call, and return the fault that is due."""
        signature = read_signature(request)
        region, key = (signature.region, signature.access_key_id) if signature else ("", "")
        with self._lock:
            self.calls.append(Call(operation, region, key, parameters))
            due = self._faults.get(operation)
            if not due:
                return None
            fault, times = due.pop(0)
            if times > 1:
                due.insert(0, (fault, times - 1))
            return fault


class _QuietHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # the name is werkzeug's
        """Keep silent: a double's requests are in `calls`."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """Leave the Date to the double's own clock."""
        self.send_response_only(code, message)
