"""Finds secrets in everything that was said. It draws them as well, so that no ordinary word is mistaken for one."""

import base64
import contextlib
import io
import json
import logging
import secrets
import traceback
import warnings
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from rancher_ecr.model import AuthorizationToken

_SHOWN = 8  # characters in a row: also a secret of which the beginning or the end is shown is shown


def draw_password(length: int = 60) -> str:
    """Draw a password with what trips quoting: a colon, quotes, a backslash, a percent sign, a blank."""
    half = secrets.token_urlsafe(length)[: length // 2]
    return f"{half}:\"'\\%2F+/= ${secrets.token_urlsafe(length)}"[:length]


def draw_token(
    *server_addresses: str, username: str = "AWS", length: int = 60, expires_at: datetime | None = None
) -> AuthorizationToken:
    """Draw a login for the addresses, good for twelve hours unless told otherwise."""
    return AuthorizationToken(
        proxy_endpoint=f"https://{server_addresses[0]}",
        server_addresses=server_addresses,
        username=username,
        password=draw_password(length),
        expires_at=expires_at or datetime.now(UTC) + timedelta(hours=12),
    )


class Ears:
    """Everything that was logged at any level, printed or warned while `listening`."""

    def __init__(self) -> None:
        self._said = io.StringIO()

    def note(self, *values: object) -> None:
        """Add the str and repr of values; of an exception its whole chain as it would be rendered."""
        for value in values:
            self._said.write(f"{value}\n{value!r}\n")
            if isinstance(value, BaseException):
                self._said.writelines(traceback.format_exception(value))
                self._said.writelines(f"{error!r}\n" for error in _chain(value))

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Hear every logger at DEBUG, those that do not propagate included, stdout, stderr and warnings."""
        handler = logging.StreamHandler(self._said)
        handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)r"))
        loggers = [
            logging.root,
            *(x for x in logging.root.manager.loggerDict.values() if isinstance(x, logging.Logger)),
        ]
        before = [(logger, logger.level, logger.disabled) for logger in loggers]
        disabled = logging.root.manager.disable
        try:
            logging.disable(logging.NOTSET)
            for logger in loggers:
                logger.setLevel(logging.DEBUG)
                logger.disabled = False
                if logger is logging.root or not logger.propagate:
                    logger.addHandler(handler)
            with (
                contextlib.redirect_stdout(self._said),
                contextlib.redirect_stderr(self._said),
                warnings.catch_warnings(record=True) as caught,
            ):
                warnings.simplefilter("always")
                yield
            self.note(*(warning.message for warning in caught))
        finally:
            logging.disable(disabled)
            for logger, level, was_disabled in before:
                logger.setLevel(level)
                logger.disabled = was_disabled
                logger.removeHandler(handler)

    def leak_of(self, passwords: Iterable[str]) -> str | None:
        """Return the line that shows a password or a part of one, in clear or in an encoding; None when none does."""
        said = self._said.getvalue()
        for password in passwords:
            for spelling in _spellings(password):
                width = min(_SHOWN, len(spelling))
                pieces = {spelling[at : at + width] for at in range(len(spelling) - width + 1)}
                shown = next((piece for piece in pieces if piece in said), None)
                if shown is not None:
                    return next((line for line in said.splitlines() if shown in line), said)
        return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk through what is rendered with an exception, members of groups included."""
    yield error
    following = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if following is not None:
        yield from _chain(following)
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _chain(member)


def _spellings(password: str) -> Iterator[str]:
    """Spell a password as it may be quoted; what URL quoting or repr leave alone is found by its pieces."""
    raw = password.encode()
    yield password
    yield json.dumps(password)[1:-1]
    yield raw.hex()
    for shift in range(3):  # base64 looks different after a user name and a colon of each length
        encoded = base64.b64encode(b"\0" * shift + raw)[4:-4].decode()
        yield encoded
        yield encoded.translate(str.maketrans("+/", "-_"))
