import base64
import json
import threading
import traceback
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rancher_ecr.redaction import MASK, ScrubbedError, Secrets

SECRET = "wJalr/XUtnFEMI+K7MDENG=bPxRfiCY"
passwords = st.text(min_size=5, max_size=40).filter(lambda text: "*" not in text)
keys = st.text(st.characters(codec="ascii", exclude_characters="*"), min_size=5, max_size=40)
spellings: list[Callable[[str], str]] = [
    str,
    quote,
    quote_plus,
    lambda secret: quote(secret, safe=""),
    lambda secret: urlencode({"key": secret}),
    lambda secret: repr(secret)[1:-1],
    lambda secret: base64.b64encode(secret.encode()).decode(),
]


@given(keys, st.sampled_from(spellings), st.text(), st.text())
def test_a_secret_disappears_in_every_spelling(
    secret: str, spell: Callable[[str], str], before: str, after: str
) -> None:
    spelled = spell(secret)
    assert spelled not in Secrets(secret).scrub(f"{before}{spelled}{after}")


@pytest.mark.parametrize("spell", spellings)
def test_a_secret_with_everything_that_is_quoted_disappears(spell: Callable[[str], str]) -> None:
    spelled = spell("a/b c+d%e'f\\g\xe9")
    assert Secrets("a/b c+d%e'f\\g\xe9").scrub(f"<{spelled}>").endswith(f"{MASK}>")


@given(st.lists(passwords, min_size=1, max_size=5), st.data())
def test_of_several_secrets_none_is_left(secrets: list[str], data: st.DataObject) -> None:
    text = "".join(data.draw(st.lists(st.sampled_from(secrets) | st.text(max_size=5), max_size=10)))
    rotating = data.draw(st.sets(st.sampled_from(secrets)))
    known = Secrets(*(secret for secret in secrets if secret not in rotating))
    known.add(*rotating)
    scrubbed = known.scrub(text)
    assert not any(secret in scrubbed for secret in secrets)
    assert known.scrub(scrubbed) == scrubbed


@given(passwords, st.text())
def test_other_text_is_left_alone(secret: str, text: str) -> None:
    known = Secrets(secret)
    assert known.scrub(text) == text or MASK in known.scrub(text)
    assert Secrets().scrub(text) == text


def test_the_longer_secret_goes_first() -> None:
    assert Secrets("abcdef", "abcdefghij").scrub("x abcdefghij y abcdef z") == f"x {MASK} y {MASK} z"


@pytest.mark.parametrize("value", [None, "", "a", "abcd"])
def test_what_is_blank_or_short_is_skipped(value: str | None) -> None:
    known = Secrets(value)
    known.add(value)
    assert known.scrub("a abcd data") == "a abcd data"


def test_secrets_show_nothing_of_themselves() -> None:
    known = Secrets(SECRET)
    known.add(SECRET[::-1])
    assert SECRET not in f"{known} {known!r}"
    assert SECRET[::-1] not in f"{known} {known!r}"


@pytest.mark.parametrize("secret", ["undecodable \udcff byte", "lone \ud800 surrogate"])
def test_what_cannot_be_encoded_is_no_trouble(secret: str) -> None:
    known = Secrets(secret)
    known.add(secret[::-1])
    assert known.scrub(f"the key is {secret}") == f"the key is {MASK}"
    assert known.scrub(f"the key is {secret!r}") == f"the key is '{MASK}'"


def test_the_oldest_of_many_rotating_secrets_are_forgotten_and_the_permanent_never() -> None:
    known = Secrets(SECRET)
    for number in range(9000):
        known.add(f"token-number-{number}")
    assert known.scrub("token-number-8999") == MASK
    assert known.scrub("token-number-8950") == MASK
    assert known.scrub("token-number-0 ") == "token-number-0 "
    assert known.scrub(SECRET) == MASK


def test_the_tokens_of_two_hundred_registries_are_known_at_once() -> None:
    known = Secrets()
    tokens = [f"{SECRET}/{number}+{SECRET}==" for number in range(400)]
    known.add(*tokens)
    assert not any(SECRET in known.scrub(token) for token in tokens)


def test_a_secret_that_comes_again_is_young_again() -> None:
    known = Secrets()
    known.add("the-one-in-use")
    known.add(*(f"token-number-{number}" for number in range(300)))
    known.add("the-one-in-use")
    known.add(*(f"token-number-{number}" for number in range(300, 600)))
    assert known.scrub("token-number-0 ") == "token-number-0 "
    assert known.scrub("the-one-in-use") == MASK


def test_threads_may_add_and_scrub_at_once() -> None:
    known = Secrets(SECRET)
    failures: list[str] = []

    def work(name: str) -> None:
        for number in range(200):
            known.add(f"{name}-number-{number}")
            if known.scrub(f"{SECRET} {name}-number-{number}") != f"{MASK} {MASK}":
                failures.append(f"{name} {number}")

    threads = [threading.Thread(target=work, args=(f"thread{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# Causes


class OddError(Exception):
    """Says little, and holds more."""

    def __str__(self) -> str:
        return "odd"


def raised(
    error: BaseException, cause: BaseException | None = None, context: BaseException | None = None
) -> BaseException:
    try:
        try:
            if context is not None:
                raise context
        finally:
            if cause is not None:
                raise error from cause
            raise error
    except BaseException as caught:  # noqa: BLE001  # whatever it is, with its traceback
        return caught


CLEAN = [
    raised(OSError("refused")),
    raised(OSError("refused"), cause=TimeoutError("timed out")),
    raised(OSError("refused"), context=TimeoutError("timed out")),
    ExceptionGroup("several", [OSError("refused"), ValueError("odd")]),
    OSError("never raised"),
]
DIRTY = [
    raised(OSError(f"key {SECRET}")),
    raised(OSError("refused"), cause=ValueError(SECRET)),
    raised(OSError("refused"), cause=raised(ValueError("odd"), context=KeyError(SECRET))),
    raised(OSError("refused"), context=ValueError(SECRET)),
    raised(OSError("refused"), context=OddError(SECRET)),
    raised(OddError(SECRET)),
    raised(OSError("refused"), cause=OddError(json.dumps({"secretValue": SECRET}))),
    raised(OSError(quote(SECRET, safe=""))),
    ExceptionGroup("several", [OSError("refused"), ValueError(SECRET)]),
    ExceptionGroup(SECRET, [OSError("refused")]),
    raised(OSError("refused"), cause=ExceptionGroup("several", [OddError(SECRET)])),
]


@pytest.mark.parametrize("error", CLEAN, ids=str)
def test_a_clean_cause_is_kept(error: BaseException) -> None:
    assert Secrets(SECRET).scrub_cause(error) is error


@pytest.mark.parametrize("error", DIRTY, ids=range(len(DIRTY)))
def test_a_cause_that_quotes_a_secret_is_replaced(error: BaseException) -> None:
    known = Secrets()
    known.add(SECRET)
    stand_in = known.scrub_cause(error)
    assert isinstance(stand_in, ScrubbedError)
    assert f"{type(error).__module__}.{type(error).__qualname__}" in str(stand_in)
    rendered = "".join(traceback.format_exception(raised(RuntimeError("ours"), cause=stand_in)))
    assert known.scrub(rendered + repr(stand_in)) == rendered + repr(stand_in)


def test_a_note_that_quotes_a_secret_is_replaced_too() -> None:
    error = OSError("refused")
    error.add_note(f"with {SECRET}")
    assert isinstance(Secrets(SECRET).scrub_cause(error), ScrubbedError)


def test_chains_in_a_circle_come_to_an_end() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert Secrets(SECRET).scrub_cause(one) is one


@given(keys, st.sampled_from(spellings))
def test_no_cause_shows_a_drawn_secret(secret: str, spell: Callable[[str], str]) -> None:
    known = Secrets(secret)
    said = known.scrub_cause(OSError(f"failed with {spell(secret)} at last"))
    assert spell(secret) not in str(said)
