"""When next: pure arithmetic on reports, lives and chance. No clock, no waiting, no state and no I/O may enter.

Chance is an argument, a number in [0, 1), and only ever makes a pause shorter.
"""

from datetime import datetime, timedelta

from attrs import frozen

from rancher_ecr.model import Change, Report

SHORTEST = timedelta(minutes=1)
"""Never regularly more often than this, however short a life is."""
JITTER = 0.1
"""A regular pause is shortened by up to this share. An instance draws its share once, so that instances started
together drift apart steadily: after a day of pauses of about six hours they are spread over more than two hours."""
FIRST_RETRY = timedelta(seconds=5)
LAST_RETRY = timedelta(minutes=5)
"""The longest time from the start of one try to the start of the next while something fails. With a sync bounded to
four minutes, any ten reachable minutes hold one whole try."""
LOOK_AGAIN = timedelta(minutes=10)
"""How often to look for what only a person can mend: a registry that is missing or would not be used."""


@frozen
class Schedule:
    """When to sync.

    Attributes:
        interval: at most this long between regular syncs (SYNC_INTERVAL).
    """

    interval: timedelta = timedelta(hours=6)

    def regular(self, life: timedelta, *, random: float) -> timedelta:
        """How long after a login was issued all is to be asked and written anew: half its life, and a little less."""
        return max(min(life / 2, self.interval) * (1 - JITTER * random), SHORTEST)

    def regular_at(self, report: Report, *, random: float) -> datetime | None:
        """When all is to be asked and written anew; None when the report delivered no login that could die."""
        ends = {outcome.expires_at for outcome in report.outcomes if outcome.delivered}
        # From when it was issued, not from now: a retry may have delivered a login that was hours old.
        times = [
            issued.issued_at + self.regular(issued.token.expires_at - issued.issued_at, random=random)
            for issued in report.tokens
            if issued.token.expires_at in ends
        ]
        return min(times, default=None)

    def retry(self, failures: int, *, random: float) -> timedelta:
        """How long from the start of the last of so many failures to the next try: doubling, up to half left out."""
        doublings = min(failures - 1, 16)  # far beyond the longest pause
        pause = min(FIRST_RETRY * (1 << doublings), LAST_RETRY)
        return pause * (1 - random / 2)

    def again(self, report: Report | None, *, failures: int, random: float) -> timedelta | None:
        """How long after the start of the last sync to try again what it left; None when it left nothing.

        Args:
            report: what it did; None when a bug ended it.
            failures: how many syncs in a row have failed, this one included.
            random: chance.
        """
        if has_failed(report):
            return self.retry(failures, random=random)
        if report is not None and report.ok and any(outcome.delivered for outcome in report.outcomes):
            return None
        return LOOK_AGAIN * (1 - JITTER * random)


def has_failed(report: Report | None) -> bool:
    """Whether trying again soon may help: something failed that no person needs to mend."""
    return report is None or any(outcome.change is Change.FAILED for outcome in report.outcomes)
