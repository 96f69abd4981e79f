"""The loop around sync(): waits, starts syncs in a daemon thread, and hands on what came of them. It decides nothing.

When is the agenda's to decide, what is known the state's, what is told the journal's, what is answered health's.
"""

import logging
import queue
import random as _random
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from functools import partial
from types import FrameType
from typing import TypeVar

from attrs import evolve

from rancher_ecr import __version__, health
from rancher_ecr._crew import Crew
from rancher_ecr.agenda import Agenda, Moment
from rancher_ecr.journal import Line, bug_lines, danger_lines, sync_lines, verdict_lines
from rancher_ecr.model import AuthorizationToken, Report
from rancher_ecr.redaction import Secrets
from rancher_ecr.schedule import Schedule
from rancher_ecr.state import Danger, Login, State, Verdict
from rancher_ecr.syncer import Syncer

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_WAIT = 60.0
"""Seconds; so often the loop turns when idle, to notice clocks that were set and logins that die."""

Verify = Callable[[str, AuthorizationToken], Verdict]
_Action = Callable[[], None]
_Mailbox = queue.SimpleQueue[_Action]


class Clock:
    """The time, and waiting for it to pass."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """A clock that cannot be set, in seconds; it may stand still while the machine is suspended."""
        return time.monotonic()

    def wait(self, mailbox: _Mailbox, seconds: float) -> _Action | None:
        """Return what comes within so many seconds; None when nothing does."""
        try:
            return mailbox.get(timeout=seconds)
        except queue.Empty:
            return None


class Service:
    """Keeps logins alive until it is stopped.

    Args:
        syncer: what brings them.
        schedule: when.
        verify: asks a registry whether it accepts a login; None for not asking.
        secrets: what must not be shown.
        about: for the line at start, without secrets: regions, environments.
        clock: the time.
        random: chance, in [0, 1).
        dry_run: write nothing.
    """

    def __init__(
        self,
        syncer: Syncer,
        *,
        schedule: Schedule | None = None,
        verify: Verify | None = None,
        secrets: Secrets | None = None,
        about: str = "",
        clock: Clock | None = None,
        random: Callable[[], float] = _random.random,
        dry_run: bool = False,
    ) -> None:
        self._syncer = syncer
        self._verify = verify
        self._secrets = secrets or Secrets()
        self._about = about
        self._clock = clock or Clock()
        self._dry_run = dry_run
        self._agenda = Agenda(schedule or Schedule(), random, self._moment())
        # A SimpleQueue may be put to by a signal handler that interrupts its reader; an Event or a lock may not.
        self._mailbox: _Mailbox = queue.SimpleQueue()
        self._stopping = False
        self._syncing = Crew[Report](1)
        self._verifying = Crew[Verdict](4)
        self._dangers: Mapping[Login, Danger] = {}
        self._state = State(started_at=self._clock.now(), beat=self._clock.monotonic())

    @property
    def state(self) -> State:
        """What is known now; any thread may ask."""
        return self._state

    def answer(self, path: str) -> health.Answer:
        """Answer a GET of the health page; any thread may ask."""
        return health.answer(path, self._state, self._moment(), self._secrets)

    def run(self) -> None:
        """Sync whenever it is due, until `stop` is called. Whatever a sync does, it neither ends nor holds the loop."""
        about = self._about or ", ".join(source.name for source in self._syncer.sources)
        _LOG.info("rancher-ecr %s started: %s", __version__, self._secrets.scrub(about))
        action: _Action = self._turn
        try:
            while not self._stopping:
                pause = self._pause() if self._survives(action) else LONGEST_WAIT
                action = self._clock.wait(self._mailbox, pause) or self._turn
        finally:
            self._state = evolve(self._state, stopped=True)
        _LOG.info("stopped")

    def stop(self) -> None:
        """End `run` at once, whatever hangs. Any thread and any signal handler may call it."""
        self._stopping = True
        self._mailbox.put(_nothing)

    def sync_now(self) -> None:
        """Sync now, or once the sync that runs has ended; all is asked and written anew. Any thread may call it."""
        self._mailbox.put(self._hurry)

    def _moment(self) -> Moment:
        return Moment(self._clock.now(), self._clock.monotonic())

    def _hurry(self) -> None:
        _LOG.info("asked to sync now")
        self._agenda.hurry(self._moment())

    def _survives(self, action: _Action) -> bool:
        """Take a step of the loop; return whether it went without a bug, which must not end the loop."""
        try:
            action()
        except Exception as error:  # noqa: BLE001  # such as an adapter's error that cannot even be rendered
            trace = self._secrets.scrub("".join(traceback.format_exception(error)))
            _LOG.error("a bug in the service; please report it\n%s", trace)  # it is scrubbed
            return False
        return True

    def _turn(self) -> None:
        now = self._moment()
        jump = self._agenda.notice(now)
        self._state = evolve(self._state, beat=now.monotonic, next_at=self._agenda.due.wall)
        if jump:
            told = "the wall clock has jumped by %.0f s (it was set, or the machine was suspended); all is synced anew"
            _LOG.warning(told, jump.total_seconds())
        self._tell_dangers(now.wall)
        if self._state.syncing_since is None and self._agenda.until_due(now) <= timedelta(0):
            self._begin(now)

    def _pause(self) -> float:
        if self._state.syncing_since is not None:
            return LONGEST_WAIT
        return min(max(0.0, self._agenda.until_due(self._moment()).total_seconds()), LONGEST_WAIT)

    def _begin(self, now: Moment) -> None:
        previous = self._agenda.begin(now)
        self._state = evolve(self._state, syncing_since=now.monotonic)
        call = partial(self._syncer.sync, previous=previous, dry_run=self._dry_run, on_bug=self._take_bug)
        (future,) = self._syncing.start([call])
        future.add_done_callback(partial(self._post, partial(self._end, now)))

    def _take_bug(self, error: BaseException) -> None:
        """Have the loop tell of an adapter's bug, before it takes the report of the sync."""
        self._mailbox.put(partial(self._note_bug, error))

    def _note_bug(self, error: BaseException) -> None:
        trace = self._secrets.scrub("".join(traceback.format_exception(error)))
        before, self._state = self._state, self._state.after_bug(trace)
        self._tell(bug_lines(before, self._state))

    def _post(self, action: Callable[[Future[T]], None], future: Future[T]) -> None:
        """Have the loop take what a thread has brought."""
        self._mailbox.put(partial(action, future))

    def _end(self, began: Moment, future: Future[Report]) -> None:
        self._state = before = evolve(self._state, syncing_since=None)
        now, error = self._moment(), future.exception()
        seconds = now.monotonic - began.monotonic
        report = None if error else future.result()
        self._agenda.end(report, now)
        if report is None:
            self._state = before.after_crash(now=now.wall, seconds=seconds, next_at=self._agenda.due.wall)
            if error is not None:
                self._note_bug(error)
            return
        after = before.after_sync(report, now=now.wall, seconds=seconds)
        self._state = after = evolve(after, next_at=self._agenda.due.wall)
        self._tell(sync_lines(before, after, report))
        self._start_verifying(report)

    def _start_verifying(self, report: Report) -> None:
        tokens = {delivery.server_address: delivery.token for delivery in report.deliveries}
        if self._verify is None or not tokens:
            return
        if self._verifying.is_hanging:
            self._verifying.give_up()
            _LOG.warning("registries that were asked about their login have not answered yet; they are asked next time")
            return
        pending, refused = set(tokens), set[str]()

        def note(address: str, future: Future[Verdict]) -> None:
            pending.discard(address)
            if self._note_verdict(address, future):
                refused.add(address)
            if not pending:
                self._agenda.verified(refused=bool(refused), now=self._moment())

        calls = [partial(self._verify, address, token) for address, token in tokens.items()]
        for address, future in zip(tokens, self._verifying.start(calls), strict=True):
            future.add_done_callback(partial(self._post, partial(note, address)))

    def _note_verdict(self, address: str, future: Future[Verdict]) -> bool:
        """Note what a registry said; return whether it refuses."""
        error = future.exception()
        verdict = Verdict(None, f"{type(error).__name__}, a bug") if error else future.result()
        before = self._state.verdicts
        self._state = evolve(self._state, verdicts={**before, address: verdict})
        self._tell(verdict_lines(before, address, verdict))
        return verdict.accepted is False

    def _tell_dangers(self, now: datetime) -> None:
        before, self._dangers = self._dangers, self._state.endangered(now)
        self._tell(danger_lines(before, self._dangers, now))

    def _tell(self, lines: Iterable[Line]) -> None:
        for line in lines:
            _LOG.log(line.level, "%s", self._secrets.scrub(line.message), extra=dict(line.fields))


def serve(service: Service) -> None:
    """Run the service in the main thread until SIGTERM or SIGINT; SIGHUP syncs now. Old handlers are put back."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if number == _SIGHUP:
            service.sync_now()
        else:
            service.stop()

    numbers = [signal.SIGTERM, signal.SIGINT, *([_SIGHUP] if _SIGHUP is not None else [])]
    old = {number: signal.signal(number, handle) for number in numbers}
    try:
        service.run()
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


_SIGHUP: signal.Signals | None = getattr(signal, "SIGHUP", None)  # Windows has none


def _nothing() -> None:
    """Only wakes the loop."""
