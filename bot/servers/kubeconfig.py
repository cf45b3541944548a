"""The API server that a kubeconfig names, reached as kubectl reaches it.

Files are merged, a relative path is relative to its file, and a user may be a program:
https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import yaml

from bot.engine.target import write_private
from bot.servers.credential_program import ask
from bot.servers.rest import Client, MissingError, ReadError, proxy_for

_DEFAULT = "~/.kube/config"
# Keys that are paths, of a cluster and of a user.
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
# What the program is told of the cluster beyond its address.
_EXEC_CONFIG = "client.authentication.k8s.io/exec"


@dataclass(frozen=True)
class Selected:
    """One context of the merged files, its paths made absolute. file: the one that has it."""

    context: str
    cluster: Mapping[str, Any]
    user: Mapping[str, Any]
    file: Path


def files(named: str | None, environment: Mapping[str, str], folder: Path) -> list[Path]:
    """The files in the order of kubectl: the one named, those of `KUBECONFIG`, the usual one.

    folder: what a relative path is relative to.
    """
    listed = [named] if named else environment.get("KUBECONFIG", "").split(os.pathsep)
    paths = [each for each in listed if each] or [_DEFAULT]
    return [(folder / Path(each).expanduser()).resolve() for each in paths]


def select(paths: Sequence[Path], context: str | None) -> Selected:
    """The context, or the current one. What stands in an earlier file holds.

    Raises MissingError where there is none of the files or no such context, and ReadError.
    """
    there = [path for path in paths if path.is_file()]
    if not there:
        wanted = f" with context {context!r}" if context else ""
        raise MissingError(
            f"{', '.join(map(str, paths))}: No such file or directory: set KUBECONFIG to a "
            f"kubeconfig{wanted}"
        )
    merged: dict[str, dict[str, tuple[Path, dict[str, Any]]]] = {}
    current = ""
    for path in there:
        document = _document(path)
        current = current or str(document.get("current-context") or "")
        for kind in ("context", "cluster", "user"):
            known = merged.setdefault(kind, {})
            for name, entry in _named(path, document, kind):
                known.setdefault(name, (path, entry))
    wanted = context or current
    shown = ", ".join(map(str, there))
    if wanted not in merged["context"]:
        names = ", ".join(sorted(merged["context"])) or "none"
        raise MissingError(f"{shown}: no context {wanted!r}; there are: {names}")
    file, chosen = merged["context"][wanted]
    cluster = merged["cluster"].get(str(chosen.get("cluster")))
    if cluster is None:
        raise ReadError(f"{file}: context {wanted}: no cluster {chosen.get('cluster')!r}")
    _, user = merged["user"].get(str(chosen.get("user")), (file, {}))
    return Selected(wanted, cluster[1], user, file)


def authority_of(chosen: Selected) -> str | None:
    """The cluster's own authority as PEM; None where it is one that everybody trusts."""
    pem = _content(chosen.cluster, "certificate-authority", chosen)
    return pem.decode() if pem else None


@contextmanager
def reached(
    named: str | None, context: str | None, environment: Mapping[str, str], folder: Path
) -> Iterator[Client]:
    """A client of the API server that a stack file means, by `files`, `select` and `client`."""
    with client(select(files(named, environment, folder), context), environment) as found:
        yield found


@contextmanager
def client(chosen: Selected, environment: Mapping[str, str]) -> Iterator[Client]:
    """A client of the context's API server; what is secret lies in a private folder meanwhile.

    Raises ReadError, and MissingError where the program that is the user is not installed.
    """
    server = str(chosen.cluster.get("server") or "")
    where = f"{chosen.file}: context {chosen.context}"
    if urlsplit(server).scheme != "https":
        raise ReadError(f"{where}: its server {server!r} is no https address")
    if chosen.cluster.get("insecure-skip-tls-verify"):
        raise ReadError(
            f"{where}: insecure-skip-tls-verify would take anybody's word for the mesh's: give "
            "its certificate-authority"
        )
    user = chosen.user
    if "exec" in user:
        user = ask(user["exec"], _info(chosen), chosen.file, environment)
    with TemporaryDirectory(prefix="linkerd-platform-") as scratch:
        folder = Path(scratch)
        pair = [
            _kept(folder / key, _content(user, key, chosen))
            for key in ("client-certificate", "client-key")
        ]
        certificate, key = pair
        headers = _headers(user, chosen)
        if not (certificate and key) and not headers:
            raise ReadError(f"{where}: needs a client certificate, a token or a program there")
        yield Client(
            server.rstrip("/"),
            _kept(folder / "ca.pem", _content(chosen.cluster, "certificate-authority", chosen))
            or _usual(where),
            (certificate, key) if certificate and key else None,
            headers,
            server_name=chosen.cluster.get("tls-server-name"),
            proxy=_proxy(chosen.cluster.get("proxy-url"), server, environment),
        )


def _document(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ReadError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ReadError(f"{path}: is no YAML") from None
    if not isinstance(document, dict):
        raise ReadError(f"{path}: is no kubeconfig")
    return document


def _named(
    path: Path, document: Mapping[str, Any], kind: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        for each in document.get(f"{kind}s") or ():
            entry = dict(each[kind] or {})
            for key in _FILES:
                if entry.get(key):
                    entry[key] = str(path.parent / entry[key])
            yield str(each["name"]), entry
    except (KeyError, TypeError, ValueError):
        raise ReadError(f"{path}: {kind}s: each needs a name and a {kind}") from None


def _content(part: Mapping[str, Any], key: str, chosen: Selected) -> bytes | None:
    """What stands in the file itself holds, as for kubectl."""
    try:
        if part.get(f"{key}-data"):
            return base64.b64decode(part[f"{key}-data"], validate=True)
        return Path(part[key]).read_bytes() if part.get(key) else None
    except OSError as error:
        raise ReadError(f"{chosen.file}: {key}: {error.filename}: {error.strerror}") from None
    except (ValueError, TypeError):
        raise ReadError(f"{chosen.file}: {key}-data: is no base64") from None


def _kept(file: Path, content: bytes | None) -> Path | None:
    if content is None:
        return None
    write_private(file, content.decode())
    return file


def _headers(user: Mapping[str, Any], chosen: Selected) -> dict[str, str]:
    # A file is read anew by kubectl; its token may have been changed since.
    token = (_content(user, "tokenFile", chosen) or b"").decode().strip() or user.get("token")
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def _info(chosen: Selected) -> dict[str, Any]:
    """The cluster as its credential program gets it: the authority's content, not its path."""
    kept = ("server", "tls-server-name", "proxy-url")
    info = {key: chosen.cluster[key] for key in kept if chosen.cluster.get(key)}
    authority = _content(chosen.cluster, "certificate-authority", chosen)
    if authority:
        info["certificate-authority-data"] = base64.b64encode(authority).decode()
    for each in chosen.cluster.get("extensions") or ():
        if each.get("name") == _EXEC_CONFIG:
            info["config"] = each.get("extension")
    return info


def _usual(where: str) -> Path:
    usual = Path(ssl.get_default_verify_paths().cafile or "")
    if not usual.is_file():
        raise MissingError(
            f"{where}: has no certificate-authority, and this machine has no CA certificates"
        )
    return usual


def _proxy(named: object, server: str, environment: Mapping[str, str]) -> str | None:
    if named:
        if urlsplit(str(named)).scheme not in ("http", "https"):
            raise ReadError(f"proxy-url {named}: only http and https proxies can be used")
        return str(named)
    return proxy_for(server, environment)
