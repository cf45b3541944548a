"""Writes docs/config.md from the models: `python -m stack.docs`, and `--check` in CI."""

from __future__ import annotations

import argparse
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from annotated_types import Ge, Le
from pydantic import AfterValidator, BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from schema import values, words
from schema.faults import PROJECT
from stack import (
    config_dashboards,
    config_egress,
    config_observability,
    config_policy,
    config_routing,
    config_tracing,
    rules,
    rules_trust,
)
from stack.config import StackConfig
from stack.meant import MAP_KEY, is_map, section_of

FILE = Path(__file__).resolve().parent.parent / "docs" / "config.md"

_TEXTS: dict[object, str] = {
    values.kubernetes_name: "name",
    values.dns_domain: "DNS domain",
    values.https_url: "https address",
    values.http_url: "http address",
    config_routing.relay_url: "http address",
    values.mount_path: "Vault path",
    values.plain_text: "text",
    config_dashboards.datasource_uid: "uid",
    config_dashboards.folder_title: "title",
    config_dashboards.metric_label: "metric label",
    config_egress.host_name: "host",
    config_observability.objective: "per cent",
    config_policy.container_port: "port",
    config_policy.service_account: "service account",
    config_policy.network: "network",
    config_policy.url_path: "path",
    config_policy.identity: "mesh identity",
    config_tracing.share: "per cent",
    config_tracing.host_port: "host and port",
    config_tracing.pinned_image: "image",
    config_tracing.entry_name: "property of an entry",
    config_routing.channel: "channel",
    config_routing.folder: "folder",
    config_routing.label_name: "label",
    config_routing.routing_key: "routing key",
    config_routing.vault_key: "key in Vault",
    words.calendar_date: "date",
    words.label_key: "label key",
    words.label_value: "label value",
    words.project_file: "file in the project",
    words.port_range: "port or range of ports",
    words.quantity: "quantity",
    words.workload: "workload",
}
_INTRO = f"""\
# Stack config

Generated from the models in `stack/config*.py` by `make docs`; change it there.

A stack file `Pulumi.<stack>.yaml` has one key per section below `config:`, each beginning with
`{PROJECT}:`. What is not listed here is an error: it names the file, the line, the key and
the nearest valid one, all faults at once, and nothing is registered (exit code 2).

```yaml
config:
  {PROJECT}:role: cluster
  {PROJECT}:trust:
    signing: anchor-2026
```

Types: a *duration* is a text with units, `48h`, `1h30m`, `90s` or `3650d` (a day is 24 hours), up
to 36500d. A *name* has lower-case letters, digits and `-`, at most 63 characters. A *secret* is
encrypted: `pulumi config set --secret --path {PROJECT}:<section>.<key>`.
"""
_RULES = f"""\
## Rules between keys

- Role `owner` has no cluster; `cluster` and `standalone` need one.
- `trust.signing` is one of `trust.generations` and not retired, at least one is trusted, and none
  is listed twice or called `...-key` or `...-origin`, as the Secrets of keys are.
- A generation in custody `cluster` that is generated needs a cluster to be made in: role
  `standalone`, or `cluster`, which reads what the owner has made.
- What Vault can sign is known here only for a root that this program generates in custody `vault`:
  the PKI mount is tuned to the longest of them. Of an imported one `lifetime` is what you say it
  has, and Vault or cert-manager cut an issuer to what is left of it.
- `trust.issuer.renewBefore` is longer than `leafLifetime` and `clockSkew` together; a leaf lives
  shorter than the issuer, the issuer shorter than each generation.
- A `renewBefore` is at least {rules_trust.MIN_RENEW_BEFORE} and shorter than its `duration`, which
  is at least {rules_trust.MIN_DURATION}; a webhook certificate does not outlive its CA, whose
  `caRenewBefore` is at most half of `caDuration`.
- `vault.tokenTtl` is at most {rules_trust.MAX_TOKEN_TTL} where the auth mount is made here.
- `linkerd.ha` needs {rules.HA_REPLICAS} replicas or more.
- `vault.pkiMount`, `vault.kvMount` and `vault.transitMount` do not lie one in the other, nor in
  what Vault keeps for itself; `buoyantCloud.credentials.vaultPath` does not lie below `anchors/` or
  `anchor-keys/`.
- `caPem` and `caFile` exclude each other, and hold certificates alone; the cluster needs one.
- `gatewayApi.version` is {" to ".join(".".join(map(str, v)) for v in rules.GATEWAY_API_SUPPORTED)}.
- `buoyantCloud.credentials`: `clientId` and `clientSecret` go with source `config`, and only with
  it.
- `policy`: a namespace is in a wave of `rollout`; a client's namespace is meshed, and in
  `allowFrom` where that is used; `allowFrom` needs rung `audit` or `deny`. With `routes` or
  `metrics` a port lists its `probes`. `strictMtls` refuses lower rungs, webhooks, and rules for
  networks alone.
- `rollout.file` stands alone in its section and names a file inside of the project, where links
  lead too; what is at fault in it is told with its own name and line.
- `rollout.waves`: a namespace is in one wave, once; none is of those that are never meshed; one
  wave takes the rest; days do not go backwards; a wave that is not `off` names its namespaces.
- `workloads.namespaces` are in a wave and not opted out; a port is listed once.
- `observability.alerts` that are not `off` need `runbooks`; `disabled` names alerts that there are.
  `issuerLeft`, `webhookLeft` and `leafLeft` are shorter than what is left at a renewal, the
  last together with `leafOverdue`, and `anchorCritical` than `anchorWarning`, which is shorter than
  each trusted anchor's lifetime. Times for which something may last are 1m to 30d; `quorum` is at
  most `linkerd.replicas`.
- `observability.tracing` needs `trust.domain` to be `cluster.domain`. What is for an `existing`
  collector, for mode `tail`, or for a backend of the other kind is refused elsewhere; `tail` needs
  one replica, and `wait` is 15s to 5m. Credentials go over https; an endpoint for gRPC has a port
  and no path, and with `egress.default: deny` it is one of `egress.hosts`.
- `observability.dashboards` need `alerts` that are not `off`, which record what they read;
  `clusterLabel` is none of the metrics' own labels.
- `observability.routing` that is not `off` needs alerts, and a receiver; a `slack` receiver has a
  `channel`, a `splunk-on-call` one a `routingKey`. Routes name receivers that there are, each
  receiver is in one, none lies behind a route that takes all it could, and `critical` has a route
  for every environment. `groupBy` has `cluster` and `alertname`; a `repeatInterval` is at least
  `groupInterval`. Credentials do not lie below `anchors/` or `anchor-keys/`.
- What `sandbox` allows is for role `standalone`, or an API server and a Vault on 127.0.0.1.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_INTRO, *_sections(StackConfig, (), "Sections", None), _RULES])


def _sections(
    model: type[BaseModel], path: tuple[str, ...], title: str, intro: str | None
) -> Iterator[str]:
    rows = ["| key | type | default | |", "|---|---|---|---|"]
    inner: list[tuple[type[BaseModel], tuple[str, ...]]] = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        section = section_of(field.annotation)
        if section:
            inner.append((section, (*path, key, *([MAP_KEY] if is_map(field.annotation) else []))))
        cells = (f"`{key}`", kind(field), _default(field), field.description or "")
        rows.append(
            "| " + " | ".join(" ".join(c.split()).replace("|", "\\|") for c in cells) + " |"
        )
    yield f"## {title}\n"
    if intro:
        yield f"{' '.join(intro.split())}\n"
    yield "\n".join(rows) + "\n"
    for section, inner_path in inner:
        heading = f"`{PROJECT}:{'.'.join(inner_path)}`"
        yield from _sections(section, inner_path, heading, section.__doc__)


def kind(field: FieldInfo) -> str:
    """The type of a key in a reader's words."""
    return _kind(field.annotation, field.metadata)


def _kind(annotation: Any, metadata: list[Any]) -> str:
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    validators = [m.func for m in metadata if isinstance(m, AfterValidator)]
    if validators:
        return _TEXTS[validators[0]]
    if origin is typing.Annotated:
        return _kind(args[0], list(args[1:]))
    if origin in (typing.Union, types.UnionType):
        return _kind(next(a for a in args if a is not type(None)), [])
    if origin is tuple:
        return f"list of {_kind(args[0], [])}"
    if origin is dict:
        return f"map of {_kind(args[1], [])}"
    if origin is typing.Literal:
        return ", ".join(f"`{a}`" for a in args)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    if annotation is int:
        low = next((m.ge for m in metadata if isinstance(m, Ge)), None)
        high = next((m.le for m in metadata if isinstance(m, Le)), None)
        return f"whole number, {low} to {high}"
    return {bool: "`true`, `false`", str: "text", values.Duration: "duration", SecretStr: "secret"}[
        annotation
    ]


def _default(field: FieldInfo) -> str:
    default = field.default
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    if isinstance(default, BaseModel):
        return "below"
    if isinstance(default, bool):
        return f"`{default}`".lower()
    if default in ((), {}):
        return "none"
    return (
        ", ".join(f"`{item}`" for item in default) if isinstance(default, tuple) else f"`{default}`"
    )


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or with `--check` say whether it is current: 0, or 1 when it is stale."""
    parser = argparse.ArgumentParser(prog="python -m stack.docs", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when stale")
    parser.add_argument("--file", type=Path, default=FILE, help="default docs/config.md")
    options = parser.parse_args(arguments)
    current = options.file.read_text(encoding="utf-8") if options.file.is_file() else ""
    if current == page():
        return 0
    if options.check:
        print(f"{options.file.name} is stale: run `make docs`", file=sys.stderr)
        return 1
    options.file.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
