"""Which environments of a Rancher server are served: one CattleStore for each. Never reads or writes a registry."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence

from rancher_ecr.errors import StoreError
from rancher_ecr.model import Registry
from rancher_ecr.protocols import RegistryStore
from rancher_ecr.stores._cattle_api import CattleAPI, Row
from rancher_ecr.stores.cattle import CattleStore

_LOG = logging.getLogger(__name__)

EVERY = "*"
LOOKED_UP_FOR = 3600.0  # seconds until environments are looked up again: some come, some go


class CattleEnvironments:
    """The stores of one server, looked up when they are first iterated and again every hour.

    An environment keeps its store object as long as its name stays, and one that cannot be found is a store that says
    so, so that the others go on.

    Args:
        api: the server.
        project_id: the one environment that CATTLE_URL names; it wins over `selection`.
        selection: names or ids of environments, or `*` for all the key is a member of; empty for the key's only one.
        monotonic: the clock, in seconds.
        sleep: for the stores, see CattleStore.
    """

    def __init__(
        self,
        api: CattleAPI,
        *,
        project_id: str | None = None,
        selection: Sequence[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._api = api
        self._project_id = project_id
        self._selection = tuple(selection)
        self._monotonic = monotonic
        self._sleep = sleep
        self._looked_up_at: float | None = None
        self._stores: list[RegistryStore] = []

    def __iter__(self) -> Iterator[RegistryStore]:
        """Give one store for each environment.

        Raises:
            StoreError: the server could not be asked, or none of several environments was chosen.
        """
        now = self._monotonic()
        if self._looked_up_at is None or now - self._looked_up_at >= LOOKED_UP_FOR:
            try:
                found = self._look_up()
            except StoreError as error:
                if not self._stores:
                    raise
                _LOG.warning("environments not looked up again, the known ones go on: %s", error)
            else:
                self._stores = [next((known for known in self._stores if known == store), store) for store in found]
                complete = all(isinstance(store, CattleStore) for store in found)
                self._looked_up_at = now if complete else None
        return iter(tuple(self._stores))

    def _look_up(self) -> list[RegistryStore]:
        if self._project_id is not None:
            return self._make([self._api.get("projects", "project", self._project_id)])
        projects = self._api.projects()
        if not self._selection:
            return self._make([self._only(projects)])
        if EVERY in self._selection:
            active = [project for project in projects if project.get("state") != "inactive"]
            return self._make(active or [self._only(active)])
        return self._choose(projects)

    def _only(self, projects: Sequence[Row]) -> Row:
        if not projects:
            raise StoreError(f"{self._api.host}: the key sees no environment; use an environment key, or a member's")
        if len(projects) > 1:
            raise StoreError(
                f"{self._api.host}: the key sees several environments ({_listed(projects)}); "
                "choose with CATTLE_ENVIRONMENTS: names or ids with commas, or *"
            )
        return projects[0]

    def _choose(self, projects: Sequence[Row]) -> list[RegistryStore]:
        chosen: dict[str, Row] = {}
        problems: list[RegistryStore] = []
        others: Sequence[Row] | None = None
        for wanted in self._selection:
            found = _matching(wanted, projects)
            if not found:
                others = self._api.projects(all_of_them=True) if others is None else others
                found = _matching(wanted, others)
            if len(found) == 1:
                chosen.setdefault(found[0]["id"], found[0])
            else:
                why = (
                    f"several are called so ({_listed(found)}); use ids"
                    if found
                    else f"the key sees {_listed(projects)}"
                )
                problems.append(_UnknownEnvironment(f"{self._api.host}/{wanted}", why))
        return [*self._make(list(chosen.values())), *problems]

    def _make(self, projects: Sequence[Row]) -> list[RegistryStore]:
        names = [_name_of(project) for project in projects]
        return [
            CattleStore(
                self._api,
                project["id"],
                f"{self._api.host}/{name}" + (f" ({project['id']})" if names.count(name) > 1 else ""),
                sleep=self._sleep,
            )
            for name, project in zip(names, projects, strict=True)
        ]


class _UnknownEnvironment:
    """Stands for an environment that was asked for and is not there."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self._why = why

    def registries(self) -> Sequence[Registry]:
        raise StoreError(f"{self.name}: no such environment, see CATTLE_ENVIRONMENTS: {self._why}")

    def write(self, *_: object, **__: object) -> None:
        self.registries()

    create = write


def _name_of(project: Row) -> str:
    """Give a name that is safe to log: people may put line breaks into an environment's."""
    name = project.get("name", "")
    return name if name and name.isprintable() else project["id"]


def _matching(wanted: str, projects: Sequence[Row]) -> list[Row]:
    by_id = [project for project in projects if project["id"] == wanted]
    exactly = by_id or [project for project in projects if project.get("name") == wanted]
    return exactly or [p for p in projects if p.get("name", "").casefold() == wanted.casefold()]


def _listed(projects: Sequence[Row]) -> str:
    return ", ".join(f"{_name_of(project)} ({project['id']}, {project.get('state')})" for project in projects) or "none"
