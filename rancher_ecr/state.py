"""What the service knows: one immutable value any thread may read, and how a report changes it. No I/O, no clock.

A store does not say when a login ends, so what was delivered is remembered here until it is replaced.
"""

import enum
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from attrs import evolve, field, frozen

from rancher_ecr.model import Change, Outcome, Report

Place = tuple[str | None, str | None]
"""A store's name and a server address."""


class Danger(enum.IntEnum):
    """How near to its end a login is that was not replaced."""

    NONE = 0
    LOW = 1
    """Less than a quarter of its life is left; it should have been replaced at half."""
    HIGH = 2
    """Less than a twelfth is left: of twelve hours, the last one."""
    DEAD = 3


@frozen
class Login:
    """A login that was delivered.

    Attributes:
        store: the store's name.
        server_address: the registry's.
        delivered_at: when.
        expires_at: when it ends.
    """

    store: str | None
    server_address: str | None
    delivered_at: datetime
    expires_at: datetime

    def danger(self, now: datetime) -> Danger:
        """How near to its end it is."""
        left, life = self.expires_at - now, self.expires_at - self.delivered_at
        if left <= timedelta(0):
            return Danger.DEAD
        if left < life / 12:
            return Danger.HIGH
        return Danger.LOW if left < life / 4 else Danger.NONE


@frozen
class Subject:
    """What an outcome is about; the same from sync to sync."""

    source: str | None
    store: str | None
    server_address: str | None
    address: str | None

    @classmethod
    def of(cls, outcome: Outcome) -> "Subject":
        """Take it from an outcome."""
        address = outcome.registry.address if outcome.registry else None
        return cls(outcome.source, outcome.store, outcome.server_address, address)

    @property
    def is_whole(self) -> bool:
        """Whether a whole source or store is meant."""
        return self.server_address is None

    @property
    def place(self) -> Place:
        """Where a login of it is kept."""
        return (self.store, self.server_address)


@frozen
class Trouble:
    """An outcome that is not well.

    Attributes:
        outcome: the last one.
        since: when the first of its kind was seen.
        worked: whether all was well with it before, so that what it delivered is known and watched.
    """

    outcome: Outcome
    since: datetime
    worked: bool


@frozen
class Verdict:
    """What a registry said of a login.

    Attributes:
        accepted: whether it takes it; None when it could not be asked.
        reason: what it answered, or why it could not be asked.
    """

    accepted: bool | None
    reason: str


@frozen(kw_only=True)
class State:
    """What the service knows.

    Attributes:
        started_at: when the service started.
        beat: when the loop last ran, on the monotonic clock.
        stopped: whether the loop has ended.
        syncing_since: when the sync that runs began, on the monotonic clock; None when none runs.
        next_at: when the next sync starts.
        last_at: when the last sync ended.
        last_ok_at: when the last one ended that left nothing to do.
        logins: what was delivered, by store and server address.
        troubles: what is not well.
        warnings: those of the last report.
        verdicts: what registries said of their logins, by server address.
        syncs: how many syncs had which result: `ok`, `failed` or `bug`.
        outcomes: how many outcomes there were of each change.
        seconds: how long all syncs took.
        bugs: how many bugs there were.
        bug: the scrubbed traceback of the last one; None once all is well.
    """

    started_at: datetime
    beat: float = 0.0
    stopped: bool = False
    syncing_since: float | None = None
    next_at: datetime | None = None
    last_at: datetime | None = None
    last_ok_at: datetime | None = None
    logins: Mapping[Place, Login] = field(factory=dict)
    troubles: Mapping[Subject, Trouble] = field(factory=dict)
    warnings: tuple[str, ...] = ()
    verdicts: Mapping[str, Verdict] = field(factory=dict)
    syncs: Mapping[str, int] = field(factory=lambda: dict.fromkeys(("ok", "failed", "bug"), 0))
    outcomes: Mapping[Change, int] = field(factory=lambda: dict.fromkeys(Change, 0))
    seconds: float = 0.0
    bugs: int = 0
    bug: str | None = None

    def after_sync(self, report: Report, *, now: datetime, seconds: float) -> "State":
        """Return what is known once a sync has ended."""
        outcomes = dict(self.outcomes)
        for outcome in report.outcomes:
            outcomes[outcome.change] += 1
        logins = self.logins if report.dry_run else _logins(self.logins, report.outcomes, now)
        addresses = {login.server_address for login in logins.values()}
        return evolve(
            self,
            last_at=now,
            last_ok_at=now if report.ok else self.last_ok_at,
            logins=logins,
            troubles=self._troubles(report.failures, now),
            warnings=report.warnings,
            verdicts={address: verdict for address, verdict in self.verdicts.items() if address in addresses},
            syncs=_counted(self.syncs, "ok" if report.ok else "failed"),
            outcomes=outcomes,
            seconds=self.seconds + seconds,
            bug=None if report.ok else self.bug,
        )

    def after_bug(self, trace: str) -> "State":
        """Return what is known once an adapter, or the syncer, has raised what it should not."""
        return evolve(self, bugs=self.bugs + 1, bug=trace)

    def after_crash(self, *, now: datetime, seconds: float, next_at: datetime) -> "State":
        """Return what is known once a sync has ended without a report: what it delivered is not."""
        syncs = _counted(self.syncs, "bug")
        return evolve(self, last_at=now, syncs=syncs, seconds=self.seconds + seconds, next_at=next_at)

    def endangered(self, now: datetime) -> dict[Login, Danger]:
        """The logins that should have been replaced, with how near to their end they are."""
        dangers = {login: login.danger(now) for login in self.logins.values()}
        return {login: danger for login, danger in dangers.items() if danger}

    def _troubles(self, failures: Iterable[Outcome], now: datetime) -> dict[Subject, Trouble]:
        troubles = {}
        for outcome in failures:
            subject = Subject.of(outcome)
            known = self.troubles.get(subject)
            if known is None:
                troubles[subject] = Trouble(outcome, now, worked=self._worked(subject))
            else:
                since = known.since if known.outcome.change is outcome.change else now
                troubles[subject] = Trouble(outcome, since, known.worked)
        return troubles

    def _worked(self, subject: Subject) -> bool:
        """Whether an earlier report has looked at what is not among its troubles."""
        if subject.store is not None and _NO_STORES in self.troubles:
            return any(login.store == subject.store for login in self.logins.values())
        return self.syncs["ok"] + self.syncs["failed"] > 0


_SAME_END = timedelta(seconds=5)
"""An end is told by an answer's Date, in whole seconds: one token that comes twice ends at two moments nearby."""

_NO_STORES = Subject(None, None, None, None)
"""What it is about when not even the list of stores could be had."""


def _logins(known: Mapping[Place, Login], outcomes: Iterable[Outcome], now: datetime) -> dict[Place, Login]:
    """Replace what was delivered, keep what failed or could not be looked at, and forget what is no more."""
    seen: dict[Place, list[Outcome]] = {}
    unseen = set()  # the stores of which something could not be looked at; None for all of them
    for outcome in outcomes:
        subject = Subject.of(outcome)
        if subject.is_whole:
            unseen.add(subject.store)
        seen.setdefault(subject.place, []).append(outcome)
    logins = {}
    for place, of_place in seen.items():
        ends = [outcome.expires_at for outcome in of_place if outcome.delivered and outcome.expires_at]
        old = known.get(place)
        if len(ends) == len(of_place):  # of two registries with one address, either may be the one that is used
            end = min(ends)
            same = old is not None and abs(old.expires_at - end) < _SAME_END
            logins[place] = old if old and same else Login(*place, delivered_at=now, expires_at=end)
        elif old and any(outcome.change is Change.FAILED for outcome in of_place):
            logins[place] = old
    kept = {
        place: login for place, login in known.items() if place not in seen and not unseen.isdisjoint({None, place[0]})
    }
    return logins | kept


def _counted(counts: Mapping[str, int], result: str) -> dict[str, int]:
    return {**counts, result: counts[result] + 1}
