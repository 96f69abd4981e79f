"""What is due and with which `previous`: the service's decisions, driven by the moments it is told. It never waits.

The service drives it in real time, the simulated year of `benchmarks` in virtual time.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from attrs import define, field, frozen

from rancher_ecr.model import Report
from rancher_ecr.schedule import Schedule, has_failed

JUMP = timedelta(minutes=1)
"""A wall clock that moves this much against the monotonic one was set, or the machine was suspended."""
_BREATH = timedelta(seconds=2)  # between syncs at least, when one took longer than the pause it earned


@frozen
class Moment:
    """One moment on both clocks: the wall clock dates logins, the monotonic one (in seconds) cannot be set.

    A deadline is a Moment too, and is reached when either clock reaches it.
    """

    wall: datetime
    monotonic: float

    def __add__(self, pause: timedelta) -> "Moment":
        """Return the moment that much later."""
        return Moment(self.wall + pause, self.monotonic + pause.total_seconds())

    def until(self, deadline: "Moment") -> timedelta:
        """How long until the deadline on the clock that reaches it first; not positive when it is reached."""
        return min(deadline.wall - self.wall, timedelta(seconds=deadline.monotonic - self.monotonic))


@define
class Agenda:
    """When the next sync starts, and what it may take from the last one.

    Attributes:
        schedule: the arithmetic.
        random: chance, in [0, 1).
        due: when the next sync starts.
        regular: when all is asked and written anew, whatever retries there were; None while no login was delivered.
        failures: how many syncs in a row have failed.
    """

    schedule: Schedule
    random: Callable[[], float]
    due: Moment
    regular: Moment | None = None
    failures: int = 0
    _share: float = field(init=False)
    _last: Report | None = None
    _anew: bool = False
    _refusals: int = 0
    _began: Moment = field(init=False)
    _latest: Moment = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Draw what is drawn once."""
        self._share = self.random()
        self._began = self._latest = self.due

    def until_due(self, now: Moment) -> timedelta:
        """How long until the next sync is due; not positive when it is."""
        return now.until(self.due)

    def begin(self, now: Moment) -> Report | None:
        """Note that a sync begins, and return its `previous`: None when all is to be asked and written anew."""
        if self._anew or (self.regular is not None and now.until(self.regular) <= timedelta(0)):
            self._last = self.regular = None
        self._anew = False
        self._began = now
        return self._last

    def end(self, report: Report | None, now: Moment) -> None:
        """Note how the sync that began last has ended, and decide when the next one starts.

        Args:
            report: what it did; None when a bug ended it.
            now: when it ended.
        """
        self.failures = self.failures + 1 if has_failed(report) else 0
        if report is not None:
            self._last = report
            self.regular = self._regular(report, now)
        pause = self.schedule.again(report, failures=self.failures, random=self.random())
        retry = None if pause is None else self._after(pause, now)
        self.due = _first(retry, self.regular) or self._after(self.schedule.interval, now)
        if self._anew:  # asked for while the sync ran
            self.due = now

    def hurry(self, now: Moment) -> None:
        """Sync now and anew; after the sync that runs, when one does."""
        self._anew = True
        self.due = now

    def verified(self, *, refused: bool, now: Moment) -> None:
        """Note whether any registry refused a login of the last sync; if so all is asked anew, soon at first."""
        self._refusals = self._refusals + 1 if refused else 0
        if refused:
            self._anew = True
            pause = self.schedule.retry(self._refusals, random=self.random())
            self.due = _first(self._after(pause, now), self.due) or self.due

    def notice(self, now: Moment) -> timedelta:
        """Return how far the wall clock has jumped since the last call; hurry if it has, since lives are told by it."""
        passed = timedelta(seconds=now.monotonic - self._latest.monotonic)
        jump = now.wall - self._latest.wall - passed
        self._latest = now
        if abs(jump) < JUMP:
            return timedelta(0)
        self.hurry(now)
        return jump

    def _regular(self, report: Report, now: Moment) -> Moment | None:
        at = self.schedule.regular_at(report, random=self._share)
        if at is None:
            return None
        # Were the clock set back during the sync, `at` would be far away.
        return now + max(min(at - now.wall, self.schedule.interval), _BREATH)

    def _after(self, pause: timedelta, now: Moment) -> Moment:
        """So long after the start of the last sync, and a breath after its end."""
        return _later(self._began + pause, now + _BREATH)


def _first(one: Moment | None, other: Moment | None) -> Moment | None:
    return min((moment for moment in (one, other) if moment), key=lambda moment: moment.monotonic, default=None)


def _later(one: Moment, other: Moment) -> Moment:
    return max(one, other, key=lambda moment: moment.monotonic)
