"""Ways of refreshing a login in a simulated world: the service's real agenda, tickers, the bound. No judgement here."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from attrs import frozen

from benchmarks.world import ANSWER, HOUR, REFUSAL, Span, World
from rancher_ecr.agenda import Agenda, Moment
from rancher_ecr.errors import SourceError, StoreError
from rancher_ecr.model import AuthorizationToken, Change, IssuedToken, Outcome, Report
from rancher_ecr.schedule import Schedule

LIFE = 12 * HOUR
"""Of a token of Amazon ECR."""
_BOUND = 240.0  # of one sync: half for AWS, three quarters until Rancher has listed
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@frozen
class Stored:
    """A login in Rancher: when it was written, issued, and when it ends."""

    written: float
    issued: float

    @property
    def ends(self) -> float:
        """When the registry stops accepting it."""
        return self.issued + LIFE


@frozen
class Try:
    """One sync: what came of it, and when it was over."""

    over: float
    report: Report
    stored: Stored | None = None


def sync(world: World, begin: float, previous: Report | None = None) -> Try:
    """Do what a Syncer does with one source and one store, in virtual time."""
    now = _wall(begin)
    tokens = tuple(issued for issued in (previous.tokens if previous else ()) if issued.is_fresh(now))
    fetched, listed = begin, begin + ANSWER
    failures = []
    if not tokens:
        fetched, error = _ask(world.aws.outage(begin), begin, _BOUND / 2)
        if error:
            failures.append(Outcome(Change.FAILED, source="aws", error=SourceError(error)))
        else:
            tokens = (_issue(fetched),)
    listed, error = _ask(world.rancher.outage(begin), begin, _BOUND * 3 / 4)
    if error:
        failures.append(Outcome(Change.FAILED, store="rancher", error=StoreError(error)))
    over = max(fetched, listed)
    if failures:
        return Try(over, Report(outcomes=tuple(failures), tokens=tokens))
    over, error = _ask(world.rancher.outage(over), over, _BOUND - (over - begin))
    if error:
        failed = Outcome(Change.FAILED, "registry", store="rancher", error=StoreError(error))
        return Try(over, Report(outcomes=(failed,), tokens=tokens))
    (issued,) = tokens
    delivered = Outcome(Change.UPDATED, "registry", store="rancher", expires_at=issued.token.expires_at)
    stored = Stored(over, (issued.issued_at - _EPOCH).total_seconds())
    return Try(over, Report(outcomes=(delivered,), tokens=tokens), stored)


def _ask(outage: Span | None, begin: float, patience: float) -> tuple[float, str]:
    """Return when there was an answer, or none any more, and what went wrong."""
    if outage is None:
        return begin + ANSWER, ""
    return (begin + patience, "hangs") if outage.hangs else (begin + REFUSAL, "refused")


def _issue(time: float) -> IssuedToken:
    token = AuthorizationToken("https://registry", ("registry",), "AWS", "-", _wall(time + LIFE))
    return IssuedToken(0, token, _wall(time))


def _wall(time: float) -> datetime:
    return _EPOCH + timedelta(seconds=time)


@frozen
class History:
    """What one way of refreshing has done in a world.

    Attributes:
        stored: every login it has written, in order.
        syncs: how often it tried.
    """

    stored: Sequence[Stored]
    syncs: int

    def deaths(self) -> Iterator[tuple[float, float]]:
        """Yield from when to when the stored login was dead."""
        for login, following in pairwise(self.stored):
            if following.written > login.ends:
                yield login.ends, following.written


Way = Callable[[World, int], History]
"""Lives in a world, with a seed for its own chance."""


def service(interval: timedelta) -> Way:
    """Refresh as the service does, with its own agenda."""

    def live(world: World, seed: int) -> History:
        stored, syncs = [], 0
        for run in _runs(world):
            now = _moment(run.begin)
            agenda = Agenda(Schedule(interval), _chance(seed, run), now)
            while True:
                now += max(agenda.until_due(now), timedelta(0))  # idle; a clock that jumps would be noticed here
                agenda.notice(now)
                tried = sync(world, now.monotonic, agenda.begin(now))
                syncs += 1
                if tried.over >= run.end:  # killed in the middle, or before
                    break
                if tried.stored:
                    stored.append(tried.stored)
                now = _moment(tried.over)
                agenda.end(tried.report, now)
        return History(stored, syncs)

    return live


def ticker(tries: int) -> Way:
    """Refresh every six hours, with so many tries each time and pauses that grow by ten seconds."""

    def live(world: World, _seed: int) -> History:
        stored, syncs = [], 0
        for run in _runs(world):
            tick = run.begin
            while tick < run.end:
                time = tick
                for number in range(1, tries + 1):
                    tried = sync(world, time)
                    syncs += 1
                    if tried.over >= run.end:
                        break
                    if tried.stored:
                        stored.append(tried.stored)
                        break
                    time = tried.over + number * 10
                tick += 6 * HOUR
        return History(stored, syncs)

    return live


def bound(world: World, seed: int) -> History:
    """Refresh when the service does, and notice that AWS is back, and then that Rancher is, the second it happens."""
    stored: list[Stored] = []
    for run in _runs(world):
        pause = Schedule().regular(timedelta(seconds=LIFE), random=_chance(seed, run)()).total_seconds()
        time = run.begin
        while True:
            issued = world.aws.recovery(time) + ANSWER
            written = world.rancher.recovery(issued) + ANSWER
            if written >= run.end:
                break
            if written - issued > LIFE / 2:  # the service would not use that token any more
                time = written - ANSWER
                continue
            stored.append(Stored(written, issued))
            time = issued + pause
    return History(stored, len(stored))


def _chance(seed: int, run: Span) -> Callable[[], float]:
    """The chance of one run of the service; the first draw is its share of jitter."""
    return random.Random(f"{seed} {run.begin}").random  # noqa: S311  # a simulation


def _runs(world: World) -> Iterator[Span]:
    """Yield the times between restarts."""
    edges = [Span(0, 0), *world.downtimes, Span(world.length, world.length)]
    for before, after in pairwise(edges):
        if before.end < after.begin:
            yield Span(before.end, after.begin)


def _moment(time: float) -> Moment:
    return Moment(_wall(time), time)
