"""A simulated world: when AWS and Rancher answer, refuse or hang, and when the service restarts. No schedule.

Times are seconds since the world began.
"""

import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from attrs import field, frozen

MINUTE, HOUR = 60.0, 3600.0
YEAR = 365 * 24 * HOUR

OUTAGES = 60
"""A year, for each of AWS and Rancher."""
_MEDIAN, _SIGMA, _LONGEST = 15 * MINUTE, 1.6, 30 * HOUR
RESTARTS = 26
"""A year."""
_RESTART_TAKES = 10.0

ANSWER, REFUSAL = 1.0, 1.0
"""Seconds that a request takes when all is well, and when it is refused."""


@frozen
class Span:
    """From `begin` to `end`; a party that hangs then does not even refuse."""

    begin: float
    end: float
    hangs: bool = False


@frozen
class Party:
    """AWS or Rancher, with its outages in order, not overlapping."""

    outages: Sequence[Span]
    _begins: Sequence[float] = field(init=False)

    @_begins.default
    def _find_begins(self) -> Sequence[float]:
        return [outage.begin for outage in self.outages]

    def outage(self, time: float) -> Span | None:
        """Return the outage at that time."""
        place = bisect_right(self._begins, time) - 1
        return self.outages[place] if place >= 0 and time < self.outages[place].end else None

    def recovery(self, time: float) -> float:
        """Return the first moment, not before that time, at which it answers."""
        outage = self.outage(time)
        return outage.end if outage else time


@frozen
class World:
    """What a service meets.

    Attributes:
        length: how long it lasts.
        aws: when tokens can be had.
        rancher: when they can be written.
        downtimes: when the service itself restarts.
    """

    length: float
    aws: Party
    rancher: Party
    downtimes: Sequence[Span]

    @classmethod
    def draw(cls, rng: random.Random, years: int) -> "World":
        """Draw a world by chance."""
        length = years * YEAR
        restarts = sorted(rng.uniform(0, length) for _ in range(years * RESTARTS))
        downtimes = _apart(Span(begin, begin + _RESTART_TAKES) for begin in restarts)
        return cls(length, Party(_draw_outages(rng, years)), Party(_draw_outages(rng, years)), downtimes)

    def windows(self) -> Iterator[Span]:
        """Yield the times in which AWS and Rancher can both be reached and the service runs."""
        blocked = _apart(sorted([*self.aws.outages, *self.rancher.outages, *self.downtimes], key=lambda s: s.begin))
        edges = [Span(0, 0), *blocked, Span(self.length, self.length)]
        for before, after in pairwise(edges):
            if before.end < after.begin:
                yield Span(before.end, after.begin)


def _draw_outages(rng: random.Random, years: int) -> list[Span]:
    begins = sorted(rng.uniform(0, years * YEAR) for _ in range(years * OUTAGES))
    return _apart(
        Span(begin, begin + min(_MEDIAN * rng.lognormvariate(0, _SIGMA), _LONGEST), hangs=rng.random() < 0.5)  # noqa: PLR2004
        for begin in begins
    )


def _apart(spans: Iterable[Span]) -> list[Span]:
    """Join what overlaps; the spans come in the order of their begins."""
    joined: list[Span] = []
    for span in spans:
        if joined and span.begin <= joined[-1].end:
            last = joined[-1]
            joined[-1] = Span(last.begin, max(last.end, span.end), last.hangs)
        else:
            joined.append(span)
    return joined
