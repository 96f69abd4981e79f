"""Which login Rancher uses at a pull, by the rules of its own look-up: rows in, Registries out. Asks nothing.

Of the environment's active registries the first whose address equals the image's host but for case; of that registry's
active credentials the one with the lowest id.
"""

from collections.abc import Iterable, Sequence

from attrs import field, frozen

from rancher_ecr.errors import StoreError
from rancher_ecr.model import Registry, server_address
from rancher_ecr.stores._cattle_api import Row, number

# States in passing towards active are no obstacle: they last milliseconds, or seconds on a busy server.
ACTIVE = frozenset({"requested", "registering", "activating", "active", "updating-active"})
_GONE = frozenset({"removing", "removed", "purging", "purged"})


@frozen
class Login:
    """A registry's credential: its id, and the user name that is stored in it."""

    id: str
    username: str = field(eq=False)  # our own write changes it, and the credential stays the same


@frozen
class CattleRef:
    """A registry on the server, and the credentials that are written there, lowest id first."""

    registry_id: str
    logins: tuple[Login, ...]


def is_gone(row: Row) -> bool:
    """Whether a row is removed: Cattle still answers 200 for it."""
    return row.get("state") in _GONE or bool(row.get("removed"))


def is_active(row: Row) -> bool:
    """Whether a row is in use, or about to be."""
    return not is_gone(row) and row.get("state") in ACTIVE


def ref_of(registry: Registry) -> CattleRef:
    """Give a Registry's ref.

    Raises:
        StoreError: it is another store's.
    """
    if not isinstance(registry.ref, CattleRef):
        raise StoreError(f"{registry.address!r} is not from a Rancher environment; list this store's registries")
    return registry.ref


def read_logins(credentials: Iterable[Row]) -> tuple[Login, ...]:
    """Choose, of one registry's credentials, those that may be written: the active ones, or the first when none is."""
    there = sorted((row for row in credentials if not is_gone(row)), key=lambda row: number(row["id"]))
    chosen = [row for row in there if is_active(row)] or there[:1]
    return tuple(Login(row["id"], row.get("publicValue", "")) for row in chosen)


def targets(logins: Sequence[Login], username: str) -> list[Login]:
    """Choose which to write for a user name: the one that counts, and others of that name."""
    return [login for place, login in enumerate(logins) if place == 0 or login.username == username]


def read_registries(registries: Iterable[Row], credentials: Iterable[Row]) -> list[Registry]:
    """Make Registries of Cattle's rows, in the order in which the server looks through them."""
    of_registry: dict[str, list[Row]] = {}
    for row in credentials:
        if not is_gone(row):
            of_registry.setdefault(row.get("registryId", ""), []).append(row)
    first: dict[str, str] = {}
    result = []
    for row in sorted(registries, key=lambda row: number(row["id"])):
        if is_gone(row):
            continue
        rows = of_registry.get(row["id"], [])
        address = row.get("serverAddress", "")
        if is_active(row):
            first.setdefault(address.lower(), row["id"])
        result.append(
            Registry(
                server_address=server_address(address),
                address=address,
                ref=CattleRef(row["id"], read_logins(rows)),
                vacant=not rows,
                obstacle=_address_obstacle(address)
                or _state_obstacle(row)
                or _credential_obstacle(rows)
                or _shadow_obstacle(row, first[address.lower()]),
            )
        )
    return result


def _address_obstacle(address: str) -> str | None:
    host = server_address(address)
    if not host:
        return "its address cannot be read as a registry's host; add a registry with the bare host name"
    if address.lower() == host:
        return None
    return (
        f"it is stored as {address!r}, and Rancher compares that literally with an image's host; "
        f"add a registry with the address {host!r} (AUTO_CREATE=true does it) and remove this one"
    )


def _state_obstacle(row: Row) -> str | None:
    if is_active(row):
        return None
    return f"the registry {row['id']} is {row.get('state')}; activate it in Rancher"


def _credential_obstacle(rows: Sequence[Row]) -> str | None:
    if not rows or any(map(is_active, rows)):
        return None
    ids = ", ".join(row["id"] for row in rows)
    return f"it holds only inactive credentials ({ids}); activate one in Rancher, or remove them"


def _shadow_obstacle(row: Row, first_id: str) -> str | None:
    if row["id"] == first_id:
        return None
    return f"registry {first_id} has the same address and comes first; remove one of the two"
