"""Reads every form of CATTLE_URL. Pure; knows nothing of HTTP."""

import re
from urllib.parse import urlsplit

from attrs import frozen

_PATH = re.compile(
    r"(?P<prefix>.*?)(?:/(?P<version>v1|v2-beta)(?:/projects/(?P<project_id>[^/]+))?)?(?:/schemas)?/?", re.IGNORECASE
)
_VERSION_SEGMENT = re.compile(r"/v\d[^/]*(?:/|$)", re.IGNORECASE)


@frozen
class CattleURL:
    """An address of a Rancher API, taken apart.

    Attributes:
        origin: scheme, host and port: `https://rancher.example.com`.
        prefix: the path before the version, a reverse proxy's: `/rancher` or empty.
        version: `v1` or `v2-beta`; None when the URL names none.
        project_id: the environment's id, such as `1a5`; None when the URL names none.
    """

    origin: str
    prefix: str = ""
    version: str | None = None
    project_id: str | None = None

    @property
    def host(self) -> str:
        """Host and port, for people."""
        return self.origin.partition("://")[2]


def parse_cattle_url(text: str) -> CattleURL:
    """Read a CATTLE_URL in any form users have: the bare server, with version, environment, `/schemas`, slashes.

    Raises:
        ValueError: it is no such URL; the message says what is wrong with it and never shows userinfo.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise ValueError("is no URL: its host or port cannot be read") from None
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        raise ValueError("must begin with http:// or https:// and name a host, as in http://rancher.example.com:8080")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password; they go to CATTLE_ACCESS_KEY and CATTLE_SECRET_KEY")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = re.sub("/{2,}", "/", parts.path)
    match = _PATH.fullmatch(path)
    if match is None or _VERSION_SEGMENT.search(match["prefix"]):
        raise ValueError(
            f"has a path that is no Rancher 1.x API's: {path!r}; use the server's address, or the environment's "
            "endpoint such as http://rancher.example.com:8080/v2-beta/projects/1a5"
        )
    return CattleURL(
        origin=f"{parts.scheme.lower()}://{host}" + (f":{port}" if port is not None else ""),
        prefix=match["prefix"].rstrip("/"),
        version=match["version"] and match["version"].lower(),
        project_id=match["project_id"],
    )
