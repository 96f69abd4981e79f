"""Turns the errors that leave botocore into words and blame; no other module looks into a foreign AWS error."""

import configparser
import re
import traceback
from collections.abc import Callable, Iterator
from typing import TypeVar

from attrs import field, frozen
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from rancher_ecr.redaction import ScrubbedError, Secrets
from rancher_ecr.sources import _aws_remedies as remedies
from rancher_ecr.sources._aws_remedies import Blame

_T = TypeVar("_T")
_LONGEST_QUOTE = 300
_USERINFO = re.compile(r"://([^/\s@]+)@")
_SPEAKS_OF_TIME = re.compile(r"expired|not yet current|Date", re.IGNORECASE)
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


@frozen
class Failure:
    """Why a call did not succeed.

    Attributes:
        blame: what it is about.
        text: what to do and what happened, without any secret.
        cause: what may stand as `__cause__`.
    """

    blame: Blame
    text: str
    cause: Exception = field(repr=False)


def ask(call: Callable[[], _T], secrets: Secrets, *, otherwise: Blame = Blame.SERVICE) -> _T | Failure:
    """Return what `call`, which must run botocore's code alone, returns, or why it failed.

    Every Exception is a failure: with bad profiles and garbled answers botocore leaks KeyError, TypeError,
    RuntimeError, OSError and more, besides its own two roots. The failure is returned, not raised, so that the foreign
    error does not become the context of ours.
    """
    try:
        return call()
    except Exception as error:  # noqa: BLE001  # see above
        return explain(error, secrets, otherwise=otherwise)


def explain(error: Exception, secrets: Secrets, *, otherwise: Blame = Blame.SERVICE) -> Failure:
    """Say what a foreign error means; one that does not say what it is about is blamed on `otherwise`."""
    secrets.add(*_USERINFO.findall("".join(traceback.format_exception(error))))
    blame, remedy = _about_answer(error) if isinstance(error, ClientError) else _about_exception(error, otherwise)
    # These quote an answer's body or a file's line, and what is in there need not be known to us yet.
    quotes = any(isinstance(link, ResponseParserError | configparser.Error) for link in _chain(error))
    said = type(error).__name__
    if isinstance(error, BotoCoreError | ClientError | OSError | HTTPError):
        said += f": {_one_line(secrets.scrub(str(error)))}"
    cause = ScrubbedError(said) if quotes else secrets.scrub_cause(error)
    return Failure(blame, f"{remedy} ({said})", cause if isinstance(cause, Exception) else ScrubbedError(said))


def _about_answer(error: ClientError) -> tuple[Blame, str]:
    details = error.response.get("Error", {})
    code, message = str(details.get("Code", "")), str(details.get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in remedies.CLOCK_CODES or (code in remedies.SIGNATURE_CODES and _SPEAKS_OF_TIME.search(message)):
        blame, remedy = Blame.SERVICE, remedies.CLOCK
    elif code in remedies.THROTTLING_CODES or status == _TOO_MANY_REQUESTS:
        blame, remedy = Blame.SERVICE, remedies.THROTTLED
    elif known := remedies.CODES.get(code.removesuffix("Exception")):
        blame, remedy = known
    elif status >= _SERVER_ERROR:
        blame, remedy = Blame.SERVICE, remedies.OUTAGE
    elif code in {str(status), "", "Unknown"}:
        blame, remedy = Blame.SERVICE, remedies.NOT_AWS
    else:
        blame, remedy = Blame.REQUEST, remedies.REFUSED
    return blame, remedy.format(action=remedies.ACTIONS.get(error.operation_name, error.operation_name))


def _about_exception(error: Exception, otherwise: Blame) -> tuple[Blame, str]:
    for kind in type(error).__mro__:
        if kind.__name__ in remedies.EXCEPTIONS:
            blame, remedy = remedies.EXCEPTIONS[kind.__name__]
            return blame or otherwise, remedy
    if otherwise is Blame.CREDENTIALS:
        return otherwise, remedies.GARBLED_CREDENTIALS
    return Blame.REQUEST, remedies.NOT_AWS


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"
