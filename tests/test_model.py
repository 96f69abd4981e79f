import itertools
import pickle
from datetime import UTC, datetime, timedelta, timezone

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from rancher_ecr import AuthorizationToken, Change, Outcome, Registry, Report, StoreError, SyncError, server_address
from rancher_ecr.errors import SourceError
from rancher_ecr.model import Delivery, IssuedToken

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PASSWORD = "B9nTyw2ZkfYqVhLdXs3G"
TOKEN = AuthorizationToken("https://a.example.com", ("a.example.com",), "AWS", PASSWORD, NOW + timedelta(hours=12))

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
hosts = st.lists(labels, min_size=1, max_size=4).map(".".join)
blanks = st.text(" \t\n\r", max_size=3)
paths = st.sampled_from(["", "/", "/v1/", "/v2/repository:tag", "?query", "#fragment", "/path?with=query"])
ports = st.integers(1, 65535).filter(lambda port: port not in {80, 443})


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "123456789012.dkr.ecr.eu-west-1.amazonaws.com"),
        ("https://Host.Example.com", "host.example.com"),
        ("http://host:80", "host"),
        ("https://host:80", "host:80"),
        ("host:80", "host:80"),
        ("http://host:443", "host"),
        ("host:443", "host"),
        ("host:0443/", "host"),
        ("host:", "host"),
        (" host/ ", "host"),
        ("https://index.docker.io/v1/", "index.docker.io"),
        ("host:5000/path", "host:5000"),
        ("[2001:DB8::1]:5000", "[2001:db8::1]:5000"),
        ("[2001:db8::1]:443", "[2001:db8::1]"),
        ("oci://host", "host"),
    ],
)
def test_spellings_of_one_host_are_folded(text: str, folded: str) -> None:
    assert server_address(text) == folded


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "/",
        "://",
        "https://",
        ":5000",
        "two hosts",
        "user@host",
        "https://user:password@host",
        "host:port",
        "2001:db8::1",
    ],
)
def test_what_cannot_be_read_matches_nothing(text: str) -> None:
    assert server_address(text) == ""


@given(st.text())
def test_folding_never_raises_and_is_idempotent(text: str) -> None:
    folded = server_address(text)
    assert server_address(folded) == folded


@given(st.text(alphabet=":/[]@?#. \taA0\u0130\xdf\x1c\ud800"))
def test_folding_is_idempotent_for_the_odd_as_well(text: str) -> None:
    folded = server_address(text)
    assert server_address(folded) == folded
    assert folded == folded.strip().lower()


@given(
    hosts, st.sampled_from(["", "https://", "http://", "HTTPS://"]), blanks, paths, st.sampled_from(["", ":", ":443"])
)
def test_every_spelling_folds_to_the_host(host: str, scheme: str, blank: str, path: str, port: str) -> None:
    for spelled in (host, host.upper(), host.title()):
        assert server_address(f"{blank}{scheme}{spelled}{port}{path}{blank}") == host


@given(hosts, ports, st.sampled_from(["", "https://", "http://"]), paths)
def test_other_ports_are_kept(host: str, port: int, scheme: str, path: str) -> None:
    assert server_address(f"{scheme}{host}:{port}{path}") == f"{host}:{port}"


@given(hosts, hosts, st.sampled_from(["", ":5000"]))
def test_other_hosts_stay_others(one: str, other: str, port: str) -> None:
    assert (server_address(f"https://{one}{port}/") == server_address(other + port)) == (one == other)


def test_no_value_shows_a_password() -> None:
    registry = Registry("a.example.com", "a.example.com", 1)
    delivery = Delivery(object(), registry, "a.example.com", TOKEN)
    issued = IssuedToken(0, TOKEN, NOW)
    report = Report((Outcome(Change.UPDATED),), tokens=(issued,), deliveries=(delivery,))
    for value in (TOKEN, delivery, issued, report, [TOKEN], {"token": TOKEN}):
        assert PASSWORD not in f"{value} {value!r}"


def test_a_token_needs_an_address() -> None:
    with pytest.raises(ValueError, match="at least one server address") as caught:
        evolve(TOKEN, server_addresses=())
    assert PASSWORD not in repr(caught.value)


def test_a_token_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="aware") as caught:
        evolve(TOKEN, expires_at=datetime(2026, 1, 1))  # noqa: DTZ001  # the point
    assert PASSWORD not in repr(caught.value)


def test_a_token_takes_any_iterable_of_addresses() -> None:
    assert evolve(TOKEN, server_addresses=iter(["a", "b"])).server_addresses == ("a", "b")


@pytest.mark.parametrize(
    "value", [TOKEN, Registry("a", "a", 1), Outcome(Change.MISSING), Report(), IssuedToken(0, TOKEN, NOW)]
)
def test_values_are_frozen_hashable_and_compared_by_value(value: object) -> None:
    same = pickle.loads(pickle.dumps(value))  # noqa: S301  # our own bytes
    assert same == value
    assert hash(same) == hash(value)
    with pytest.raises(FrozenInstanceError):
        value.name = "other"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("elapsed", "fresh"),
    [
        (timedelta(), True),
        (timedelta(hours=5, minutes=59), True),
        (timedelta(hours=6), False),
        (timedelta(hours=13), False),
    ],
)
def test_a_token_is_fresh_with_more_than_half_its_life_left(elapsed: timedelta, *, fresh: bool) -> None:
    assert IssuedToken(0, TOKEN, NOW).is_fresh(NOW + elapsed) is fresh


def test_a_token_that_is_past_its_end_is_not_fresh() -> None:
    assert not IssuedToken(0, evolve(TOKEN, expires_at=NOW - timedelta(hours=1)), NOW).is_fresh(NOW)


def test_expiries_compare_across_time_zones() -> None:
    eastern = timezone(timedelta(hours=-5))
    assert IssuedToken(0, evolve(TOKEN, expires_at=TOKEN.expires_at.astimezone(eastern)), NOW).is_fresh(NOW)


@pytest.mark.parametrize(
    ("change", "ok", "delivered"),
    [
        (Change.UPDATED, True, True),
        (Change.CREATED, True, True),
        (Change.ABSENT, True, False),
        (Change.UNUSABLE, False, False),
        (Change.MISSING, False, False),
        (Change.FAILED, False, False),
    ],
)
def test_what_is_well_and_what_is_delivered(change: Change, *, ok: bool, delivered: bool) -> None:
    assert (Outcome(change).ok, Outcome(change).delivered) == (ok, delivered)


def test_a_created_delivery_had_no_login_before() -> None:
    registry = Registry("a", "a", 1)
    assert Delivery(None, None, "a", TOKEN).created
    assert Delivery(None, evolve(registry, vacant=True), "a", TOKEN).created
    assert not Delivery(None, registry, "a", TOKEN).created


def test_a_report_is_well_when_all_its_outcomes_are() -> None:
    for changes in itertools.product(Change, repeat=2):
        report = Report(tuple(Outcome(change) for change in changes))
        assert report.ok == all(Outcome(change).ok for change in changes)
        assert report.failures == tuple(outcome for outcome in report.outcomes if not outcome.ok)
    assert Report().ok


def test_a_report_expires_with_the_first_login_that_was_delivered() -> None:
    late, early, earliest = NOW + timedelta(hours=3), NOW + timedelta(hours=2), NOW + timedelta(hours=1)
    report = Report(
        (
            Outcome(Change.UPDATED, expires_at=late),
            Outcome(Change.CREATED, expires_at=early),
            Outcome(Change.FAILED, expires_at=earliest),
        )
    )
    assert report.expires_at == early
    assert Report().expires_at is None
    assert Report((Outcome(Change.MISSING),)).expires_at is None


def test_failures_are_raised_together() -> None:
    errors = (SourceError("no token"), StoreError("not written"))
    outcomes = (
        *(Outcome(Change.FAILED, error=error) for error in errors),
        Outcome(Change.UPDATED),
        Outcome(Change.FAILED),
    )
    with pytest.raises(SyncError, match="3 of 4 not delivered") as caught:
        Report(outcomes).raise_for_failures()
    assert caught.value.exceptions[:2] == errors
    assert isinstance(caught.value.exceptions[2], StoreError)


def test_nothing_is_raised_when_all_is_well() -> None:
    Report((Outcome(Change.UPDATED), Outcome(Change.ABSENT))).raise_for_failures()
