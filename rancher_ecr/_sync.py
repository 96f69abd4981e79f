"""One sync, from its begin to its Report: sources and stores are called side by side, and each fails alone."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, field

from rancher_ecr._crew import Crew, StillHangingError
from rancher_ecr.errors import RancherECRError, SourceError, StoreError
from rancher_ecr.model import AuthorizationToken, Change, Delivery, IssuedToken, Outcome, Registry, Report
from rancher_ecr.plan import Step, absent, distinct, missing_error, plan
from rancher_ecr.protocols import RegistryStore, TokenSource

if TYPE_CHECKING:
    from rancher_ecr.syncer import Syncer

T = TypeVar("T")


@define(eq=False)
class Crews:
    """The threads of a Syncer, kept from sync to sync so that what hangs is not called again."""

    sources: list[Crew[None]]
    concurrency: int
    roster: Crew[list[RegistryStore]] = field(factory=lambda: Crew(1))
    # Pairs and identity, since stores need be neither hashable nor equal to themselves.
    stores: list[tuple[RegistryStore, Crew[Sequence[Registry] | None]]] = field(factory=list)

    def of(self, stores: Iterable[RegistryStore]) -> list[tuple[RegistryStore, Crew[Sequence[Registry] | None]]]:
        """Match stores with their crews, and forget the crews of stores that are no more."""
        known = self.stores
        self.stores = [
            (store, next((crew for other, crew in known if other is store), Crew(self.concurrency))) for store in stores
        ]
        return self.stores


@define(eq=False)
class _Fetch:
    """One source in one sync."""

    place: int
    source: TokenSource
    got: list[IssuedToken]
    future: Future[None]


@define(eq=False)
class _Listing:
    """One store in one sync."""

    store: RegistryStore
    crew: Crew[Sequence[Registry] | None]
    future: Future[Sequence[Registry] | None]
    registries: Sequence[Registry] | None = None
    steps: Sequence[Step] = ()


@define(eq=False)
class Sync:
    """One run of a Syncer, from its begin to its Report."""

    syncer: "Syncer"
    crews: Crews
    previous: Report
    dry_run: bool = field(kw_only=True)
    begin: float = field(init=False)
    outcomes: list[Outcome] = field(factory=list)
    warnings: list[str] = field(factory=list)
    issued: list[IssuedToken] = field(factory=list)
    complete_sources: set[int] = field(factory=set)
    deliveries: list[Delivery] = field(factory=list)
    bugs: list[BaseException] = field(factory=list)

    def run(self) -> Report:
        self.begin = self.syncer.monotonic()
        fetches = self.start_fetching()
        listings = self.start_listing()
        self.finish_fetching(fetches)
        self.finish_listing(listings)
        tokens, warnings = distinct(issued.token for issued in self.issued)
        self.warnings += warnings
        for listing in listings:
            if listing.registries is not None:  # nothing is created where it is not known what is there
                listing.steps = plan(tokens, listing.registries, create_missing=self.syncer.create_missing)
        self.write(listings)
        self.note_absences(tokens, listings)
        return Report(
            outcomes=tuple(self.outcomes),
            warnings=tuple(self.warnings),
            dry_run=self.dry_run,
            tokens=tuple(self.issued),
            complete_sources=frozenset(self.complete_sources),
            deliveries=tuple(self.deliveries),
        )

    def start_fetching(self) -> list[_Fetch]:
        now = self.syncer.now()
        fetches = []
        for place, source in enumerate(self.syncer.sources):
            known = [issued for issued in self.previous.tokens if issued.source == place]
            got = [issued for issued in known if issued.is_fresh(now)]
            if got and got == known and place in self.previous.complete_sources:
                self.issued += got
                self.complete_sources.add(place)
                continue
            (future,) = self.crews.sources[place].start([partial(self.fetch, place, source, got)])
            fetches.append(_Fetch(place, source, got, future))
        return fetches

    def fetch(self, place: int, source: TokenSource, got: list[IssuedToken]) -> None:
        reused = {issued.token.server_addresses for issued in got}
        got.extend(  # one by one: what was yielded before an error or a hang counts
            IssuedToken(place, token, self.syncer.now())
            for token in source.tokens()
            if token.server_addresses not in reused
        )

    def finish_fetching(self, fetches: Sequence[_Fetch]) -> None:
        self.wait([fetch.future for fetch in fetches], share=0.5)
        for fetch in fetches:
            error = self.error_of(fetch.future, fetch.source.name, SourceError, self.crews.sources[fetch.place])
            if error is None:
                self.complete_sources.add(fetch.place)
            else:
                self.outcomes.append(Outcome(Change.FAILED, source=fetch.source.name, error=error))
            self.issued += list(fetch.got)  # a copy: a call that hangs may still add to it
        self.issued.sort(key=lambda issued: issued.source)

    def start_listing(self) -> list[_Listing]:
        (roster,) = self.crews.roster.start([lambda: list(self.syncer.stores)])
        self.wait([roster], share=0.65)  # two waits of a minute for Retry-After fit in
        error = self.error_of(roster, "looking up the stores", StoreError, self.crews.roster)
        if error is not None:
            self.outcomes.append(Outcome(Change.FAILED, error=error))
            return []
        return [
            _Listing(store, crew, crew.start([store.registries])[0]) for store, crew in self.crews.of(roster.result())
        ]

    def finish_listing(self, listings: Sequence[_Listing]) -> None:
        self.wait([listing.future for listing in listings], share=0.75)
        for listing in listings:
            error = self.error_of(listing.future, listing.store.name, StoreError, listing.crew)
            if error is None:
                listing.registries = listing.future.result()
            else:
                self.outcomes.append(Outcome(Change.FAILED, store=listing.store.name, error=error))

    def write(self, listings: Sequence[_Listing]) -> None:
        jobs: list[tuple[_Listing, Sequence[Step], Future[Sequence[Registry] | None]]] = []
        for listing in listings:
            groups: list[list[Step]] = []
            for group in _by_ref(listing.steps):
                if self.dry_run or not group[0].writes or self.was_done(listing, group):
                    self.settle(listing, group, None)
                else:
                    groups.append(group)
            futures = listing.crew.start([partial(_deliver, listing.store, group) for group in groups])
            jobs += [(listing, group, future) for group, future in zip(groups, futures, strict=True)]
        self.wait([future for _, _, future in jobs], share=1.0)
        for listing, written, future in jobs:
            self.settle(listing, written, self.error_of(future, listing.store.name, StoreError, listing.crew))

    def was_done(self, listing: _Listing, group: Sequence[Step]) -> bool:
        mine = [delivery for delivery in self.previous.deliveries if delivery.store is listing.store]
        return all(any(step.was_done_by(delivery) for delivery in mine) for step in group)

    def settle(self, listing: _Listing, group: Iterable[Step], error: RancherECRError | None) -> None:
        for step in group:
            delivered = error is None and step.change is not Change.UNUSABLE
            outcome = Outcome(
                Change.FAILED if error else step.change,
                server_address=step.server_address,
                store=listing.store.name,
                registry=step.registry,
                expires_at=step.token.expires_at if delivered else None,
                error=error or step.error,
            )
            self.outcomes.append(outcome)
            if step.writes and error is None and not self.dry_run:
                self.deliveries.append(Delivery(listing.store, step.registry, step.server_address, step.token))

    def note_absences(self, tokens: Sequence[AuthorizationToken], listings: Sequence[_Listing]) -> None:
        listed = [listing for listing in listings if listing.registries is not None]
        absences, missing = absent(
            tokens, [frozenset(step.server_address for step in listing.steps) for listing in listed]
        )
        names = [listing.store.name for listing in listed]
        self.outcomes += [
            Outcome(Change.ABSENT, server_address=address, store=names[place]) for place, address in absences
        ]
        if listed and len(listed) == len(listings):  # a store that could not be listed may have it
            self.outcomes += [
                Outcome(Change.MISSING, server_address=address, error=missing_error(address, names))
                for address in missing
            ]
        if tokens:
            self.warnings += [
                f"{listing.store.name}: no registry is for any of the logins" for listing in listed if not listing.steps
            ]

    def wait(self, futures: Sequence[Future[T]], *, share: float) -> None:
        wait(futures, timeout=max(0.0, self.begin + self.syncer.timeout * share - self.syncer.monotonic()))

    def error_of(
        self, future: Future[T], name: str, kind: type[RancherECRError], crew: Crew[Any]
    ) -> RancherECRError | None:
        """The error a call ended with; what has not ended is given up, and bugs are kept for the end of the sync."""
        if future.cancel():
            return kind(f"{name}: there was no time left to begin within {self.syncer.timeout:g} s")
        if not future.done():
            crew.give_up()
            return kind(
                f"{name}: no answer in the time of one sync ({self.syncer.timeout:g} s); abandoned, "
                "and not asked again before that call returns"
            )
        error = future.exception()
        if isinstance(error, StillHangingError):
            return kind(
                f"{name}: a call that was abandoned earlier still hangs; nothing new is started before it returns"
            )
        if error is None or isinstance(error, RancherECRError):
            return error
        self.bugs.append(error)
        return kind(f"{name}: {type(error).__name__}, which is a bug of its own")


def _by_ref(steps: Iterable[Step]) -> list[list[Step]]:
    """Group what is written together: steps of one ref; each creation, and each step that writes nothing, alone."""
    groups: dict[object, list[Step]] = {}
    for step in steps:
        key = ("ref", step.registry.ref) if step.registry and step.writes else ("alone", step.server_address, id(step))
        groups.setdefault(key, []).append(step)
    return list(groups.values())


def _deliver(store: RegistryStore, group: Sequence[Step]) -> None:
    for step in group:
        if step.registry is None:
            store.create(step.server_address, step.token)
            return
    store.write({step.registry: step.token for step in group if step.registry is not None})
