import builtins
import configparser
import functools
import http.client
import json
import socket
import string
import subprocess
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import botocore.exceptions
import botocore.parsers
import pytest
import urllib3.exceptions
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from rancher_ecr.errors import SourceError
from rancher_ecr.redaction import Secrets
from rancher_ecr.sources._aws_errors import explain
from rancher_ecr.sources._aws_remedies import ACTIONS, CODES, EXCEPTIONS, THROTTLING_CODES, Blame
from rancher_ecr.sources.ecr import ECRTokenSource

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzEXAMPLETOKEN//////////=="
QUOTE = f"the key {SECRET} of https://me:hunter2@proxy.example.com and the token {TOKEN}"


class FailingSession(Session):
    """A real session in which one of the calls that we make raises."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step = step
        self.problem: BaseException = Exception()

    def fail(self, step: str) -> None:
        if step == self.step:
            raise self.problem

    def get_credentials(self) -> Credentials:
        self.fail("get_credentials")
        session = self

        class Failing(Credentials):
            def get_frozen_credentials(self) -> Any:
                session.fail("get_frozen_credentials")
                return super().get_frozen_credentials()

        return Failing("AKIAEXAMPLE", SECRET, TOKEN)

    def create_client(self, *args: Any, **kwargs: Any) -> Any:
        self.fail("create_client")
        client: Any = super().create_client(*args, **kwargs)
        client.get_authorization_token = lambda **_: self.fail("get_authorization_token")
        return client


STEPS = ["get_credentials", "get_frozen_credentials", "create_client", "get_authorization_token"]


def subclasses(root: type[BaseException]) -> Iterator[type[BaseException]]:
    for kind in root.__subclasses__():
        yield kind
        yield from subclasses(kind)


def botocore_errors() -> list[Exception]:
    kinds = {kind for kind in vars(botocore.exceptions).values() if isinstance(kind, type)}
    kinds = {kind for kind in kinds if issubclass(kind, Exception) and not issubclass(kind, Warning)}
    kinds |= set(subclasses(BotoCoreError)) | set(subclasses(botocore.exceptions.UndefinedModelAttributeError))
    kinds = {kind for kind in kinds if kind.__module__.startswith("botocore.") and "vendored" not in kind.__module__}
    return [make(kind) for kind in sorted(kinds, key=lambda kind: kind.__name__)]


def make(kind: type[Exception]) -> Exception:
    if issubclass(kind, ClientError):
        details: Any = {"Error": {"Code": "Strange", "Message": QUOTE}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        return kind(details, "GetAuthorizationToken")
    if issubclass(kind, botocore.exceptions.WaiterError):
        return kind("name", QUOTE, {})
    fields = [name for _, name, _, _ in string.Formatter().parse(getattr(kind, "fmt", "")) if name]
    return kind(**dict.fromkeys(fields, QUOTE))


def foreign_errors() -> list[Exception]:
    """Return what else leaves botocore: urllib3's, the system's, and what garbled credentials raise in it."""
    kinds: list[type[BaseException]] = [
        botocore.parsers.ResponseParserError,
        urllib3.exceptions.HTTPError,
        *subclasses(urllib3.exceptions.HTTPError),
        http.client.HTTPException,
        *subclasses(http.client.HTTPException),
        socket.gaierror,
        subprocess.SubprocessError,
        configparser.Error,
        *(kind for kind in vars(builtins).values() if isinstance(kind, type) and issubclass(kind, Exception)),
    ]
    homes = {"botocore", "urllib3", "http", "builtins", "socket", "subprocess", "configparser"}
    # Warnings and groups are not raised at us; the others left out here are made below, by their constructors.
    apart = (Warning, ExceptionGroup, UnicodeError, http.client.IncompleteRead)
    plain = {kind for kind in kinds if kind.__module__.split(".")[0] in homes and not issubclass(kind, apart)}
    # Their constructors want all sorts of things; what counts here are class and text.
    errors = [kind.__new__(kind, QUOTE) for kind in sorted(plain, key=lambda kind: (kind.__module__, kind.__name__))]
    return [
        *(problem for problem in errors if isinstance(problem, Exception)),
        http.client.IncompleteRead(QUOTE.encode(), 3),
        urllib3.exceptions.IncompleteRead(1, 3),
        UnicodeDecodeError("utf-8", QUOTE.encode(), 0, 1, "bad"),
        json.JSONDecodeError("bad", QUOTE, 0),
        subprocess.TimeoutExpired([QUOTE], 1),
    ]


ERRORS = [*botocore_errors(), *foreign_errors()]


@functools.cache  # making clients is slow, and what is looked at here is in the error
def failing(step: str) -> tuple[FailingSession, ECRTokenSource]:
    session = FailingSession(step)
    return session, ECRTokenSource("eu-west-1", session=session, secrets=Secrets(SECRET, TOKEN))


def fail(step: str, problem: Exception) -> SourceError:
    session, source = failing(step)
    session.problem = problem
    with pytest.raises(SourceError) as caught:
        list(source.tokens())
    return caught.value


def test_the_enumeration_finds_the_classes() -> None:
    names = {type(problem).__name__ for problem in ERRORS}
    assert {"NoCredentialsError", "EventStreamError", "SSOTokenLoadError", "MissingServiceIdError"} <= names
    assert {"MaxRetryError", "ResponseParserError", "ConnectionResetError", "KeyError", "IncompleteRead"} <= names
    assert len(ERRORS) > 180


@pytest.mark.parametrize("step", STEPS)
def test_every_error_at_every_call_becomes_one_of_ours_without_a_secret(step: str) -> None:
    for problem in ERRORS:
        ours = fail(step, problem)
        name = type(problem).__name__
        assert type(ours) is SourceError, name
        assert isinstance(ours.__cause__, Exception), name
        assert ours.__context__ is None, name
        assert name in str(ours), name
        remedy = str(ours).removeprefix("ecr eu-west-1: ").partition(f" ({name}")[0]
        assert len(remedy) > 20, name
        shown = "".join(traceback.format_exception(ours)) + repr(ours) + repr(ours.__cause__)
        assert SECRET not in shown, name
        assert TOKEN not in shown, name
        assert "hunter2" not in shown, name


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_the_process_passes(step: str, kind: type[BaseException]) -> None:
    session, source = failing(step)
    session.problem = kind()
    with pytest.raises(kind):
        list(source.tokens())


def test_a_harmless_cause_stays_the_error_itself() -> None:
    for problem in (botocore.exceptions.NoCredentialsError(), KeyError("AccessKeyId"), refusal("AccessDenied")):
        assert fail("get_credentials", problem).__cause__ is problem


def refusal(
    code: str, message: str = "Why.", operation: str = "GetAuthorizationToken", status: int = 400
) -> ClientError:
    details: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(details, operation)


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        ("AccessDeniedException", "", "ecr:GetAuthorizationToken"),
        ("AccessDenied", "", "ecr:GetAuthorizationToken"),
        ("UnrecognizedClientException", "", "AWS_ACCESS_KEY_ID"),
        ("InvalidClientTokenId", "", "AWS_ACCESS_KEY_ID"),
        ("ExpiredTokenException", "", "expired"),
        ("ExpiredToken", "", "expired"),
        ("InvalidSignatureException", "Signature expired: 20300101T000000Z is now earlier than", "clock is more"),
        ("SignatureDoesNotMatch", "Signature not yet current: 20300101T000000Z is still later than", "clock is more"),
        ("SignatureDoesNotMatch", "does not match the signature you provided", "AWS_SECRET_ACCESS_KEY"),
        ("RequestExpired", "", "clock is more"),
        ("ThrottlingException", "", "throttles"),
        ("TooManyRequestsException", "", "throttles"),
        ("InvalidParameterException", "", "AWS_ECR_REGISTRY_IDS"),
        ("InvalidIdentityToken", "", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ("RegionDisabledException", "", "AWS_REGION"),
        ("Strange", "", "its own words"),
    ],
)
def test_refusals_come_with_their_remedy(code: str, message: str, said: str) -> None:
    assert said in str(fail("get_authorization_token", refusal(code, message)))


@pytest.mark.parametrize(("operation", "action"), list(ACTIONS.items()))
def test_a_denied_action_is_named(operation: str, action: str) -> None:
    assert action in str(fail("get_credentials", refusal("AccessDenied", operation=operation)))


def test_answers_that_are_not_awss_are_told_by_their_status() -> None:
    for status, said in ((429, "throttles"), (503, "tried again"), (403, "not AWS"), (404, "not AWS")):
        assert said in str(fail("get_authorization_token", refusal(str(status), status=status)))


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (
            botocore.exceptions.NoCredentialsError(),
            ["no AWS credentials", "profile", "hop limit of 2", "169.254.169.254"],
        ),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="https://x"), ["not reached", "AWS_REGION"]),
        (botocore.exceptions.ConnectTimeoutError(endpoint_url="https://x"), ["not reached", "HTTPS_PROXY"]),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="https://x"), ["not reached"]),
        (botocore.exceptions.SSLError(endpoint_url="https://x", error=OSError()), ["AWS_CA_BUNDLE"]),
        (botocore.exceptions.ProxyConnectionError(proxy_url="http://x"), ["HTTPS_PROXY"]),
        (botocore.exceptions.NoRegionError(), ["AWS_REGION"]),
        (botocore.exceptions.ProfileNotFound(profile="x"), ["AWS_PROFILE"]),
        (botocore.exceptions.PartialCredentialsError(provider="env", cred_var="x"), ["AWS_SECRET_ACCESS_KEY"]),
        (botocore.exceptions.UnauthorizedSSOTokenError(), ["log in again"]),
        (FileNotFoundError(2, "No such file", "/token"), ["path and rights", "/token"]),
        (KeyError("AccessKeyId"), ["credential_process"]),
    ],
)
def test_failures_come_with_their_remedy(problem: Exception, said: list[str]) -> None:
    told = str(fail("get_credentials", problem))
    assert [words for words in said if words not in told] == []


def test_every_remedy_names_classes_that_exist_and_says_something() -> None:
    known = {kind.__name__ for problem in ERRORS for kind in type(problem).__mro__}
    assert sorted(set(EXCEPTIONS) - known) == []
    assert not [code for code, (_, remedy) in CODES.items() if len(remedy) < 20]


@pytest.mark.parametrize("code", sorted(THROTTLING_CODES))
def test_botocores_throttling_codes_are_not_about_one_request(code: str) -> None:
    assert explain(refusal(code), Secrets()).blame is Blame.SERVICE


def test_bodies_and_lines_of_files_are_not_shown_even_when_unknown() -> None:
    line = "aws_secret_access_key unknown-secret"

    def parse() -> None:
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(f"[default]\n{line}")
        except configparser.Error as problem:
            raise botocore.exceptions.ConfigParseError(path="/config", error=problem) from problem

    def quote() -> None:
        raise botocore.parsers.ResponseParserError("invalid XML received:\nb'unknown-secret'")

    def decode() -> None:
        raise ValueError("Unknown string format: unknown-secret")

    for raiser in (parse, quote, decode):
        told = fail("get_credentials", caught(raiser))
        assert "unknown-secret" not in str(told)
        if raiser is not decode:
            assert "unknown-secret" not in "".join(traceback.format_exception(told))


def caught(raiser: Callable[[], None]) -> Exception:
    try:
        raiser()
    except Exception as problem:  # noqa: BLE001  # to hand it on
        return problem
    raise AssertionError
