"""The State as Prometheus metrics, made anew for each scrape, so no series outlives its registry. It counts nothing.

Importing it needs prometheus_client (the extra `metrics`).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from rancher_ecr import __version__
from rancher_ecr.redaction import Secrets
from rancher_ecr.state import State

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(state: State, now: datetime, secrets: Secrets) -> bytes:
    """Render all metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(state, now, secrets))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Snapshot(Collector):
    def __init__(self, state: State, now: datetime, secrets: Secrets) -> None:
        self._state = state
        self._now = now
        self._secrets = secrets

    def collect(self) -> Iterator[Metric]:
        for metric in chain(_progress(self._state), _registries(self._state, self._now)):
            # Before the text is made, which spells quotes and backslashes in another way.
            metric.samples = [sample._replace(labels=self._scrub(sample.labels)) for sample in metric.samples]
            yield metric

    def _scrub(self, labels: Mapping[str, str]) -> dict[str, str]:
        return {name: self._secrets.scrub(value) for name, value in labels.items()}


def _progress(state: State) -> Iterator[Metric]:
    """Yield what is about the service."""
    build = GaugeMetricFamily("rancher_ecr_build_info", "The version that runs; always 1.", labels=["version"])
    build.add_metric([__version__], 1)
    yield build
    syncs = CounterMetricFamily(
        "rancher_ecr_syncs", "Syncs by result: ok, failed (something is left to do), bug.", labels=["result"]
    )
    for result, count in state.syncs.items():
        syncs.add_metric([result], count)
    yield syncs
    yield CounterMetricFamily("rancher_ecr_bugs", "Errors that were nobody's but a bug's.", value=state.bugs)
    outcomes = CounterMetricFamily("rancher_ecr_outcomes", "Outcomes of all syncs by change.", labels=["change"])
    for change, count in state.outcomes.items():
        outcomes.add_metric([change.value], count)
    yield outcomes
    yield SummaryMetricFamily(
        "rancher_ecr_sync_duration_seconds",
        "How long syncs took.",
        count_value=sum(state.syncs.values()),
        sum_value=state.seconds,
    )
    times = {
        "start": ("When the service started.", state.started_at),
        "last_sync": ("When the last sync ended; 0 before the first.", state.last_at),
        "last_success": ("When the last sync ended that left nothing to do; 0 before the first.", state.last_ok_at),
        "next_sync": ("When the next sync starts.", state.next_at),
    }
    for name, (meaning, time) in times.items():
        yield GaugeMetricFamily(f"rancher_ecr_{name}_timestamp_seconds", meaning, value=_seconds(time))


def _registries(state: State, now: datetime) -> Iterator[Metric]:
    """Yield what is about single registries."""
    expiry = GaugeMetricFamily(
        "rancher_ecr_login_expiry_timestamp_seconds",
        "When the login that was delivered last ends.",
        labels=["store", "server_address"],
    )
    endangered = GaugeMetricFamily(
        "rancher_ecr_login_endangered",
        "1 when a login should long have been replaced and has less than a quarter of its life left, or none.",
        labels=["store", "server_address"],
    )
    dangers = state.endangered(now)
    for login in state.logins.values():
        labels = [login.store or "", login.server_address or ""]
        expiry.add_metric(labels, _seconds(login.expires_at))
        endangered.add_metric(labels, 1 if login in dangers else 0)
    yield expiry
    yield endangered
    undelivered = GaugeMetricFamily(
        "rancher_ecr_undelivered",
        "How many logins, or whole sources and stores, the last sync did not manage, by what was in the way.",
        labels=["source", "store", "server_address", "change"],
    )
    counts: dict[tuple[str, str, str, str], int] = {}
    for trouble in state.troubles.values():
        of = trouble.outcome
        key = (of.source or "", of.store or "", of.server_address or "", of.change.value)
        counts[key] = counts.get(key, 0) + 1
    for key, count in counts.items():
        undelivered.add_metric(list(key), count)
    yield undelivered
    accepted = GaugeMetricFamily(
        "rancher_ecr_login_accepted",
        "With VERIFY: 1 when the registry accepts its login, 0 when it refuses; none when it could not be asked.",
        labels=["server_address"],
    )
    for address, verdict in state.verdicts.items():
        if verdict.accepted is not None:
            accepted.add_metric([address], int(verdict.accepted))
    yield accepted


def _seconds(time: datetime | None) -> float:
    return time.timestamp() if time else 0.0
