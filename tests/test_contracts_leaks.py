"""What the contract hears, and that it takes nothing else for a secret."""

import base64
import json
import logging
import sys
import warnings
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rancher_ecr.testing.contracts.leaks import Ears, draw_password, draw_token

SHOWN: list[Callable[[str], str]] = [
    str,
    repr,
    json.dumps,
    quote,
    quote_plus,
    lambda password: base64.b64encode(password.encode()).decode(),
    lambda password: base64.urlsafe_b64encode(password.encode()).decode(),
    lambda password: base64.b64encode(f"AWS:{password}".encode()).decode(),
    lambda password: base64.b64encode(f"a-user:{password}".encode()).decode(),
    lambda password: base64.b64encode(f"user:{password}:more".encode()).decode(),
    lambda password: password.encode().hex(),
    lambda password: f"{password[:8]}…",
    lambda password: f"…{password[-8:]}",
    lambda password: f"{password[0]}***{password[10:22]}***",
    lambda password: password.upper() + password,
]


def chained(error: BaseException, cause: BaseException | None) -> BaseException:
    error.__cause__ = cause
    return error


def told(tell: Callable[[str], object], password: str) -> Ears:
    ears = Ears()
    with ears.listening():
        tell(password)
    return ears


@pytest.mark.parametrize("length", [24, 60, 2800])
@pytest.mark.parametrize("show", SHOWN, ids=range(len(SHOWN)))
def test_a_password_is_found_in_every_spelling(show: Callable[[str], str], length: int) -> None:
    password = draw_password(length)
    assert len(password) == length
    ears = told(lambda password: print("shown:", show(password), "!"), password)  # noqa: T201  # heard, not printed
    assert "shown" in str(ears.leak_of([draw_password(), password]))
    assert ears.leak_of([draw_password() for _ in range(20)]) is None


QUIET = logging.getLogger("a quiet logger")
QUIET.setLevel(logging.CRITICAL)
QUIET.propagate = False

TELLERS: list[Callable[[str], object]] = [
    lambda password: logging.getLogger("new").debug("%s", password),
    QUIET.debug,
    lambda password: logging.getLogger("args").info("many", extra={"given": password}),
    lambda password: logging.getLogger("trace").debug("odd", exc_info=chained(ValueError("odd"), KeyError(password))),
    print,
    lambda password: print(password, file=sys.stderr),  # noqa: T201  # heard, not printed
    lambda password: warnings.warn(password, stacklevel=1),
    lambda password: warnings.warn(password, DeprecationWarning, stacklevel=1),
]


@pytest.mark.parametrize("tell", TELLERS, ids=range(len(TELLERS)))
def test_everything_that_is_said_is_heard(tell: Callable[[str], object]) -> None:
    password = draw_password()
    assert told(tell, password).leak_of([password])


def test_loggers_are_left_as_they_were() -> None:
    loggers = [logging.root, QUIET]
    before = [(logger.level, logger.disabled, logger.propagate, list(logger.handlers)) for logger in loggers]
    with Ears().listening():
        assert QUIET.isEnabledFor(logging.DEBUG)
    assert [(logger.level, logger.disabled, logger.propagate, list(logger.handlers)) for logger in loggers] == before


@pytest.mark.parametrize("hide", [0, 1, 2, 3])
def test_what_is_rendered_with_an_error_is_heard(hide: int) -> None:
    password = draw_password()
    dirty = ValueError(password)
    noted = OSError("failed")
    noted.add_note(password)
    error = [
        chained(OSError("failed"), dirty),
        chained(OSError("failed"), ExceptionGroup("several", [KeyError("a"), dirty])),
        chained(OSError("failed", {"key": password}), None),
        noted,
    ][hide]
    ears = Ears()
    ears.note(error)
    assert ears.leak_of([password])


def test_what_is_not_rendered_is_not_heard() -> None:
    password = draw_password()
    error = chained(OSError("failed"), None)
    error.__context__, error.__suppress_context__ = ValueError(password), True
    ears = Ears()
    ears.note(error, draw_token("a.example.com"))
    assert ears.leak_of([password]) is None


@given(st.text(), st.lists(st.text(max_size=3), max_size=3))
def test_what_was_not_said_is_not_found(said: str, short: list[str]) -> None:
    ears = Ears()
    ears.note(said, said.encode(errors="surrogatepass").hex())
    assert ears.leak_of([draw_password(), *short]) is None


def test_errors_in_a_circle_come_to_an_end() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    ears = Ears()
    ears.note(one)
    assert ears.leak_of([draw_password()]) is None
