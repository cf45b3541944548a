"""Where a stack works: its cluster and its parts of Vault, so that two stacks can be told apart.

A stack that needs no approval must not reach what one that needs it has: a copy of its file, or one
line in another file, would be a way around every rule of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes

from bot.clients import kubeconfig
from bot.clients.https import ReadError
from bot.clients.target import Target
from bot.exit_codes import BotError, RefusedError
from bot.text import git
from components.cluster import ClusterSection
from components.vault import VaultSection
from schema import safe_yaml
from schema.certificates import certificates_in
from schema.faults import PROJECT

_KINDS = {
    "cluster": "the cluster {0}",
    "authority": "the authority of its cluster",
    "vault": "the Vault {0}",
    "mount": "{1} in the Vault {0}",
}
Place = tuple[str, ...]


def refuse_shared(
    target: Target, others: Sequence[str], environment: Mapping[str, str], *, apart: bool
) -> None:
    """Raise RefusedError where a stack works where one of the others does.

    The files of the others count as they are committed and as they lie here. apart: the stack is
    not of their fleet, so that it shares neither Vault nor authority with them.
    """
    own = _places(_sections(target), target.project_dir, environment, apart=apart)
    for name in others:
        if name == target.stack:
            continue
        for text in _texts(name, target.project_dir):
            sections = _read(text)
            shared = own & _places(sections, target.project_dir, environment, apart=apart)
            if shared:
                kind, *what = sorted(shared)[0]
                raise RefusedError(
                    f"stack {target.stack} would change {_KINDS[kind].format(*what)}, which is "
                    f"stack {name}'s: deploy that one, or correct Pulumi.{target.stack}.yaml"
                    + (", or list the stack in fleet.yaml" if apart else "")
                )


def _texts(stack: str, project_dir: Path) -> Iterator[str]:
    name = f"Pulumi.{stack}.yaml"
    try:
        if (committed := git.content("HEAD", name, project_dir)) is not None:
            yield committed.decode("utf-8", "replace")
    except BotError:
        pass  # Without git there is what lies here alone.
    file = project_dir / name
    if file.is_file():
        yield file.read_text(encoding="utf-8", errors="replace")


def _read(text: str) -> dict[str, Any]:
    """The sections of a stack file, whatever else may be wrong with it."""
    try:
        document = safe_yaml.load(text)
    except ValueError:
        return {}
    config = document.get("config") if isinstance(document, dict) else None
    return {
        str(key).removeprefix(f"{PROJECT}:"): value
        for key, value in (config.items() if isinstance(config, dict) else ())
    }


def _sections(target: Target) -> dict[str, Any]:
    config = target.config.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {key: config[key] for key in ("role", "cluster", "vault") if key in config}


def _places(
    sections: Mapping[str, Any], folder: Path, environment: Mapping[str, str], *, apart: bool
) -> set[Place]:
    cluster, vault = (_mapping(sections.get(key)) for key in ("cluster", "vault"))
    found: set[Place] = set()
    for key in ("apiServer", "server"):
        if isinstance(cluster.get(key), str):
            found.add(("cluster", origin(cluster[key])))
    if cluster and (reached := _reached(cluster, folder, environment)):
        found.add(("cluster", reached))
    if apart:
        found |= {("authority", each) for each in _authorities(cluster, folder)}
    if isinstance(vault.get("address"), str):
        where = origin(vault["address"]) + str(vault.get("namespace") or "")
        if apart:
            found.add(("vault", where))
        mounts = [vault.get("authMount") or f"kubernetes/{cluster.get('name')}"] if cluster else []
        if sections.get("role") in ("owner", "standalone"):
            defaults = {
                field.alias: field.default
                for name, field in VaultSection.model_fields.items()
                if name in ("pki_mount", "kv_mount", "transit_mount")
            }
            mounts += [vault.get(str(key), default) for key, default in defaults.items()]
        found |= {("mount", where, str(mount)) for mount in mounts}
    return found


def _reached(
    cluster: Mapping[str, Any], folder: Path, environment: Mapping[str, str]
) -> str | None:
    named, context = (cluster.get(key) for key in ("kubeconfig", "context"))
    try:
        chosen = kubeconfig.find(
            named and str(named), context and str(context), environment, folder
        )
    except (ReadError, OSError):
        return None
    server = chosen.cluster.get("server")
    return origin(str(server)) if server else None


def _authorities(cluster: Mapping[str, Any], folder: Path) -> Iterator[str]:
    pem = str(cluster.get("caPem") or "")
    if not pem and isinstance(cluster.get("caFile"), str):
        file = folder / cluster["caFile"]
        pem = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    for each in certificates_in(pem.encode()):
        yield each.fingerprint(hashes.SHA256()).hex()


def origin(address: str) -> str:
    """Scheme, host and port of an address, so that two ways to write it are the same."""
    try:
        parts = urlsplit(address.strip())
        host, port = (parts.hostname or "").rstrip(".").lower(), parts.port or 443
    except ValueError:
        return address
    return f"{parts.scheme.lower()}://{f'[{host}]' if ':' in host else host}:{port}"


def same_cluster(cluster: ClusterSection, chosen: kubeconfig.Selected) -> bool:
    """True where a kubeconfig's context leads to the cluster that the stack file means.

    By its address, which is `apiServer`, or `server` where we reach it by another; else by its
    authority.
    """
    known = {origin(each) for each in (cluster.api_server, cluster.server) if each}
    if origin(str(chosen.cluster.get("server") or "")) in known:
        return True
    if cluster.server is not None or chosen.cluster.get("insecure-skip-tls-verify"):
        return False
    theirs = certificates_in((kubeconfig.authority_of(chosen) or "").encode())
    ours = certificates_in((cluster.ca_pem or "").encode())
    return bool({*ours} & {*theirs})


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
