"""How Rancher speaks: versions, collections, pages, resources, errors. Knows nothing of what a login is for."""

import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from rancher_ecr.errors import StoreError, StoreResponseError
from rancher_ecr.stores._cattle_http import Answer, CattleHTTP

VERSIONS = ("v2-beta", "v1")  # the newer first
PAGE = 3000  # Cattle's own maximum; its default is 100
MOST_PAGES = 1000
MOST_RESTARTS = 5
NOT_FOUND = 404

_LABEL = "the label io.rancher.container.agent.role: environment"
_REMEDIES = {
    401: "the key is refused: check CATTLE_ACCESS_KEY and CATTLE_SECRET_KEY, that the key is active, and that its "
    "environment is not deactivated",
    403: f"the key may not use this environment: unknown, deactivated, somebody else's, or an agent without {_LABEL}",
    404: f"not there, or not visible to this key: an agent needs {_LABEL}",
    405: f"the key may only read: use an environment key or that of a member who may write; an agent needs {_LABEL}",
    409: "another change is under way, or the database refused the value; the next sync tries again",
    429: "Rancher asks for fewer requests; the next sync tries again",
}
_CODE_REMEDIES = {
    "MaxLengthExceeded": "the token is longer than this server stores",
    "ServerAddressUsed": "the address is taken, perhaps by an inactive registry",
}
_WORD = re.compile(r"[\w .-]{1,80}", re.ASCII)


class CattleAPI:
    """The resources of one Rancher server. Thread-safe.

    Args:
        http: who carries the requests.
        version: `v1` or `v2-beta`; None finds out with the first list of projects.
    """

    def __init__(self, http: CattleHTTP, version: str | None = None) -> None:
        self._http = http
        self._version = version
        self._lock = threading.Lock()

    @property
    def host(self) -> str:
        """Host and port, for people."""
        return self._http.host

    @property
    def version(self) -> str:
        """The API's version; known once a list of projects was read."""
        return self._version or VERSIONS[0]

    def projects(self, *, all_of_them: bool = False) -> list[Mapping[str, Any]]:
        """List the environments the key sees; an administrator's key sees those of others with `all_of_them`.

        Raises:
            StoreError: they could not be listed.
        """
        path = "projects?all=true" if all_of_them else "projects"
        with self._lock:
            if self._version is None:
                return self._find_version(path)
        return self.rows(path, "project")

    def _find_version(self, path: str) -> list[Mapping[str, Any]]:
        for version in VERSIONS:
            self._version = version
            try:
                return self.rows(path, "project")
            except StoreError as error:
                self._version = None
                # A server that knows the version answers with a code of its own, even to a key without rights.
                if not isinstance(error, StoreResponseError) or error.status != NOT_FOUND or error.code is not None:
                    raise
        raise StoreError(f"{self.host} knows neither {' nor '.join(VERSIONS)}, so this is not a Rancher 1.x API")

    def rows(self, path: str, kind: str) -> list[Mapping[str, Any]]:
        """Read a collection completely, in the order of ids.

        Args:
            path: below the version, without leading slash; may hold a query.
            kind: the type its rows must have.

        Raises:
            StoreError: it could not be read, or kept changing while it was read page by page.
        """
        for _ in range(MOST_RESTARTS):
            rows = self._read_pages(path, kind)
            if rows is not None:
                return sorted(rows.values(), key=lambda row: number(row["id"]))
        raise StoreError(f"{self.host}: {path} changed {MOST_RESTARTS} times while its pages were read")

    def _read_pages(self, path: str, kind: str) -> dict[str, Mapping[str, Any]] | None:
        """Read all pages; None when the list shifted on the way.

        Cattle's marker is an offset: a row removed between two pages makes the next page begin one row too late. So
        every page but the first is asked to begin with the last row of the page before, and must do so.
        """
        separator = "&" if "?" in path else "?"
        page: str | None = f"{path}{separator}limit={PAGE}&sort=id"
        rows: dict[str, Mapping[str, Any]] = {}
        overlap: str | None = None
        for _ in range(MOST_PAGES):
            if page is None:
                return rows
            answer = self._ask("GET", page)
            data = _checked_rows(answer, kind)
            if overlap is not None and (not data or data[0]["id"] != overlap):
                return None
            known = len(rows)
            rows.update((row["id"], row) for row in data)
            link = _next_link(answer)
            if link is not None and len(rows) == known:
                break
            page, overlaps = _next_page(link, path, overlap=len(data) > 1) if link is not None else (None, False)
            overlap = data[-1]["id"] if overlaps else None
        raise StoreError(f"{self.host}: the pages of {path} do not end")

    def get(self, path: str, kind: str) -> Mapping[str, Any]:
        """Read one resource.

        Raises:
            StoreError: it could not be read.
        """
        return self._resource(self._ask("GET", path), kind)

    def put(self, path: str, kind: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Change fields of one resource and return it as it is then; fields left out are kept.

        Raises:
            StoreError: it was not changed, or there was no answer.
        """
        return self._resource(self._ask("PUT", path, body), kind)

    def post(self, path: str, kind: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create a resource, or do an `?action=` on one, and return it. Its answer shows secrets in clear.

        Raises:
            StoreError: it failed, or there was no answer: then nobody knows whether it was done.
        """
        return self._resource(self._ask("POST", path, body), kind)

    def delete(self, path: str) -> None:
        """Remove one inactive resource.

        Raises:
            StoreError: it was refused, or there was no answer.
        """
        self._ask("DELETE", path)

    def _resource(self, answer: Answer, kind: str) -> Mapping[str, Any]:
        body = answer.body or {}
        if body.get("type") != kind or not isinstance(body.get("id"), str):
            raise StoreError(f"{answer.method} {answer.url}: the answer is no {kind}, so it may be for another request")
        return body

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        answer = self._http.ask(method, f"/{self.version}/{path}", body=body)
        if answer.status >= 400:  # noqa: PLR2004  # HTTP's own border
            raise _response_error(answer)
        if answer.body is None:
            raise StoreError(
                f"{method} {answer.url}: answered {answer.status} without JSON, so this is not a Rancher API; "
                "is CATTLE_URL right, or a login page or proxy in front?"
            )
        return answer


def quoted(resource_id: str) -> str:
    """Make an id safe to stand in a path."""
    return quote(resource_id, safe="")


def number(resource_id: str) -> tuple[int, str]:
    """Give the order of ids as Cattle's database has it: by their number, so that 1c9 comes before 1c10."""
    digits = re.search(r"[0-9]+$", resource_id)
    return (int(digits[0]) if digits else 0, resource_id)


def _checked_rows(answer: Answer, kind: str) -> Sequence[Mapping[str, Any]]:
    body = answer.body or {}
    data = body.get("data")
    if body.get("type") != "collection" or not isinstance(data, list):
        raise StoreError(f"{answer.url}: the answer is no list; this is not what a Rancher 1.x API says")
    for row in data:
        if not isinstance(row, dict) or not isinstance(row.get("id"), str) or row.get("type") != kind:
            raise StoreError(f"{answer.url}: the list holds something that is no {kind}")
    return data


def _next_link(answer: Answer) -> str | None:
    pagination = (answer.body or {}).get("pagination")
    link = pagination.get("next") if isinstance(pagination, dict) else None
    return link if isinstance(link, str) and link else None


def _next_page(link: str, path: str, *, overlap: bool) -> tuple[str, bool]:
    """Turn a link to the next page into a path below the version, and tell whether it overlaps by one row.

    Of the link only the query is used: its scheme and host follow headers that proxies forget to send, its path lacks
    a proxy's prefix.
    """
    query = dict(parse_qsl(urlsplit(link).query, keep_blank_values=True))
    offset = re.fullmatch(r"m([1-9][0-9]*)", query.get("marker", "")) if overlap else None
    if offset:
        query["marker"] = f"m{int(offset[1]) - 1}"
    return f"{path.partition('?')[0]}?{urlencode(query)}", offset is not None


def _response_error(answer: Answer) -> StoreResponseError:
    body = answer.body or {}
    is_cattle = body.get("type") == "error"
    code, field = (
        value if is_cattle and isinstance(value, str) and _WORD.fullmatch(value) else None
        for value in (body.get("code"), body.get("fieldName"))
    )
    said = " ".join([str(answer.status), *([code] if code else []), *([f"({field})"] if field else [])])
    if not is_cattle:
        said += " without Rancher's JSON, so this is not a Rancher API, or a proxy in front of it speaks"
    remedy = _CODE_REMEDIES.get(code or "") or _REMEDIES.get(answer.status)
    if remedy is None:
        remedy = "the server is in trouble; the next sync tries again" if answer.status >= 500 else "see its log"  # noqa: PLR2004  # HTTP's own border
    return StoreResponseError(
        f"{answer.method} {answer.url}: {said}: {remedy}", status=answer.status, code=code, field=field
    )
