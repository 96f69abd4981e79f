"""How the log is rendered: lines, times, levels; nothing secret; other packages' loggers left as they are."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from rancher_ecr import logs
from rancher_ecr.redaction import Secrets

SECRET = 'pass"wörd\\/1'


@pytest.fixture
def configured() -> Iterator[Callable[..., io.StringIO]]:
    root, own = logging.getLogger(), logging.getLogger("rancher_ecr")
    handlers, root_level, own_level = list(root.handlers), root.level, own.level

    def configure(log_format: str = "text", level: int = logging.INFO) -> io.StringIO:
        stream = io.StringIO()
        logs.configure(level, log_format, Secrets(SECRET), stream=stream)
        return stream

    yield configure
    root.handlers[:] = handlers
    own.setLevel(own_level)
    assert root.level == root_level


Configure = Callable[..., io.StringIO]
LOG = logging.getLogger("rancher_ecr.test")


def test_text_is_one_line_in_utc(configured: Configure) -> None:
    stream = configured()
    LOG.info("hello %s", "you", extra={"store": "s"})
    time, rest = stream.getvalue().split(" ", 1)
    assert rest == "INFO rancher_ecr.test: hello you\n"
    assert time.endswith("Z")
    assert datetime.fromisoformat(time).tzinfo is not None


def test_json_is_one_object_a_line_with_what_extra_gave(configured: Configure) -> None:
    stream = configured("json")
    LOG.warning("a\nb", extra={"store": "s", "changes": {"updated": 2}, "nothing": None})
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert record.pop("time").endswith("Z")
    assert record == {
        "level": "warning",
        "logger": "rancher_ecr.test",
        "message": "a\nb",
        "store": "s",
        "changes": {"updated": 2},
    }


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_secret_is_shown(configured: Configure, log_format: str) -> None:
    stream = configured(log_format, logging.DEBUG)
    LOG.error("a %s", SECRET, exc_info=ValueError(f"told {SECRET}"), extra={"where": [SECRET, {"x": SECRET}]})
    logging.getLogger("asyncio").warning("retrying %s", SECRET)
    shown = stream.getvalue()
    assert shown.count("***") >= 3
    assert SECRET not in shown
    assert json.dumps(SECRET)[1:-1] not in shown
    assert json.dumps(SECRET, ensure_ascii=False)[1:-1] not in shown
    assert "ValueError: told ***" in shown


def test_foreign_text_cannot_pose_as_a_record(configured: Configure) -> None:
    stream = configured()
    LOG.error("evil\n2026-01-01T00:00:00.000Z INFO x: all well\r\x1b[2J\u2028")
    first, second = stream.getvalue().split("\n")[:2]
    assert first.endswith("evil")
    assert second == "    2026-01-01T00:00:00.000Z INFO x: all well\\r\\x1b[2J\\u2028"


def test_only_our_own_loggers_level_is_set(configured: Configure) -> None:
    names = ["", "botocore", "urllib3", "requests", "asyncio"]
    before = [logging.getLogger(name).level for name in names]
    stream = configured(level=logging.DEBUG)
    assert [logging.getLogger(name).level for name in names] == before
    logging.getLogger("botocore.parsers").debug("a token")
    LOG.debug("shown")
    assert "a token" not in stream.getvalue()
    assert "shown" in stream.getvalue()


def test_configuring_again_replaces_what_was_set(configured: Configure) -> None:
    first = configured()
    second = configured(level=logging.ERROR)
    LOG.info("quiet")
    LOG.error("loud")
    logging.getLogger("urllib3").warning("quiet too")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1


def test_it_goes_to_standard_error_by_default(configured: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    logs.configure(logging.INFO, "text", Secrets())
    LOG.info("here")
    shown = capsys.readouterr()
    assert ("here" in shown.err, shown.out) == (True, "")
    assert sys.stderr is not None


def test_what_urllib3_repeats_is_not_told_each_time(configured: Configure) -> None:
    stream = configured()
    logging.getLogger("urllib3.connectionpool").warning("Retrying")
    logging.getLogger("urllib3.connectionpool").error("broken")
    assert [line.endswith("broken") for line in stream.getvalue().splitlines()] == [True]
