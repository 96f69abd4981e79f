"""What is worth a log line, and at which level, when one State follows another. It decides; the service logs.

What changes is told once; what repeats is told at a lower level.
"""

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime

from attrs import field, frozen

from rancher_ecr.logs import utc
from rancher_ecr.model import Change, Outcome, Report
from rancher_ecr.state import Danger, Login, State, Subject, Verdict

_LEVELS = {Change.FAILED: logging.ERROR, Change.MISSING: logging.WARNING, Change.UNUSABLE: logging.WARNING}


@frozen
class Line:
    """One line for the log.

    Attributes:
        level: as the logging module has it.
        message: for people.
        fields: for machines; they may repeat what the message says.
    """

    level: int
    message: str
    fields: Mapping[str, object] = field(factory=dict)


def sync_lines(before: State, after: State, report: Report) -> Iterator[Line]:
    """Tell what a sync has changed, then one summary."""
    for outcome in report.outcomes:
        yield Line(_level(before, outcome), str(outcome), _fields(outcome))
    for subject in before.troubles:
        if subject not in after.troubles and subject.is_whole:
            yield Line(logging.INFO, f"{subject.store or subject.source or 'the list of stores'} works again")
    for place in before.logins.keys() - after.logins.keys():
        if not any(subject.place == place for subject in after.troubles):
            yield Line(logging.INFO, f"{place[0]} {place[1]} is no longer there; its login is forgotten")
    for warning in report.warnings:
        yield Line(logging.DEBUG if warning in before.warnings else logging.WARNING, warning)
    counts = {change: sum(outcome.change is change for outcome in report.outcomes) for change in Change}
    told = ", ".join(f"{count} {change.value}" for change, count in counts.items() if count) or "nothing to do"
    if report.dry_run:
        told = f"nothing written, would be: {told}"
    seconds = after.seconds - before.seconds
    yield Line(
        logging.INFO,
        f"synced in {seconds:.1f} s: {told}; next sync at {utc(after.next_at) if after.next_at else '?'}",
        {"seconds": round(seconds, 3), "changes": {change.value: count for change, count in counts.items() if count}},
    )


def bug_lines(before: State, after: State) -> Iterator[Line]:
    """Tell of a bug: with its traceback, and only once while it stays the same."""
    last, previous = (state.bug.rstrip().splitlines()[-1].strip() if state.bug else "" for state in (after, before))
    if last == previous:  # the rest may differ, since an error that is raised again grows its traceback
        yield Line(logging.INFO, f"the same bug again: {last}")
    else:
        yield Line(logging.ERROR, f"a bug, please report it: {last}\n{after.bug}")


def danger_lines(before: Mapping[Login, Danger], after: Mapping[Login, Danger], now: datetime) -> Iterator[Line]:
    """Tell of logins that come nearer to their end without having been replaced."""
    for login, danger in after.items():
        if danger > before.get(login, Danger.NONE):
            where = f"{login.store} {login.server_address}"
            minutes = (login.expires_at - now).total_seconds() / 60
            told = (
                f"the login of {where} has died undelivered at {utc(login.expires_at)}: hosts cannot pull from there"
                if danger is Danger.DEAD
                else f"the login of {where} dies in {minutes:.0f} minutes and was not replaced; see the errors above"
            )
            fields = {
                "store": login.store,
                "server_address": login.server_address,
                "expires_at": utc(login.expires_at),
            }
            yield Line(logging.WARNING if danger is Danger.LOW else logging.ERROR, told, fields)


def verdict_lines(before: Mapping[str, Verdict], address: str, verdict: Verdict) -> Iterator[Line]:
    """Tell what a registry said of its login."""
    old = before.get(address)
    changed = old is None or old.accepted is not verdict.accepted
    fields = {"server_address": address, "accepted": verdict.accepted}
    if verdict.accepted:
        yield Line(logging.INFO if changed else logging.DEBUG, f"{address} accepts its login", fields)
    elif verdict.accepted is None:
        told = f"{address} could not be asked whether it accepts its login: {verdict.reason}"
        yield Line(logging.WARNING if changed else logging.DEBUG, told, fields)
    else:
        told = f"{address} refuses its login: {verdict.reason}"
        yield Line(logging.ERROR if changed else logging.INFO, told, fields)


def _level(before: State, outcome: Outcome) -> int:
    """The level of an outcome: high when it is new, lower when it repeats."""
    subject = Subject.of(outcome)
    known = before.troubles.get(subject)
    if outcome.ok:
        if outcome.change is Change.ABSENT:
            return logging.DEBUG
        return logging.INFO if known or subject.place not in before.logins else logging.DEBUG
    if known is None or known.outcome.change is not outcome.change:
        return _LEVELS[outcome.change]
    return logging.DEBUG if str(known.outcome.error) == str(outcome.error) else logging.INFO


def _fields(outcome: Outcome) -> dict[str, object]:
    return {
        "change": outcome.change.value,
        "source": outcome.source,
        "store": outcome.store,
        "server_address": outcome.server_address,
        "expires_at": utc(outcome.expires_at) if outcome.expires_at else None,
    }
