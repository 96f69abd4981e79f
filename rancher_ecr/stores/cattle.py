"""What Rancher means by a registry and its login: which one counts, how it is written. Knows nothing of HTTP.

Which credential a host gets at a pull, by the server's own look-up: of the environment's active registries the first
whose address equals the image's host but for case; of that registry's active credentials the one with the lowest id.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from rancher_ecr.errors import RegistryUnusableError, StoreError, StoreResponseError
from rancher_ecr.model import AuthorizationToken, Registry, server_address
from rancher_ecr.stores._cattle_api import NOT_FOUND, CattleAPI, number, quoted

_LOG = logging.getLogger(__name__)

# States in passing towards active are no obstacle: they last milliseconds, or seconds on a busy server.
_ACTIVE = frozenset({"requested", "registering", "activating", "active", "updating-active"})
_GONE = frozenset({"removing", "removed", "purging", "purged"})

EMAIL = "ecr@rancher-ecr.invalid"  # v1 of Rancher 1.6 wants one and never uses it; other versions ignore it
SETTLING = 10.0  # seconds to wait for something created to become active
POLL = 0.2


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


class CattleStore:
    """The registries of one Rancher environment.

    Args:
        api: the server.
        project_id: the environment's id, such as `1a5`.
        name: for people, such as `rancher.example.com/Default`.
        sleep: waits between looks at something created; takes seconds.
    """

    def __init__(
        self, api: CattleAPI, project_id: str, name: str, *, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._api = api
        self._path = f"projects/{quoted(project_id)}"
        self._name = name
        self._sleep = sleep

    @property
    def name(self) -> str:
        """Server and environment."""
        return self._name

    def __repr__(self) -> str:
        """Show the name alone."""
        return f"CattleStore({self._name!r})"

    def __eq__(self, other: object) -> bool:
        """Whether it is the same environment of the same server, under the same name."""
        return isinstance(other, CattleStore) and (self._api, self._path, self._name) == (
            other._api,
            other._path,
            other._name,
        )

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash((self._path, self._name))

    def registries(self) -> Sequence[Registry]:
        """List the environment's registries, each with what stands in the way of its login.

        Raises:
            StoreError: they could not be read.
        """
        return read_registries(
            self._api.rows(f"{self._path}/registries", "registry"),
            self._api.rows(f"{self._path}/registrycredentials", "registryCredential"),
        )

    def write(self, logins: Mapping[Registry, AuthorizationToken]) -> None:
        """Write a login into the credential that counts, and into any other active one of the same user name.

        Raises:
            StoreError: it was not written, or Rancher would not use what was written.
        """
        for registry, token in logins.items():
            self._write(registry, token)

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        """Create a registry and its credential; complete what an earlier, interrupted call began.

        Raises:
            StoreError: it was not created, or not completely.
        """
        created = self._create_registry(server_address)
        same = [r for r in self.registries() if r.address.lower() == server_address.lower()]
        if not same:
            raise StoreError(f"{self._name}: {server_address} was created and is gone again")
        registry = same[0]
        if created is not None and _ref(registry).registry_id != created:
            # Cattle checks addresses before it takes its lock: another instance was faster, and its registry counts.
            self._withdraw(f"{self._path}/registries/{quoted(created)}", "registry")
        if registry.obstacle is not None:
            raise RegistryUnusableError(f"{self._name}: {server_address!r} would not be used: {registry.obstacle}")
        self._write(registry, token)
        self._settle(f"{self._path}/registries/{quoted(_ref(registry).registry_id)}", "registry")

    def _create_registry(self, server_address: str) -> str | None:
        try:
            row = self._api.post(f"{self._path}/registries", "registry", {"serverAddress": server_address})
        except StoreResponseError as error:
            if error.code != "ServerAddressUsed":
                raise
            return None
        return str(row["id"])

    def _write(self, registry: Registry, token: AuthorizationToken) -> None:
        ref = _ref(registry)
        targets: Sequence[Login] = _targets(ref.logins, token.username)
        if not targets:
            self._fill(ref.registry_id, token)
        elif not self._put(targets[0], token, registry):
            targets = self._write_again(registry, token)
        for login in targets[1:]:
            self._put(login, token, registry)

    def _write_again(self, registry: Registry, token: AuthorizationToken) -> Sequence[Login]:
        """Look once more for the credential that counts: the one that was listed is gone, or active no longer."""
        registry_id = _ref(registry).registry_id
        rows = self._credentials_of(registry_id)
        targets = _targets(_written(rows), token.username)
        if not targets:
            self._fill(registry_id, token)
        elif not self._put(targets[0], token, registry):
            raise RegistryUnusableError(
                f"{self._name}: the credentials of {registry.address!r} were removed or deactivated while they were "
                "written; the next sync looks again"
            )
        return targets

    def _put(self, login: Login, token: AuthorizationToken, registry: Registry) -> bool:
        """Write one credential; False when it does not exist any more, or is inactive though it was not before."""
        path = f"{self._path}/registrycredentials/{quoted(login.id)}"
        try:
            row = self._api.put(path, "registryCredential", _values(token))
        except StoreResponseError as error:
            if error.status == NOT_FOUND:
                return False
            raise
        if row["id"] != login.id:
            raise StoreError(f"{self._name}: the answer to a write of {login.id} is about {row['id']}")
        # Cattle answers 200 for a removed and for an inactive credential too.
        return not _is_gone(row) and (row.get("state") in _ACTIVE or registry.obstacle is not None)

    def _fill(self, registry_id: str, token: AuthorizationToken) -> None:
        """Give a registry its first credential; when another instance was faster, use that one."""
        body = {"registryId": registry_id, **_values(token)}
        if self._api.version == "v1":
            body["email"] = EMAIL
        created = self._api.post(f"{self._path}/registrycredentials", "registryCredential", body)
        path = f"{self._path}/registrycredentials/{quoted(str(created['id']))}"
        counting = next(iter(_written(self._credentials_of(registry_id))), None)
        if counting is None or counting.id == created["id"]:
            self._settle(path, "registryCredential")
            return
        self._api.put(f"{self._path}/registrycredentials/{quoted(counting.id)}", "registryCredential", _values(token))
        self._withdraw(path, "registryCredential")

    def _credentials_of(self, registry_id: str) -> Sequence[Mapping[str, Any]]:
        rows = self._api.rows(
            f"{self._path}/registrycredentials?registryId={quoted(registry_id)}", "registryCredential"
        )
        return [row for row in rows if row.get("registryId") == registry_id and not _is_gone(row)]

    def _settle(self, path: str, kind: str, until: frozenset[str] = frozenset({"active"})) -> str:
        """Wait for a state; return the last one seen. Until it is active, what was created is not used at a pull."""
        state = ""
        for _ in range(round(SETTLING / POLL)):
            state = str(self._api.get(path, kind).get("state"))
            if state in until or state not in _ACTIVE | {"deactivating"}:
                break
            self._sleep(POLL)
        return state

    def _withdraw(self, path: str, kind: str) -> None:
        """Remove what this very call created beside another instance's; failing at that harms nothing."""
        try:
            self._settle(path, kind)
            self._api.post(f"{path}?action=deactivate", kind, {})
            self._settle(path, kind, frozenset({"inactive"}))
            self._api.delete(path)
        except StoreError as error:
            _LOG.warning("%s: a duplicate created just now could not be removed: %s", self._name, error)


def read_registries(
    registries: Iterable[Mapping[str, Any]], credentials: Iterable[Mapping[str, Any]]
) -> list[Registry]:
    """Make Registries of Cattle's rows, in the order in which the server looks through them."""
    of_registry: dict[object, list[Mapping[str, Any]]] = {}
    for row in sorted(credentials, key=lambda row: number(row["id"])):
        if not _is_gone(row):
            of_registry.setdefault(row.get("registryId"), []).append(row)
    first: dict[str, tuple[str, bool]] = {}
    result = []
    for row in sorted(registries, key=lambda row: number(row["id"])):
        if _is_gone(row):
            continue
        rows = of_registry.get(row["id"], [])
        address = str(row.get("serverAddress") or "")
        obstacle = _address_obstacle(address) or _state_obstacle(row) or _credential_obstacle(rows)
        if row.get("state") in _ACTIVE:
            usable = any(credential.get("state") in _ACTIVE for credential in rows)
            first_id, first_usable = first.setdefault(address.lower(), (row["id"], usable))
            if first_id != row["id"] and not first_usable:
                obstacle = obstacle or (
                    f"registry {first_id} has the same address, comes first and holds no active login; "
                    "give that one a login, or remove it"
                )
        result.append(
            Registry(
                server_address=server_address(address),
                address=address,
                ref=CattleRef(row["id"], _written(rows)),
                vacant=not rows,
                obstacle=obstacle,
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


def _state_obstacle(row: Mapping[str, Any]) -> str | None:
    if row.get("state") in _ACTIVE:
        return None
    return f"the registry {row['id']} is {row.get('state')}; activate it in Rancher"


def _credential_obstacle(rows: Sequence[Mapping[str, Any]]) -> str | None:
    if not rows or any(row.get("state") in _ACTIVE for row in rows):
        return None
    ids = ", ".join(str(row["id"]) for row in rows)
    return f"it holds only inactive credentials ({ids}); activate one in Rancher, or remove them"


def _written(rows: Sequence[Mapping[str, Any]]) -> tuple[Login, ...]:
    """Choose the credentials that may be written: the active ones, or the first when none is active."""
    active = [row for row in rows if row.get("state") in _ACTIVE] or rows[:1]
    return tuple(Login(str(row["id"]), str(row.get("publicValue") or "")) for row in active)


def _targets(logins: Sequence[Login], username: str) -> list[Login]:
    """Choose which to write for a user name: the one that counts, and others of that name."""
    return [login for place, login in enumerate(logins) if place == 0 or login.username == username]


def _values(token: AuthorizationToken) -> dict[str, str]:
    return {"publicValue": token.username, "secretValue": token.password}


def _is_gone(row: Mapping[str, Any]) -> bool:
    return row.get("state") in _GONE or row.get("removed") is not None


def _ref(registry: Registry) -> CattleRef:
    if not isinstance(registry.ref, CattleRef):
        raise StoreError(f"{registry.address!r} is not from a Rancher environment")
    return registry.ref
