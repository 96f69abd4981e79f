"""Amazon ECR: when GetAuthorizationToken is asked, and what is done when it fails. No other API of AWS may enter here.

ECR Public is another API (`ecr-public`, only in us-east-1) with another answer; it is not asked.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import evolve, field, frozen
from botocore.exceptions import NoCredentialsError
from botocore.session import Session

from rancher_ecr.errors import MalformedTokenError, SettingsError, SourceError
from rancher_ecr.model import AuthorizationToken, server_address
from rancher_ecr.redaction import Secrets
from rancher_ecr.sources import _ecr_settings
from rancher_ecr.sources._aws_errors import Failure, ask
from rancher_ecr.sources._aws_remedies import NOT_AWS, Blame
from rancher_ecr.sources._aws_session import Role, Timeouts, open_session
from rancher_ecr.sources._ecr_answer import clock_offset, read_host, read_token
from rancher_ecr.sources._ecr_settings import OWN_ADDRESSES, ProxyHosts

_logger = logging.getLogger(__name__)
_IDS_PER_CALL = 10  # GetAuthorizationToken's own limit


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ECRTokenSource:
    """A TokenSource of one region's ECR logins.

    Credentials come from botocore's default chain and renew themselves; when AWS no longer knows them the chain is
    run anew, so that a key replaced in its file is found. With AWS_WEB_IDENTITY_TOKEN_FILE in the environment
    AWS_ROLE_ARN is botocore's own: leave `role_arn` out then, or the role is assumed by itself.

    Args:
        region: such as `eu-west-1`; None for botocore's own (AWS_DEFAULT_REGION or the profile's).
        registry_ids: twelve-digit account ids; none for the principal's own account.
        role_arn: a role to assume with the base credentials.
        role_external_id: what the role's trust policy asks for.
        role_session_name: how CloudTrail names the assumed role's session.
        endpoint_url: where ECR is; for ECR's client alone.
        proxy_hosts: hosts that get the login instead, see `ProxyHosts`; the word `ecr` is ECR's own addresses.
        secrets: is told every key and token that is seen, so that logs can be kept free of them.
        now: the clock.
        session: taken over and configured; what it caches stays. None for one of its own.
        connect_timeout: seconds.
        read_timeout: seconds.
        process_timeout: seconds that a profile's `credential_process` may take.

    Raises:
        SettingsError: with everything that is wrong. There is no network in here.
    """

    def __init__(
        self,
        region: str | None = None,
        registry_ids: Sequence[str] = (),
        *,
        role_arn: str | None = None,
        role_external_id: str | None = None,
        role_session_name: str | None = None,
        endpoint_url: str | None = None,
        proxy_hosts: ProxyHosts | None = None,
        secrets: Secrets | None = None,
        now: Callable[[], datetime] = _utc_now,
        session: Session | None = None,
        connect_timeout: float = 5.0,
        read_timeout: float = 15.0,
        process_timeout: float = 60.0,
    ) -> None:
        self._ids = tuple(dict.fromkeys(filter(None, map(str.strip, registry_ids))))
        self._role = Role(role_arn, role_external_id, role_session_name) if role_arn else None
        self._endpoint_url = endpoint_url or None
        self._proxy_hosts = proxy_hosts or {}
        self._secrets = secrets or Secrets()
        self._now = now
        self._given = session
        self._timeouts = Timeouts(connect_timeout, read_timeout, process_timeout)
        self._client: Any = None

        problems = [
            *_ecr_settings.registry_id_problems(self._ids),
            *_ecr_settings.role_problems(self._role),
            *_ecr_settings.endpoint_problems(self._endpoint_url),
            *_ecr_settings.proxy_host_problems(self._proxy_hosts, self._ids),
        ]
        self._region = (region or "").strip()
        opened = ask(self._open_session, self._secrets)
        problems += [opened.text] if isinstance(opened, Failure) else _ecr_settings.region_problems(self._region)
        if problems:
            raise SettingsError(problems)

    @property
    def name(self) -> str:
        """`ecr` and the region."""
        return f"ecr {self._region}"

    def tokens(self) -> Iterator[AuthorizationToken]:
        """Ask ECR and yield a login for each registry id, or for each of its proxy hosts.

        Raises:
            SourceError: after the good ones; it gives a reason for each id that has none. MalformedTokenError when
                every reason is an answer that is no login.
        """
        losses: list[_Loss] = []
        calls = deque([self._ids[i : i + _IDS_PER_CALL] for i in range(0, len(self._ids), _IDS_PER_CALL)] or [()])
        may_renew = self._client is not None
        failed_before = False
        trouble = self._connect() if self._client else self._reconnect()
        while calls:
            answer = trouble or self._get_authorization_token(calls[0])
            if not isinstance(answer, Failure):
                yield from self._read(answer, calls.popleft(), losses)
                failed_before = False
            elif answer.blame is Blame.CREDENTIALS and may_renew:
                may_renew = False
                trouble = self._reconnect()
            elif trouble or answer.blame is Blame.CREDENTIALS or (answer.blame is Blame.SERVICE and failed_before):
                # The rest would fail alike, and every call may take a minute to do so.
                self._client = None
                losses.append(_Loss(tuple(one for ids in calls for one in ids), answer.text, answer.cause))
                calls.clear()
            elif answer.blame is Blame.REQUEST and len(calls[0]) > 1:
                calls.extendleft((one,) for one in reversed(calls.popleft()))  # so that one bad id loses only itself
            else:
                losses.append(_Loss(calls.popleft(), answer.text, answer.cause))
                failed_before = answer.blame is Blame.SERVICE
        if losses:
            raise _source_error(self.name, losses)

    def _open_session(self) -> Session:
        session = open_session(role=self._role, timeouts=self._timeouts, secrets=self._secrets, given=self._given)
        self._region = self._region or session.get_config_variable("region") or ""
        # STS, which the chain asks, is a regional service.
        session.set_config_variable("region", self._region)
        partitions = session.get_data("partitions")["partitions"]
        self._dns_suffixes = frozenset(partition["outputs"]["dnsSuffix"] for partition in partitions)
        return session

    def _connect(self) -> Failure | None:
        """Have valid credentials and a client; say why that failed."""
        credentials = ask(self._load_credentials, self._secrets, otherwise=Blame.CREDENTIALS)
        if isinstance(credentials, Failure):
            return credentials
        self._secrets.add(credentials.secret_key, credentials.token)
        # A client made without credentials stays without them for ever, so it is made after they are there.
        client = self._client or ask(self._create_client, self._secrets)
        if isinstance(client, Failure):
            return client
        self._client = client
        return None

    def _reconnect(self) -> Failure | None:
        """Run the whole chain anew: a session never again reads the files in which a key or profile was mended."""
        self._client = None
        opened = ask(self._open_session, self._secrets)
        if isinstance(opened, Failure):
            return opened
        self._session = opened
        return self._connect()

    def _get_authorization_token(self, ids: Sequence[str]) -> Mapping[str, Any] | Failure:
        parameters = {"registryIds": list(ids)} if ids else {}
        return ask(lambda: self._client.get_authorization_token(**parameters), self._secrets)

    def _load_credentials(self) -> Any:
        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        return credentials.get_frozen_credentials()

    def _create_client(self) -> Any:
        return self._session.create_client("ecr", region_name=self._region, endpoint_url=self._endpoint_url)

    def _read(
        self, answer: Mapping[str, Any], ids: Sequence[str], losses: list["_Loss"]
    ) -> Iterator[AuthorizationToken]:
        offset = clock_offset(answer, self._now())
        entries = answer.get("authorizationData") or []
        unseen = list(ids)
        malformed = []
        for entry in entries:
            host = read_host(entry or {}, self._dns_suffixes)
            account = host.account if host else (ids[0] if len(ids) == 1 else None)
            try:
                token = read_token(entry or {}, host, offset, self._secrets)
            except MalformedTokenError as error:
                malformed.append(str(error))
                continue
            if account in unseen:
                unseen.remove(account)
            if token.expires_at <= self._now():
                _logger.warning("%s: the login for %s has already expired", self.name, token.server_addresses[0])
            yield from self._addressed(token, account)
        if len(entries) < max(len(ids), 1):
            malformed.append(f"the answer holds no login; {NOT_AWS}")
        losses.extend(_Loss(tuple(unseen), text, malformed=True) for text in dict.fromkeys(malformed))

    def _addressed(self, token: AuthorizationToken, account: str | None) -> Iterator[AuthorizationToken]:
        hosts = self._proxy_hosts.get(account) or self._proxy_hosts.get(None) or (OWN_ADDRESSES,)
        for host in dict.fromkeys(map(server_address, hosts)):
            yield token if host == OWN_ADDRESSES else evolve(token, server_addresses=(host,))


@frozen
class _Loss:
    ids: tuple[str, ...]
    text: str
    cause: Exception | None = field(default=None, repr=False)
    malformed: bool = False


def _source_error(name: str, losses: Sequence[_Loss]) -> SourceError:
    """Make the one error that tells all losses; ids that were lost for the same reason share its words."""
    ids_by_text: dict[str, list[str]] = {}
    for loss in losses:
        ids_by_text.setdefault(loss.text, []).extend(loss.ids)
    reasons = (f"registry {', '.join(ids)}: {text}" if ids else text for text, ids in ids_by_text.items())
    kind = MalformedTokenError if all(loss.malformed for loss in losses) else SourceError
    error = kind(f"{name}: {'; '.join(reasons)}")
    causes = [loss.cause for loss in losses if loss.cause]
    if causes:
        error.__cause__ = causes[0] if len(causes) == 1 else ExceptionGroup("several calls failed", causes)
    return error
