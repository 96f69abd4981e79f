import copy
import inspect
import pickle
import re

import pytest

import rancher_ecr
from rancher_ecr import errors
from rancher_ecr.errors import (
    MalformedTokenError,
    RancherECRError,
    SettingsError,
    SourceError,
    StoreError,
    StoreResponseError,
    SyncError,
)

CLASSES = [kind for kind in vars(errors).values() if inspect.isclass(kind) and kind.__module__ == errors.__name__]


def drawn_tree() -> dict[str, str]:
    """Read the parent of each class from the tree in the module's docstring."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in inspect.getdoc(errors).splitlines():  # type: ignore[union-attr]  # it has one
        if match := re.match(r"([│├└─ ]*)(\w+Error)\b", line):
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            parents[match[2]] = path[depth - 1] if depth else "Exception"
    return parents


def test_the_tree_is_drawn_as_it_is() -> None:
    drawn = drawn_tree()
    assert set(drawn) == {kind.__name__ for kind in CLASSES}
    for kind in CLASSES:
        assert drawn[kind.__name__] in {base.__name__ for base in kind.__bases__}


def test_every_error_is_public() -> None:
    assert {kind.__name__ for kind in CLASSES} <= set(rancher_ecr.__all__)


@pytest.mark.parametrize(
    "error",
    [
        RancherECRError("a"),
        SettingsError(["A: wrong", "B: wrong"]),
        MalformedTokenError("a"),
        StoreResponseError("a", status=422, code="MaxLengthExceeded", field="secretValue"),
    ],
)
def test_errors_can_be_pickled_and_copied(error: Exception) -> None:
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301  # our own bytes
        assert type(same) is type(error)
        assert str(same) == str(error)
        assert vars(same) == vars(error)


def test_a_sync_error_can_be_pickled_and_copied() -> None:
    error = SyncError("2 of 3", [SourceError("a"), StoreResponseError("b", status=405)])
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301  # our own bytes
        assert type(same) is SyncError
        assert same.message == error.message
        assert [repr(member) for member in same.exceptions] == [repr(member) for member in error.exceptions]


def test_a_settings_error_lists_its_problems() -> None:
    assert SettingsError("A: wrong").problems == ("A: wrong",)
    error = SettingsError(iter(["A: wrong", "B: wrong"]))  # type: ignore[arg-type]  # any iterable will do
    assert error.problems == ("A: wrong", "B: wrong")
    assert str(error) == "A: wrong; B: wrong"


def test_a_response_error_says_what_was_answered() -> None:
    error = StoreResponseError("too long", status=422, code="MaxLengthExceeded", field="secretValue")
    assert (str(error), error.status, error.code, error.field) == ("too long", 422, "MaxLengthExceeded", "secretValue")
    bare = StoreResponseError("gone", status=404)
    assert (bare.code, bare.field) == (None, None)


def test_a_sync_error_is_one_of_ours_and_keeps_its_type_when_it_is_split() -> None:
    error = SyncError("2 of 3", [SourceError("a"), StoreError("b")])
    assert isinstance(error, RancherECRError)
    sources, rest = error.split(SourceError)
    assert type(sources) is SyncError
    assert type(rest) is SyncError
    assert [str(member) for member in sources.exceptions] == ["a"]
    assert [str(member) for member in rest.exceptions] == ["b"]
    assert type(error.subgroup(StoreError)) is SyncError


def test_a_sync_error_can_be_caught_in_parts() -> None:
    caught: list[str] = []
    try:
        raise SyncError("2 of 3", [SourceError("a"), StoreError("b")])
    except* SourceError as group:
        caught += [str(member) for member in group.exceptions]
    except* StoreError as group:
        caught += [str(member) for member in group.exceptions]
    assert caught == ["a", "b"]
