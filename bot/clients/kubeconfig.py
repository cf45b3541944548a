"""The API server that a kubeconfig names, reached as kubectl reaches it.

Files are merged, a relative path is relative to its file, and a user may be a program:
https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import base64
import os
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, urlsplit

from bot.clients import proxies
from bot.clients.credential_program import ask
from bot.clients.https import Client, MissingError, ReadError, trusts_anybody
from bot.text.output import write_private
from schema import safe_yaml
from schema.input_file import MOST_TEXT, read_bytes, read_text
from schema.values import printable, shown

_LONGEST = 500  # characters of a list of names
_DEFAULT = "~/.kube/config"
# Keys that are paths, of a cluster and of a user.
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_EXEC_CONFIG = "client.authentication.k8s.io/exec"
# https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
# The name of the context in a pod that has no kubeconfig.
POD = "in-cluster"
IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# With one of these a user's program is not run.
_STATIC = (
    *("token", "tokenFile", "username", "password"),
    *("client-certificate", "client-certificate-data"),
)
_IMPERSONATION = ("as-uid", "as-groups", "as-user-extra")
# What may stand in a header's name (RFC 9110, tokens); client-go encodes the rest, `%` too.
_PLAIN = "!#$&'*+-.^_`|~"


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
    # Of `os`, which has a path for a user who is not there. A link stays one: paths in a file are
    # relative to where it was found.
    expanded = (os.path.expanduser(each) for each in paths)  # noqa: PTH111
    return [Path(os.path.normpath(folder / each)) for each in expanded]


def select(paths: Sequence[Path], context: str | None) -> Selected:
    """The context, or the current one. What stands in an earlier file holds.

    Raises MissingError where there is none of the files or no such context, and ReadError.
    """
    there = [path for path in paths if os.path.lexists(path)]
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
    listed = ", ".join(map(str, there))
    if wanted not in merged["context"]:
        names = ", ".join(map(printable, sorted(merged["context"]))) or "none"
        which = f"context {shown(wanted)}" if wanted else "current-context, and none is named"
        raise MissingError(f"{listed}: no {which}; there are: {names[:_LONGEST]}")
    file, chosen = merged["context"][wanted]
    cluster = merged["cluster"].get(str(chosen.get("cluster")))
    if cluster is None:
        raise ReadError(
            f"{file}: context {printable(wanted)}: no cluster {shown(chosen.get('cluster'))}"
        )
    user = merged["user"].get(str(chosen.get("user")))
    if user is None:
        raise ReadError(f"{file}: context {printable(wanted)}: no user {shown(chosen.get('user'))}")
    return Selected(wanted, cluster[1], user[1], file)


def find(
    named: str | None, context: str | None, environment: Mapping[str, str], folder: Path
) -> Selected:
    """The context that a stack file means, by `files` and `select`; in a pod without any file of
    its own, the pod's service account. Raises what `select` raises.
    """
    paths = files(named, environment, folder)
    host, port = (environment.get(f"KUBERNETES_SERVICE_{key}") for key in ("HOST", "PORT"))
    token = IN_CLUSTER / "token"
    if named or context or any(map(os.path.lexists, paths)) or not host or not port:
        return select(paths, context)
    if not token.is_file():
        return select(paths, context)
    server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    authority = {"certificate-authority": str(IN_CLUSTER / "ca.crt")}
    return Selected(POD, {"server": server, **authority}, {"tokenFile": str(token)}, token)


def authority_of(chosen: Selected) -> str | None:
    """The cluster's own authority as PEM; None where it is one that everybody trusts."""
    pem = _content(chosen.cluster, "certificate-authority", chosen)
    return _pem(pem, "certificate-authority", chosen) if pem else None


@contextmanager
def reached(
    named: str | None, context: str | None, environment: Mapping[str, str], folder: Path
) -> Iterator[Client]:
    """A client of the API server that a stack file means, by `find` and `client`."""
    with client(find(named, context, environment, folder), environment) as found:
        yield found


@contextmanager
def client(chosen: Selected, environment: Mapping[str, str]) -> Iterator[Client]:
    """A client of the context's API server; what is secret lies in a private folder meanwhile.

    Raises ReadError, and MissingError where the program that is the user is not installed.
    """
    server = str(chosen.cluster.get("server") or "")
    where = f"{chosen.file}: context {printable(chosen.context)}"
    if _scheme(server) != "https":
        raise ReadError(f"{where}: its server {shown(server)} is no https address")
    if chosen.cluster.get("insecure-skip-tls-verify"):
        raise ReadError(
            f"{where}: insecure-skip-tls-verify would take anybody's word for the mesh's: give "
            "its certificate-authority"
        )
    _refuse_contradictions(chosen, where)
    user = chosen.user
    if user.get("exec") is not None and not any(user.get(key) for key in _STATIC):
        user = ask(user["exec"], _info(chosen), chosen.file, environment)
    with TemporaryDirectory(prefix="linkerd-platform-") as scratch:
        folder = Path(scratch)
        certificate, key = (
            _kept(folder, user, key, chosen) for key in ("client-certificate", "client-key")
        )
        authority = _kept(folder, chosen.cluster, "certificate-authority", chosen)
        _refuse_unusable(authority, (certificate, key), where)
        headers = _headers(user, chosen)
        if not (certificate and key) and not headers:
            raise ReadError(f"{where}: needs a client certificate, a token or a program there")
        if authority is None and not trusts_anybody():
            raise MissingError(
                f"{where}: has no certificate-authority, and this machine has no CA certificates"
            )
        yield Client(
            server.rstrip("/"),
            authority,
            (certificate, key) if certificate and key else None,
            {**headers, **_impersonation(chosen.user, where)},
            server_name=_text(chosen.cluster, "tls-server-name", where),
            proxy=_proxy(chosen.cluster.get("proxy-url"), server, environment),
        )


def _document(path: Path) -> dict[str, Any]:
    try:
        document = safe_yaml.load(read_text(path)) or {}
    except OSError as error:
        raise ReadError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ReadError(f"{path}: is no YAML: it is not UTF-8") from None
    except safe_yaml.YamlError as error:
        raise ReadError(f"{path}: is no YAML: {error}") from None
    if not isinstance(document, dict):
        raise ReadError(f"{path}: is no kubeconfig")
    for key, known in (("kind", "Config"), ("apiVersion", "v1")):
        if (found := document.get(key)) not in (None, "", known):
            raise ReadError(f"{path}: is no kubeconfig: {key} is {shown(found)}, not {known}")
    return document


def _named(
    path: Path, document: Mapping[str, Any], kind: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        listed = [(each["name"], dict(each[kind] or {})) for each in document.get(f"{kind}s") or ()]
        for _, entry in listed:
            for key in _FILES:
                if entry.get(key):
                    entry[key] = str(path.parent / entry[key])
    except (KeyError, TypeError, ValueError):
        raise ReadError(f"{path}: {kind}s: each needs a name and a {kind}") from None
    names = [name for name, _ in listed]
    for name in names:
        if not isinstance(name, str):
            raise ReadError(f"{path}: {kind}s: name {shown(name)} is no text: put it in quotes")
        if names.count(name) > 1:
            raise ReadError(f"{path}: {kind}s: {shown(name)} is there twice: remove one of them")
    yield from listed


def _content(part: Mapping[str, Any], key: str, chosen: Selected) -> bytes | None:
    """What stands in the file itself holds, as for kubectl."""
    try:
        if part.get(f"{key}-data"):
            # Of lines, as `base64` writes them.
            return base64.b64decode(re.sub(r"[\r\n]", "", part[f"{key}-data"]), validate=True)
        return read_bytes(Path(part[key]), MOST_TEXT) if part.get(key) else None
    except OSError as error:
        raise ReadError(
            f"{chosen.file}: {key}: {printable(part[key], 300)}: {error.strerror}"
        ) from None
    except (ValueError, TypeError):
        raise ReadError(f"{chosen.file}: {key}-data: is no base64") from None


def _kept(folder: Path, part: Mapping[str, Any], key: str, chosen: Selected) -> Path | None:
    content = _content(part, key, chosen)
    if content is None:
        return None
    write_private(folder / key, _pem(content, key, chosen))
    return folder / key


def _pem(content: bytes, key: str, chosen: Selected) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ReadError(
            f"{chosen.file}: {key}: is binary, no PEM: convert it (`openssl x509 -inform der`)"
        ) from None


def _refuse_unusable(
    authority: Path | None, pair: tuple[Path | None, Path | None], where: str
) -> None:
    """Raise ReadError for certificates that no request could be made with, which would hide why."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if authority and _is_pem(authority):
            context.load_verify_locations(str(authority))
    except OSError:
        raise ReadError(f"{where}: certificate-authority: holds no certificate") from None
    certificate, key = pair
    try:
        if certificate and key and _is_pem(certificate):
            # Without a password OpenSSL would ask the terminal for one.
            context.load_cert_chain(str(certificate), str(key), password="")
    except (OSError, ValueError):
        raise ReadError(
            f"{where}: client-certificate and client-key: are no certificate and its own key, or "
            "the key has a password: write it without"
        ) from None


def _is_pem(file: Path) -> bool:
    return "-----BEGIN " in file.read_text(encoding="utf-8")


def _refuse_contradictions(chosen: Selected, where: str) -> None:
    """Raise ReadError for what kubectl refuses: two answers to one question, or half of one."""
    user = chosen.user
    pairs = (("certificate-authority", chosen.cluster), ("client-certificate", user))
    for name, part in (*pairs, ("client-key", user)):
        if part.get(name) and part.get(f"{name}-data"):
            raise ReadError(f"{where}: {name} and {name}-data: take one of them away")
    certificate, key = (
        user.get(each) or user.get(f"{each}-data") for each in ("client-certificate", "client-key")
    )
    if certificate and not key:
        raise ReadError(f"{where}: client-certificate: needs client-key, or client-key-data")
    if user.get("token") and (user.get("username") or user.get("password")):
        raise ReadError(f"{where}: token and username: only one of them can be used")
    if user.get("auth-provider") is not None:
        raise ReadError(
            f"{where}: auth-provider: cannot be used, as in kubectl since 1.26: give a program "
            "(exec:), such as kubelogin or gke-gcloud-auth-plugin"
        )
    alone = [key for key in _IMPERSONATION if user.get(key)]
    if alone and not user.get("as"):
        raise ReadError(f"{where}: {alone[0]}: needs as: the user whose they are")


def _headers(user: Mapping[str, Any], chosen: Selected) -> dict[str, str]:
    token = _token(user, chosen)
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def _token(user: Mapping[str, Any], chosen: Selected) -> str:
    """The token of its file, which may be newer; else, for want of the file, the one beside it."""
    token: Any = user.get("token")
    try:
        read = (_content(user, "tokenFile", chosen) or b"").decode("ascii", "replace").strip()
    except ReadError:
        if not token:
            raise
        read = ""
    found: Any = read or token or ""
    if not isinstance(found, str) or not (found.isascii() and found.isprintable()):
        # Of what it holds nothing is shown.
        key = "tokenFile" if read else "token"
        raise ReadError(f"{chosen.file}: {key}: holds no token: it must be text on one line")
    return found


def _impersonation(user: Mapping[str, Any], where: str) -> dict[str, str | tuple[str, ...]]:
    """As client-go sends it (transport/round_trippers.go); never dropped: it takes rights away."""
    if not user.get("as"):
        return {}
    extra = user.get("as-user-extra") or {}
    if not isinstance(extra, dict):
        raise ReadError(f"{where}: as-user-extra: is no mapping of keys to lists of text")
    made: dict[str, str | tuple[str, ...]] = {
        "Impersonate-User": _header(user["as"], "as", where),
        "Impersonate-Group": _header_list(user.get("as-groups"), "as-groups", where),
    }
    if user.get("as-uid"):
        made["Impersonate-Uid"] = _header(user["as-uid"], "as-uid", where)
    for key, values in extra.items():
        name = quote(str(key), safe=_PLAIN)
        made[f"Impersonate-Extra-{name}"] = _header_list(values, "as-user-extra", where)
    return made


def _header_list(values: object, key: str, where: str) -> tuple[str, ...]:
    if values is not None and not isinstance(values, list):
        raise ReadError(f"{where}: {key}: is no list")
    return tuple(_header(each, key, where) for each in values or ())


def _header(value: object, key: str, where: str) -> str:
    if not isinstance(value, str) or not (value.isprintable() and value):
        raise ReadError(f"{where}: {key}: must be text on one line")
    try:
        # Bytes as they are, as Go sends them.
        return value.encode().decode("latin-1")
    except UnicodeEncodeError:
        raise ReadError(f"{where}: {key}: is no text") from None


def _info(chosen: Selected) -> dict[str, Any]:
    """The cluster as its credential program gets it: the authority's content, not its path."""
    kept = ("server", "tls-server-name", "proxy-url")
    info = {key: chosen.cluster[key] for key in kept if chosen.cluster.get(key)}
    authority = _content(chosen.cluster, "certificate-authority", chosen)
    if authority:
        info["certificate-authority-data"] = base64.b64encode(authority).decode()
    listed = chosen.cluster.get("extensions")
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and each.get("name") == _EXEC_CONFIG:
            info["config"] = each.get("extension")
    return info


def _text(part: Mapping[str, Any], key: str, where: str) -> str | None:
    value = part.get(key)
    if not value:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", value):
        raise ReadError(f"{where}: {key}: {shown(value)} is no name of a host")
    return value


def _scheme(address: str) -> str:
    """The scheme of an address; empty for one that is none."""
    try:
        parts = urlsplit(address)
        usable = parts.hostname and parts.port != 0
    except ValueError:
        return ""
    return parts.scheme if usable else ""


def _proxy(named: object, server: str, environment: Mapping[str, str]) -> str | None:
    if named:
        proxy = str(named)
        if proxies.kind(proxy) not in ("http", "https", "socks5"):
            raise ReadError(
                f"proxy-url {printable(proxies.shown(proxy))}: only http, https and socks5 proxies "
                "can be used"
            )
        return proxy
    return proxies.proxy_for(server, environment)
