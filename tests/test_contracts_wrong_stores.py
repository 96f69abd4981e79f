"""Tests of the contract's tests: each store with one mistake fails where it should, and is told what is wrong."""

from typing import Any

import pytest
import wrong_stores as wrong
from stores import GroupedContract, GroupedStore, MemoryContract

from rancher_ecr.testing.memory import MemoryStore

CAUGHT: dict[type[MemoryStore | GroupedStore], tuple[str, str]] = {
    # Listing
    wrong.ListsTheFirstPage: ("many_registries_are_listed", "the listing lacks"),
    wrong.ListsTheFirstPageOfNames: ("every_registry_is_listed", "the listing lacks"),
    wrong.ListsTwice: ("every_registry_is_listed", "and has .* beyond"),
    wrong.ListsNoVacantOnes: ("vacant_registries_are_listed", "the listing lacks"),
    wrong.ListsVacantOnesAsHolding: ("vacant_registries_are_listed", "vacant is wrong"),
    wrong.ListsVacancyAsAnObstacle: ("vacant_registries_are_listed", "to hold no login is no obstacle"),
    wrong.ListsNoPorts: ("every_registry_is_listed", "the listing lacks"),
    wrong.ListsAddressesAsStored: ("an_obstacle_is_said_exactly_where_one_stands", "is not normalised"),
    wrong.ListsAGenerator: ("every_registry_is_listed", "must return a sequence"),
    wrong.ListsItsOwnList: ("a_listing_does_not_change_later", "changed a listing"),
    wrong.ListsFromACache: ("instances_see_each_other", "the listing lacks"),
    wrong.FailsWhenEmpty: ("an_empty_store_is_listed", "there are no registries"),
    wrong.RefsAreNotHashable: ("registries_are_hashable_and_distinct", "is not hashable"),
    wrong.RefsAreNewEachTime: ("listings_agree", "the second listing is another one"),
    wrong.RefsChangeTheirHash: ("an_update_does_not_change_the_registry", "listed as another one"),
    wrong.RefsHoldTheVersion: ("an_update_does_not_change_the_registry", "listed as another one"),
    wrong.RefsAreOfThisProcess: ("instances_see_each_other", "a restart makes other refs"),
    wrong.HasNoName: ("the_name_is_for_people", "blank"),
    wrong.HasANameOfTwoLines: ("the_name_is_for_people", "line breaks"),
    wrong.HasAnotherNameEachTime: ("the_name_is_for_people", "another one each time"),
    # Writing
    wrong.LosesOtherHosts: ("a_write_keeps_every_other_login", "a pull from .* gets None"),
    wrong.WritesWhatItRead: ("a_write_keeps_every_other_login", "a pull from .* gets .'old-user"),
    wrong.ReadsOncePerInstance: ("instances_lose_nothing_of_each_other", "a pull from .* gets .'old-user"),
    wrong.WritesOneByOne: ("a_write_that_fails_writes_all_or_none", "a part was written"),
    wrong.WritesTheFirstOnly: ("what_is_written_is_what_a_pull_gets", "a pull from"),
    wrong.WritesOneTokenForAll: ("what_is_written_is_what_a_pull_gets", "a pull from"),
    wrong.FillsTheWholeObject: ("filling_one_registry_leaves_the_others_vacant", "not None"),
    wrong.IgnoresVacantOnes: ("a_write_fills_vacant_registries", "a pull from .* gets None"),
    wrong.RefusesVacantOnes: ("a_write_fills_vacant_registries", "there is no login to update"),
    wrong.FillsAgain: ("filling_again_leaves_one_login", "has 2 logins"),
    wrong.RecreatesRegistries: ("an_update_does_not_change_the_registry", "listed as another one"),
    wrong.KeepsTheUserName: ("the_last_write_counts", "a pull from .* gets .'old-user"),
    wrong.CutsPasswords: ("long_passwords_arrive_whole", "a pull from"),
    wrong.CutsPasswordsAtColons: ("what_is_written_is_what_a_pull_gets", "a pull from"),
    wrong.RefusesTheSame: ("writing_the_same_again_changes_nothing", "not modified"),
    wrong.WritesLater: ("what_is_written_is_what_a_pull_gets", "a pull from"),
    wrong.WritesToSimilarHosts: ("a_write_keeps_every_other_login", "a pull from"),
    wrong.WritesNothing: ("what_is_written_is_what_a_pull_gets", "a pull from"),
    # Creating
    wrong.CreatesDuplicates: ("creating_again_leaves_one", "and has .* beyond|a pull from"),
    wrong.CreatesSecondLogins: ("creating_again_leaves_one", "has 2 logins"),
    wrong.RefusesToCreateAgain: ("creating_again_leaves_one", "exists"),
    wrong.SkipsWhatIsThere: ("creating_delivers_to_a_registry_that_is_there", "a pull from .* gets .'old-user"),
    wrong.SkipsWhatIsVacant: ("creating_completes_a_vacant_registry", "a pull from .* gets None"),
    wrong.CreatesNoLogin: ("what_is_created_is_listed_and_pulled", "a pull from .* gets None"),
    wrong.CreatesWithoutPort: ("what_is_created_is_listed_and_pulled", "a pull from"),
    wrong.CreatesWithScheme: ("what_is_created_is_listed_and_pulled", "gets None|would not be used"),
    wrong.CreatesANewObject: ("what_is_created_is_listed_and_pulled", "a pull from .* gets None"),
    wrong.RemembersWhatItCreated: ("creating_delivers_to_a_registry_that_is_there", "a pull from"),
    wrong.NumbersWhatItCreates: ("instances_create_one_registry", "and has .* beyond|a pull from"),
    wrong.CreatesInTwoSteps: ("a_create_that_fails_is_completed_by_the_next", "a pull from .* gets None"),
    # Several threads, several writers
    wrong.IsNotThreadSafe: ("threads_may_write_and_create_at_once", "the listing lacks|a pull from"),
    wrong.LocksByRef: ("threads_may_write_and_create_at_once", "the listing lacks|a pull from"),
    wrong.KeepsTheTokenInItself: ("threads_may_write_and_create_at_once", "a pull from"),
    wrong.ChecksThenCreates: ("threads_may_write_and_create_at_once", "the listing lacks|a pull from"),
    wrong.BelongsToAThread: ("calls_may_come_from_any_thread", "no attribute 'connection'"),
    wrong.TakesRemovedOnesForWritten: ("what_was_removed_is_not_taken_for_written", "a pull from .* gets None"),
    wrong.WritesToANamesake: ("what_was_removed_is_not_taken_for_written", "a pull from"),
    # Obstacles
    wrong.SaysNoObstacle: ("an_obstacle_is_said_exactly_where_one_stands", "nothing stands in the way"),
    wrong.SeesNoDuplicates: ("an_obstacle_is_said_exactly_where_one_stands", "has no obstacle and was refused"),
    wrong.SeesObstaclesEverywhere: ("every_registry_is_listed", "is used at a pull"),
    wrong.SeesCapitalsAsAnObstacle: ("an_obstacle_is_said_exactly_where_one_stands", "used at a pull: True"),
    wrong.SaysBlankObstacles: ("an_obstacle_is_said_exactly_where_one_stands", "has a blank obstacle"),
    wrong.TripsOverObstacles: ("an_obstacle_is_said_exactly_where_one_stands", "https://a.example.com"),
    # Faults
    wrong.Leaks: ("a_listing_is_complete_or_an_error", "ConnectionError left the store"),
    wrong.LeaksFromWrite: ("a_write_that_fails_writes_all_or_none", "ConnectionError left the store"),
    wrong.LeaksFromCreate: ("a_create_that_fails_is_completed_by_the_next", "ConnectionError left the store"),
    wrong.SwallowsListingErrors: ("a_listing_is_complete_or_an_error", "the listing lacks"),
    wrong.ListsWhatItGot: ("a_listing_is_complete_or_an_error", "the listing lacks"),
    wrong.SwallowsWriteErrors: ("a_write_that_fails_writes_all_or_none", "a part was written"),
    wrong.SwallowsCreateErrors: ("a_create_that_fails_is_completed_by_the_next", "a pull from .* gets None"),
    wrong.StaysBroken: ("a_listing_is_complete_or_an_error", "the connection is closed"),
    wrong.SaysNothing: ("no_secret_is_shown_when_the_server_fails", "the error is blank"),
    # Secrets
    wrong.ShowsRefs: ("no_secret_is_shown", "a secret is shown"),
    wrong.ShowsItself: ("no_secret_is_shown", "a secret is shown"),
    wrong.ShowsItsKey: ("no_secret_is_shown", "a secret is shown"),
    wrong.Logs: ("no_secret_is_shown", "update: a secret is shown: my.store writing"),
    wrong.LogsWhatItFills: ("no_secret_is_shown", "fill: a secret is shown: my.store writing"),
    wrong.LogsAside: ("no_secret_is_shown", "create: a secret is shown: my.own.store created"),
    wrong.LogsBase64: ("no_secret_is_shown", "update: a secret is shown: my.store Authorization: Basic"),
    wrong.LogsTheBeginning: ("no_secret_is_shown", "create: a secret is shown: my.store created a login"),
    wrong.LogsTheEnd: ("no_secret_is_shown", "create: a secret is shown: my.store created a login"),
    wrong.LogsOldLogins: ("no_secret_is_shown", "read: a secret is shown: my.store found"),
    wrong.LogsOnRepeat: ("no_secret_is_shown", "create: a secret is shown: my.store again"),
    wrong.LogsAttributes: ("no_secret_is_shown", "create: a secret is shown: my.store created"),
    wrong.LogsTracebacks: ("no_secret_is_shown_when_the_server_fails", "a secret is shown"),
    wrong.QuotesWhatItRefuses: ("what_was_removed_is_not_taken_for_written", "a secret is shown"),
    wrong.Prints: ("no_secret_is_shown", "update: a secret is shown"),
    wrong.Warns: ("no_secret_is_shown", "update: a secret is shown"),
    wrong.LogsErrors: ("no_secret_is_shown_when_the_server_fails", "a secret is shown: my.store failed"),
    wrong.QuotesErrors: ("no_secret_is_shown_when_the_server_fails", "a secret is shown"),
    wrong.ChainsErrors: ("no_secret_is_shown_when_the_server_fails", "a secret is shown: OSError"),
    wrong.ChainsErrorsUnsaid: ("no_secret_is_shown_when_the_server_fails", "a secret is shown: OSError"),
    wrong.NotesErrors: ("no_secret_is_shown_when_the_server_fails", "a secret is shown"),
    wrong.HidesTokensInArguments: ("no_secret_is_shown_when_the_server_fails", "a secret is shown: QuietError"),
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "what_is_created_is_listed_and_pulled": {"hosts": ("a.example.com", "a.example.com:5000")},
    "a_write_that_fails_writes_all_or_none": {"vacant": False},
}


@pytest.mark.parametrize("kind", CAUGHT, ids=lambda kind: kind.__name__)
def test_a_store_with_a_mistake_fails_where_it_should(kind: type[MemoryStore | GroupedStore]) -> None:
    test, message = CAUGHT[kind]
    contract: MemoryContract | GroupedContract
    if issubclass(kind, MemoryStore):
        contract = MemoryContract()
        contract.kind = kind
    else:
        contract = GroupedContract()
        contract.kind = kind
    with pytest.raises((Exception, pytest.fail.Exception), match=message):
        getattr(contract, f"test_{test}")(**ARGUMENTS.get(test, {}))


def test_every_wrong_store_is_tried() -> None:
    kinds = [kind for kind in vars(wrong).values() if isinstance(kind, type) and kind.__module__ == wrong.__name__]
    assert {kind for kind in kinds if issubclass(kind, MemoryStore | GroupedStore)} == CAUGHT.keys()
    assert len(CAUGHT) > 80
