"""Logins for registries and file servers, from where `docker login` and curl keep them."""

from __future__ import annotations

import base64
import json
import netrc
import os
from pathlib import Path
from urllib.parse import urlsplit

# Docker Hub answers under other names than the one that images carry.
_DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")


def authorization(url: str) -> str | None:
    """Return the `Basic ...` header for the host of `url`; None when nobody logged in there.

    Docker's config.json (`auths`) comes before netrc. Raises ValueError for a file that cannot be
    read as what it is.
    """
    host = urlsplit(url).netloc.rpartition("@")[2]
    pair = _from_docker(host) or _from_netrc(host.partition(":")[0])
    if pair is None:
        return None
    return "Basic " + base64.b64encode(":".join(pair).encode()).decode()


def advice(url: str) -> str:
    """Say in a few words where a login for the host of `url` is looked for."""
    host = urlsplit(url).netloc
    text = f"put one into ~/.netrc, or run `docker login {_image_host(host)}`"
    if _docker_config().get("credsStore") or _docker_config().get("credHelpers"):
        # What a helper keeps is in the keyring, which only the helper reads.
        text += " with its login in config.json (credential helpers are not asked)"
    return text


def _image_host(host: str) -> str:
    return "docker.io" if host in _DOCKER_HUB else host


def _docker_config() -> dict[str, object]:
    folder = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    path = Path(folder) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    return config if isinstance(config, dict) else {}


def _from_docker(host: str) -> tuple[str, str] | None:
    auths = _docker_config().get("auths")
    names = _DOCKER_HUB if host in _DOCKER_HUB else (host,)
    for key, entry in auths.items() if isinstance(auths, dict) else ():
        known = urlsplit(key if "://" in key else f"//{key}").netloc
        if known not in names or not isinstance(entry, dict):
            continue
        if entry.get("auth"):
            try:
                user, _, password = (
                    base64.b64decode(entry["auth"], validate=True).decode().partition(":")
                )
            except (ValueError, TypeError):
                raise ValueError(f"Docker's config.json: auths: {key}: auth is no base64") from None
            return user, password
        if entry.get("username"):
            return str(entry["username"]), str(entry.get("password", ""))
    return None


def _from_netrc(host: str) -> tuple[str, str] | None:
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    if not path.is_file():
        return None
    try:
        entries = netrc.netrc(str(path)).hosts
    except (netrc.NetrcParseError, OSError) as error:
        reason = error.msg if isinstance(error, netrc.NetrcParseError) else error.strerror
        raise ValueError(f"{path} cannot be read: {reason}") from None
    # `default` is left out: it would hand a login to whatever host a redirect names.
    login = entries.get(host)
    return (login[0], login[2]) if login and login[2] else None
