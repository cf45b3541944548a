"""Logins for registries, mirrors and file servers, from where Helm, Docker and curl keep them."""

from __future__ import annotations

import base64
import ipaddress
import json
import netrc
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

Pair = tuple[str, str]  # user and password
# Docker Hub answers under other names than the one that images carry.
_DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")


def authorization(url: str) -> str | None:
    """Return the `Basic ...` header for the host of `url`; None when nobody logged in there.

    Helm's registry login comes first, then Docker's config.json (`auths`), then netrc. Raises
    ValueError for a file that cannot be read as what it is.
    """
    host = _host(url)
    pair = _from_config(host) or from_netrc(url)
    return basic(pair) if pair else None


def basic(pair: Pair) -> str:
    """Return a login as the header Authorization has it."""
    return "Basic " + base64.b64encode(":".join(pair).encode()).decode()


def advice(url: str) -> str:
    """Say in a few words where a login for the host of `url` is looked for."""
    host = _host(url)
    text = f"put one into ~/.netrc, or run `docker login {_image_host(host)}`"
    if any(config.get("credsStore") or config.get("credHelpers") for _, config in _configs()):
        # What a helper keeps is in the keyring, which only the helper reads.
        text += " with its login in config.json (credential helpers are not asked)"
    return text


def split(url: str) -> tuple[str, Pair | None]:
    """Return an address without the login in it, and that login."""
    scheme, mark, rest = url.partition("://")
    end = min((at for at in (rest.find(each) for each in "/?#") if at >= 0), default=len(rest))
    login, at, host = rest[:end].rpartition("@")
    if not mark or not at:
        return url, None
    user, _, password = login.partition(":")
    return f"{scheme}://{host}{rest[end:]}", (unquote(user), unquote(password))


def shown(url: str) -> str:
    """Return an address as it may be printed: a query may be a signature that opens it."""
    plain = split(url)[0]
    return plain.partition("#")[0].partition("?")[0]


def loopback(host: str | None) -> bool:
    """Tell whether `host` is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def private(*urls: str) -> bool:
    """Tell whether nobody on the line reads what is sent to `urls`."""
    return all(
        urlsplit(url).scheme in ("https", "oci") or loopback(urlsplit(url).hostname) for url in urls
    )


def from_netrc(url: str) -> Pair | None:
    """Return the login of the host of `url` in netrc; raises ValueError where it has faults."""
    path = Path(os.environ.get("NETRC") or _home() / ".netrc")
    if not path.is_file():
        return None
    try:
        entries = netrc.netrc(str(path)).hosts
    except (netrc.NetrcParseError, OSError) as error:
        reason = error.msg if isinstance(error, netrc.NetrcParseError) else error.strerror
        raise ValueError(f"{path} cannot be read: {reason}") from None
    # `default` is left out: it would hand a login to whatever host a redirect names.
    login = entries.get(urlsplit(url).hostname or "")
    return (login[0], login[2]) if login and login[2] else None


def kept_by_helm(url: str) -> bool:
    """Tell whether Helm has a login for the host of `url`: its own, Docker's, or a helper's."""
    host = _host(url)
    return any(
        host in _keys(config.get("auths")) or host in _keys(config.get("credHelpers"))
        for _, config in _configs()
    )


def _home() -> Path:
    return Path(os.path.expanduser("~"))  # noqa: PTH111 (raises for a user who is not there)


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _image_host(host: str) -> str:
    return "docker.io" if host in _DOCKER_HUB else host


def _configs() -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield the files in which Helm and Docker keep logins, and what is in each."""
    docker = Path(os.environ.get("DOCKER_CONFIG") or _home() / ".docker")
    for path in (_helm_config(), docker / "config.json"):
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot be read: {error}") from None
        if isinstance(config, dict):
            yield path, config


def _helm_config() -> Path:
    """Return the file of `helm registry login`: https://helm.sh/docs/helm/helm/."""
    if path := os.environ.get("HELM_REGISTRY_CONFIG"):
        return Path(path)
    if home := os.environ.get("HELM_CONFIG_HOME"):
        return Path(home, "registry", "config.json")
    own = ".config" if sys.platform != "darwin" else "Library/Preferences"
    base = os.environ.get("XDG_CONFIG_HOME") or _home() / own
    return Path(base, "helm", "registry", "config.json")


def _keys(entries: Any) -> set[str]:
    """Return the hosts of a part of config.json."""
    if not isinstance(entries, dict):
        return set()
    return {urlsplit(key if "://" in key else f"//{key}").netloc for key in entries}


def _from_config(host: str) -> Pair | None:
    names = _DOCKER_HUB if host in _DOCKER_HUB else (host,)
    for path, config in _configs():
        auths = config.get("auths")
        for key, entry in auths.items() if isinstance(auths, dict) else ():
            if not _keys({key: None}) & {*names} or not isinstance(entry, dict):
                continue
            if entry.get("auth"):
                try:
                    text = base64.b64decode(entry["auth"], validate=True).decode()
                except (ValueError, TypeError):
                    raise ValueError(f"{path}: auths: {key}: auth is no base64") from None
                user, _, password = text.partition(":")
                return user, password
            if entry.get("username"):
                return str(entry["username"]), str(entry.get("password", ""))
    return None
