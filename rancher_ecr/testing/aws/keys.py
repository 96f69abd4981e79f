"""Which keys the double of AWS knows, and who signed a request. What is asked with them may never enter here."""

import secrets
import string
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from attrs import field, frozen
from werkzeug.wrappers import Request

from rancher_ecr.testing.aws.faults import AWSError
from rancher_ecr.testing.aws.signature import Signature, read_signature

_CLOCK_TOLERANCE = timedelta(minutes=5)


@frozen
class Keys:
    """Credentials that the double knows.

    Attributes:
        access_key_id: begins with AKIA, or with ASIA when temporary.
        secret_access_key: never in a repr.
        session_token: only of temporary ones; never in a repr.
        expires_at: only of temporary ones.
        arn: the principal.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(repr=False)
    expires_at: datetime | None
    arn: str

    @property
    def account_id(self) -> str:
        """The account of the principal."""
        return self.arn.split(":")[4]


@frozen
class Dialect:
    """How a service calls the four ways in which a request may be signed wrongly, and with which status."""

    missing: str
    unknown: str
    expired: str
    signature: str
    status: int


class KeyRing:
    """Makes keys and knows them again. Thread-safe.

    Attributes:
        account_id: of the user.
        secrets: everything secret it made, for others to look for.
    """

    def __init__(self, account_id: str, lifetime: timedelta, now: Callable[[], datetime]) -> None:
        self.account_id = account_id
        self.secrets: list[str] = []
        self._lifetime = lifetime
        self._now = now
        self._known: dict[str, Keys] = {}
        self._rotating: dict[str, Keys] = {}
        self._lock = threading.Lock()

    def secret(self, length: int) -> str:
        """Draw a new secret of so many characters."""
        text = secrets.token_urlsafe(length)[:length]
        self.secrets.append(text)
        return text

    def issue_user_keys(self) -> Keys:
        """Make long-lived keys of the user."""
        return self._issue("AKIA", f"arn:aws:iam::{self.account_id}:user/double", None, None)

    def issue_session(self, arn: str) -> Keys:
        """Make temporary keys of a principal."""
        expires_at = (self._now() + self._lifetime).replace(microsecond=0)
        return self._issue("ASIA", arn, self.secret(600), expires_at)

    def rotate(self, role: str) -> Keys:
        """Return a machine's credentials for its role, new ones when half of their life is over."""
        with self._lock:
            keys = self._rotating.get(role)
            if keys is None or keys.expires_at is None or keys.expires_at - self._now() < self._lifetime / 2:
                arn = f"arn:aws:sts::{self.account_id}:assumed-role/{role}/i-0123456789abcdef0"
                keys = self._rotating[role] = self.issue_session(arn)
            return keys

    def revoke(self, access_key_id: str) -> None:
        """Forget a key."""
        del self._known[access_key_id]

    def authenticate(self, request: Request, dialect: Dialect) -> tuple[Signature, Keys]:
        """Return who signed the request; key, token, time and signature are looked at in AWS's order.

        Raises:
            AWSError: nobody whom AWS would let in.
        """
        signature = read_signature(request)
        if signature is None:
            raise AWSError(dialect.missing, dialect.status, "Request is missing Authentication Token")
        keys = self._known.get(signature.access_key_id)
        if keys is None or request.headers.get("X-Amz-Security-Token") != keys.session_token:
            raise AWSError(dialect.unknown, dialect.status, "The security token included in the request is invalid.")
        now = self._now()
        if keys.expires_at is not None and keys.expires_at <= now:
            raise AWSError(dialect.expired, dialect.status, "The security token included in the request is expired")
        signed_at = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(now - signed_at) > _CLOCK_TOLERANCE:
            when = "expired" if signed_at < now else "not yet current"
            message = f"Signature {when}: {signed_at:%Y%m%dT%H%M%SZ} is not within 5 min. of {now:%Y%m%dT%H%M%SZ}"
            raise AWSError(dialect.signature, dialect.status, message)
        if not signature.is_made_with(keys.secret_access_key, request):
            message = "The request signature we calculated does not match the signature you provided."
            raise AWSError(dialect.signature, dialect.status, message)
        return signature, keys

    def _issue(self, prefix: str, arn: str, session_token: str | None, expires_at: datetime | None) -> Keys:
        suffix = "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))
        keys = Keys(prefix + suffix, self.secret(40), session_token, expires_at, arn)
        self._known[keys.access_key_id] = keys
        return keys
