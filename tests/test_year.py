"""The simulated year, made small: the service keeps its promise, and the check notices who does not."""

import random
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks import year
from benchmarks.ways import LIFE, History, Stored, service, ticker
from benchmarks.world import HOUR, MINUTE, Party, Span, World
from rancher_ecr.schedule import LAST_RETRY


def world(*outages: Span, aws: tuple[Span, ...] = (), length: float = 48 * HOUR) -> World:
    return World(length, Party(aws), Party(outages), ())


def dead(lived: History) -> float:
    return sum(end - begin for begin, end in lived.deaths())


@pytest.mark.parametrize("seed", range(5))
def test_the_promise_is_kept_in_years_of_outages_and_the_ticker_breaks_it(seed: int) -> None:
    drawn = World.draw(random.Random(seed), 3)  # noqa: S311  # a simulation
    lived = service(timedelta(hours=6))(drawn, seed)
    assert year.broken_promises(drawn, lived) == []
    for tries in (1, 10):
        other = ticker(tries)(drawn, seed)
        assert year.broken_promises(drawn, other)
        assert dead(lived) < dead(other)


@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize("offset", [0, 1, 7, 59, 123, 299])
def test_ten_minutes_just_before_its_end_save_a_login(offset: int, *, hangs: bool) -> None:
    """Every try but those in ten minutes fails, wherever the ten minutes fall between two tries."""
    begin = 11.5 * HOUR + offset
    outages = (Span(5 * HOUR, begin, hangs=hangs), Span(begin + 10 * MINUTE, 40 * HOUR, hangs=hangs))
    for aws, rancher in ((outages, ()), ((), outages)):
        lived = service(timedelta(hours=6))(world(*rancher, aws=aws), 1)
        assert [death for death in lived.deaths() if death[0] < 12.5 * HOUR] == []
        assert year.broken_promises(world(*rancher, aws=aws), lived) == []


def test_an_outage_of_the_whole_second_half_costs_one_pause_at_most() -> None:
    meant = world(Span(5 * HOUR, 15 * HOUR, hangs=True))
    lived = service(timedelta(hours=6))(meant, 1)
    ((begin, end),) = lived.deaths()
    assert begin == pytest.approx(12 * HOUR, abs=MINUTE)
    assert 15 * HOUR < end <= 15 * HOUR + LAST_RETRY.total_seconds() + 2
    assert year.broken_promises(meant, lived) == []


def test_the_check_notices_each_kind_of_breach() -> None:
    meant = world(Span(5 * HOUR, 15 * HOUR))
    first = Stored(written=1, issued=0)
    on_time, late = 15 * HOUR + 100, 15 * HOUR + 400
    assert year.broken_promises(meant, History([first, Stored(on_time, on_time)], 2)) == []
    assert len(year.broken_promises(meant, History([first, Stored(late, late)], 2))) == 1
    needless = History([first, Stored(LIFE + 1, LIFE + 1)], 2)
    assert len(year.broken_promises(world(Span(7 * HOUR, 8 * HOUR)), needless)) == 1
    short = world(Span(0, 11 * HOUR), Span(11 * HOUR + 9 * MINUTE, 15 * HOUR))  # nine minutes are not ten
    assert year.broken_promises(short, History([first, Stored(on_time, on_time)], 2)) == []


def test_the_table_is_printed_with_its_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert year.main(["--years", "1", "--seed", "3"]) == 0
    shown = capsys.readouterr().out
    assert "1 simulated years, seed 3" in shown
    assert all(name in shown for name in year.WAYS)


def test_a_broken_promise_is_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(year.WAYS, "this service", ticker(1))
    assert year.main(["--years", "1"]) == 1


def test_the_document_shows_every_row() -> None:
    document = Path(__file__).parents[1] / "docs" / "explanation" / "never-a-gap.md"
    rows = [line.split("  ")[0] for line in document.read_text("utf-8").splitlines()]
    assert [row for row in rows if row in year.WAYS] == list(year.WAYS)
