"""Tests of the contract's tests: a good source passes, and each source with one mistake fails where it should."""

import pytest
import sources as wrong
from sources import CloudSource, SourceContract

CAUGHT: dict[type[CloudSource], tuple[str, str]] = {
    wrong.YieldsNothing: ("logins_are_yielded", "nothing was yielded"),
    wrong.YieldsPairs: ("logins_are_yielded", "something else was yielded"),
    wrong.YieldsNoPasswords: ("logins_are_whole", "has no password"),
    wrong.YieldsNoUserNames: ("logins_are_whole", "has no user name"),
    wrong.YieldsNoEndpoints: ("logins_are_whole", "names no host"),
    wrong.YieldsEndpointsAsAddresses: ("addresses_are_normalised", "is not normalised"),
    wrong.YieldsBlankAddresses: ("addresses_are_normalised", "an address is blank"),
    wrong.YieldsAddressesTwice: ("addresses_are_normalised", "an address is there twice"),
    wrong.YieldsLocalTimes: ("expiries_are_in_utc_and_ahead", "is not in UTC"),
    wrong.TakesLocalTimeForUTC: ("expiries_are_in_utc_and_ahead", "has passed"),
    wrong.AsksOnce: ("every_call_asks_anew", "an old password was given again"),
    wrong.HasOneIterator: ("every_call_yields_everything", "yielded something else"),
    wrong.BelongsToAThread: ("calls_may_come_from_any_thread", "AttributeError left the source"),
    wrong.StopsAtTheFirstError: ("good_logins_are_yielded_before_the_error", "a good login was lost"),
    wrong.RaisesBeforeItYields: ("good_logins_are_yielded_before_the_error", "a good login was lost"),
    wrong.SwallowsErrors: ("nothing_but_source_errors_leave", "nothing was said"),
    wrong.SwallowsErrorsOnceSomethingWasYielded: ("good_logins_are_yielded_before_the_error", "nothing was said"),
    wrong.RaisesOnce: ("nothing_but_source_errors_leave", "nothing was said"),
    wrong.RaisesBlankErrors: ("nothing_but_source_errors_leave", "the error is blank"),
    wrong.Leaks: ("nothing_but_source_errors_leave", "ConnectionError left the source"),
    wrong.YieldsOldLoginsInstead: ("nothing_but_source_errors_leave", "a login was yielded"),
    wrong.HasNoName: ("the_name_is_for_people", "the name is blank"),
    wrong.HasAKeyInItsName: ("no_secret_is_shown", "well: a secret is shown"),
    wrong.ShowsItself: ("no_secret_is_shown", "well: a secret is shown"),
    wrong.Logs: ("no_secret_is_shown", "well: a secret is shown: my.source got"),
    wrong.LogsWhatIsMalformed: ("no_secret_is_shown_when_a_login_is_lost", "a secret is shown: my.source odd"),
    wrong.QuotesWhatIsMalformed: ("no_secret_is_shown_when_a_login_is_lost", "partial: a secret is shown"),
    wrong.ChainsErrors: ("no_secret_is_shown_when_the_cloud_fails", "quoting: a secret is shown: OSError"),
}


class TestCloudSource(SourceContract):
    pass


@pytest.mark.parametrize("kind", CAUGHT, ids=lambda kind: kind.__name__)
def test_a_source_with_a_mistake_fails_where_it_should(kind: type[CloudSource]) -> None:
    test, message = CAUGHT[kind]
    contract = SourceContract()
    contract.kind = kind
    with pytest.raises((AssertionError, pytest.fail.Exception), match=message):
        getattr(contract, f"test_{test}")()


def test_every_wrong_source_is_tried() -> None:
    kinds = [kind for kind in vars(wrong).values() if isinstance(kind, type) and issubclass(kind, CloudSource)]
    assert set(kinds) - {CloudSource} == CAUGHT.keys()
