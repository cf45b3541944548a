"""The stack file of the sandbox as it is used: the tracked one with this machine's addresses.

`Pulumi.sandbox.yaml` names the fixed ports. On other ports, on a context of the user's own, with
other charts or other anchors, the same file with that said in it is used, and the tracked one is
not touched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from bot.clients import kubeconfig
from bot.clients.https import ReadError
from schema import safe_yaml
from schema.input_file import read_text

TRACKED = "Pulumi.sandbox.yaml"
_CLUSTER = "linkerd-platform:cluster"
_VAULT = "linkerd-platform:vault"
_SANDBOX = "linkerd-platform:sandbox"
_TRUST = "linkerd-platform:trust"


class ContextError(ValueError):
    """A kube context, or the Vault to go with it, cannot be used; the text says what to do."""


@dataclass(frozen=True)
class OwnCluster:
    """A cluster of the user's, instead of the embedded one; certificates as PEM.

    own_vault: the Vault is the sandbox's, started for it.
    """

    context: str
    kubeconfig: str
    api_server: str
    ca_pem: str
    vault_addr: str
    vault_ca_pem: str | None
    own_vault: bool = False


def content(project_dir: Path) -> str:
    """The stack file to use now; the tracked text itself when its addresses are right."""
    text = read_text(project_dir / TRACKED)
    document: dict[str, Any] = safe_yaml.load(text)
    config = document["config"]
    charts = charts_in_use(project_dir)
    own = chosen(project_dir)
    if own:
        config[_CLUSTER] = {
            "name": "sandbox",
            "context": own.context,
            "kubeconfig": own.kubeconfig,
            "apiServer": own.api_server,
            "caPem": own.ca_pem,
        }
        config[_VAULT] = {**config[_VAULT], "address": own.vault_addr}
        config[_VAULT].pop("caFile", None)
        if own.vault_ca_pem:
            config[_VAULT]["caPem"] = own.vault_ca_pem
        # Pods run there, so webhooks answer.
        config.pop(_SANDBOX, None)
        if charts:
            config[_SANDBOX] = dict(charts)
        return yaml.safe_dump(document, sort_keys=False)
    ports = _ports(project_dir)
    addresses = {
        section: (key, f"https://127.0.0.1:{ports[server]}")
        for section, key, server in ((_CLUSTER, "apiServer", "kube"), (_VAULT, "address", "vault"))
        if server in ports
    }
    right = all(config[section].get(key) == value for section, (key, value) in addresses.items())
    trust = _said(_anchors(project_dir))
    if right and not charts and not trust:
        return text
    config[_TRUST] = {**config[_TRUST], **trust}
    config[_SANDBOX] = {**config.get(_SANDBOX, {}), **charts}
    for section, (key, value) in addresses.items():
        config[section][key] = value
    return yaml.safe_dump(document, sort_keys=False)


def charts_in_use(project_dir: Path) -> Mapping[str, Any]:
    """What `use_charts` was called with last; empty where those of charts.yaml are used."""
    return _said(_charts(project_dir))


def rotate_anchor(project_dir: Path) -> Iterator[None]:
    """Change the anchor of the embedded cluster from now on, in steps: added, switched, retired.

    Each step is made by asking for the next element; the caller deploys it. A rotation that was
    left at some step is not continued: the next one begins with a generation of its own.
    """
    trust = safe_yaml.load(content(project_dir))["config"][_TRUST]
    generations = trust["generations"]
    name = f"sandbox-{len(generations) + 1}"
    added = [*generations, {**generations[0], "name": name, "retired": False}]
    retired = [{**each, "retired": each["name"] != name} for each in added]
    for said in (
        {"generations": added},
        {"generations": added, "signing": name},
        {"generations": retired, "signing": name},
    ):
        file = _anchors(project_dir)
        file.parent.mkdir(exist_ok=True, mode=0o700)
        file.write_text(json.dumps({"signing": trust["signing"], **said}))
        yield


def use_charts(project_dir: Path, versions: Mapping[str, str], *, linkerd: bool) -> None:
    """Use other charts than those of charts.yaml from now on: `sandbox.charts`, `sandbox.linkerd`.

    versions: of the charts that were made of Go modules. linkerd: False to end before it.
    """
    said: dict[str, Any] = {"charts": dict(versions)} if versions else {}
    if not linkerd:
        said["linkerd"] = False
    file = _charts(project_dir)
    if said:
        file.parent.mkdir(exist_ok=True, mode=0o700)
        file.write_text(json.dumps(said))
    else:
        file.unlink(missing_ok=True)


def chosen(project_dir: Path) -> OwnCluster | None:
    """The cluster that `choose` was called with; None for the embedded one."""
    file = _choice(project_dir)
    return OwnCluster(**json.loads(file.read_text())) if file.exists() else None


def choose(
    project_dir: Path,
    context: str,
    environment: Mapping[str, str],
    vault: tuple[str, str] | None = None,
) -> OwnCluster:
    """Use a context of the user's kubeconfig from now on, until `python -m sandbox down`.

    vault: address and authority of a Vault of the sandbox's own, instead of the one that the
    environment names. Raises ContextError when there is no such context.
    """
    file, server, authority = cluster_of(project_dir, context, environment)
    bundle = environment.get("VAULT_CACERT")
    address, vault_ca = vault or (
        environment["VAULT_ADDR"].rstrip("/"),
        read_text(Path(bundle)) if bundle else None,
    )
    own = OwnCluster(context, file, server, authority, address, vault_ca, vault is not None)
    choice = _choice(project_dir)
    choice.parent.mkdir(exist_ok=True, mode=0o700)
    choice.write_text(json.dumps(asdict(own)))
    return own


def cluster_of(
    project_dir: Path, context: str, environment: Mapping[str, str]
) -> tuple[str, str, str]:
    """Kubeconfig, address and authority of a context; raises ContextError when there is none."""
    try:
        found = kubeconfig.select(kubeconfig.files(None, environment, project_dir), context)
        authority = kubeconfig.authority_of(found)
    except ReadError as error:
        raise ContextError(f"--context {context}: {error}") from None
    if authority is None:
        # Vault reviews the tokens of the cluster by it.
        raise ContextError(f"--context {context}: its cluster has no certificate authority")
    return str(found.file), str(found.cluster["server"]), authority


def _ports(project_dir: Path) -> Mapping[str, int]:
    """The ports of the embedded servers, where they run; see sandbox/lifecycle.py."""
    try:
        return dict(json.loads((project_dir / ".sandbox" / "settings.json").read_text())["ports"])
    except FileNotFoundError:
        return {}


def _said(file: Path) -> Mapping[str, Any]:
    try:
        return dict(json.loads(file.read_text()))
    except FileNotFoundError:
        return {}


def _anchors(project_dir: Path) -> Path:
    return project_dir / ".sandbox" / "trust.json"


def _charts(project_dir: Path) -> Path:
    return project_dir / ".sandbox" / "charts.json"


def _choice(project_dir: Path) -> Path:
    return project_dir / ".sandbox" / "context.json"
