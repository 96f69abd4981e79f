"""How a botocore session is made: whose credentials, which timeouts. What is asked with it may never enter here."""

import functools
import logging
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    Credentials,
    DeferredRefreshableCredentials,
    ProcessProvider,
    create_credential_resolver,
)
from botocore.session import Session

from rancher_ecr.redaction import Secrets


@frozen
class Role:
    """An IAM role to assume with the base credentials.

    Attributes:
        arn: the role's ARN.
        external_id: what the role's trust policy asks for, if anything.
        session_name: how the session is called in CloudTrail; botocore makes one up when it is None.
    """

    arn: str
    external_id: str | None = None
    session_name: str | None = None


@frozen
class Timeouts:
    """How long botocore may wait, in seconds: for a connection, for an answer, for a `credential_process`."""

    connect: float = 5.0
    read: float = 15.0
    process: float = 60.0


def open_session(*, role: Role | None, timeouts: Timeouts, secrets: Secrets, given: Session | None = None) -> Session:
    """Make a session whose clients are bounded in time and whose credentials renew themselves.

    There is no network in here: credentials are looked for when they are asked for. A given session is taken over: it
    keeps its credentials and gets the timeouts and the hooks. With a role a new session is made that assumes
    it with the credentials of the given one.

    Raises:
        botocore.exceptions.BotoCoreError: a profile or a configuration file is missing or wrong.
    """
    session = Session() if given is None or role else given
    # The default is the only way to reach the STS and SSO clients which botocore makes inside its chain.
    session.set_default_client_config(_client_config(session, timeouts))
    # Once for each Secrets, though a given session comes by at every renewal.
    for event, remember in (
        ("before-send", _remember_session_token),
        ("before-parameter-build", _remember_identity_token),
    ):
        session.register(event, remember(secrets), unique_id=f"rancher-ecr {event} {id(secrets)}")
    logging.getLogger("botocore.credentials").addFilter(_drop_traceback)

    def load_base() -> Credentials | None:
        return given.get_credentials() if given else _default_chain(session, timeouts).load_credentials()

    if role:
        provider = CredentialResolver([_RoleProvider(session, role, load_base)])
        session.register_component("credential_provider", provider)
    elif given is None:
        session.lazy_register_component("credential_provider", lambda: _default_chain(session, timeouts))
    return session


def _client_config(session: Session, timeouts: Timeouts) -> Config:
    # `legacy`, the default until botocore 1.43, tries again less and reports throttling worse.
    mode = session.get_config_variable("retry_mode")
    config = Config(
        connect_timeout=timeouts.connect,
        read_timeout=timeouts.read,
        retries={"mode": "standard" if mode in {None, "legacy"} else mode},
    )
    theirs: Config | None = session.get_default_client_config()
    return config if theirs is None else config.merge(theirs)


def _default_chain(session: Session, timeouts: Timeouts) -> CredentialResolver:
    """Return botocore's own chain, with a limit on `credential_process`, which botocore waits for without end."""
    chain = create_credential_resolver(session)
    popen = functools.partial(_BoundedPopen, timeouts.process)
    profile = session.get_config_variable("profile") or "default"
    bounded = ProcessProvider(profile, lambda: session.full_config, popen=popen)
    chain.insert_after(ProcessProvider.METHOD, bounded)
    chain.remove(ProcessProvider.METHOD)  # it removes the first one of that name
    return chain


class _BoundedPopen(subprocess.Popen[bytes]):
    def __init__(self, limit: float, args: Sequence[str], **kwargs: Any) -> None:
        super().__init__(args, stdin=subprocess.DEVNULL, **kwargs)
        self._limit = limit

    def communicate(self, input: bytes | None = None, timeout: float | None = None) -> tuple[Any, Any]:  # noqa: A002  # the name is Popen's
        try:
            return super().communicate(input, self._limit if timeout is None else timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            with self:  # closes the pipes: a grandchild may hold their other ends for ever
                raise


class _RoleProvider(CredentialProvider):
    METHOD = "assume-role"

    def __init__(self, session: Session, role: Role, load_base: Callable[[], Credentials | None]) -> None:
        super().__init__(session)
        self._role = role
        self._load_base = load_base

    def load(self) -> Credentials | None:
        base = self._load_base()
        if base is None:
            return None
        named = {"ExternalId": self._role.external_id, "RoleSessionName": self._role.session_name}
        fetcher = AssumeRoleCredentialFetcher(
            self.session.create_client,
            base,
            self._role.arn,
            extra_args={name: value for name, value in named.items() if value},
        )
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)


def _drop_traceback(record: logging.LogRecord) -> bool:
    """Keep what AWS answered, which may quote tokens, out of botocore's warnings; the error comes to us as well."""
    record.exc_info = None
    return True


# AWS quotes a bad session token in its answer, and one token of a chain of roles is never seen by us otherwise.
def _remember_session_token(secrets: Secrets) -> Callable[..., None]:
    def remember(request: Any, **_: object) -> None:
        token = request.headers.get("X-Amz-Security-Token")
        secrets.add(token.decode() if isinstance(token, bytes) else token)

    return remember


def _remember_identity_token(secrets: Secrets) -> Callable[..., None]:
    def remember(params: Mapping[str, Any], **_: object) -> None:
        secrets.add(params.get("WebIdentityToken"))

    return remember
