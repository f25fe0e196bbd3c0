"""Shows samples as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from syncer.metrics.catalogue import FAMILIES, Family
from syncer.metrics.samples import Histogram, Sample


def render(found: Iterable[Sample], *, accept: str = "", process: bool = False) -> tuple[bytes, str]:
    """Return samples as text, and its content type: OpenMetrics for an `accept` header that asks for it.

    `process` adds what this process uses of processor, memory and files.
    """
    from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(list(found)))
    if process:
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


@dataclass(frozen=True, slots=True, eq=False)
class _Collected:
    """Samples as a registry of prometheus_client collects them, family by family."""

    found: Sequence[Sample]

    def collect(self) -> Iterator[Any]:
        """Yield each family that has samples."""
        by_family: dict[Family, list[Sample]] = {}
        for sample in self.found:
            by_family.setdefault(sample.family, []).append(sample)
        for family in FAMILIES:
            if family in by_family:
                yield _metric(family, by_family[family])


def _metric(family: Family, found: Iterable[Sample]) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    if family.type == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for sample in found:
            if isinstance(sample.value, Histogram):
                histogram.add_metric(sample.labels, list(sample.value.buckets), sample.value.sum)
        return histogram
    plain = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
    metric = plain(family.name, family.help, labels=family.labels)
    for sample in found:
        if not isinstance(sample.value, Histogram):
            metric.add_metric(sample.labels, sample.value)
    return metric
