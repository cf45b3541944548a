"""Reads every source of a status, all at once, each with a time-out. Nothing is changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from bot.clients import vault as vault_client
from bot.clients.connect import cluster as api_server
from bot.clients.https import Client, Unreadable
from bot.clients.prometheus import PrometheusApi
from bot.clients.target import Target
from bot.exit_codes import BotError, MissingToolError
from bot.mesh.authorization import reader as authorization_reader
from bot.mesh.rollout import reader as rollout_reader
from bot.mesh.status import cluster, linkerd_cli
from bot.mesh.status.facts import Alerting, Facts, Unread
from bot.mesh.status.pinned import pinned
from bot.mesh.trust import fleet as trust_fleet
from bot.mesh.trust import reader as trust_reader
from bot.mesh.trust import vault as trust_vault
from components.alerts.arguments import own_series

PARALLEL = 12
PROMETHEUS_SECONDS = 5.0
VAULT_SECONDS = 5.0
DRIFT_SECONDS = 600.0
Read = Callable[[], Any]


@dataclass(frozen=True)
class WantedSources:
    """What was asked for. prometheus: an address, None for that of the stack file.

    drift: whether the engine is asked. cli: whether `linkerd check` runs where it is there.
    """

    prometheus: str | None = None
    drift: bool = False
    cli: bool = True


def read(target: Target, wanted: WantedSources, stop: threading.Event | None = None) -> Facts:
    """All sources; what does not answer is told in them, and raises nothing.

    stop: ends a run of the engine once it is set.
    """
    now, stop = datetime.now(UTC), stop or threading.Event()
    outside = {**_vault(target), **_prometheus(target, wanted), **_engine(target, wanted, stop)}
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        try:
            waiting = {name: pool.submit(_safely, read) for name, read in outside.items()}
            found = {**_cluster(target, wanted, pool), **_results(waiting)}
        except BaseException:
            stop.set()
            raise
    return Facts(target, now, found)


def _cluster(target: Target, wanted: WantedSources, pool: ThreadPoolExecutor) -> dict[str, Any]:
    """What the API server tells; one question first, so that a dead one costs one time-out."""
    if target.config.cluster is None:
        return {}
    try:
        with api_server(target) as client:
            first = _safely(lambda: cluster.version(client))
            if isinstance(first, Unread):
                return dict.fromkeys(_names(target), first)
            api = cluster.once(client)
            reads = _reads(target, wanted, api)
            waiting = {name: pool.submit(_safely, read) for name, read in reads.items()}
            return {cluster.VERSION: first, **_results(waiting)}
    except BotError as error:
        return dict.fromkeys(_names(target), Unread(str(error)))


def _names(target: Target) -> list[str]:
    """The sources that hang on the API server."""
    return [
        *(cluster.VERSION, "trust", "rollout", "linkerd check"),
        *(name for name, _ in cluster.reads(target.config)),
        *(f"policy {name}" for name in sorted(target.config.policy.namespaces)),
    ]


def _reads(target: Target, wanted: WantedSources, api: Client) -> dict[str, Read]:
    config = target.config
    window = timedelta(seconds=config.rollout.gates.window.seconds)
    made: dict[str, Read] = {
        "trust": lambda: trust_reader.observe(api, target),
        "rollout": lambda: rollout_reader.read(api, window),
        "linkerd check": lambda: _linkerd(target, wanted),
    }
    for name in sorted(config.policy.namespaces):
        made[f"policy {name}"] = partial(authorization_reader.read, api, name)
    for name, one in cluster.reads(config):
        made[name] = partial(one, api)
    return made


def _linkerd(target: Target, wanted: WantedSources) -> Any:
    if not wanted.cli:
        return Unread("--no-linkerd-check", asked=False)
    return linkerd_cli.run(target, pinned(target.project_dir).linkerd)


def _vault(target: Target) -> dict[str, Read]:
    def anchors() -> Any:
        fleet = trust_fleet.fleet_of(target.stack, target.project_dir)
        owner = target
        if fleet and fleet.owner != target.stack:
            owner = trust_fleet.target_of(fleet.owner, target.project_dir)
        return trust_vault.read(owner)

    def health() -> Any:
        with vault_client.unauthenticated(target) as client:
            answer = client.request("GET", "/v1/sys/seal-status", seconds=VAULT_SECONDS)
        if not answer.ok or not isinstance(answer.body, dict):
            why = answer.why
            raise Unreadable(f"Vault {target.config.vault.address}: {why}")
        return answer.body

    return {"vault anchors": anchors, "vault": health}


def _prometheus(target: Target, wanted: WantedSources) -> dict[str, Read]:
    url = wanted.prometheus or target.config.viz.prometheus_url
    if url is None:
        why = "no Prometheus is named: viz.prometheusUrl, or --prometheus"
        return {"alerts": lambda: Unread(why, asked=False)}

    def alerting() -> Any:
        prometheus = PrometheusApi(url, PROMETHEUS_SECONDS, own_series(target.config))
        return Alerting(tuple(prometheus.alerts()), frozenset(prometheus.alert_names()))

    return {"alerts": alerting}


def _engine(target: Target, wanted: WantedSources, stop: threading.Event) -> dict[str, Read]:
    if not wanted.drift:
        why = "not asked for: --drift (takes as long as a preview)"
        return {"drift": lambda: Unread(why, asked=False)}

    def drift() -> Any:
        # The engine's models take a while to import, which a status without them need not wait for.
        from bot import engine
        from bot.engine import target as engine_target
        from bot.mesh.drift.check import check
        from bot.mesh.drift.tracked import LookStopped

        try:
            engine_run = engine_target.of(target.stack, target.project_dir)
            return check(engine.find(), engine_run, stop, DRIFT_SECONDS)
        except (MissingToolError, LookStopped) as error:
            raise BotError(str(error)) from None  # It was asked for.

    return {"drift": drift}


def _results(waiting: Mapping[str, Future[Any]]) -> dict[str, Any]:
    return {name: future.result() for name, future in waiting.items()}


def _safely(read: Read) -> Any:
    """What was read, or why not: a program or token that is not there was never asked for."""
    try:
        return read()
    except MissingToolError as error:
        return Unread(str(error), asked=False)
    except BotError as error:
        return Unread(str(error))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        return Unread(f"answered something else than expected ({type(error).__name__}: {error})")
