"""`GET /metrics` for Prometheus, if `METRICS_TOKEN` is set.

Threads and waits are counted in the store. The totals are those that each process that runs
threads has stored, so any API process answers for the workers on other machines, too.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials

from ..index import ThreadCount, Worker
from ..log.errors import Unavailable
from ..loop.ports import Ports
from ..settings import optional
from .service import Running
from .tokens import bearer, check_token

if TYPE_CHECKING:
    from prometheus_client import Metric

PATIENCE_S = 0.8
"""Seconds to wait for the store."""

TOTALS = {
    "steps": ("Model calls by their outcome", ("agent", "model", "outcome")),
    "tokens": ("Tokens; input includes cached and cache_write", ("agent", "model", "kind")),
    "tools": ("Tools that finished or failed", ("agent", "outcome")),
    "model_errors": (
        "Failed model calls: unavailable is retried, refused needs a person",
        ("agent", "model", "kind"),
    ),
    "delivery_failures": ("Notifications that could not be delivered", ("agent",)),
    "takeovers": ("Threads taken over from a process that died", ()),
}
"""What each process counts: the help text, and the labels beside `process`."""

_BY_STATUS = ("agent", "status")
_AGE = "Seconds since the status changed of the thread where that is longest ago"

router = APIRouter(include_in_schema=False)


def install(api: FastAPI) -> None:
    """Add the route if `METRICS_TOKEN` is set. Raises Misconfigured if it is easy to guess."""
    if token := optional("METRICS_TOKEN"):
        check_token("METRICS_TOKEN", token)
        api.state.metrics_token = token
        api.include_router(router)


def _authenticate(
    request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> None:
    token = str(request.app.state.metrics_token)
    if given is None or not compare_digest(given.credentials.encode(), token.encode()):
        raise HTTPException(401, "send METRICS_TOKEN", {"WWW-Authenticate": "Bearer"})


@router.get("/metrics", dependencies=[Depends(_authenticate)])
async def show_metrics(service: Running) -> Response:
    """Return the metrics as text; `agent_store_up` is 0 if the store does not respond."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest  # slow to import

    text = generate_latest(await _read_figures(service.app.ports))
    return Response(text, media_type=CONTENT_TYPE_LATEST)


@dataclass(frozen=True)
class _Figures:
    """What the store says now; the library calls `collect` and writes the text."""

    up: bool
    now: datetime | None = None
    counts: Sequence[ThreadCount] = ()
    workers: Sequence[Worker] = ()
    default: str = ""
    """The name of the default agent."""

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        up = GaugeMetricFamily("agent_store_up", "1 if the store responds")
        up.add_metric([], float(self.up))
        yield up
        if not self.up:
            return
        threads = GaugeMetricFamily("agent_threads", "Threads by status", labels=_BY_STATUS)
        ages = GaugeMetricFamily("agent_oldest_thread_seconds", _AGE, labels=_BY_STATUS)
        for key, counts in self._sort_counts().items():
            threads.add_metric(key, sum(one.number for one in counts))
            if key[1] not in ("finished", "cancelled"):
                ages.add_metric(key, max(self._find_age_s(one) for one in counts))
        alive = GaugeMetricFamily("agent_processes", "Processes that run threads")
        alive.add_metric([], len(self.workers))
        yield from (threads, ages, alive)
        for name, (about, labels) in TOTALS.items():
            total = CounterMetricFamily(f"agent_{name}", about, labels=[*labels, "process"])
            for worker in self.workers:
                for counted, *values, number in worker.counts:
                    if counted == name and len(values) == len(labels):
                        total.add_metric([*values, worker.id], number)
            yield total

    def _sort_counts(self) -> dict[tuple[str, str], list[ThreadCount]]:
        """Return the counts by agent and status; `stalled` threads are not run by any process."""
        found: dict[tuple[str, str], list[ThreadCount]] = {}
        for one in self.counts:
            stalled = one.status == "running" and not one.running
            key = (one.agent or self.default, "stalled" if stalled else one.status)
            found.setdefault(key, []).append(one)
        return found

    def _find_age_s(self, count: ThreadCount) -> float:
        return max(0.0, (self.now - count.since).total_seconds()) if self.now else 0.0


async def _read_figures(ports: Ports) -> _Figures:
    store = ports.store
    try:
        async with asyncio.timeout(PATIENCE_S):
            now, workers = await store.now(), await store.workers()
            counts = await store.count_threads()
    except (TimeoutError, Unavailable):
        return _Figures(up=False)
    return _Figures(True, now, counts, workers, ports.default.name)
