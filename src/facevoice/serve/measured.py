"""What the server counts of itself, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Measured:
    """Requests, durations, the queue and refusals; nothing about anyone's files."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "facevoice_requests",
            "Requests by route, method and status",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "facevoice_request_seconds",
            "How long requests took, uploads included",
            ("route",),
            buckets=(0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120),
            registry=self._registry,
        )
        self._refused = Counter(
            "facevoice_refused", "Uploads refused, by reason", ("kind",), registry=self._registry
        )
        self._bytes = Counter("facevoice_upload_bytes", "Bytes of uploads", registry=self._registry)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        known = method if method in {"GET", "HEAD", "POST", "DELETE", "OPTIONS"} else "OTHER"
        self._requests.labels(route, known, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def refused(self, code: str) -> None:
        """Count a refusal."""
        self._refused.labels(code).inc()

    def uploaded(self, count: int) -> None:
        """Count an upload's bytes."""
        self._bytes.inc(count)

    def watch(self, name: str, about: str, value: Callable[[], float]) -> None:
        """A figure that is looked up whenever it is asked for."""
        Gauge(f"facevoice_{name}", about, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
