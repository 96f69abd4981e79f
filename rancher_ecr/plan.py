"""What is to be written where: pure decisions on tokens and registries, once for all stores. No I/O, no clock."""

from collections.abc import Iterable, Sequence

from attrs import evolve, frozen

from rancher_ecr.errors import RegistryMissingError, RegistryUnusableError
from rancher_ecr.model import AuthorizationToken, Change, Delivery, Registry


@frozen
class Step:
    """One token for one registry of one store, and what is to be done.

    Attributes:
        token: the login.
        registry: where it goes; None when a registry has to be created.
        server_address: the address served.
        writes: whether anything is written at all.
        change: what the outcome will be once that is done.
    """

    token: AuthorizationToken
    registry: Registry | None
    server_address: str
    writes: bool
    change: Change

    @property
    def error(self) -> RegistryUnusableError | None:
        """Why the login would not be used, with the remedy."""
        if self.change is not Change.UNUSABLE or self.registry is None:
            return None
        obstacle = self.registry.obstacle or "it holds no login; add one, or let it be created (AUTO_CREATE=true)"
        return RegistryUnusableError(f"{self.registry.address!r} would not be used at a pull: {obstacle}")

    def was_done_by(self, delivery: Delivery) -> bool:
        """Whether an earlier delivery to the same store makes this step needless."""
        if delivery.token != self.token or delivery.server_address != self.server_address or self.registry is None:
            return False
        if delivery.created:  # what it created now looks different from what was listed before
            return not self.registry.vacant and self.registry.obstacle is None
        return delivery.registry == self.registry


def plan(tokens: Iterable[AuthorizationToken], registries: Sequence[Registry], *, create_missing: bool) -> list[Step]:
    """Decide what one store needs.

    Every match without obstacle is written; one with an obstacle is written too when it holds a login, since somebody
    may be about to clear the obstacle. A vacant registry is filled, and a missing one created, only with
    create_missing, and never is one created beside a stored address that is the same but for case.
    """
    stored = {registry.address.lower() for registry in registries}
    steps = []
    for token in tokens:
        matches = [registry for registry in registries if registry.server_address in token.server_addresses]
        served = {r.server_address for r in matches if r.obstacle is None and (create_missing or not r.vacant)}
        wanted = token.server_addresses[0]
        if create_missing and not served and wanted.lower() not in stored:
            served.add(wanted)
            steps.append(Step(token, None, wanted, writes=True, change=Change.CREATED))
        for registry in matches:
            fills = registry.vacant and registry.obstacle is None and create_missing
            writes = fills or not registry.vacant
            address = registry.server_address
            if address not in served:
                steps.append(Step(token, registry, address, writes=writes, change=Change.UNUSABLE))
            elif writes:
                change = Change.CREATED if fills else Change.UPDATED
                steps.append(Step(token, registry, address, writes=True, change=change))
    return steps


def distinct(tokens: Iterable[AuthorizationToken]) -> tuple[list[AuthorizationToken], list[str]]:
    """Give every address to the first token that names it; return the tokens that are left, and warnings."""
    owners: dict[str, AuthorizationToken] = {}
    kept, warnings = [], []
    for token in tokens:
        free = tuple(address for address in token.server_addresses if address not in owners)
        owners.update(dict.fromkeys(free, token))
        if len(free) < len(token.server_addresses):
            taken = next(address for address in token.server_addresses if address not in free)
            warnings.append(f"two tokens for {taken}: the one of the first configured source is used")
        if free:
            kept.append(evolve(token, server_addresses=free))
    return kept, warnings


def absent(
    tokens: Iterable[AuthorizationToken], served: Sequence[frozenset[str]]
) -> tuple[list[tuple[int, str]], list[str]]:
    """Find which stores lack which token's registry, and which addresses no store has.

    Args:
        tokens: all that were got.
        served: for each store, the addresses it has a registry for.

    Returns:
        pairs of a store's place and an address, for addresses that another store has; and the addresses that are
        missing everywhere.
    """
    absences: list[tuple[int, str]] = []
    missing = []
    for token in tokens:
        without = [place for place, addresses in enumerate(served) if addresses.isdisjoint(token.server_addresses)]
        if len(without) == len(served):
            missing.append(token.server_addresses[0])
        else:
            absences += [(place, token.server_addresses[0]) for place in without]
    return absences, missing


def missing_error(server_address: str, stores: Iterable[str]) -> RegistryMissingError:
    """Say that no store has the address, where was looked, and what to do."""
    return RegistryMissingError(
        f"no registry {server_address!r} in {', '.join(stores)}: add it with exactly that address, "
        "or let it be created (AUTO_CREATE=true)"
    )
