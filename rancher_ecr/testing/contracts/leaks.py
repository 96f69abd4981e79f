"""Finds secrets in everything that was said. It draws them as well, so that no ordinary word is mistaken for one."""

import base64
import contextlib
import io
import itertools
import json
import logging
import secrets
import traceback
import warnings
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, quote_plus

from rancher_ecr.model import AuthorizationToken

_SHORTEST = 4  # shorter ones cannot be told from ordinary words
_SHOWN = 8  # characters in a row: also a secret of which the beginning or the end is shown is shown


def draw_password(length: int = 60) -> str:
    """Draw a password with what trips quoting: a colon, quotes, a backslash, a percent sign, a blank."""
    drawn = secrets.token_urlsafe(length)
    tripping = itertools.cycle(":\"'\\%+/= $")
    return "".join(drawn[at : at + 5] + next(tripping) for at in range(0, length, 5))[:length]


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


class _EverythingFormatter(logging.Formatter):
    """Shows what is attached to a record as well: other formatters do."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{super().format(record)} {vars(record)!r}"


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
        handler.setFormatter(_EverythingFormatter("%(name)s %(message)s"))
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
            if len(password) < _SHORTEST:
                continue
            shown = next((piece for piece in _pieces(password) if piece in said), None)
            if shown is not None:
                return next((line for line in said.splitlines() if shown in line), said)
        return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk through what is rendered with an exception, members of groups included."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting.append(current.__cause__ or (None if current.__suppress_context__ else current.__context__))
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions


def _pieces(password: str) -> Iterator[str]:
    """Cut a password, in every spelling, into pieces: the beginning, the end, and what overlaps between."""
    for spelling in _spellings(password):
        for at in range(0, len(spelling) - _SHOWN, _SHOWN // 2):
            yield spelling[at : at + _SHOWN]
        yield spelling[-_SHOWN:]
    digits = password.encode().hex()  # so many hexadecimal digits in a row are seldom anything else
    for at in range(0, len(digits) - 2 * _SHOWN + 1, 2 * _SHOWN):
        yield digits[at : at + 2 * _SHOWN]


def _spellings(password: str) -> Iterator[str]:
    """Spell a password as it may be quoted or encoded."""
    raw = password.encode()
    yield from dict.fromkeys(
        (password, json.dumps(password)[1:-1], repr(password)[1:-1], quote(raw), quote(raw, safe=""), quote_plus(raw))
    )
    for shift in range(3):  # base64 looks different after a user name and a colon of each length
        encoded = base64.b64encode(b"\0" * shift + raw)[4:-4].decode()
        if len(encoded) >= _SHORTEST:
            yield encoded
            yield encoded.translate(str.maketrans("+/", "-_"))
