"""What an answer of GetAuthorizationToken means. Pure but for telling the secrets; no request is made in here."""

import base64
import email.utils
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from rancher_ecr.errors import MalformedTokenError
from rancher_ecr.model import AuthorizationToken, server_address
from rancher_ecr.redaction import Secrets
from rancher_ecr.sources._ecr_hosts import RegistryHost, registry_host, server_addresses


def clock_offset(answer: Mapping[str, Any], now: datetime) -> timedelta:
    """Return how far this machine's clock is ahead of AWS's, by the answer's own Date; zero when it has no good one."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return now - email.utils.parsedate_to_datetime(date)
    except (ValueError, TypeError, OverflowError):  # TypeError: a Date without a zone, as -0000 is read
        return timedelta(0)


def read_host(entry: Mapping[str, Any], dns_suffixes: Iterable[str]) -> RegistryHost | None:
    """Return the registry an entry is about; None when its endpoint is missing or not of ECR's own form."""
    endpoint = entry.get("proxyEndpoint")
    return registry_host(server_address(endpoint), dns_suffixes) if isinstance(endpoint, str) else None


def read_token(
    entry: Mapping[str, Any], host: RegistryHost | None, offset: timedelta, secrets: Secrets
) -> AuthorizationToken:
    """Read one entry of the answer, strictly.

    Raises:
        MalformedTokenError: it is no login; the message never quotes it.
    """
    endpoint, token, expires_at = (entry.get(key) for key in ("proxyEndpoint", "authorizationToken", "expiresAt"))
    if not isinstance(token, str) or not token:
        raise MalformedTokenError("the answer has no authorizationToken")
    secrets.add(token)
    username, password = _read_login(token)
    secrets.add(password)
    if not isinstance(endpoint, str) or not _is_url(endpoint):
        raise MalformedTokenError("the proxyEndpoint is missing or no http(s) URL of a host")
    if not isinstance(expires_at, datetime) or expires_at.tzinfo is None:
        raise MalformedTokenError("the expiresAt is missing or no point in time")
    return AuthorizationToken(
        endpoint, server_addresses(endpoint, host), username, password, _corrected(expires_at, offset)
    )


def _read_login(token: str) -> tuple[str, str]:
    try:
        login = base64.b64decode(token, validate=True).decode()
    except ValueError:
        login = ""
    # Raised out here: the context of an error raised in there would hold the token.
    username, _, password = login.partition(":")
    if not username.strip() or not password.strip():
        raise MalformedTokenError("the authorizationToken is no base64 of user:password")
    return username, password


def _is_url(endpoint: str) -> bool:
    try:
        url = urlsplit(endpoint)
        return url.scheme in {"http", "https"} and bool(url.hostname) and bool(server_address(endpoint))
    except ValueError:
        return False


def _corrected(expires_at: datetime, offset: timedelta) -> datetime:
    try:
        return expires_at.astimezone(UTC) + offset
    except OverflowError:  # an expiry at the end of time
        return expires_at
