"""The verb: brings tokens from sources into stores. How one sync goes is in _sync.py, what to write in plan.py."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from rancher_ecr._crew import Crew
from rancher_ecr._sync import Crews, Sync
from rancher_ecr.model import Report
from rancher_ecr.protocols import RegistryStore, TokenSource


class Syncer:
    """Joins token sources and registry stores.

    Sources, stores and refs are called side by side, in daemon threads, and each fails alone. What hangs is given up
    when its time is up, and its source or store is not called again before that call has returned.

    Args:
        sources: of two tokens for one address, the one of the first source counts.
        stores: iterated anew in every sync, so that an iterable may find out which stores there are; it may raise
            StoreError. As long as it yields the same objects, `previous` saves writes.
        create_missing: create registries, and logins, that are not there.
        concurrency: calls to one store at once, at the most.
        timeout: seconds that one sync may take: half for the sources, three quarters until all stores are listed.
        now: the wall clock, in UTC.
        monotonic: the clock for durations, in seconds.
    """

    def __init__(
        self,
        sources: Iterable[TokenSource],
        stores: Iterable[RegistryStore],
        *,
        create_missing: bool = False,
        concurrency: int = 8,
        timeout: float = 240.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        self.sources = tuple(sources)
        self.stores = stores
        self.create_missing = create_missing
        self.concurrency = concurrency
        self.timeout = timeout
        self.now = now
        self.monotonic = monotonic
        self._crews = Crews([Crew(1) for _ in self.sources], concurrency)

    def sync(
        self,
        *,
        previous: Report | None = None,
        dry_run: bool = False,
        on_bug: Callable[[BaseException], None] | None = None,
    ) -> Report:
        """Fetch every token once, list every store once, and write what is needed.

        Args:
            previous: the last report, to try again what it did not deliver. Its tokens are used again while more than
                half their life is left, and what was written with them is not written again.
            dry_run: write nothing; the report says what would be done.
            on_bug: is told each error that a source or store raises against its contract, and the report then says that
                it failed; without it the error is raised, after everything else is done.

        Raises:
            Exception: only such errors.
        """
        sync = Sync(self, self._crews, previous or Report(), dry_run=dry_run)
        report = sync.run()
        if on_bug is not None:
            for bug in sync.bugs:
                on_bug(bug)
        elif sync.bugs:
            raise sync.bugs[0] if len(sync.bugs) == 1 else BaseExceptionGroup("several bugs", sync.bugs)
        return report
