"""A simulated year: for how many hours the stored login is dead, for the service's real agenda and for other ways.

Time is virtual, chance is seeded. What the service promises is checked on every login it has stored.
"""

import argparse
import random
import sys
from bisect import bisect_left
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from attrs import field, frozen

from benchmarks.ways import LIFE, History, Way, bound, service, ticker
from benchmarks.world import ANSWER, HOUR, MINUTE, YEAR, Span, World
from rancher_ecr.schedule import LAST_RETRY

REACHABLE = 10 * MINUTE
"""So long both must be reachable for the promise to hold; a recovery that is shorter is none."""


@frozen
class _Windows:
    """When both can be reached for ten minutes."""

    world: World
    _spans: Sequence[Span] = field(init=False)
    _ends: Sequence[float] = field(init=False)

    @_spans.default
    def _find_spans(self) -> Sequence[Span]:
        return [span for span in self.world.windows() if span.end - span.begin >= REACHABLE]

    @_ends.default
    def _find_ends(self) -> Sequence[float]:
        return [span.end for span in self._spans]

    def first(self, time: float) -> float | None:
        """Return the first moment, not before that time, from which both can be reached for ten minutes."""
        place = bisect_left(self._ends, time + REACHABLE)
        return max(time, self._spans[place].begin) if place < len(self._spans) else None


def broken_promises(world: World, history: History) -> list[str]:
    """Check every stored login against the promise; return what broke it.

    No login dies when both were reachable for ten minutes in the second half of its life. When they were not, it is
    replaced at most one retry pause after the bound would have replaced it.
    """
    windows = _Windows(world)
    problems = []
    for login, following in pairwise(history.stored):
        if following.written <= login.ends:
            continue
        recovery = windows.first(login.issued + LIFE / 2)
        if recovery is None:
            continue
        if recovery + REACHABLE <= login.ends:
            problems.append(f"a login died at {login.ends:.0f} s although both were reachable from {recovery:.0f} s on")
            continue
        beyond = following.written - max(login.ends, recovery + 2 * ANSWER)
        if beyond > LAST_RETRY.total_seconds():
            problems.append(f"a login that died at {login.ends:.0f} s was replaced {beyond:.0f} s after the bound")
    return problems


WAYS: dict[str, Way] = {
    "this service": service(timedelta(hours=6)),
    "this service, SYNC_INTERVAL=3h": service(timedelta(hours=3)),
    "this service, SYNC_INTERVAL=1h": service(timedelta(hours=1)),
    "the bound": bound,
    "ten tries, then a 6-hour ticker": ticker(10),
    "a 6-hour ticker": ticker(1),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; return 1 when the service breaks its promise, or when the check would not notice a ticker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    world = World.draw(random.Random(arguments.seed), arguments.years)  # noqa: S311  # a simulation
    print(f"{arguments.years} simulated years, seed {arguments.seed}")
    print(f"{'':32}{'dead':>10}{'deaths':>10}{'longest':>10}{'syncs':>10}{'broken':>10}")
    print(f"{'':32}{'h/year':>10}{'a year':>10}{'h':>10}{'a year':>10}{'promises':>10}")
    exit_code = 0
    for name, live in WAYS.items():
        history = live(world, arguments.seed)
        deaths = [end - begin for begin, end in history.deaths()]
        problems = broken_promises(world, history)
        years = world.length / YEAR
        print(
            f"{name:32}{sum(deaths) / HOUR / years:10.2f}{len(deaths) / years:10.2f}"
            f"{max(deaths, default=0) / HOUR:10.2f}{history.syncs / years:10.0f}{len(problems):10}"
        )
        if bool(problems) is ("ticker" not in name):
            exit_code = 1
            print(*(problems or ["the check did not notice the ticker"])[:5], sep="\n")
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
