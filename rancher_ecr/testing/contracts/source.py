"""The contract of a TokenSource, as a pytest class: what protocols.py promises, and nothing of one source's own."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from rancher_ecr.errors import SourceError
from rancher_ecr.model import AuthorizationToken, server_address
from rancher_ecr.protocols import TokenSource
from rancher_ecr.testing.contracts.leaks import Ears


class TokenSourceContract:
    """What every TokenSource must do.

    A subclass in a test file proves a source::

        class TestMySource(TokenSourceContract):
            def make_source(self):
                self.cloud = MyCloud(accounts=["123456789012", "210987654321"])
                return MySource(self.cloud)

    This one is required. The other hooks make more of the promises testable; what they would show is skipped, with the
    hook's name, until they are there. Let passwords be drawn ones: they are looked for in all that the source says.
    """

    # Hooks

    def make_source(self) -> TokenSource:
        """Make a source whose cloud is well and gives one login at least, better several, all of them live."""
        raise NotImplementedError

    def rotate(self) -> None:
        """Optional: let the cloud of the source made last give other passwords from now on."""
        pytest.skip("rotate() is not given")

    def make_partial_source(self) -> TokenSource:
        """Optional: make a source like `make_source`'s with one more login, not the last, which cannot be got."""
        pytest.skip("make_partial_source() is not given")

    def make_broken_sources(self) -> Mapping[str, TokenSource]:
        """Optional: make sources that can get nothing at all, one for each way in which that happens, with its name."""
        pytest.skip("make_broken_sources() is not given")

    def secrets(self) -> Sequence[str]:
        """Optional: what else must not be shown, such as keys, and passwords that are not yielded; drawn ones."""
        return ()

    # Logins

    def test_the_name_is_for_people(self) -> None:
        """One line, and the same each time."""
        source = self.make_source()
        assert isinstance(source.name, str), "the name is no string"
        assert source.name.strip(), "the name is blank"
        assert source.name.isprintable(), "the name has line breaks or the like in it"
        assert len({source.name for _ in range(3)}) == 1, "the name is another one each time"

    def test_logins_are_yielded(self) -> None:
        """One at least, and nothing else."""
        tokens = list(self.make_source().tokens())
        assert tokens, "nothing was yielded"
        assert all(isinstance(token, AuthorizationToken) for token in tokens), "something else was yielded"

    def test_logins_are_whole(self) -> None:
        """Each has a user name and a password."""
        for token in self.make_source().tokens():
            assert token.username, f"{token} has no user name"
            assert token.password, f"{token} has no password"
            assert server_address(token.proxy_endpoint), f"{token.proxy_endpoint!r} names no host"

    def test_addresses_are_normalised(self) -> None:
        """So that they can be compared with those of registries; and no address is there twice."""
        for token in self.make_source().tokens():
            for address in token.server_addresses:
                assert address, "an address is blank"
                assert address == server_address(address), f"{address!r} is not normalised"
            assert len(set(token.server_addresses)) == len(token.server_addresses), "an address is there twice"

    def test_expiries_are_in_utc_and_ahead(self) -> None:
        """A source that takes local time for UTC is hours off."""
        for token in self.make_source().tokens():
            assert token.expires_at.utcoffset() == timedelta(0), f"{token.expires_at} is not in UTC"
            assert token.expires_at > datetime.now(UTC), f"{token.expires_at} has passed"

    def test_every_call_asks_anew(self) -> None:
        """What was given before is not given again once there is something else."""
        source = self.make_source()
        before = {token.password for token in source.tokens()}
        self.rotate()
        after = [token.password for token in source.tokens()]
        assert after, "the second call yielded nothing"
        assert before.isdisjoint(after), "an old password was given again"

    def test_every_call_yields_everything(self) -> None:
        """Even when an earlier one was given up half-way."""
        source = self.make_source()
        next(iter(source.tokens()))
        for _ in range(2):
            assert _addresses(list(source.tokens())) == self._addresses(), "a later call yielded something else"

    def test_calls_may_come_from_any_thread(self) -> None:
        """One after another."""
        source = self.make_source()
        expected = self._addresses()
        for _ in range(3):
            with ThreadPoolExecutor(1) as thread:
                tokens, error = thread.submit(_get, source).result()
            assert error is None, f"in another thread: {error}"
            assert _addresses(tokens) == expected, "in another thread something else was yielded"

    # Faults

    def test_good_logins_are_yielded_before_the_error(self) -> None:
        """One that cannot be got loses that one only, in every call, and is said."""
        expected = self._addresses()
        source = self.make_partial_source()
        for _ in range(2):
            tokens, error = _get(source)
            assert _addresses(tokens) == expected, "a good login was lost"
            assert error is not None, "nothing was said about the login that could not be got"
            assert str(error).strip(), "the error is blank"

    def test_nothing_but_source_errors_leave(self) -> None:
        """Whatever the cloud does, in every call."""
        for way, source in self.make_broken_sources().items():
            for _ in range(2):
                tokens, error = _get(source)
                assert not tokens, f"{way}: a login was yielded"
                assert error is not None, f"{way}: nothing was said"
                assert str(error).strip(), f"{way}: the error is blank"

    # Secrets

    def test_no_secret_is_shown(self) -> None:
        """Not in a repr, a name, a log at DEBUG, on stdout or in a warning."""
        self._check_secrets("well", self.make_source())

    def test_no_secret_is_shown_when_a_login_is_lost(self) -> None:
        """Not in the error or in anything that is rendered with it, either."""
        self._check_secrets("partial", self.make_partial_source())

    def test_no_secret_is_shown_when_the_cloud_fails(self) -> None:
        """Not in the error or in anything that is rendered with it, either."""
        for way, source in self.make_broken_sources().items():
            self._check_secrets(way, source)

    # What the tests share

    def _addresses(self) -> list[tuple[str, ...]]:
        return _addresses(list(self.make_source().tokens()))

    def _check_secrets(self, way: str, source: TokenSource) -> None:
        ears = Ears()
        with ears.listening():
            ears.note(source, source.name)
            tokens, error = _get(source)
            ears.note(source, source.name, *tokens, *([error] if error else []))
        passwords = [token.password for token in tokens]
        leak = ears.leak_of([*passwords, *self.secrets()])
        assert not leak, f"{way}: a secret is shown: {leak}"


def _addresses(tokens: Sequence[AuthorizationToken]) -> list[tuple[str, ...]]:
    return sorted(token.server_addresses for token in tokens)


def _get(source: TokenSource) -> tuple[list[AuthorizationToken], SourceError | None]:
    """Take what a source yields, and the error after it."""
    tokens = []
    try:
        for token in source.tokens():
            tokens.append(token)  # noqa: PERF402  # what came before an error counts
    except SourceError as error:
        return tokens, error
    except Exception as error:  # noqa: BLE001  # whatever else it is, it is wrong
        pytest.fail(f"{type(error).__qualname__} left the source, not a SourceError: {error!r}")
    return tokens, None
