"""Stores with one mistake each, for the tests of the contract: what each does wrong is its docstring."""

import base64
import itertools
import json
import logging
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from attrs import evolve
from stores import KEY, GroupedStore, ObjectServer, entry

from rancher_ecr.errors import StoreError
from rancher_ecr.model import AuthorizationToken, Registry, server_address
from rancher_ecr.testing.memory import MemoryStore

Logins = Mapping[Registry, AuthorizationToken]

# Listing


class ListsTheFirstPage(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        return super().registries()[:100]


class ListsTheFirstPageOfNames(GroupedStore):
    def _names(self) -> list[str]:
        return self._ask(lambda: self.server.page(0))


class ListsTwice(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        listing = super().registries()
        return [*listing, *listing[:1]]


class ListsNoVacantOnes(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        return [registry for registry in super().registries() if not registry.vacant]


class ListsVacantOnesAsHolding(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        return [evolve(registry, vacant=False) for registry in super().registries()]


class ListsVacancyAsAnObstacle(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        return [evolve(r, obstacle="no login" if r.vacant else r.obstacle) for r in super().registries()]


class ListsNoPorts(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        return [evolve(r, server_address=r.server_address.partition(":")[0]) for r in super().registries()]


class ListsAddressesAsStored(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        return [evolve(registry, server_address=registry.address) for registry in super().registries()]


class ListsAGenerator(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        return (registry for registry in super().registries())  # type: ignore[return-value]  # the mistake


class ListsItsOwnList(MemoryStore):
    """The list it gave changes later."""

    def __init__(self) -> None:
        super().__init__()
        self._list: list[Registry] = []

    def registries(self) -> Sequence[Registry]:
        self._list[:] = super().registries()
        return self._list

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        super().create(server_address, token)
        self.registries()


class ListsFromACache(GroupedStore):
    _cache: Sequence[Registry] | None = None

    def registries(self) -> Sequence[Registry]:
        self._cache = self._cache or super().registries()
        return self._cache

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        super().create(server_address, token)
        self._cache = None


class FailsWhenEmpty(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        return super().registries() or self._fail()

    def _fail(self) -> NoReturn:
        raise StoreError("there are no registries")


class RefsAreNotHashable(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        return [
            evolve(registry, ref={"id": registry.ref})  # type: ignore[arg-type]  # the mistake
            for registry in super().registries()
        ]


class RefsAreNewEachTime(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        return [evolve(registry, ref=object()) for registry in super().registries()]


class RefsHoldTheVersion(GroupedStore):
    def registries(self) -> Sequence[Registry]:
        return [evolve(r, ref=(r.ref, self._document(str(r.ref))[0])) for r in super().registries()]

    def write(self, logins: Logins) -> None:
        super().write({evolve(r, ref=r.ref[0]): t for r, t in logins.items()})  # type: ignore[index]  # as made above


class ChangingRef:
    """Equal to itself alone, and its hash counts what was written."""

    writes = 0

    def __hash__(self) -> int:
        return self.writes

    def __eq__(self, other: object) -> bool:
        return self is other


class RefsChangeTheirHash(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self._refs: dict[object, ChangingRef] = {}

    def registries(self) -> Sequence[Registry]:
        return [evolve(r, ref=self._refs.setdefault(r.ref, ChangingRef())) for r in super().registries()]

    def write(self, logins: Logins) -> None:
        ids = {id(ref): held for held, ref in self._refs.items()}
        super().write({evolve(r, ref=ids[id(r.ref)]): token for r, token in logins.items()})
        for registry in logins:
            registry.ref.writes += 1  # type: ignore[attr-defined]  # a ChangingRef


class RefsAreOfThisProcess(GroupedStore):
    """A restarted instance makes other refs of the same objects."""

    def __init__(self, server: ObjectServer) -> None:
        super().__init__(server)
        self._salt = object()

    def registries(self) -> Sequence[Registry]:
        return [evolve(registry, ref=(registry.ref, self._salt)) for registry in super().registries()]

    def write(self, logins: Logins) -> None:
        super().write({evolve(r, ref=r.ref[0]): t for r, t in logins.items()})  # type: ignore[index]  # as made above


class HasNoName(MemoryStore):
    @property
    def name(self) -> str:
        return " "


class HasANameOfTwoLines(MemoryStore):
    @property
    def name(self) -> str:
        return "one\ntwo"


class HasAnotherNameEachTime(MemoryStore):
    @property
    def name(self) -> str:
        return str(time.perf_counter_ns())


# Writing


class LosesOtherHosts(GroupedStore):
    """Replaces the object by what it was given."""

    def write(self, logins: Logins) -> None:
        (name,) = {str(registry.ref) for registry in logins}
        text = json.dumps({registry.address: entry(token) for registry, token in logins.items()})
        self._ask(lambda: self.server.put(name, text))


class WritesWhatItRead(GroupedStore):
    """Replaces the object by what was listed, with the new logins: later changes are lost."""

    def __init__(self, server: ObjectServer) -> None:
        super().__init__(server)
        self._read: dict[str, dict[str, Any]] = {}

    def registries(self) -> Sequence[Registry]:
        self._read = {name: self._document(name)[1] for name in self._names()}
        return super().registries()

    def write(self, logins: Logins) -> None:
        (name,) = {str(registry.ref) for registry in logins}
        document = self._read[name] | {registry.address: entry(token) for registry, token in logins.items()}
        self._ask(lambda: self.server.put(name, json.dumps(document)))


class ReadsOncePerInstance(WritesWhatItRead):
    """As one does that keeps what it wrote, and never looks at what others wrote."""

    def write(self, logins: Logins) -> None:
        super().write(logins)
        (name,) = {str(registry.ref) for registry in logins}
        self._read[name] |= {registry.address: entry(token) for registry, token in logins.items()}

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        super().create(server_address, token)
        self.registries()


class WritesOneByOne(GroupedStore):
    def write(self, logins: Logins) -> None:
        for registry, token in logins.items():
            super().write({registry: token})


class WritesTheFirstOnly(GroupedStore):
    def write(self, logins: Logins) -> None:
        super().write(dict(itertools.islice(logins.items(), 1)))


class WritesOneTokenForAll(GroupedStore):
    def write(self, logins: Logins) -> None:
        super().write(dict.fromkeys(logins, next(iter(logins.values()))))


class FillsTheWholeObject(GroupedStore):
    def write(self, logins: Logins) -> None:
        refs = {registry.ref for registry in logins}
        others = [r for r in self.registries() if r.ref in refs and r.vacant]
        super().write(dict.fromkeys(others, next(iter(logins.values()))) | dict(logins))


class IgnoresVacantOnes(MemoryStore):
    def write(self, logins: Logins) -> None:
        super().write({registry: token for registry, token in logins.items() if not registry.vacant})


class RefusesVacantOnes(MemoryStore):
    def write(self, logins: Logins) -> None:
        if any(registry.vacant for registry in logins):
            raise StoreError("there is no login to update")
        super().write(logins)


class FillsAgain(MemoryStore):
    """Adds a login to what was vacant when it was listed."""

    def write(self, logins: Logins) -> None:
        for registry, token in logins.items():
            if registry.vacant and isinstance(registry.ref, int):
                self.add_login(registry.ref, token.username, token.password)
        super().write(logins)


class RecreatesRegistries(MemoryStore):
    """Deletes and creates instead of updating."""

    def write(self, logins: Logins) -> None:
        super().write(logins)
        for registry, token in logins.items():
            self.remove(registry.ref if isinstance(registry.ref, int) else 0)
            super().create(registry.address, token)


class KeepsTheUserName(MemoryStore):
    def write(self, logins: Logins) -> None:
        super().write({r: evolve(t, username=(self.pull(r.address) or (t.username,))[0]) for r, t in logins.items()})


class CutsPasswords(MemoryStore):
    def write(self, logins: Logins) -> None:
        super().write({r: evolve(t, password=t.password[:2048]) for r, t in logins.items()})


class CutsPasswordsAtColons(MemoryStore):
    def write(self, logins: Logins) -> None:
        super().write({r: evolve(t, password=t.password.split(":")[0]) for r, t in logins.items()})


class RefusesTheSame(MemoryStore):
    def write(self, logins: Logins) -> None:
        if all(self.pull(r.address) == (t.username, t.password) for r, t in logins.items()):
            raise StoreError("not modified")
        super().write(logins)


class WritesLater(MemoryStore):
    def write(self, logins: Logins) -> None:
        threading.Timer(0.05, super().write, [logins]).start()


class WritesToSimilarHosts(MemoryStore):
    """Finds its registries by the beginning of their addresses."""

    def write(self, logins: Logins) -> None:
        for registry, token in logins.items():
            same = [r for r in super().registries() if r.address.startswith(registry.address.partition(":")[0])]
            super().write(dict.fromkeys(same, token))


class WritesNothing(MemoryStore):
    def write(self, logins: Logins) -> None:
        """Do nothing, and say nothing."""


# Creating


class CreatesDuplicates(MemoryStore):
    def create(self, server_address: str, token: AuthorizationToken) -> None:
        self.add_login(self.add_registry(server_address), token.username, token.password)


class CreatesSecondLogins(MemoryStore):
    def create(self, server_address: str, token: AuthorizationToken) -> None:
        super().create(server_address, token)
        held = next(held for held in self.held if held.address == server_address)
        if any(login.password != token.password for login in held.logins) or len(held.logins) == 1:
            self.add_login(held.id, token.username, token.password)


class RefusesToCreateAgain(MemoryStore):
    def create(self, server_address: str, token: AuthorizationToken) -> None:
        if any(held.address == server_address for held in self.held):
            raise StoreError(f"{server_address} exists")
        super().create(server_address, token)


class SkipsWhatIsThere(MemoryStore):
    """Takes a registry that is there for one that has the login."""

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        if not any(held.address == server_address for held in self.held):
            super().create(server_address, token)


class SkipsWhatIsVacant(MemoryStore):
    def create(self, server_address: str, token: AuthorizationToken) -> None:
        if not any(held.address == server_address and not held.logins for held in self.held):
            super().create(server_address, token)


class CreatesNoLogin(MemoryStore):
    def create(self, server_address: str, token: AuthorizationToken) -> None:
        _ = token
        self.add_registry(server_address)


class CreatesWithoutPort(MemoryStore):
    def create(self, server_address: str, token: AuthorizationToken) -> None:
        super().create(server_address.partition(":")[0], token)


class CreatesWithScheme(MemoryStore):
    def create(self, server_address: str, token: AuthorizationToken) -> None:
        super().create(f"https://{server_address}", token)


class CreatesANewObject(GroupedStore):
    """Replaces what is there by a document of one host."""

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        name = next(iter(self._names()), "registries")
        self._ask(lambda: self.server.put(name, json.dumps({server_address: entry(token)})))


class RemembersWhatItCreated(MemoryStore):
    """Knows by itself what it created, and makes a duplicate of what somebody else did."""

    def __init__(self) -> None:
        super().__init__()
        self._created: dict[str, int] = {}

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        if server_address in self._created:
            super().create(server_address, token)
            return
        self._created[server_address] = self.add_registry(server_address)
        self.add_login(self._created[server_address], token.username, token.password)


class NumbersWhatItCreates(GroupedStore):
    """Two instances create two objects."""

    def __init__(self, server: ObjectServer) -> None:
        super().__init__(server)
        self._names_of: dict[str, str] = {r.address: str(r.ref) for r in self.registries()}

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        name = self._names_of.setdefault(server_address, f"{id(self)}-{len(self._names_of)}")
        self._put_into(name, {server_address: token})


class CreatesInTwoSteps(MemoryStore):
    """What an earlier call began stays without a login, beside a second registry."""

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        if any(held.address == server_address and held.logins for held in self.held):
            super().create(server_address, token)
            return
        self.on_request("create")
        registry = self.add_registry(server_address)
        self.on_answer("create")
        self.on_request("login")
        self.add_login(registry, token.username, token.password)
        self.on_answer("login")


class TakesRemovedOnesForWritten(MemoryStore):
    def write(self, logins: Logins) -> None:
        held = {held.id for held in self.held}
        super().write({registry: token for registry, token in logins.items() if registry.ref in held})


class WritesToANamesake(MemoryStore):
    """Writes to what comes first when the registry is gone."""

    def write(self, logins: Logins) -> None:
        listing = super().registries()
        super().write({r if r in listing else listing[0]: token for r, token in logins.items()})


# Threads


class IsNotThreadSafe(GroupedStore):
    """Reads, changes and replaces without a look at the version."""

    def _put_into(self, name: str, logins: Mapping[str, AuthorizationToken]) -> None:
        _, document = self._document(name)
        time.sleep(0.001)  # as a network takes
        document |= {address: entry(token) for address, token in logins.items()}
        self._ask(lambda: self.server.put(name, json.dumps(document)))


class LocksByRef(IsNotThreadSafe):
    """Writes of one ref wait for each other, but a creation in the same object does not."""

    _locks = tuple(threading.Lock() for _ in range(8))

    def write(self, logins: Logins) -> None:
        with self._locks[hash(next(iter(logins)).ref) % 8]:
            super().write(logins)


class KeepsTheTokenInItself(MemoryStore):
    _token: AuthorizationToken | None = None

    def write(self, logins: Logins) -> None:
        for registry, self._token in logins.items():
            time.sleep(0.001)
            super().write({registry: self._token})


class ChecksThenCreates(MemoryStore):
    """Two threads find the document as it was."""

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        before = dict(self._held)
        time.sleep(0.001)
        self._held = before
        super().create(server_address, token)


class BelongsToAThread(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self._local = threading.local()
        self._local.connection = True

    def write(self, logins: Logins) -> None:
        if not self._local.connection:
            raise StoreError("not connected")
        super().write(logins)


# Obstacles


class SaysNoObstacle(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        return [evolve(registry, obstacle=None) for registry in super().registries()]


class SeesNoDuplicates(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        listing = super().registries()
        return [evolve(r, obstacle=None if "same address" in (r.obstacle or "") else r.obstacle) for r in listing]


class SeesObstaclesEverywhere(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        return [evolve(registry, obstacle="odd") for registry in super().registries()]


class SeesCapitalsAsAnObstacle(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        return [evolve(r, obstacle=r.obstacle or (None if r.address.islower() else "A")) for r in super().registries()]


class SaysBlankObstacles(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        return [evolve(registry, obstacle=registry.obstacle and " ") for registry in super().registries()]


class TripsOverObstacles(MemoryStore):
    def write(self, logins: Logins) -> None:
        for registry in logins:
            if registry.obstacle:
                raise LookupError(registry.address)
        super().write(logins)


# Faults


class Leaks(GroupedStore):
    """Lets the server's own errors through."""

    def registries(self) -> Sequence[Registry]:
        return [
            Registry(server_address(address), address, name)
            for start in itertools.takewhile(self.server.page, itertools.count(step=2))
            for name in self.server.page(start)
            for address in json.loads(self.server.get(name)[1])
        ]


class LeaksFromWrite(GroupedStore):
    def write(self, logins: Logins) -> None:
        self.server.page(0)
        super().write(logins)


class LeaksFromCreate(GroupedStore):
    def create(self, server_address: str, token: AuthorizationToken) -> None:
        super().create(server_address, token)
        self.server.page(0)


class SwallowsListingErrors(GroupedStore):
    def registries(self) -> Sequence[Registry]:
        try:
            return super().registries()
        except StoreError:
            return []


class ListsWhatItGot(GroupedStore):
    """A page that fails is the last one."""

    def _names(self) -> list[str]:
        names: list[str] = []
        try:
            while page := self.server.page(len(names)):
                names += page
        except OSError as error:
            if not names:
                raise StoreError("unreachable") from type(error)()
        return names


class SwallowsWriteErrors(GroupedStore):
    def write(self, logins: Logins) -> None:
        try:
            super().write(logins)
        except StoreError:
            return


class SwallowsCreateErrors(MemoryStore):
    def create(self, server_address: str, token: AuthorizationToken) -> None:
        try:
            super().create(server_address, token)
        except StoreError:
            return


class StaysBroken(GroupedStore):
    """Does not open a connection again."""

    _broken = False

    def registries(self) -> Sequence[Registry]:
        if self._broken:
            raise StoreError("the connection is closed")
        try:
            return super().registries()
        except StoreError:
            self._broken = True
            raise


class SaysNothing(GroupedStore):
    def registries(self) -> Sequence[Registry]:
        try:
            return super().registries()
        except StoreError:
            raise StoreError from None


# Secrets


class ShowsRefs(GroupedStore):
    """The ref is the object's text."""

    def registries(self) -> Sequence[Registry]:
        return [evolve(r, ref=(r.ref, self.server.objects[str(r.ref)][1])) for r in super().registries()]

    def write(self, logins: Logins) -> None:
        super().write({evolve(r, ref=r.ref[0]): t for r, t in logins.items()})  # type: ignore[index]  # as made above


class ShowsItself(MemoryStore):
    def __repr__(self) -> str:
        return f"{[login.password for held in self.held for login in held.logins]}"


class ShowsItsKey(GroupedStore):
    @property
    def name(self) -> str:
        return f"https://user:{KEY}@objects.example.com"


class Logs(MemoryStore):
    def write(self, logins: Logins) -> None:
        for token in logins.values():
            logging.getLogger("my.store").debug("writing %s", token.password)
        super().write(logins)


class LogsWhatItFills(MemoryStore):
    def write(self, logins: Logins) -> None:
        for registry, token in logins.items():
            if registry.vacant:
                logging.getLogger("my.store").debug("writing %s", token.password)
        super().write(logins)


class LogsAside(MemoryStore):
    """Its logger neither propagates nor is set to DEBUG."""

    _log = logging.getLogger("my.own.store")
    _log.propagate = False
    _log.setLevel(logging.WARNING)

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        super().create(server_address, token)
        self._log.debug("created %s", {"secretValue": token.password})


class LogsBase64(MemoryStore):
    def write(self, logins: Logins) -> None:
        for token in logins.values():
            encoded = base64.b64encode(f"{token.username}:{token.password}".encode()).decode()
            logging.getLogger("my.store").debug("Authorization: Basic %s", encoded)
        super().write(logins)


class LogsTheBeginning(MemoryStore):
    def create(self, server_address: str, token: AuthorizationToken) -> None:
        super().create(server_address, token)
        logging.getLogger("my.store").info("created a login %s…", token.password[:8])


class LogsTheEnd(MemoryStore):
    def create(self, server_address: str, token: AuthorizationToken) -> None:
        super().create(server_address, token)
        logging.getLogger("my.store").info("created a login …%s", token.password[-8:])


class LogsOldLogins(MemoryStore):
    def registries(self) -> Sequence[Registry]:
        for held in self.held:
            for login in held.logins:
                logging.getLogger("my.store").debug("found %s", login.password)
        return super().registries()


class LogsOnRepeat(MemoryStore):
    def create(self, server_address: str, token: AuthorizationToken) -> None:
        if self.pull(server_address):
            logging.getLogger("my.store").debug("again: %r", token.password)
        super().create(server_address, token)


class LogsAttributes(MemoryStore):
    """As loggers that write JSON show them."""

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        super().create(server_address, token)
        logging.getLogger("my.store").info("created", extra={"secret": token.password})


class LogsTracebacks(GroupedStore):
    def _ask(self, call: Any) -> Any:
        try:
            return call()
        except OSError:
            logging.getLogger("my.store").debug("failed", exc_info=True)
            raise StoreError("failed") from None


class QuotesWhatItRefuses(MemoryStore):
    def write(self, logins: Logins) -> None:
        try:
            super().write(logins)
        except StoreError:
            raise StoreError(f"not written: {[token.password for token in logins.values()]}") from None


class Prints(MemoryStore):
    def write(self, logins: Logins) -> None:
        for token in logins.values():
            print(token.password)  # noqa: T201  # the mistake
        super().write(logins)


class Warns(MemoryStore):
    def write(self, logins: Logins) -> None:
        for token in logins.values():
            warnings.warn(token.password, stacklevel=2)
        super().write(logins)


class LogsErrors(GroupedStore):
    """Foreign errors are logged with what they quote."""

    def _ask(self, call: Any) -> Any:
        try:
            return call()
        except OSError as error:
            logging.getLogger("my.store").debug("failed: %s", error)
            raise StoreError("failed") from None


class QuotesErrors(GroupedStore):
    def _ask(self, call: Any) -> Any:
        try:
            return call()
        except OSError as error:
            raise StoreError(f"failed: {error}") from None


class ChainsErrors(GroupedStore):
    def _ask(self, call: Any) -> Any:
        try:
            return call()
        except OSError as error:
            raise StoreError("failed") from error


class ChainsErrorsUnsaid(GroupedStore):
    """The foreign error stays as the context."""

    def _ask(self, call: Any) -> Any:
        try:
            return call()
        except OSError:
            raise StoreError("failed")  # noqa: B904  # the mistake


class NotesErrors(GroupedStore):
    def _ask(self, call: Any) -> Any:
        try:
            return call()
        except OSError as error:
            ours = StoreError("failed")
            ours.add_note(str(error))
            raise ours from None


class HidesTokensInArguments(GroupedStore):
    """An error whose text is clean and whose repr is not."""

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        try:
            super().create(server_address, token)
        except StoreError:
            raise QuietError("failed", token.password) from None


class QuietError(StoreError):
    def __str__(self) -> str:
        return str(self.args[0])
