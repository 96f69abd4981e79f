"""How log records are rendered: text or JSON lines in UTC, every one scrubbed. What is logged is decided elsewhere."""

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from rancher_ecr.redaction import Secrets

_HANDLER_NAME = "rancher_ecr"
# C0 and C1 control characters, and what some readers take for a line's end; foreign text may hold them.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(level: int, log_format: str, secrets: Secrets, *, stream: TextIO | None = None) -> None:
    """Send the log to standard error.

    The level is that of this package's loggers alone: other packages' stay as they are, since botocore at DEBUG prints
    tokens. Their warnings are rendered, and scrubbed, all the same. A second call replaces what the first has set.

    Args:
        level: as the logging module has it.
        log_format: `text` or `json`.
        secrets: what must not be shown.
        stream: where to; standard error when None.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.name = _HANDLER_NAME
    handler.setFormatter(JSONFormatter(secrets) if log_format == "json" else TextFormatter(secrets))
    handler.setLevel(level)
    handler.addFilter(_is_news)
    root = logging.getLogger()
    for old in [old for old in root.handlers if old.name == _HANDLER_NAME]:
        root.removeHandler(old)
    root.addHandler(handler)
    logging.getLogger("rancher_ecr").setLevel(level)


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out urllib3's warning of every attempt it repeats: what came of them is told once, by us."""
    return record.levelno >= logging.ERROR or not record.name.startswith("urllib3.")


class TextFormatter(logging.Formatter):
    """One line a record; what has several lines is indented, so that no foreign text can pose as a record."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Render a record, such as `2026-08-01T12:00:00.000Z INFO rancher_ecr.service: …`."""
        text = "\n".join([record.getMessage(), *_trace(self, record)])
        text = _CONTROL.sub(_escape, self._secrets.scrub(text)).replace("\n", "\n    ")
        return f"{_time(record)} {record.levelname} {record.name}: {text}"


class JSONFormatter(logging.Formatter):
    """One object a line: time, level, logger, message, what `extra` gave, and traceback when there is one."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        fields = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD and value is not None},
        }
        if trace := _trace(self, record):
            fields["traceback"] = "\n".join(trace)
        # Before the dump, which would spell a secret in another way; the keys are ours.
        return json.dumps(scrubbed(fields, self._secrets), ensure_ascii=False)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    exception = formatter.formatException(record.exc_info) if record.exc_info else record.exc_text
    return [text for text in (exception, record.stack_info) if text]


def _time(record: logging.LogRecord) -> str:
    return utc(datetime.fromtimestamp(record.created, UTC), timespec="milliseconds")


def utc(moment: datetime, *, timespec: str = "seconds") -> str:
    """Render a time as ISO 8601 in UTC, such as `2026-08-01T12:00:00Z`."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def scrubbed(value: object, secrets: Secrets) -> object:
    """Return a value for JSON with every string in it scrubbed; what JSON does not know becomes a string."""
    if isinstance(value, Mapping):
        return {str(name): scrubbed(part, secrets) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [scrubbed(part, secrets) for part in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return secrets.scrub(str(value))


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
