"""How Rancher speaks: versions, collections, pages, resources, errors. Knows nothing of what a login is for."""

import re
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from rancher_ecr.errors import StoreError, StoreResponseError
from rancher_ecr.stores._cattle_errors import response_error
from rancher_ecr.stores._cattle_http import Answer, CattleHTTP

VERSIONS = ("v2-beta", "v1")  # the newer first
PAGE = 3000  # Cattle's own maximum; its default is 100
MOST_PAGES = 1000
MOST_ROWS = 100_000
MOST_RESTARTS = 5
NOT_FOUND = 404

Row = Mapping[str, str]
"""A resource: those of its fields that are text and no secret. What is null, or no text, is left out."""

_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class CattleAPI:
    """The resources of one Rancher server. Thread-safe.

    Paths are below the version and without a leading slash; `kind` is the type that rows must have.

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

    def projects(self, *, all_of_them: bool = False) -> list[Row]:
        """List the environments the key sees; an administrator's key sees those of others with `all_of_them`.

        Raises:
            StoreError: they could not be listed.
        """
        path = "projects?all=true" if all_of_them else "projects"
        with self._lock:
            if self._version is None:
                return self._find_version(path)
        return self._project_rows(path)

    def _find_version(self, path: str) -> list[Row]:
        for version in VERSIONS:
            self._version = version
            try:
                return self._project_rows(path)
            except StoreError as error:
                self._version = None
                # A server that knows the version answers with a code of its own, even to a key without rights.
                if not isinstance(error, StoreResponseError) or error.status != NOT_FOUND or error.code is not None:
                    raise
        raise StoreError(
            f"{self.host} knows neither {' nor '.join(VERSIONS)}: this is not a Rancher 1.x API; is CATTLE_URL right?"
        )

    def _project_rows(self, path: str) -> list[Row]:
        return self._complete_rows(path, path, "project")  # Cattle does not page environments

    def rows(self, path: str, kind: str) -> list[Row]:
        """Read a collection completely, in the order of ids; `path` may hold a query.

        Raises:
            StoreError: it could not be read, or kept changing while it was read page by page.
        """
        separator = "&" if "?" in path else "?"
        return self._complete_rows(path, f"{path}{separator}limit={PAGE}&sort=id", kind)

    def _complete_rows(self, path: str, first: str, kind: str) -> list[Row]:
        for _ in range(MOST_RESTARTS):
            rows = self._read_pages(path, first, kind)
            if rows is not None:
                return sorted(rows.values(), key=lambda row: number(row["id"]))
        raise StoreError(
            f"{self.host}: {path} changed {MOST_RESTARTS} times while its pages were read; the next sync tries again"
        )

    def _read_pages(self, path: str, page: str, kind: str) -> dict[str, Row] | None:
        """Read all pages; None when the list shifted on the way.

        Cattle's marker is an offset: a row removed between two pages makes the next page begin one row too late. So
        every page but the first is asked to begin with the last row of the page before, and must do so.
        """
        rows: dict[str, Row] = {}
        overlap: str | None = None
        for _ in range(MOST_PAGES):
            answer = self._ask("GET", page)
            data = _list_of(answer, kind)
            if overlap is not None and (not data or data[0]["id"] != overlap):
                return None
            known = len(rows)
            rows.update((row["id"], row) for row in data)
            link = _next_link(answer)
            if link is None:
                return rows
            if not known < len(rows) <= MOST_ROWS:
                break
            page, overlaps = _next_page(link, path, overlap=len(data) > 1)
            overlap = data[-1]["id"] if overlaps else None
        raise StoreError(f"{self.host}: the pages of {path} do not end; is this a Rancher 1.x API?")

    def get(self, path: str, kind: str, resource_id: str) -> Row:
        """Read one resource of a collection.

        Raises:
            StoreError: it could not be read.
        """
        return _resource_of(self._ask("GET", f"{path}/{quoted(resource_id)}"), kind, resource_id)

    def put(self, path: str, kind: str, resource_id: str, body: Mapping[str, str]) -> Row:
        """Change fields of one resource and return it as it is then; fields left out are kept.

        Raises:
            StoreError: it was not changed, or there was no answer.
        """
        return _resource_of(self._ask("PUT", f"{path}/{quoted(resource_id)}", body), kind, resource_id)

    def post(self, path: str, kind: str, body: Mapping[str, str]) -> Row:
        """Create a resource in a collection and return it.

        Raises:
            StoreError: it failed, or there was no answer: then nobody knows whether it was created.
        """
        return _resource_of(self._ask("POST", path, body), kind)

    def act(self, path: str, resource_id: str, action: str) -> None:
        """Start an action on one resource.

        Raises:
            StoreError: it was refused, or there was no answer.
        """
        self._ask("POST", f"{path}/{quoted(resource_id)}?action={action}", {})

    def delete(self, path: str, resource_id: str) -> None:
        """Remove one inactive resource.

        Raises:
            StoreError: it was refused, or there was no answer.
        """
        self._ask("DELETE", f"{path}/{quoted(resource_id)}")

    def _ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Answer:
        secret = (body or {}).get("secretValue")
        answer = self._http.ask(method, f"/{self.version}/{path}", body=body, secret=secret)
        if answer.status >= 300:  # noqa: PLR2004  # HTTP's own border; what redirects somewhere does not come here
            raise response_error(answer, self._http.scrub)
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


def _row_of(body: Any, kind: str) -> Row | None:
    if not isinstance(body, dict):
        return None
    row = {name: value for name, value in body.items() if isinstance(value, str) and name != "secretValue"}
    return row if row.get("type", kind) == kind and _ID.fullmatch(row.get("id", "")) else None


def _resource_of(answer: Answer, kind: str, resource_id: str | None = None) -> Row:
    row = _row_of(answer.body, kind)
    if row is None or resource_id not in {None, row["id"]}:
        raise StoreError(
            f"{answer.method} {answer.url}: the answer is not the {kind} asked for; does a proxy mix up answers?"
        )
    return row


def _list_of(answer: Answer, kind: str) -> list[Row]:
    body = answer.body or {}
    data, of_type = body.get("data"), body.get("resourceType")
    if body.get("type", "collection") != "collection" or not isinstance(data, list) or of_type not in (None, kind):
        raise StoreError(f"GET {answer.url}: the answer is no list of type {kind}; is this a Rancher 1.x API?")
    rows = [row for row in (_row_of(item, kind) for item in data) if row is not None]
    if len(rows) < len(data):
        raise StoreError(f"GET {answer.url}: the list holds something that is no {kind}; is this a Rancher 1.x API?")
    return rows


def _next_link(answer: Answer) -> str | None:
    pagination = (answer.body or {}).get("pagination")
    link = pagination.get("next") if isinstance(pagination, dict) else None
    return link if isinstance(link, str) and link else None


def _next_page(link: str, path: str, *, overlap: bool) -> tuple[str, bool]:
    """Turn a link to the next page into a path below the version, and tell whether it overlaps by one row.

    Of the link only the query is used: its scheme and host follow headers that proxies forget to send, its path lacks
    a proxy's prefix.
    """
    query = dict(parse_qsl(link.partition("#")[0].partition("?")[2], keep_blank_values=True))
    offset = re.fullmatch(r"m([1-9][0-9]{0,8})", query.get("marker", "")) if overlap else None
    if offset:
        query["marker"] = f"m{int(offset[1]) - 1}"
    return f"{path.partition('?')[0]}?{urlencode(query, errors='replace')}", offset is not None
