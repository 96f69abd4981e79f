"""The two seams, their contract in words. The contract in tests is rancher_ecr.testing; no code lives here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from rancher_ecr.model import AuthorizationToken, Registry


class TokenSource(Protocol):
    """Where logins come from.

    `tokens` is called from one thread at a time, not always the same one.
    """

    @property
    def name(self) -> str:
        """A short name for people, such as `ecr us-east-1`; it holds no secret."""

    def tokens(self) -> Iterator[AuthorizationToken]:
        """Yield every good login, then raise for what could not be got.

        One bad login loses that one only: the good ones are yielded before the error is raised. Every call asks anew.

        Raises:
            SourceError: something could not be got; no other error leaves a source, and no message holds a secret.
        """


class RegistryStore(Protocol):
    """Where an orchestrator keeps its registry logins.

    `write` and `create` may be called from several threads at once, though never at once for one ref or one address: a
    store that keeps several hosts in one object guards it itself. No error other than StoreError leaves a store, and no
    message, repr or name holds a secret.
    """

    @property
    def name(self) -> str:
        """A short name for people, such as `rancher.example.com/Default`; it holds no secret."""

    def registries(self) -> Sequence[Registry]:
        """List every registry the store holds now.

        Raises:
            StoreError: it could not be read completely.
        """

    def write(self, logins: Mapping[Registry, AuthorizationToken]) -> None:
        """Write the logins of one ref, all or none.

        All keys come from `registries` and share one ref: one object on the server, which may hold logins of other
        hosts as well. Afterwards each token is what the orchestrator hands out for its registry, whether there was a
        login before or not, unless the registry's `obstacle` stands in the way. Writing the same again changes nothing.

        Raises:
            StoreError: nothing was written, or it would not be used; a store refuses rather than lose another host's
                login.
        """

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        """Create a registry for a new address, with its login.

        Idempotent: a lost answer, then the same call again, leaves one registry with one login.

        Raises:
            StoreError: it was not created, or not completely; the same call again completes it.
        """
