"""The requests session for a Rancher API: its connections, and what is sent a second time. Knows no URL and no key."""

from types import TracebackType
from typing import TYPE_CHECKING

import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry

if TYPE_CHECKING:  # urllib3 1.26, which requests still takes, has no such name
    from urllib3.response import BaseHTTPResponse

LONGEST_RETRY_AFTER = 60
CONNECTIONS = 8


class PatientRetry(Retry):
    """Honours Retry-After, though for a minute at the most, and never waits for the body of a failure."""

    def get_retry_after(self, response: "BaseHTTPResponse") -> float | None:
        """Give the seconds to wait; None when the header is not there, or makes no sense."""
        try:
            seconds = super().get_retry_after(response)
        except (InvalidHeader, ValueError, OverflowError):  # the last two from dates such as the year 99999
            return None
        return None if seconds is None else min(seconds, LONGEST_RETRY_AFTER)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: "BaseHTTPResponse | None" = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> "PatientRetry":
        """Count an attempt; raises when it was the last one."""
        following = super().increment(method, url, response, error, _pool, _stacktrace)
        if response is not None:
            response.close()  # or urllib3 would read it to its end, and that may never come
        return following


def new_session() -> requests.Session:
    """Make a session that repeats what is safe to repeat, and keeps a few connections."""
    retry = PatientRetry(
        total=3,
        connect=3,
        read=1,
        status=2,
        other=0,
        redirect=False,
        allowed_methods=frozenset({"GET", "PUT"}),  # a POST creates, so it is never repeated unseen
        status_forcelist=frozenset({429, 500, 502, 503, 504}),
        backoff_factor=0.5,
        raise_on_status=False,
    )
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=CONNECTIONS, pool_block=True))
    return session
