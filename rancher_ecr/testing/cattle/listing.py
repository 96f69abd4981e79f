"""Filters, order and pages of a list, with what the server silently ignores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from attrs import frozen

from rancher_ecr.testing.cattle.bodies import requery, stamp
from rancher_ecr.testing.cattle.state import Resource, number_of

DEFAULT_LIMIT: Final = 100
MAXIMUM_LIMIT: Final = 3000
BEFORE_EVERYTHING: Final = (0, 0, "")


@frozen
class Page:
    """One page of rows, and the two objects that describe it in the body."""

    rows: list[Resource]
    pagination: dict[str, Any]
    sort: dict[str, Any] | None


def field_value(row: Resource, name: str) -> Any:
    """Return what a filter or an order sees of a row."""
    match name:
        case "id":
            return row.number
        case "accountId":
            return row.account_id
        case "created" | "removed":
            moment = getattr(row, name)
            return stamp(moment) if moment else None
        case "kind":
            return row.type
        case "state" | "uuid":
            return getattr(row, name)
        case _:
            return row.values.get(name)


def filtered(
    rows: Iterable[Resource], parameters: list[tuple[str, str]], known: dict[str, tuple[str, ...]]
) -> list[Resource]:
    """Keep the rows that meet every parameter which is a filter; what is none is ignored (recordings 019, 024)."""
    tests = []
    for parameter, wanted in parameters:
        name, _, modifier = parameter.partition("_")
        modifier = modifier or "eq"
        if modifier in known.get(name, ()):
            tests.append((name, modifier, wanted))
    if not tests:
        return list(rows)
    return [row for row in rows if all(holds(row, *test) for test in tests)]


def holds(row: Resource, name: str, modifier: str, wanted: str) -> bool:
    """Whether one filter lets a row through."""
    value: Any = field_value(row, name)
    if modifier in ("null", "notnull"):
        return (value is None) == (modifier == "null")
    sought: Any = wanted
    if name == "id":
        sought = number_of(wanted)
        if sought is None or not row.id.startswith(wanted.removesuffix(str(sought))):
            return modifier == "ne"
    if value is None:
        return False
    return COMPARISONS[modifier](value, sought)


def like(value: str, pattern: str) -> bool:
    """Whether a text fits an SQL pattern with % at its ends or between."""
    first, *rest = pattern.split("%")
    if not rest:
        return value == pattern
    *middle, last = rest
    if not value.startswith(first) or not value.endswith(last) or len(value) < len(first) + len(last):
        return False
    inner = value[len(first) : len(value) - len(last)]
    for part in middle:
        at = inner.find(part)
        if at < 0:
            return False
        inner = inner[at + len(part) :]
    return True


COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": lambda value, wanted: value == wanted,
    "ne": lambda value, wanted: value != wanted,
    "lt": lambda value, wanted: value < wanted,
    "lte": lambda value, wanted: value <= wanted,
    "gt": lambda value, wanted: value > wanted,
    "gte": lambda value, wanted: value >= wanted,
    "prefix": lambda value, wanted: value.startswith(wanted),
    "like": like,
    "notlike": lambda value, wanted: not like(value, wanted),
}


def page(
    rows: list[Resource], parameters: list[tuple[str, str]], known: dict[str, tuple[str, ...]], url: str, query: str
) -> Page:
    """Sort rows and cut out the page asked for. The marker is an offset, nothing more (facts.md, Listing)."""
    asked = dict(reversed(parameters))  # of a repeated parameter the first counts
    order = "desc" if asked.get("order", "").lower() == "desc" else "asc"
    sort = None
    name = asked.get("sort")
    if name in known:
        rows = sorted(rows, key=lambda row: (_sortable(field_value(row, name)), row.number), reverse=order == "desc")
        back = requery(url, query, order="asc" if order == "desc" else "desc")
        sort = {"name": name, "reverse": back, "order": order}
    limit = limit_of(asked.get("limit"))
    marker = asked.get("marker", "")
    offset = int(marker[1:]) if marker[:1] == "m" and marker[1:].isdecimal() else 0
    end = offset + limit
    more = len(rows) > end
    pagination = {
        "first": None,
        "previous": None,
        "next": requery(url, query, marker=f"m{end}") if more else None,
        "limit": limit,
        "total": None,
        "partial": more,
    }
    return Page(rows[offset:end], pagination, sort)


def limit_of(text: str | None) -> int:
    """Return the page size: 100 when none is asked for; 3000 at most, and for zero or less (recordings 029-032)."""
    try:
        limit = int(text) if text is not None else DEFAULT_LIMIT
    except ValueError:
        return DEFAULT_LIMIT
    return limit if 0 < limit <= MAXIMUM_LIMIT else MAXIMUM_LIMIT


def _sortable(value: Any) -> tuple[int, int, str]:
    if value is None:
        return BEFORE_EVERYTHING
    return (1, value, "") if isinstance(value, int) else (1, 0, str(value))
