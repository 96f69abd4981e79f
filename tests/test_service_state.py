"""What the service knows after each report, what it logs of it, and what it calls ready."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rancher_ecr import Change, Outcome, Registry, Report, SourceError, StoreError
from rancher_ecr.health import unready
from rancher_ecr.journal import bug_lines, danger_lines, sync_lines, verdict_lines
from rancher_ecr.state import Danger, State, Verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
A, B = "a.example.com", "b.example.com"

SOURCE_FAILED = Outcome(Change.FAILED, source="ecr", error=SourceError("no token"))
STORES_FAILED = Outcome(Change.FAILED, error=StoreError("no list"))


def store_failed(name: str = "default") -> Outcome:
    return Outcome(Change.FAILED, store=name, error=StoreError("no answer"))


def updated(address: str = A, *, store: str = "default", end: timedelta = 12 * HOUR, stored: str = "") -> Outcome:
    registry = Registry(address, stored or address, ref=stored or address)
    return Outcome(Change.UPDATED, address, store=store, registry=registry, expires_at=START + end)


def failed(address: str = A, change: Change = Change.FAILED, message: str = "no", *, stored: str = "") -> Outcome:
    registry = Registry(address, stored or address, ref=stored or address)
    return Outcome(change, address, store="default", registry=registry, error=StoreError(message))


def missing(address: str = A) -> Outcome:
    return Outcome(Change.MISSING, address, error=StoreError("nowhere"))


class Told:
    """Takes reports, and keeps the state and the lines that were logged of the last one."""

    def __init__(self) -> None:
        self.state = State(started_at=START)
        self.now = START
        self.lines: dict[str, int] = {}

    def __call__(self, *outcomes: Outcome, after: timedelta = timedelta(0), warnings: Sequence[str] = ()) -> "Told":
        self.now += after
        report = Report(outcomes=outcomes, warnings=tuple(warnings))
        before, self.state = self.state, self.state.after_sync(report, now=self.now, seconds=1.5)
        self.lines = {line.message: line.level for line in sync_lines(before, self.state, report)}
        return self

    def level(self, text: str) -> int | None:
        return next((level for message, level in self.lines.items() if text in message), None)

    def reasons(self) -> list[str]:
        return [" ".join(reason.values()) for reason in unready(self.state, self.now)]

    def logins(self) -> dict[str | None, timedelta]:
        return {login.server_address: login.expires_at - START for login in self.state.logins.values()}


# What was delivered


def test_before_the_first_sync_nothing_is_ready() -> None:
    assert Told().reasons() == ["no sync has ended yet"]
    bug = State(started_at=START).after_bug("Traceback\nKeyError: 'x'\n")
    assert [reason["reason"] for reason in unready(bug, START)] == ["KeyError: 'x'"]


def test_a_delivered_login_is_ready_until_it_ends() -> None:
    told = Told()(updated())
    assert told.reasons() == []
    told.now += 12 * HOUR
    assert told.reasons() == [f"default {A} its login has ended at 2026-01-01T12:00:00Z"]


def test_what_fails_later_is_ready_while_the_login_of_earlier_lives() -> None:
    for failure in (failed(), SOURCE_FAILED, store_failed(), STORES_FAILED):
        told = Told()(updated())(failure, after=6 * HOUR)
        assert told.logins() == {A: 12 * HOUR}
        assert told.reasons() == []
        told(failure, after=6 * HOUR)
        assert told.reasons() == [f"default {A} its login has ended at 2026-01-01T12:00:00Z"]


def test_what_never_worked_is_not_ready() -> None:
    for failure in (failed(), SOURCE_FAILED, store_failed(), STORES_FAILED):
        assert len(Told()(failure).reasons()) == 1
        assert len(Told()(updated(B, store="other"), failure)(updated(B, store="other"), failure).reasons()) == 1
    assert len(Told()(STORES_FAILED)(store_failed()).reasons()) == 1  # it was not seen before either


def test_what_is_missing_or_unusable_is_not_ready_and_its_login_is_forgotten() -> None:
    for trouble in (missing(), failed(change=Change.UNUSABLE)):
        told = Told()(updated())(trouble)
        assert told.logins() == {}
        assert len(told.reasons()) == 1
        assert told(updated()).reasons() == []


def test_a_registry_that_is_no_more_is_forgotten_but_not_while_its_store_cannot_be_read() -> None:
    told = Told()(updated(A), updated(B))
    assert told(updated(B)).logins().keys() == {B}
    assert told.level(f"{A} is no longer there") == logging.INFO
    told = Told()(updated(A), updated(B, store="other"))
    assert told(store_failed()).logins().keys() == {A}
    assert told(STORES_FAILED).logins().keys() == {A}


def test_a_login_keeps_when_it_was_delivered_while_it_stays_the_same() -> None:
    told = Told()(updated())(updated(), after=11.5 * HOUR)
    (login,) = told.state.logins.values()
    assert login.delivered_at == START
    assert login.danger(told.now) is Danger.HIGH


def test_of_two_registries_with_one_address_the_worse_counts() -> None:
    told = Told()(updated(), updated(stored=f"https://{A}", end=10 * HOUR))
    assert told.logins() == {A: 10 * HOUR}
    told(updated(end=18 * HOUR), failed(stored=f"https://{A}"))
    assert told.logins() == {A: 10 * HOUR}


def test_a_dry_run_delivers_nothing() -> None:
    state = State(started_at=START).after_sync(Report(outcomes=(updated(),), dry_run=True), now=START, seconds=0)
    assert not state.logins


def test_a_refused_login_is_not_ready_and_its_verdict_goes_with_it() -> None:
    told = Told()(updated())
    told.state = State(
        started_at=START, logins=told.state.logins, syncs=told.state.syncs, verdicts={A: Verdict(False, "401")}
    )
    assert told.reasons() == [f"{A} it refuses its login: 401"]
    assert not told(missing()).state.verdicts


def test_counts() -> None:
    state = Told()(updated(), failed(B))(updated(), updated(B)).state.after_bug("x")
    state = state.after_crash(now=START, seconds=1, next_at=START)
    assert state.bugs == 1
    assert dict(state.syncs) == {"ok": 1, "failed": 1, "bug": 1}
    assert {change.value: count for change, count in state.outcomes.items() if count} == {"updated": 3, "failed": 1}
    assert state.seconds == 4


# What is logged


def test_what_changes_is_logged_once_and_what_repeats_at_a_lower_level() -> None:
    told = Told()(updated(), failed(B, message="one"))
    assert told.level(f"{A} updated") == logging.INFO
    assert told.level(f"{B} failed: one") == logging.ERROR
    told(updated(), failed(B, message="one"))
    assert told.level(f"{A} updated") == logging.DEBUG
    assert told.level(f"{B} failed: one") == logging.DEBUG
    assert told(updated(), failed(B, message="two")).level(f"{B} failed: two") == logging.INFO
    assert told(updated(), failed(B, Change.UNUSABLE)).level(f"{B} unusable") == logging.WARNING
    assert told(updated(), updated(B)).level(f"{B} updated") == logging.INFO
    assert told(failed(A), updated(B)).level(f"{A} failed") == logging.ERROR


def test_a_source_or_store_that_works_again_is_said() -> None:
    told = Told()(SOURCE_FAILED, store_failed())
    assert told.level("ecr failed") == logging.ERROR
    told(updated())
    assert told.level("ecr works again") == logging.INFO
    assert told.level("default works again") == logging.INFO


def test_every_sync_has_one_summary() -> None:
    told = Told()(updated(), updated(B), missing("c"))
    assert [level for message, level in told.lines.items() if message.startswith("synced in 1.5 s")] == [logging.INFO]
    assert told.level("2 updated, 1 missing") == logging.INFO


def test_a_warning_is_not_repeated_at_its_level() -> None:
    told = Told()(updated(), warnings=["odd"])
    assert told.level("odd") == logging.WARNING
    assert told(updated(), warnings=["odd"]).level("odd") == logging.DEBUG


def test_a_bug_is_shown_with_its_traceback_once() -> None:
    start = State(started_at=START)
    first = start.after_bug("Traceback\nKeyError: 'x'")
    (line,) = bug_lines(start, first)
    assert (line.level, "Traceback" in line.message) == (logging.ERROR, True)
    (line,) = bug_lines(first, first.after_bug("Traceback\nKeyError: 'x'"))
    assert (line.level, "Traceback" in line.message) == (logging.INFO, False)
    (line,) = bug_lines(first, first.after_bug("Traceback\nKeyError: 'y'"))
    assert line.level == logging.ERROR


def test_a_login_about_to_die_is_a_warning_then_an_error_then_a_death() -> None:
    state = Told()(updated()).state
    known: dict[timedelta, list[int]] = {}
    before = state.endangered(START)
    for minutes in range(0, 13 * 60, 30):
        now = START + timedelta(minutes=minutes)
        after = state.endangered(now)
        if levels := [line.level for line in danger_lines(before, after, now)]:
            known[now - START] = levels
        before = after
    assert known == {
        9.5 * HOUR: [logging.WARNING],
        11.5 * HOUR: [logging.ERROR],
        12 * HOUR: [logging.ERROR],
    }


def test_verdicts_are_logged_when_they_change() -> None:
    levels = []
    verdicts: dict[str, Verdict] = {}
    for accepted in (True, True, False, False, None, None, True):
        verdict = Verdict(accepted, "why")
        levels += [line.level for line in verdict_lines(verdicts, A, verdict)]
        verdicts = {A: verdict}
    info, debug, warning, error = logging.INFO, logging.DEBUG, logging.WARNING, logging.ERROR
    assert levels == [info, debug, error, info, warning, debug, info]


def test_a_token_that_comes_again_stays_as_old_as_it_is() -> None:
    told = Told()(updated())
    late = told.state.after_sync(
        Report(outcomes=(updated(end=12 * HOUR + timedelta(seconds=0.4)),)), now=START + 11.5 * HOUR, seconds=1
    )
    assert list(late.endangered(START + 11.5 * HOUR).values()) == [Danger.HIGH]
