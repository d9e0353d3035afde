"""A paper model of a cluster: workers that compute by themselves and share one storage.

A worker takes ``Z`` seconds a slice by itself and asks the storage for ``D`` seconds of service a slice, and waits in
line where others are served. That is a closed queueing network of one delay and one queue, whose mean values follow
one from the other (mean value analysis: Reiser and Lavenberg 1980, J. ACM 27(2), 313-322)::

    R(n) = D (1 + Q(n-1))      time of a slice at the storage
    X(n) = n / (Z + R(n))      slices per second
    Q(n) = X(n) R(n)           slices at the storage

Whatever the line looks like, ``X(n) <= min(n / (Z + D), 1 / D)``; the two meet at ``(Z + D) / D`` workers.
"""

from __future__ import annotations

from dataclasses import dataclass

_S_PER_HOUR, _MILLION = 3600.0, 1e6


@dataclass(frozen=True, slots=True)
class ClusterModel:
    """One kind of worker on one storage.

    Attributes:
        own_s: ``Z``, seconds a slice that a worker spends by itself.
        storage_s: ``D``, seconds a slice that the storage spends; above 0.
    """

    own_s: float
    storage_s: float

    @property
    def saturation_workers(self) -> float:
        """Workers beyond which the storage is the limit."""
        return (self.own_s + self.storage_s) / self.storage_s

    def slices_per_s(self, n_workers: int) -> float:
        """Throughput of any number of workers."""
        queued = throughput = 0.0
        for n in range(1, n_workers + 1):
            at_storage_s = self.storage_s * (1.0 + queued)
            throughput = n / (self.own_s + at_storage_s)
            queued = throughput * at_storage_s
        return throughput

    def worker_hours_per_million(self, n_workers: int) -> float:
        """Worker hours that a million slices cost; times the price of one, it is money."""
        return n_workers * _MILLION / self.slices_per_s(n_workers) / _S_PER_HOUR
