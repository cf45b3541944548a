"""docs/status.md, from the checks and upstream's own: `python -m bot.mesh.status.page`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from bot.mesh.status.judge import checks
from bot.mesh.status.upstream_check import Upstream
from bot.mesh.status.upstream_extensions import CHECKS

FILE = Path(__file__).resolve().parents[3] / "docs" / "status.md"
_HINTS = "https://linkerd.io/2/checks/"
_HEAD = """# Mesh health

One command, on one screen: what is wrong, and what to do next. It reads, and changes nothing.

```sh
python -m bot status --stack staging || true
python -m bot status --stack staging --verbose || true
python -m bot status --stack staging --json --no-linkerd-check || true
python -m bot status --stack staging --drift || true
python -m bot status --all || true
```

```text
stack staging, cluster staging: not healthy
kubernetes      ok       5 of 5 hold; the API server is v1.35.4
control-plane   FAIL     14 of 16 hold; namespace linkerd
  FAIL     deployments: no replica available: linkerd-destination
           next: docs/runbooks/alerts/control-plane.md
  FAIL     replicas: fewer than 2 replicas available: linkerd-destination
           next: docs/runbooks/alerts/control-plane.md
certificates    ok       18 of 18 hold; anchor-2026, which signs
```

`--all` looks at every stack of `fleet.yaml`, `--parallel` of them at a time, and has a line for
each: how it is, and the first thing to do. `--json` is a list of the documents that `--stack`
makes; `--verbose` adds each report. A stack whose file has a fault, or whose servers do not answer,
is `undetermined` with the reason, and hides no other.

```text
stack       cluster     outcome      failed  unknown  first
trust       -           healthy      0       0
staging     staging     healthy      0       0        alerts/rules: 2 alerts have no rule there
production  production  not healthy  2       0        control-plane/deployments: no replica
3 stacks: 1 not healthy, 0 undetermined, 2 healthy; 4.1 s
```

| exit code | meaning |
|---|---|
| 0 | healthy: nothing failed, and everything that was asked told; there may be warnings |
| 1 | undetermined: nothing failed, and something that was asked did not tell |
| 2 | a fault in the stack file or the arguments |
| 4 | not healthy: a check failed, whatever else did not tell |

Of several stacks it is 4 as soon as one is not healthy, else 1 as soon as one is undetermined.

| state | meaning |
|---|---|
| `ok` | it holds |
| `warn` | somebody should look at it by day; the mesh is healthy all the same |
| `FAIL` | the mesh is not healthy; `next` is the command or the page to go on with |
| `unknown` | the source did not tell, with its answer; never taken for healthy |
| `-` | not looked at: nobody asked, or the stack file says that it cannot hold |

## Sources

All are asked at once, each with a time-out: 10 seconds for a request to the API server, 5 for Vault
and Prometheus, 30 for all of `linkerd check`. A dead API server costs 5 seconds.

| source | what is asked of it | without it |
|---|---|---|
| API server | lists of what the mesh is made of, with the context of the stack file | `unknown` |
| Secrets | certificates of the issuer and of webhooks; that the key fits | `unknown` |
| the agent's Secret | that both credentials are there and not empty | `unknown` |
| `pods/proxy` in `linkerd` | which issuer each identity process signs with | `unknown` |
| Vault | whether it is unsealed | `unknown` |
| Vault, with `VAULT_TOKEN` | the anchors that it publishes | `unknown`; without token `-` |
| `viz.prometheusUrl`, `--prometheus` | alerts that fire, and whether it has our rules | `unknown` |
| `linkerd check` | its report, where the CLI is on PATH | not looked at |
| the engine | drift, with `--drift`: as long as a preview | not looked at |

An account with `list` on what is named below, `get` on these Secrets and ConfigMaps, and
`pods/proxy` in `linkerd` is enough. No key and no credential is kept or printed. Without any
Prometheus named, alerts are not looked at.

### Prometheus with a login

Thanos, Mimir and what providers sell want one mostly. It is read from variables by every command
that asks Prometheus, sent over https alone (or to this machine), and never printed:

| variable | what it is |
|---|---|
| `PROMETHEUS_TOKEN`, or `PROMETHEUS_TOKEN_FILE` | a bearer token, or the file that has it |
| `PROMETHEUS_USERNAME`, `PROMETHEUS_PASSWORD` | name and password; each may have `_FILE` instead |
| `PROMETHEUS_TENANT` | the tenant of Mimir or Thanos: `X-Scope-OrgID` |

Where it holds several clusters, `observability.alerts.clusterLabel` says which series are of this
one.

Where no pod runs (`sandbox.openWebhooks`), checks that need one are not looked at, and say so.

What the vendor of Buoyant Cloud knows of a cluster has no public API: see the
[runbook](runbooks/buoyant-cloud.md).

## Checks

| check | what it is about | `linkerd check` has it |
|---|---|---|
"""
_SIDES = """
## Side by side with `linkerd check`

Every check that `linkerd check` of 2.20 makes, with `--pre`, `--crds`, `--proxy` and the extensions
viz and multicluster, by the category of its output. Where the CLI is on PATH its failures are lines
of the report: an error is `FAIL`, a warning `warn`. What it warns about by our design is not looked
at, with the reason. A status runs it without `--pre`, `--crds` and `--proxy`, has it expect the
release that charts.yaml pins, so that it does not ask the vendor for the newest one, and wait for
nothing.
"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(_ours()) + _SIDES + "".join(_theirs())


def _ours() -> Iterator[str]:
    """A row per check of ours, in the order of the report."""
    theirs = {name for each in CHECKS.values() for name in each.ours}
    for check in checks():
        told = (check.judge.__doc__ or "").strip().splitlines()[0].rstrip(".")
        yield f"| `{check.id}` | {told} | {'yes' if check.id in theirs else ''} |\n"


def _theirs() -> Iterator[str]:
    """A table per category."""
    for category, found in groupby(CHECKS.values(), key=lambda each: each.category):
        yield f"\n### {category}\n\n| check | ours | left to it, because |\n|---|---|---|\n"
        yield from _rows(found)


def _rows(found: Iterable[Upstream]) -> Iterator[str]:
    for each in found:
        ours = ", ".join(f"`{name}`" for name in each.ours)
        why = each.left or (f"warns by design: {each.design}" if each.design else "")
        yield f"| [{each.description}]({_HINTS}#{each.anchor}) | {ours} | {why} |\n"


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
