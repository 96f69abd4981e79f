"""The nouns: immutable values without I/O, clock or environment. What is decided about them is the syncer's."""

import enum
import re
from collections.abc import Hashable, Iterable
from datetime import datetime

from attrs import field, frozen

from rancher_ecr.errors import RancherECRError, StoreError, SyncError

_ADDRESS = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://|(?!.*://))"
    r"(?P<host>\[[0-9a-f:.]+\]|[^\s/:@\[\]?#]+)(?::(?P<port>[0-9]*))?(?:[/?#].*)?"
)


def server_address(text: str) -> str:
    """Fold the spellings of one registry host into one: `host` or `host:port`.

    Case, surrounding blanks, scheme, trailing slash, path and a default port are dropped. Never raises: what cannot be
    read comes out as the empty string, which matches nothing.
    """
    match = _ADDRESS.fullmatch(text.strip().lower())
    if match is None:
        return ""
    host, port = match["host"], (match["port"] or "").lstrip("0")
    # Docker speaks https unless told otherwise, so 443 is the default with any scheme and 80 with http:// alone.
    is_default = port in {"", "443"} or (port == "80" and match["scheme"] == "http")
    return host if is_default else f"{host}:{port}"


def _strings(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@frozen
class AuthorizationToken:
    """A login for one registry host, as a token source gave it.

    Attributes:
        proxy_endpoint: the registry's URL as the source said it.
        server_addresses: the names of that one host, normalised; the one to create first.
        username: the user name a registry expects, `AWS` for ECR.
        password: the secret; never in a repr.
        expires_at: when the registry stops accepting it, in UTC and on this machine's clock.
    """

    proxy_endpoint: str
    server_addresses: tuple[str, ...] = field(converter=_strings)
    username: str
    password: str = field(repr=False)
    expires_at: datetime = field()

    @server_addresses.validator
    def _check_server_addresses(self, _attribute: object, value: tuple[str, ...]) -> None:
        if not value:
            raise ValueError("an AuthorizationToken needs at least one server address")

    @expires_at.validator
    def _check_expires_at(self, _attribute: object, value: datetime) -> None:
        if value.tzinfo is None:
            raise ValueError("expires_at must be an aware datetime")


@frozen
class Registry:
    """A registry as a store holds it.

    Attributes:
        server_address: normalised `host[:port]`, see `server_address`; empty when unreadable.
        address: the address as it is stored.
        ref: the server's object that holds the login; opaque to the core. Registries that share a ref share one object.
        vacant: it holds no login yet, so writing one creates it.
        obstacle: None, or why the orchestrator would not use this registry's login at a pull, with the remedy.
    """

    server_address: str
    address: str
    ref: Hashable
    vacant: bool = False
    obstacle: str | None = None


class Change(enum.Enum):
    """What a sync did about one registry."""

    UPDATED = "updated"
    """The login was written and is the one used at a pull."""
    CREATED = "created"
    """A registry or its login was created."""
    ABSENT = "absent"
    """This store has no such registry; another one has. Nothing is wrong."""
    UNUSABLE = "unusable"
    """It is there, perhaps written, but the orchestrator would not use it and nothing else serves the address."""
    MISSING = "missing"
    """No store has such a registry."""
    FAILED = "failed"
    """Reading or writing failed."""


@frozen(str=False)
class Outcome:
    """What happened to one token at one store, or to a source or store as a whole.

    Attributes:
        change: what was done.
        server_address: the token's address this is about; None when a whole source or store failed.
        store: the store's name; None for a source, or when no store has the registry.
        source: the source's name; None when a store failed.
        registry: the registry, as listed before the write; None when there was none.
        expires_at: when the delivered login ends; None when none was delivered.
        error: why it failed, or is missing or unusable.
    """

    change: Change
    server_address: str | None = None
    store: str | None = None
    source: str | None = None
    registry: Registry | None = None
    expires_at: datetime | None = None
    error: RancherECRError | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is left to do."""
        return self.change in {Change.UPDATED, Change.CREATED, Change.ABSENT}

    @property
    def delivered(self) -> bool:
        """Whether a login was written that the orchestrator uses."""
        return self.change in {Change.UPDATED, Change.CREATED}

    def __str__(self) -> str:
        """Say it in one line."""
        parts = [self.store or self.source or "", self.server_address or "", self.change.value]
        if self.expires_at is not None:
            parts.append(f"until {self.expires_at:%Y-%m-%d %H:%M:%S} UTC")
        line = " ".join(part for part in parts if part)
        if self.delivered and self.registry is not None and self.registry.obstacle is not None:
            line += f", though this one is not used at a pull: {self.registry.obstacle}"
        return f"{line}: {self.error}" if self.error else line


@frozen
class IssuedToken:
    """A token with the place in the syncer's sources it came from and when it was fetched (UTC)."""

    source: int
    token: AuthorizationToken
    issued_at: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Whether more than half of its life is left."""
        return self.token.expires_at - now > (self.token.expires_at - self.issued_at) / 2


@frozen
class Delivery:
    """That a token was written: into which store, for which registry.

    Attributes:
        store: the store object itself, since names need not be unique.
        registry: as listed before the write; None when it was created.
        server_address: the address the login was written for.
        token: what was written.
    """

    store: object = field(repr=False)
    registry: Registry | None
    server_address: str
    token: AuthorizationToken

    @property
    def created(self) -> bool:
        """Whether the registry had no login before."""
        return self.registry is None or self.registry.vacant


@frozen
class Report:
    """The result of one sync.

    Attributes:
        outcomes: one for each registry, and for each source or store that failed as a whole.
        warnings: what is odd but stops nothing.
        dry_run: nothing was written; `outcomes` say what would have been.
        tokens: what the sources gave, for the next sync's `previous`.
        complete_sources: the places of the sources that gave all they should, for the next sync's `previous`.
        deliveries: what was written with them, for the next sync's `previous`.
    """

    outcomes: tuple[Outcome, ...] = ()
    warnings: tuple[str, ...] = ()
    dry_run: bool = False
    tokens: tuple[IssuedToken, ...] = field(default=(), repr=False)
    complete_sources: frozenset[int] = field(default=frozenset(), repr=False)
    deliveries: tuple[Delivery, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """Whether every token reached a registry that uses it and no source or store failed."""
        return all(outcome.ok for outcome in self.outcomes)

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The outcomes that need somebody or another try."""
        return tuple(outcome for outcome in self.outcomes if not outcome.ok)

    @property
    def expires_at(self) -> datetime | None:
        """When the first of the delivered logins ends; None when none was delivered."""
        return min((o.expires_at for o in self.outcomes if o.delivered and o.expires_at), default=None)

    def raise_for_failures(self) -> None:
        """Raise a SyncError that holds one error per failure; do nothing when all is well."""
        errors = [outcome.error or StoreError(outcome.change.value) for outcome in self.failures]
        if errors:
            raise SyncError(f"{len(errors)} of {len(self.outcomes)} not delivered", errors)
