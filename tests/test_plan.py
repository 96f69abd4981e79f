from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parties import login

from rancher_ecr import (
    AuthorizationToken,
    Change,
    Registry,
    RegistryMissingError,
    RegistryUnusableError,
    server_address,
)
from rancher_ecr.model import Delivery
from rancher_ecr.plan import Step, absent, distinct, missing_error, plan

HOST = "a.example.com"
TOKEN = login(HOST)


def registry(address: str = HOST, *, ref: object = 1, vacant: bool = False, obstacle: str | None = None) -> Registry:
    return Registry(server_address(address), address, str(ref), vacant, obstacle)


PLAIN = registry()
VACANT = registry(ref=2, vacant=True)
OBSTRUCTED = registry(f"https://{HOST}", ref=3, obstacle="it has a scheme")
VACANT_OBSTRUCTED = registry(f"{HOST}/", ref=4, vacant=True, obstacle="it has a slash")
INACTIVE = registry(ref=5, obstacle="it is inactive")
OTHER = registry("b.example.com", ref=6)


def decided(steps: Sequence[Step]) -> list[tuple[Registry | None, bool, Change]]:
    return [(step.registry, step.writes, step.change) for step in steps]


W, N = True, False
UPDATED, CREATED, UNUSABLE = Change.UPDATED, Change.CREATED, Change.UNUSABLE


@pytest.mark.parametrize(
    ("registries", "kept", "created"),
    [
        # what is done without create_missing, and with it
        ([], [], [(None, W, CREATED)]),
        ([OTHER], [], [(None, W, CREATED)]),
        ([PLAIN], [(PLAIN, W, UPDATED)], [(PLAIN, W, UPDATED)]),
        ([VACANT], [(VACANT, N, UNUSABLE)], [(VACANT, W, CREATED)]),
        ([PLAIN, VACANT], [(PLAIN, W, UPDATED)], [(PLAIN, W, UPDATED), (VACANT, W, CREATED)]),
        ([OBSTRUCTED], [(OBSTRUCTED, W, UNUSABLE)], [(None, W, CREATED), (OBSTRUCTED, W, UPDATED)]),
        (
            [OBSTRUCTED, PLAIN],
            [(OBSTRUCTED, W, UPDATED), (PLAIN, W, UPDATED)],
            [(OBSTRUCTED, W, UPDATED), (PLAIN, W, UPDATED)],
        ),
        (
            [OBSTRUCTED, VACANT],
            [(OBSTRUCTED, W, UNUSABLE), (VACANT, N, UNUSABLE)],
            [(OBSTRUCTED, W, UPDATED), (VACANT, W, CREATED)],
        ),
        ([VACANT_OBSTRUCTED], [(VACANT_OBSTRUCTED, N, UNUSABLE)], [(None, W, CREATED)]),
        ([VACANT_OBSTRUCTED, PLAIN], [(PLAIN, W, UPDATED)], [(PLAIN, W, UPDATED)]),
        ([INACTIVE], [(INACTIVE, W, UNUSABLE)], [(INACTIVE, W, UNUSABLE)]),
        (
            [INACTIVE, PLAIN],
            [(INACTIVE, W, UPDATED), (PLAIN, W, UPDATED)],
            [(INACTIVE, W, UPDATED), (PLAIN, W, UPDATED)],
        ),
    ],
)
def test_what_is_decided(
    registries: list[Registry],
    kept: list[tuple[Registry | None, bool, Change]],
    created: list[tuple[Registry | None, bool, Change]],
) -> None:
    assert decided(plan([TOKEN], registries, create_missing=False)) == kept
    assert decided(plan([TOKEN], registries, create_missing=True)) == created


@pytest.mark.parametrize("address", ["A.Example.COM", "a.example.com"])
def test_nothing_is_created_beside_an_address_that_differs_in_case_only(address: str) -> None:
    inactive = registry(address, obstacle="it is inactive")
    (step,) = plan([TOKEN], [inactive], create_missing=True)
    assert (step.registry, step.change) == (inactive, UNUSABLE)


def test_the_first_address_is_the_one_created() -> None:
    (step,) = plan([login("a.example.com", "fips.example.com")], [], create_missing=True)
    assert step.server_address == "a.example.com"


def test_a_synonym_that_is_served_needs_no_creation() -> None:
    fips = registry("fips.example.com")
    steps = plan([login("a.example.com", "fips.example.com")], [fips], create_missing=True)
    assert decided(steps) == [(fips, W, UPDATED)]
    assert steps[0].server_address == "fips.example.com"


def test_a_synonym_that_is_obstructed_does_not_serve_the_first_address() -> None:
    fips = registry("https://fips.example.com", obstacle="it has a scheme")
    steps = plan([login("a.example.com", "fips.example.com")], [fips], create_missing=True)
    assert decided(steps) == [(None, W, CREATED), (fips, W, UNUSABLE)]


def test_an_obstacle_is_said_with_its_remedy() -> None:
    (step,) = plan([TOKEN], [OBSTRUCTED], create_missing=False)
    assert isinstance(step.error, RegistryUnusableError)
    assert OBSTRUCTED.address in str(step.error)
    assert str(OBSTRUCTED.obstacle) in str(step.error)


def test_a_vacant_registry_is_said_with_its_remedy() -> None:
    (step,) = plan([TOKEN], [VACANT], create_missing=False)
    assert "AUTO_CREATE=true" in str(step.error)


def test_what_is_well_has_no_error() -> None:
    assert [step.error for step in plan([TOKEN], [PLAIN, VACANT], create_missing=True)] == [None, None]


# Properties

HOSTS = ("a.example.com", "b.example.com:5000", "c.example.com", "d.example.com")
spelled = st.sampled_from(HOSTS).flatmap(
    lambda host: st.sampled_from([host, host, host.upper(), f"https://{host}", f"{host}/", f" {host}"])
)


@st.composite
def listings(draw: st.DrawFn) -> list[Registry]:
    """Draw what a store may hold: duplicates, shared refs, obstacles that follow from the address or from a state."""
    listing = []
    for place, address in enumerate(draw(st.lists(spelled, max_size=8))):
        literal = None if address.lower() == server_address(address) else "its address"
        listing.append(
            Registry(
                server_address(address),
                address,
                (place, draw(st.integers(0, 2))),
                vacant=draw(st.booleans()),
                obstacle=literal or draw(st.sampled_from([None, None, "it is inactive"])),
            )
        )
    return listing


token_lists = st.lists(
    st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3, unique=True).map(lambda hosts: login(*hosts)), max_size=4
).map(lambda tokens: distinct(tokens)[0])


def matches(tokens: Sequence[AuthorizationToken], listing: Sequence[Registry]) -> list[Registry]:
    return [r for r in listing if any(r.server_address in token.server_addresses for token in tokens)]


@given(tokens=token_lists, listing=listings(), create_missing=st.booleans())
def test_every_match_that_holds_a_login_is_written_once(
    *, tokens: list[AuthorizationToken], listing: list[Registry], create_missing: bool
) -> None:
    written = Counter(
        s.registry for s in plan(tokens, listing, create_missing=create_missing) if s.writes and s.registry
    )
    assert written == Counter(set(written))
    assert {r for r in matches(tokens, listing) if not r.vacant} <= set(written) <= set(matches(tokens, listing))


@given(token_lists, listings())
def test_nothing_comes_into_being_without_create_missing(
    tokens: list[AuthorizationToken], listing: list[Registry]
) -> None:
    for step in plan(tokens, listing, create_missing=False):
        assert step.registry is not None
        assert step.change is not CREATED
        assert not (step.registry.vacant and step.writes)


@given(token_lists, listings())
def test_vacant_registries_are_filled_when_nothing_stands_in_the_way(
    tokens: list[AuthorizationToken], listing: list[Registry]
) -> None:
    steps = plan(tokens, listing, create_missing=True)
    filled = {step.registry for step in steps if step.registry and step.registry.vacant and step.writes}
    assert filled == {r for r in matches(tokens, listing) if r.vacant and r.obstacle is None}
    assert all(step.change is CREATED for step in steps if step.registry in filled)


@given(token_lists, listings())
def test_nothing_is_created_where_the_address_is_stored(
    tokens: list[AuthorizationToken], listing: list[Registry]
) -> None:
    created = [step.server_address for step in plan(tokens, listing, create_missing=True) if step.registry is None]
    assert not {address.lower() for address in created} & {registry.address.lower() for registry in listing}
    assert len(set(created)) == len(created)
    assert set(created) <= {token.server_addresses[0] for token in tokens}


@given(token_lists, listings())
def test_with_create_missing_every_token_is_used_or_said_to_be_unusable(
    tokens: list[AuthorizationToken], listing: list[Registry]
) -> None:
    steps = plan(tokens, listing, create_missing=True)
    for token in tokens:
        mine = [step for step in steps if step.token == token]
        assert mine
        usable = [s for s in mine if s.registry is None or (s.writes and s.registry.obstacle is None)]
        assert usable or all(step.change is UNUSABLE for step in mine)


@given(tokens=token_lists, listing=listings(), create_missing=st.booleans())
def test_unusable_is_what_nothing_else_serves(
    *, tokens: list[AuthorizationToken], listing: list[Registry], create_missing: bool
) -> None:
    steps = plan(tokens, listing, create_missing=create_missing)
    used = {
        step.server_address
        for step in steps
        if step.writes and (step.registry is None or step.registry.obstacle is None)
    }
    for step in steps:
        assert (step.change is UNUSABLE) == (step.server_address not in used)
        assert (step.error is not None) == (step.change is UNUSABLE)


@given(tokens=token_lists, listing=listings(), create_missing=st.booleans())
def test_each_token_goes_to_its_own_addresses(
    *, tokens: list[AuthorizationToken], listing: list[Registry], create_missing: bool
) -> None:
    for step in plan(tokens, listing, create_missing=create_missing):
        assert step.server_address in step.token.server_addresses
        assert step.registry is None or step.registry.server_address == step.server_address


# Deliveries


@pytest.mark.parametrize(
    ("delivered", "listed", "done"),
    [
        (PLAIN, PLAIN, True),
        (PLAIN, registry(ref=9), False),  # another one, in its place
        (PLAIN, registry(vacant=True), False),  # its login has vanished
        (PLAIN, registry(obstacle="it is inactive"), False),
        (OBSTRUCTED, OBSTRUCTED, True),
        (INACTIVE, registry(ref=5), False),  # the obstacle is gone, and something else may be used now
        (VACANT, registry(ref=7), True),  # what was filled looks different now
        (VACANT, VACANT, False),
        (None, registry(ref=8), True),
        (None, registry(ref=8, obstacle="it is inactive"), False),
        (None, registry(ref=8, vacant=True), False),
    ],
)
def test_what_was_delivered_is_done(delivered: Registry | None, listed: Registry, *, done: bool) -> None:
    delivery = Delivery(None, delivered, HOST, TOKEN)
    (step,) = (step for step in plan([TOKEN], [listed], create_missing=True) if step.registry)
    assert step.was_done_by(delivery) is done


def test_another_token_is_not_done() -> None:
    (step,) = plan([TOKEN], [PLAIN], create_missing=False)
    assert not step.was_done_by(Delivery(None, PLAIN, HOST, login(HOST, password="another")))


def test_another_address_is_not_done() -> None:
    token = login(HOST, "b.example.com")
    (step,) = plan([token], [OTHER], create_missing=False)
    assert not step.was_done_by(Delivery(None, None, HOST, token))


def test_a_creation_is_never_done() -> None:
    (step,) = plan([TOKEN], [], create_missing=True)
    assert not step.was_done_by(Delivery(None, None, HOST, TOKEN))


# Two tokens for one address


def test_the_first_token_for_an_address_is_used_and_the_other_said_once() -> None:
    first, second = login("a.example.com", password="1"), login("a.example.com", "b.example.com", password="2")
    kept, warnings = distinct([first, second])
    assert [(token.password, token.server_addresses) for token in kept] == [
        ("1", ("a.example.com",)),
        ("2", ("b.example.com",)),
    ]
    assert len(warnings) == 1
    assert "a.example.com" in warnings[0]


def test_a_token_that_is_left_without_address_is_dropped() -> None:
    first, second = login("a.example.com", "b.example.com"), login("b.example.com", "a.example.com", password="2")
    kept, warnings = distinct([first, second])
    assert kept == [first]
    assert len(warnings) == 1


def test_tokens_for_different_addresses_are_left_alone() -> None:
    tokens = [login("a.example.com"), login("b.example.com")]
    assert distinct(tokens) == (tokens, [])


@given(st.lists(st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3, unique=True), max_size=5))
def test_every_address_goes_to_the_first_token_that_names_it(names: list[list[str]]) -> None:
    tokens = [login(*addresses, password=str(place)) for place, addresses in enumerate(names)]
    kept, warnings = distinct(tokens)
    owners = {address: token.password for token in kept for address in token.server_addresses}
    assert sum(len(token.server_addresses) for token in kept) == len(owners)
    for address in HOSTS:
        assert owners.get(address) == next((t.password for t in tokens if address in t.server_addresses), None)
    assert len(warnings) == sum(token not in kept for token in tokens)


# Absences


def test_an_address_that_one_store_has_is_absent_in_the_others() -> None:
    a, b, c = login("a.example.com", "fips.example.com"), login("b.example.com"), login("c.example.com")
    served = [frozenset({"fips.example.com"}), frozenset({"b.example.com"}), frozenset[str]()]
    absences, missing = absent([a, b, c], served)
    assert absences == [(1, "a.example.com"), (2, "a.example.com"), (0, "b.example.com"), (2, "b.example.com")]
    assert missing == ["c.example.com"]


def test_what_is_missing_is_said_with_the_stores_and_the_remedy() -> None:
    error = missing_error("a.example.com", ["one/Default", "two/Default"])
    assert isinstance(error, RegistryMissingError)
    for part in ("a.example.com", "one/Default", "two/Default", "AUTO_CREATE=true"):
        assert part in str(error)
