"""A stack of 500 namespaces and 2,000 services: time and memory of the program.

With policies each service has a client, probes and metrics, each namespace a wave, a default
policy, defaults and egress. With traffic each has time-outs, retries of reads, a breaker, weights.
With ingress each of two services has a route with a token, CORS and limits.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from bench.measure import TIMEOUT_SECONDS
from bench.workspace import PROJECT

SIZES = (0, 125, 500)
SERVICES = 4
LIMIT_MILLISECONDS, LIMIT_MEBIBYTES = 3.0, 500
_STACK = "staging"
_PREFIX = "linkerd-platform"
Sections = Callable[[list[str]], dict[str, Any]]
# The floor of each run is taken off: what counts is what a namespace adds.
_PROGRAM = """
import json, resource, sys, time
from pathlib import Path
from bot.plan.mock.engine import evaluate
started = time.process_time()
made = evaluate(Path(sys.argv[1]), Path("."))
print(json.dumps({
    "seconds": time.process_time() - started,
    "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "resources": len(made.resources),
}))
"""


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
    floor = median[0]["seconds"]
    print(
        f"\nmany namespaces with {SERVICES} services each and their {what}, median of {rounds}; "
        "CPU time: "
        f"at most {LIMIT_MILLISECONDS:g} ms per resource and {LIMIT_MEBIBYTES} MB in all"
    )
    resources = median[0]["resources"]
    for size, each in median.items():
        added = each["resources"] - resources
        per = 1000 * (each["seconds"] - floor) / added if added else 0.0
        over = [
            *(["too slow"] if per > LIMIT_MILLISECONDS else []),
            *(["too large"] if each["mebibytes"] > LIMIT_MEBIBYTES else []),
        ]
        print(
            f"  {size:4} namespaces {size * SERVICES:5} services "
            f"{each['resources']:6.0f} resources "
            f"{each['seconds']:7.2f} s  {per:5.2f} ms each  {each['mebibytes']:5.0f} MB"
            f"  {', '.join(over)}",
            flush=True,
        )


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
