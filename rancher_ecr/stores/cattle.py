"""The registries of one Rancher environment: how a login is written and created. What counts is _cattle_registries'."""

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence

from rancher_ecr.errors import RegistryUnusableError, StoreError, StoreResponseError
from rancher_ecr.model import AuthorizationToken, Registry
from rancher_ecr.stores._cattle_api import NOT_FOUND, CattleAPI, Row, quoted
from rancher_ecr.stores._cattle_registries import (
    Login,
    is_active,
    is_gone,
    read_logins,
    read_registries,
    ref_of,
    targets,
)

_LOG = logging.getLogger(__name__)

EMAIL = "ecr@rancher-ecr.invalid"  # v1 of Rancher 1.6 wants one and never uses it; other versions ignore it
SETTLING = 10.0  # seconds to wait for something created to become active
POLL = 0.2
MOST_FAILURES = 5  # of attempts to withdraw a duplicate

REGISTRY = "registry"
CREDENTIAL = "registryCredential"


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
        self._registries = f"projects/{quoted(project_id)}/registries"
        self._credentials = f"projects/{quoted(project_id)}/registrycredentials"
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
        return isinstance(other, CattleStore) and (self._api, self._registries, self._name) == (
            other._api,
            other._registries,
            other._name,
        )

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash((self._registries, self._name))

    def registries(self) -> Sequence[Registry]:
        """List the environment's registries, each with what stands in the way of its login.

        Raises:
            StoreError: they could not be read.
        """
        return read_registries(
            self._api.rows(self._registries, REGISTRY), self._api.rows(self._credentials, CREDENTIAL)
        )

    def write(self, logins: Mapping[Registry, AuthorizationToken]) -> None:
        """Write a login into the credential that counts, and into any other active one of the same user name.

        Raises:
            StoreError: it was not written, or Rancher would not use what was written.
        """
        for registry, token in logins.items():
            ref = ref_of(registry)
            if self._put_all(ref.logins, token, registry):
                continue
            # It was vacant when it was listed, or what was listed is gone: look once more.
            now = read_logins(self._credentials_of(ref.registry_id))
            if registry.vacant and not now:
                self._fill(ref.registry_id, token)
            elif not self._put_all(now, token, registry):
                raise RegistryUnusableError(
                    f"{self._name}: the credentials of {registry.address!r} were removed or deactivated while they "
                    "were written; the next sync looks again"
                )

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        """Create a registry and its credential; complete what an earlier, interrupted call began.

        Raises:
            StoreError: it was not created, or not completely.
        """
        mine = self._post(self._registries, REGISTRY, {"serverAddress": server_address})
        rows = [
            row
            for row in self._look(self._registries, REGISTRY)
            if row.get("serverAddress", "").lower() == server_address.lower()
        ]
        credentials = [credential for row in rows for credential in self._credentials_of(row["id"])]
        there = read_registries(rows, credentials)
        if not there:
            raise mine.error or StoreError(f"{self._name}: {server_address!r} was created and is gone; was it removed?")
        registry = next((registry for registry in there if registry.obstacle is None), there[0])
        registry_id = ref_of(registry).registry_id
        # Cattle checks addresses before it takes its lock: another instance may have been as fast.
        self._withdraw_duplicates(self._registries, REGISTRY, mine, rows, keep=registry_id)
        if registry.obstacle is not None:
            raise RegistryUnusableError(f"{self._name}: {server_address!r} would not be used: {registry.obstacle}")
        if registry.vacant:
            self._fill(registry_id, token)
        else:
            self.write({registry: token})
        self._settle(self._registries, REGISTRY, registry_id)

    def _put_all(self, logins: Sequence[Login], token: AuthorizationToken, registry: Registry) -> bool:
        """Write the credential that counts, then the others; False when there is none that counts."""
        chosen = targets(logins, token.username)
        if not chosen or not self._put(chosen[0], token, registry):
            return False
        for login in chosen[1:]:
            self._put(login, token, registry)
        return True

    def _put(self, login: Login, token: AuthorizationToken, registry: Registry) -> bool:
        """Write one credential; False when it does not exist any more, or is inactive though it was not before."""
        try:
            row = self._api.put(self._credentials, CREDENTIAL, login.id, _values(token))
        except StoreResponseError as error:
            if error.status == NOT_FOUND:
                return False
            raise
        # Cattle answers 200 for a removed and for an inactive credential too.
        return is_active(row) or (registry.obstacle is not None and not is_gone(row))

    def _fill(self, registry_id: str, token: AuthorizationToken) -> None:
        """Give a registry its first credential; when another instance was as fast, use that one."""
        body = {"registryId": registry_id, **_values(token)}
        if self._api.version == "v1":
            body["email"] = EMAIL
        mine = self._post(self._credentials, CREDENTIAL, body)
        rows = self._credentials_of(registry_id)
        logins = read_logins(rows)
        if not logins:
            raise mine.error or StoreError(f"{self._name}: a credential was created and is gone; was it removed?")
        counting = logins[0].id
        self._withdraw_duplicates(self._credentials, CREDENTIAL, mine, rows, keep=counting)
        if not mine.made(next(row for row in rows if row["id"] == counting)):
            self._api.put(self._credentials, CREDENTIAL, counting, _values(token))
        self._settle(self._credentials, CREDENTIAL, counting)

    def _credentials_of(self, registry_id: str) -> Sequence[Row]:
        rows = self._look(f"{self._credentials}?registryId={quoted(registry_id)}", CREDENTIAL)
        return [row for row in rows if row.get("registryId") == registry_id and not is_gone(row)]

    def _look(self, path: str, kind: str) -> Sequence[Row]:
        """Read rows, twice if need be: one lost answer must not leave behind what this very call has created."""
        try:
            return self._api.rows(path, kind)
        except StoreError:
            self._sleep(POLL)
        return self._api.rows(path, kind)

    def _post(self, path: str, kind: str, body: Mapping[str, str]) -> "_Creation":
        """Create a row. When it is not certain what became of it, that is no error yet: the caller looks."""
        mark = f"created by rancher-ecr {uuid.uuid4()}"
        try:
            row = self._api.post(path, kind, {**body, "description": mark})
        except StoreResponseError as error:
            if error.status < 500 and error.code != "ServerAddressUsed":  # noqa: PLR2004  # HTTP's own border
                raise
            return _Creation(mark, error=error)
        except StoreError as error:
            return _Creation(mark, error=error)
        return _Creation(mark, row["id"])

    def _settle(self, path: str, kind: str, resource_id: str) -> None:
        """Wait until what was created is active: before that it is not used at a pull."""
        for _ in range(round(SETTLING / POLL)):
            row = self._api.get(path, kind, resource_id)
            if not is_active(row):
                raise RegistryUnusableError(
                    f"{self._name}: {kind} {resource_id} is {row.get('state')} already; the next sync looks again"
                )
            if row.get("state") == "active":
                return
            self._sleep(POLL)

    def _withdraw_duplicates(self, path: str, kind: str, mine: "_Creation", rows: Sequence[Row], *, keep: str) -> None:
        for row in rows:
            if row["id"] != keep and mine.made(row):
                self._withdraw(path, kind, row["id"])

    def _withdraw(self, path: str, kind: str, resource_id: str) -> None:
        """Remove what this very call created beside another instance's. Failing at it harms no pull, so it is said."""
        failures: list[StoreError] = []
        for _ in range(round(SETTLING / POLL)):
            try:
                row = self._api.get(path, kind, resource_id)
                if is_gone(row):
                    return
                if row.get("state") == "inactive":
                    self._api.delete(path, resource_id)
                elif is_active(row):
                    self._api.act(path, resource_id, "deactivate")
            except StoreError as error:  # a lost answer, or not the time for it: look again
                failures.append(error)
                if len(failures) == MOST_FAILURES:
                    break
            self._sleep(POLL)
        _LOG.warning(
            "%s: %s %s, a duplicate created just now, could not be removed; remove it in Rancher%s",
            self._name,
            kind,
            resource_id,
            f": {failures[-1]}" if failures else "",
        )


class _Creation:
    """What is known of a row that this very call has created, or perhaps has not."""

    def __init__(self, mark: str, resource_id: str | None = None, *, error: StoreError | None = None) -> None:
        self._mark = mark
        self._id = resource_id
        self.error = error

    def made(self, row: Row) -> bool:
        """Whether a row is the one: by its id, or when the answer was lost by the mark that it was created with."""
        return row["id"] == self._id or row.get("description") == self._mark


def _values(token: AuthorizationToken) -> dict[str, str]:
    return {"publicValue": token.username, "secretValue": token.password}
