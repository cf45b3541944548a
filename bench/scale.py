"""A stack of 500 namespaces and 2,000 services: time and memory of the program.

With policies each service has a client, probes and metrics, each namespace a wave, a default
policy, defaults and egress. With traffic each has time-outs, retries of reads, a breaker, weights.
With ingress each of two services has a route with a token, CORS and limits.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import yaml

from bench.measure import TIMEOUT_SECONDS, timed
from bench.workspace import PROJECT
from bot.plan.mock.engine import evaluate, run_program
from bot.plan.mock.monitor import RecordingMonitor, Resource
from stack.in_flight import InFlight

SIZES = (0, 125, 500)
SERVICES = 4
LIMIT_MILLISECONDS, LIMIT_MEBIBYTES = 3.0, 500
# Of a bare object of the SDK. The rest is ours: the stack file, its rules, order, components.
LIMIT_TO_BARE = 1.5
_ENOUGH = 1000
_STACK = "staging"
_PREFIX = "linkerd-platform"
_PROGRAM = "import sys; from bench.scale import evaluated; evaluated(sys.argv[1])"
Sections = Callable[[list[str]], dict[str, Any]]


def evaluated(file: str) -> None:
    """Print what the program of a stack file takes, and its objects without anything of ours.

    These are made before and after it, as many as tell enough: what slows the machine slows both.
    """
    made = evaluate(Path(file), Path())
    mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ours = [each for each in made.resources if each.custom and each.type.startswith("kubernetes:")]
    objects = ours[-_ENOUGH:]

    def whole() -> None:
        evaluate(Path(file), Path())

    def bare() -> None:
        run_program(lambda: _bare(objects), RecordingMonitor(preview=True), _STACK)

    before, seconds, after = (timed(run).cpu for run in (bare, whole, bare))
    found = {
        "seconds": seconds,
        "mebibytes": mebibytes,
        "resources": len(made.resources),
        "bare": (before + after) / 2 / len(objects),
    }
    print(json.dumps(found))


async def _bare(objects: Sequence[Resource]) -> None:
    """The objects as any program of the SDK makes them, without an order, under a provider."""
    provider = pulumi.ProviderResource("kubernetes", "bare", {})
    in_flight = InFlight(600)
    for each in objects:
        opts = pulumi.ResourceOptions(provider=provider)
        await in_flight.after([pulumi.CustomResource(each.type, each.name, {**each.inputs}, opts)])


def measure(folder: Path, rounds: int) -> None:
    """Measure and print the tables; the sizes take turns. folder: an empty one, for stack files."""
    kinds = {"policies": _policies, "traffic": _traffic, "ingress": _ingress}
    for what, sections in kinds.items():
        _measure(folder / what, rounds, what, sections)


def _measure(folder: Path, rounds: int, what: str, sections: Sections) -> None:
    files = {size: _stack_file(folder, size, sections) for size in SIZES}
    runs: dict[int, list[dict[str, float]]] = {size: [] for size in SIZES}
    for _ in range(rounds):
        for size, file in files.items():
            runs[size].append(_evaluate(file))
    median = {
        size: {key: statistics.median(run[key] for run in made) for key in made[0]}
        for size, made in runs.items()
    }
    print(
        f"\nmany namespaces with {SERVICES} services each and their {what}, median of {rounds}; "
        f"CPU time: at most {LIMIT_MILLISECONDS:g} ms per resource, x {LIMIT_TO_BARE:g} of what "
        f"the SDK takes for a bare object, and {LIMIT_MEBIBYTES} MB in all"
    )
    for size, each in median.items():
        print(line(size, median[0], each), flush=True)


def line(namespaces: int, floor: Mapping[str, float], each: Mapping[str, float]) -> str:
    """A row: what counts is what namespaces add to the floor, which is the stack without them."""
    added, seconds = each["resources"] - floor["resources"], each["seconds"] - floor["seconds"]
    per = seconds / added if added else 0.0
    services = namespaces * SERVICES
    over = [
        *(["too slow"] if 1000 * per > LIMIT_MILLISECONDS else []),
        *(["too much of it is ours"] if per > LIMIT_TO_BARE * each["bare"] else []),
        *(["too large"] if each["mebibytes"] > LIMIT_MEBIBYTES else []),
    ]
    return (
        f"  {namespaces:4} namespaces {services:5} services {each['resources']:6.0f} resources "
        f"{each['seconds']:7.2f} s  {1000 * per:5.2f} ms each, bare {1000 * each['bare']:5.2f}, "
        f"x {per / each['bare']:4.2f}  {1000 * seconds / (services or 1):5.1f} ms a service  "
        f"{each['mebibytes']:5.0f} MB  {', '.join(over)}"
    ).rstrip()


def _evaluate(file: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(file)],
        cwd=PROJECT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{file.name}: {done.stdout[-800:]}{done.stderr[-800:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _stack_file(folder: Path, namespaces: int, sections: Sections) -> Path:
    """The staging stack with so many namespaces on top."""
    stack = yaml.safe_load((PROJECT / f"Pulumi.{_STACK}.yaml").read_text(encoding="utf-8"))
    names = [f"team-{at:03}" for at in range(namespaces)]
    if names:
        stack["config"] |= {f"{_PREFIX}:{key}": value for key, value in sections(names).items()}
    file = folder / f"namespaces-{namespaces}" / f"Pulumi.{_STACK}.yaml"
    file.parent.mkdir(parents=True)
    # JSON is YAML without aliases, which a stack file must not have.
    file.write_text(json.dumps(stack, indent=1), encoding="utf-8")
    return file


def _policies(names: list[str]) -> dict[str, Any]:
    waves = [{"name": "all", "state": "on", "namespaces": names}]
    services = [_service(f"service-{at}") for at in range(SERVICES)]
    host = {"host": "api.example.com"}
    return {
        "rollout": {"waves": waves},
        "policy": {
            "namespaces": {
                name: {"defaultInboundPolicy": "deny", "services": services} for name in names
            },
            "prometheus": {"networks": [{"cidr": "10.0.0.0/8"}]},
        },
        "egress": {"namespaces": {name: {"mode": "deny", "hosts": [host]} for name in names}},
        "workloads": {"namespaces": {name: {"accessLog": "json"} for name in names}},
    }


def _traffic(names: list[str]) -> dict[str, Any]:
    waves = [{"name": "all", "state": "on", "namespaces": names}]
    services = {
        f"{name}/service-{at}": _requests(f"service-{at}")
        for name in names
        for at in range(SERVICES)
    }
    return {"rollout": {"waves": waves}, "traffic": {"services": services}}


def _ingress(names: list[str]) -> dict[str, Any]:
    """A gateway with two routes to each namespace."""
    waves = [{"name": "all", "state": "on", "namespaces": names}]
    policies = {"defaultInboundPolicy": "deny", "services": [_service("service-0")]}
    routes = [
        {
            "name": f"{name}-{at}",
            "host": "shop.example.com",
            "path": f"/{name}/{at}",
            "service": f"{name}/service-0",
            "port": 8080,
            "require": {"scopes": ["cart.write"]},
            "cors": {"origins": ["https://app.example.com"]},
            "limits": [{"requests": 600}],
        }
        for name in names
        for at in range(2)
    ]
    identity = {
        "issuer": "https://idp.example.com/",
        "audiences": ["shop"],
        "jwks": "https://idp.example.com/jwks",
    }
    return {
        "gatewayApi": {"version": "1.5.1"},
        "rollout": {"waves": waves},
        "policy": {"namespaces": dict.fromkeys(names, policies)},
        "ingress": {
            "enabled": True,
            "identity": identity,
            "issuers": {"own": {"ca": True}},
            "listeners": [{"name": "shop", "host": "shop.example.com", "issuer": "own"}],
            "routes": routes,
        },
    }


def _requests(name: str) -> dict[str, Any]:
    return {
        "port": 8080,
        "timeouts": {"request": "5s"},
        "retries": {"on": ["gateway-error"], "timeout": "1s", "bodies": False},
        "breaker": {},
        "routes": [{"name": "all", "to": {name: 95, "canary": 5}}],
    }


def _service(name: str) -> dict[str, Any]:
    port = {
        "port": 8080,
        "allow": [{"serviceAccounts": ["client"]}],
        "probes": ["/healthz"],
        "metrics": "/metrics",
    }
    return {"name": name, "selector": {"app": name}, "ports": [port]}
