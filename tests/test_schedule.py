"""When the next sync starts: the schedule's arithmetic, and the agenda that applies it."""

import random
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rancher_ecr import AuthorizationToken, Change, Outcome, Report
from rancher_ecr.agenda import JUMP, Agenda, Moment
from rancher_ecr.model import IssuedToken
from rancher_ecr.schedule import FIRST_RETRY, LAST_RETRY, LOOK_AGAIN, SHORTEST, Schedule

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
LIFE = 12 * HOUR
BREATH = timedelta(seconds=3)

chances = st.floats(0, 1, exclude_max=True)
lives = st.timedeltas(timedelta(0), timedelta(days=60))
intervals = st.timedeltas(MINUTE, timedelta(days=30))


def issued(at: datetime = START, life: timedelta = LIFE) -> IssuedToken:
    return IssuedToken(0, AuthorizationToken("https://a", ("a",), "AWS", "secret", at + life), at)


def report(*changes: Change, token: IssuedToken | None = None) -> Report:
    """Report the changes, each for an address of its own, the delivered ones with the token."""
    token = token or issued()
    outcomes = [
        Outcome(change, str(number), expires_at=token.token.expires_at if change is Change.UPDATED else None)
        for number, change in enumerate(changes)
    ]
    return Report(outcomes=tuple(outcomes), tokens=(token,))


def at(after: timedelta) -> Moment:
    return Moment(START + after, 1000 + after.total_seconds())


def agenda(*, chance: float = 0.0, interval: timedelta = 6 * HOUR) -> Agenda:
    return Agenda(Schedule(interval), lambda: chance, at(timedelta(0)))


# The schedule


@given(lives, intervals, chances)
def test_the_regular_pause_is_bounded(life: timedelta, interval: timedelta, chance: float) -> None:
    pause = Schedule(interval).regular(life, random=chance)
    most = min(life / 2, interval)
    assert SHORTEST <= pause <= max(most, SHORTEST)
    assert pause >= most * 0.9 - SECOND


@given(lives, lives, intervals, st.tuples(chances, chances))
def test_the_regular_pause_is_monotone_and_jitter_only_shortens_it(
    life: timedelta, longer_life: timedelta, interval: timedelta, chances: tuple[float, float]
) -> None:
    chance, more = chances
    pause = Schedule(interval).regular(life, random=chance)
    assert Schedule(interval).regular(max(life, longer_life), random=chance) >= pause
    assert Schedule(interval * 2).regular(life, random=chance) >= pause
    assert Schedule(interval).regular(life, random=max(chance, more)) <= pause


@given(st.integers(1, 10**6), chances, chances)
def test_retries_begin_after_seconds_and_double_to_five_minutes(failures: int, chance: float, more: float) -> None:
    schedule = Schedule()
    pause = schedule.retry(failures, random=chance)
    assert FIRST_RETRY / 2 <= pause <= LAST_RETRY == 5 * MINUTE
    assert schedule.retry(failures + 1, random=chance) >= pause
    assert schedule.retry(failures, random=max(chance, more)) <= pause
    assert schedule.retry(1, random=chance) <= 5 * SECOND
    assert schedule.retry(7 + failures, random=0) == LAST_RETRY


def test_half_a_life_counts_from_when_it_was_issued_not_from_when_it_was_delivered() -> None:
    retried = report(Change.UPDATED, token=issued(START - 5 * HOUR))
    assert Schedule().regular_at(retried, random=0) == START + HOUR


def test_the_login_that_ends_first_counts_and_one_that_was_not_delivered_does_not() -> None:
    short, long, lost = issued(life=2 * HOUR), issued(), issued(life=HOUR)
    outcomes = (
        Outcome(Change.UPDATED, "a", expires_at=short.token.expires_at),
        Outcome(Change.CREATED, "b", expires_at=long.token.expires_at),
        Outcome(Change.MISSING, "c"),
    )
    mixed = Report(outcomes=outcomes, tokens=(long, lost, short))
    assert Schedule().regular_at(mixed, random=0) == START + HOUR
    assert Schedule().regular_at(Report(outcomes=outcomes[2:], tokens=(lost,)), random=0) is None


def test_what_only_a_person_can_mend_is_looked_at_every_ten_minutes() -> None:
    for left in (Change.MISSING, Change.UNUSABLE):
        assert Schedule().again(report(Change.UPDATED, left), failures=0, random=0) == LOOK_AGAIN == 10 * MINUTE
        both = report(Change.UPDATED, left, Change.FAILED)
        assert Schedule().again(both, failures=1, random=0) == FIRST_RETRY
    assert Schedule().again(report(Change.UPDATED, Change.ABSENT), failures=0, random=0) is None
    assert Schedule().again(Report(), failures=0, random=0) == LOOK_AGAIN  # nothing delivered is not all delivered
    assert Schedule().again(None, failures=1, random=0) == FIRST_RETRY  # a bug


# A thousand instances


def times_of_syncs(chance: random.Random, interval: timedelta, until: timedelta) -> Iterator[float]:
    """Yield the minutes at which one instance syncs, started at 0."""
    own = Agenda(Schedule(interval), chance.random, at(timedelta(0)))
    now = at(timedelta(0))
    while (now := now + max(own.until_due(now), timedelta(0))).wall < START + until:
        yield (now.wall - START) / MINUTE
        assert own.begin(now) is None  # each is a regular one
        own.end(report(Change.UPDATED, token=issued(now.wall)), now)


@pytest.mark.parametrize("hours", [1, 3, 6, 12])
@pytest.mark.parametrize("seed", [1, 2])
def test_of_a_thousand_started_together_few_sync_in_any_minute_after_the_first_day(seed: int, hours: int) -> None:
    chance, day = random.Random(seed), 24 * 60  # noqa: S311  # a simulation
    minutes = sorted(
        minute
        for _ in range(1000)
        for minute in times_of_syncs(chance, hours * HOUR, timedelta(days=2.5))
        if minute >= day
    )
    assert len(minutes) > 1000
    assert max(bisect_right(minutes, minute + 1) - place for place, minute in enumerate(minutes)) <= 50


# The agenda


def test_the_first_sync_is_due_at_once_and_has_nothing_to_build_on() -> None:
    own = agenda()
    assert own.until_due(at(timedelta(0))) <= timedelta(0)
    assert own.begin(at(timedelta(0))) is None


def test_a_retry_builds_on_the_last_report_and_the_regular_sync_does_not() -> None:
    own = agenda()
    own.begin(at(timedelta(0)))
    half = report(Change.UPDATED, Change.FAILED)
    own.end(half, at(SECOND))
    assert own.until_due(at(SECOND)) == 4 * SECOND  # from start to start
    assert own.begin(at(5 * SECOND)) is half
    own.end(half, at(6 * SECOND))
    assert own.begin(at(6 * HOUR - SECOND)) is half
    own.end(half, at(6 * HOUR - SECOND))
    assert own.until_due(at(6 * HOUR - SECOND)) <= BREATH
    assert own.begin(own.due) is None


def test_after_a_bug_nothing_is_built_on_when_the_sync_was_the_regular_one() -> None:
    own = agenda()
    own.begin(at(timedelta(0)))
    own.end(report(Change.UPDATED), at(timedelta(0)))
    assert own.begin(at(6 * HOUR)) is None
    own.end(None, at(6 * HOUR))
    assert timedelta(0) < own.until_due(at(6 * HOUR)) <= 5 * SECOND
    assert own.begin(at(6 * HOUR + 5 * SECOND)) is None


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.lists(st.sampled_from(Change), max_size=4)),
            st.floats(0, 240),
            st.floats(0, 12),
            st.booleans(),
        ),
        min_size=1,
        max_size=30,
    ),
    chances,
    intervals,
)
def test_whatever_comes_of_syncs_the_next_one_is_neither_late_nor_at_once(
    syncs: list[tuple[list[Change] | None, float, float, bool]], chance: float, interval: timedelta
) -> None:
    own, now = agenda(chance=chance, interval=interval), at(timedelta(0))
    failures = 0
    for changes, seconds, age, refused in syncs:
        now += max(own.until_due(now), timedelta(0))
        began = now
        own.begin(began)
        now += timedelta(seconds=seconds)
        token = issued(began.wall - timedelta(hours=age))
        made = None if changes is None else report(*changes, token=token)
        own.end(made, now)
        if refused:
            own.verified(refused=True, now=now)
        pause = own.due.wall - began.wall
        assert now.until(own.due) > SECOND  # never a busy loop
        assert own.due.monotonic - 1000 == pytest.approx((own.due.wall - START).total_seconds(), abs=1e-3)
        failed = made is None or Change.FAILED in (changes or [])
        failures = failures + 1 if failed else 0
        longest = timedelta(seconds=seconds) + BREATH
        if failed:
            assert pause <= max(LAST_RETRY, longest)
            assert pause <= max(5 * SECOND * 2 ** (failures - 1), longest)
        elif made is not None and not made.ok:
            assert pause <= max(LOOK_AGAIN, longest)
        if made is not None and Change.UPDATED in (changes or []):
            half = token.issued_at + min(LIFE / 2, interval)
            assert own.due.wall <= max(half, now.wall + BREATH)
        assert pause <= max(interval, LOOK_AGAIN, longest)


@given(st.timedeltas(timedelta(days=-400), timedelta(days=400)), st.floats(0, 60))
def test_a_clock_that_jumps_is_noticed_and_all_is_synced_anew(jump: timedelta, seconds: float) -> None:
    own = agenda()
    own.begin(at(timedelta(0)))
    own.end(report(Change.UPDATED), at(timedelta(0)))
    now = at(timedelta(seconds=seconds))
    assert own.notice(now) == timedelta(0)
    assert own.notice(Moment(now.wall + jump, now.monotonic)) == (jump if abs(jump) >= JUMP else timedelta(0))
    later = Moment(now.wall + jump, now.monotonic)
    assert (own.until_due(later) <= timedelta(0)) is (abs(jump) >= JUMP)
    assert own.notice(later + MINUTE) == timedelta(0)
    assert (own.begin(later + MINUTE) is None) is (abs(jump) >= JUMP or later.wall + MINUTE >= START + 6 * HOUR)


def test_a_deadline_is_reached_by_either_clock() -> None:
    own = agenda()
    own.begin(at(timedelta(0)))
    own.end(report(Change.UPDATED), at(timedelta(0)))
    suspended = Moment(START + 6 * HOUR, 1000 + 60)
    set_back = Moment(START - 24 * HOUR, 1000 + 6 * 3600)
    assert own.until_due(suspended) <= timedelta(0)
    assert own.until_due(set_back) <= timedelta(0)
    assert own.until_due(at(5 * HOUR)) == HOUR


def test_a_clock_set_back_during_a_sync_opens_no_gap() -> None:
    own = agenda()
    own.begin(at(timedelta(0)))
    own.end(report(Change.UPDATED), Moment(START - 24 * HOUR, 1001))
    assert own.due.monotonic <= 1001 + 6 * 3600


def test_what_is_asked_for_while_a_sync_runs_is_done_after_it() -> None:
    own = agenda()
    own.begin(at(timedelta(0)))
    own.hurry(at(SECOND))
    own.end(report(Change.UPDATED), at(2 * SECOND))
    assert own.until_due(at(2 * SECOND)) <= timedelta(0)
    assert own.begin(at(2 * SECOND)) is None
    own.end(report(Change.UPDATED), at(3 * SECOND))
    assert own.until_due(at(3 * SECOND)) > 5 * HOUR


def test_a_refused_login_is_fetched_anew_soon_and_then_less_often() -> None:
    own, now = agenda(), at(timedelta(0))
    pauses = []
    for _ in range(10):
        assert own.begin(now) is None
        own.end(report(Change.UPDATED, token=issued(now.wall)), now)
        own.verified(refused=True, now=now)
        pauses.append(own.until_due(now))
        now += pauses[-1]
    assert pauses == [min(5 * SECOND * 2**number, LAST_RETRY) for number in range(10)]
    own.begin(now)
    own.end(report(Change.UPDATED, token=issued(now.wall)), now)
    own.verified(refused=False, now=now)
    assert own.until_due(now) == 6 * HOUR
