"""The embedded cluster: real servers on loopback, made for `make sandbox` and for tests.

Real: etcd, kube-apiserver, controller manager, scheduler, Vault, cert-manager, trust-manager and
External Secrets. Simulated by kwok: kubelets; no container ever runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

# Imports wait for their call: the keepers of the operators import this package too.
if TYPE_CHECKING:
    from sandbox.cluster import Endpoints
    from sandbox.settings import Settings


def cluster_up(settings: Settings, progress: Callable[[str], None] = print) -> Endpoints:
    """Start the sandbox, or return at once when it runs; see sandbox.lifecycle.up."""
    from sandbox import lifecycle

    return lifecycle.up(settings, progress)


def cluster_down(settings: Settings, progress: Callable[[str], None] = print) -> None:
    """Stop everything and delete the state; see sandbox.lifecycle.down."""
    from sandbox import lifecycle

    lifecycle.down(settings, progress)


def endpoints(settings: Settings) -> Endpoints:
    """Return where the servers are, whether they run or not."""
    from sandbox import cluster

    return cluster.endpoints(settings)
