"""The same random steps on CattleStore with the simulator and on MemoryStore, other writers included: equal pulls."""

from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from rancher import World, token, world

from rancher_ecr import RegistryStore, Report, StoreError, Syncer
from rancher_ecr.sources.static import StaticTokenSource
from rancher_ecr.testing.memory import MemoryStore

HOSTS = ("a.example.com", "b.example.com:5000")
ADDRESSES = (
    *HOSTS,
    "A.Example.com",
    "https://a.example.com",
    "a.example.com/",
    "a.example.com:443",
    " b.example.com:5000",
)
USERS = ("AWS", "bob")


def outline(report: Report) -> list[tuple[str, str | None, str | None]]:
    """What a report says, but for what stores name differently."""
    return sorted(
        (outcome.change.value, outcome.server_address, outcome.registry.address if outcome.registry else None)
        for outcome in report.outcomes
    )


class Machine(RuleBasedStateMachine):
    version: ClassVar[str]
    engine: ClassVar[str]

    previous: tuple[Report | None, Report | None] = (None, None)  # None once somebody else has written
    registries = Bundle("registries")
    logins = Bundle("logins")

    @initialize()
    def start(self) -> None:
        self.world: World = world(self.version, engine=self.engine)
        self.memory = MemoryStore()
        self.generation = 0

    # Other writers

    @rule(target=registries, address=st.sampled_from(ADDRESSES), active=st.booleans())
    def add_registry(self, address: str, active: bool) -> tuple[str, int]:  # noqa: FBT001  # hypothesis passes it
        self.previous = (None, None)
        state = "active" if active else "inactive"
        return (
            self.world.sim.add_registry(self.world.project, address, state=state),
            self.memory.add_registry(address, active=active),
        )

    @rule(target=logins, registry=registries, username=st.sampled_from(USERS), active=st.booleans())
    def add_login(self, registry: tuple[str, int], username: str, active: bool) -> object:  # noqa: FBT001  # hypothesis passes it
        self.previous = (None, None)
        if registry[1] not in {held.id for held in self.memory.held}:
            return multiple()
        state = "active" if active else "inactive"
        return (
            self.world.sim.add_credential(registry[0], username, "theirs", state=state),
            self.memory.add_login(registry[1], username, "theirs", active=active),
        )

    @rule(row=st.one_of(registries, logins), active=st.booleans())
    def set_active(self, row: tuple[str, int], active: bool) -> None:  # noqa: FBT001  # hypothesis passes it
        self.previous = (None, None)
        if not self.is_gone(row[0]):
            self.world.sim.set_state(row[0], "active" if active else "inactive")
            self.memory.set_active(row[1], active)

    @rule(row=st.one_of(registries, logins), state=st.sampled_from(["removed", "purged"]))
    def remove(self, row: tuple[str, int], state: str) -> None:
        self.previous = (None, None)
        self.world.sim.set_state(row[0], state)
        self.memory.remove(row[1])

    def is_gone(self, row_id: str) -> bool:
        gone = {row.id for row in self.world.sim.registries(self.world.project) if row.removed}
        gone |= {
            row.id for row in self.world.sim.credentials(self.world.project) if row.removed or row.registry_id in gone
        }
        return row_id in gone

    # Ours

    @rule(hosts=st.sets(st.sampled_from(HOSTS), min_size=1), create=st.booleans(), again=st.booleans())
    def sync(self, hosts: set[str], create: bool, again: bool) -> None:  # noqa: FBT001  # hypothesis passes it
        self.generation += 1
        tokens = [token(host, password=f"{self.generation}") for host in sorted(hosts)]
        reports = []
        stores: tuple[RegistryStore, RegistryStore] = (self.world.store, self.memory)
        for place, store in enumerate(stores):
            syncer = Syncer([StaticTokenSource(tokens)], [store], create_missing=create, concurrency=1)
            reports.append(syncer.sync(previous=self.previous[place] if again else None))
        self.previous = (reports[0], reports[1])
        assert outline(reports[0]) == outline(reports[1])

    @rule(address=st.sampled_from(HOSTS))
    def create(self, address: str) -> None:
        self.previous = (None, None)
        self.generation += 1
        assert self.outcome(self.world.store, address) == self.outcome(self.memory, address)

    def outcome(self, store: RegistryStore, address: str) -> bool:
        try:
            store.create(address, token(address, password=f"{self.generation}"))
        except StoreError:
            return False
        return True

    @invariant()
    def pulls_are_the_same(self) -> None:
        for host in (*HOSTS, "A.EXAMPLE.com", "a.example.com:443", "c.example.com"):
            assert self.world.pull(host) == self.memory.pull(host)

    @invariant()
    def listings_are_the_same(self) -> None:
        ours, theirs = (
            [(r.server_address, r.address, r.vacant, r.obstacle is None) for r in store.registries()]
            for store in (self.world.store, self.memory)
        )
        assert ours == theirs


@pytest.mark.parametrize(
    ("version", "engine", "examples"),
    [("v1", "rancher", 30), ("v2-beta", "rancher", 30), ("v1", "pasturestack", 10), ("v2-beta", "pasturestack", 10)],
)
def test_the_store_and_the_model_agree(version: str, engine: str, examples: int) -> None:
    case = type("Case", (Machine,), {"version": version, "engine": engine}).TestCase  # type: ignore[attr-defined]  # hypothesis makes it
    case.settings = settings(max_examples=examples, stateful_step_count=25, deadline=None)
    case().runTest()
