"""Fixed logins, the smallest source; what asks a network for a login may never enter here."""

from collections.abc import Iterator, Sequence

from attrs import frozen

from rancher_ecr.model import AuthorizationToken


@frozen
class StaticTokenSource:
    """A TokenSource of logins that are known beforehand, for registries without tokens that end, and for trials.

    Attributes:
        logins: what every call gives, in this order.
        name: a short name for people.
    """

    logins: Sequence[AuthorizationToken]
    name: str = "static"

    def tokens(self) -> Iterator[AuthorizationToken]:
        """Yield the logins; nothing can fail."""
        yield from self.logins
