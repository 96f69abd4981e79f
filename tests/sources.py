"""Sources for the tests of the contract: one as a stranger might write it, and ones with one mistake each."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone

from attrs import evolve

from rancher_ecr.errors import MalformedTokenError, SourceError
from rancher_ecr.model import AuthorizationToken, server_address
from rancher_ecr.testing.contracts import TokenSourceContract
from rancher_ecr.testing.contracts.leaks import draw_password

KEY = draw_password()


class Cloud:
    """What gives passwords for accounts; an answer without a colon is malformed."""

    def __init__(self, *accounts: str) -> None:
        self.accounts = accounts
        self.answers = {account: f"AWS:{draw_password()}" for account in accounts}
        self.on_request: Callable[[str], object] = str

    def answer(self, account: str) -> str:
        self.on_request(f"{account} with key {KEY} gets {self.answers[account]}")
        return self.answers[account]

    @staticmethod
    def now() -> datetime:
        return datetime.now(UTC)


class CloudSource:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    @property
    def name(self) -> str:
        return f"cloud of {len(self.cloud.accounts)}"

    def tokens(self) -> Iterator[AuthorizationToken]:
        lost = []
        for account in self.cloud.accounts:
            try:
                yield self.token(account)
            except SourceError as error:
                lost.append(str(error))
        if lost:
            raise SourceError("; ".join(lost))

    def token(self, account: str) -> AuthorizationToken:
        try:
            answer = self.cloud.answer(account)
        except OSError:
            raise SourceError(f"{account}: the cloud cannot be reached") from None
        username, colon, password = answer.partition(":")
        if not colon:
            raise MalformedTokenError(f"{account}: the answer is no login")
        host = f"{account}.dkr.example.com"
        return AuthorizationToken(
            f"https://{host}", (host,), username, password, self.cloud.now() + timedelta(hours=12)
        )


class SourceContract(TokenSourceContract):
    """The contract's set-up for a CloudSource, or for what is made of one."""

    kind: type[CloudSource] = CloudSource
    cloud: Cloud

    def make_source(self) -> CloudSource:
        self.cloud = Cloud("1", "2", "3")
        return self.kind(self.cloud)

    def rotate(self) -> None:
        self.cloud.answers = Cloud(*self.cloud.accounts).answers

    def make_partial_source(self) -> CloudSource:
        self.cloud = Cloud("1", "4", "2", "3")
        self.cloud.answers["4"] = KEY.replace(":", "")
        return self.kind(self.cloud)

    def make_broken_sources(self) -> Mapping[str, CloudSource]:
        unreachable, quoting = Cloud("1", "2"), Cloud("1")
        unreachable.on_request = raiser(ConnectionError("refused"))
        quoting.on_request = quote
        return {"unreachable": self.kind(unreachable), "quoting": self.kind(quoting)}

    def secrets(self) -> Sequence[str]:
        return (KEY, KEY.replace(":", ""))


def raiser(error: Exception) -> Callable[[str], object]:
    def strike(_request: str) -> None:
        raise error

    return strike


def quote(request: str) -> None:
    raise OSError(request)


# What each does wrong is its name.


class YieldsNothing(CloudSource):
    def tokens(self) -> Iterator[AuthorizationToken]:
        yield from ()


class YieldsPairs(CloudSource):
    def tokens(self) -> Iterator[AuthorizationToken]:
        for token in super().tokens():
            yield (token.username, token.password)  # type: ignore[misc]  # the mistake


class YieldsNoPasswords(CloudSource):
    def token(self, account: str) -> AuthorizationToken:
        return evolve(super().token(account), password="")


class YieldsNoUserNames(CloudSource):
    def token(self, account: str) -> AuthorizationToken:
        return evolve(super().token(account), username="")


class YieldsNoEndpoints(CloudSource):
    def token(self, account: str) -> AuthorizationToken:
        return evolve(super().token(account), proxy_endpoint="")


class YieldsEndpointsAsAddresses(CloudSource):
    def token(self, account: str) -> AuthorizationToken:
        token = super().token(account)
        return evolve(token, server_addresses=(token.proxy_endpoint,))


class YieldsBlankAddresses(CloudSource):
    def token(self, account: str) -> AuthorizationToken:
        token = super().token(account)
        return evolve(token, server_addresses=(*token.server_addresses, server_address("/")))


class YieldsAddressesTwice(CloudSource):
    def token(self, account: str) -> AuthorizationToken:
        token = super().token(account)
        return evolve(token, server_addresses=token.server_addresses * 2)


class YieldsLocalTimes(CloudSource):
    def token(self, account: str) -> AuthorizationToken:
        token = super().token(account)
        return evolve(token, expires_at=token.expires_at.astimezone(timezone(timedelta(hours=2))))


class TakesLocalTimeForUTC(CloudSource):
    def token(self, account: str) -> AuthorizationToken:
        token = super().token(account)
        return evolve(token, expires_at=token.expires_at - timedelta(hours=14))


class AsksOnce(CloudSource):
    _tokens: Sequence[AuthorizationToken] = ()

    def tokens(self) -> Iterator[AuthorizationToken]:
        self._tokens = self._tokens or tuple(super().tokens())
        yield from self._tokens


class HasOneIterator(CloudSource):
    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._iterator = super().tokens()

    def tokens(self) -> Iterator[AuthorizationToken]:
        return self._iterator


class BelongsToAThread(CloudSource):
    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._local = threading.local()
        self._local.cloud = cloud

    def tokens(self) -> Iterator[AuthorizationToken]:
        _ = self._local.cloud
        return super().tokens()


class StopsAtTheFirstError(CloudSource):
    def tokens(self) -> Iterator[AuthorizationToken]:
        for account in self.cloud.accounts:
            yield self.token(account)


class RaisesBeforeItYields(CloudSource):
    def tokens(self) -> Iterator[AuthorizationToken]:
        yield from list(super().tokens())


class SwallowsErrors(CloudSource):
    def tokens(self) -> Iterator[AuthorizationToken]:
        try:
            yield from super().tokens()
        except SourceError:
            return


class SwallowsErrorsOnceSomethingWasYielded(CloudSource):
    def tokens(self) -> Iterator[AuthorizationToken]:
        token = None
        try:
            for token in super().tokens():
                yield token
        except SourceError:
            if token is None:
                raise


class RaisesOnce(CloudSource):
    _raised = False

    def tokens(self) -> Iterator[AuthorizationToken]:
        try:
            yield from super().tokens()
        except SourceError:
            if not self._raised:
                self._raised = True
                raise


class RaisesBlankErrors(CloudSource):
    def tokens(self) -> Iterator[AuthorizationToken]:
        try:
            yield from super().tokens()
        except SourceError:
            raise SourceError from None


class Leaks(CloudSource):
    def token(self, account: str) -> AuthorizationToken:
        self.cloud.answer(account)
        return super().token(account)


class YieldsOldLoginsInstead(CloudSource):
    def tokens(self) -> Iterator[AuthorizationToken]:
        try:
            yield from super().tokens()
        except SourceError as error:
            host = "old.example.com"
            yield AuthorizationToken(f"https://{host}", (host,), "AWS", draw_password(), self.cloud.now())
            raise SourceError(str(error)) from None


class HasNoName(CloudSource):
    @property
    def name(self) -> str:
        return ""


class HasAKeyInItsName(CloudSource):
    @property
    def name(self) -> str:
        return KEY


class ShowsItself(CloudSource):
    def __repr__(self) -> str:
        return f"CloudSource({self.cloud.answers})"


class Logs(CloudSource):
    def token(self, account: str) -> AuthorizationToken:
        token = super().token(account)
        logging.getLogger("my.source").debug("got %s", token.password)
        return token


class LogsWhatIsMalformed(CloudSource):
    def token(self, account: str) -> AuthorizationToken:
        try:
            return super().token(account)
        except MalformedTokenError:
            logging.getLogger("my.source").debug("odd: %s", self.cloud.answers[account])
            raise


class QuotesWhatIsMalformed(CloudSource):
    def token(self, account: str) -> AuthorizationToken:
        try:
            return super().token(account)
        except MalformedTokenError:
            raise MalformedTokenError(f"odd: {self.cloud.answers[account][:20]}…") from None


class ChainsErrors(CloudSource):
    def token(self, account: str) -> AuthorizationToken:
        try:
            self.cloud.answer(account)
        except OSError as error:
            raise SourceError("unreachable") from error
        return super().token(account)

    def tokens(self) -> Iterator[AuthorizationToken]:
        for account in self.cloud.accounts:
            yield self.token(account)
