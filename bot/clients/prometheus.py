"""Questions to a Prometheus, by its HTTP API.

Follows https://prometheus.io/docs/prometheus/latest/querying/api/ (instant queries).
"""

from __future__ import annotations

import base64
import ipaddress
import json
import math
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from bot.clients import proxies
from bot.exit_codes import BotError
from components.alerts.groups.selectors import narrowed

SECONDS = 30.0
# Who asks: a token, or a name and a password, each by itself or in a file; and whose metrics.
TOKEN, USERNAME, PASSWORD = "PROMETHEUS_TOKEN", "PROMETHEUS_USERNAME", "PROMETHEUS_PASSWORD"
TENANT = "PROMETHEUS_TENANT"
_MOST_BYTES = 64 * 2**20


class PrometheusError(BotError):
    """A Prometheus does not answer, or refuses; says which and what it said."""


@dataclass(frozen=True)
class Sample:
    """One series of an answer: its labels and its value now; never NaN."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class FiringAlert:
    """An alert that fires now. since: as Prometheus writes a time."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    since: str = ""


@dataclass(frozen=True)
class PrometheusApi:
    """A Prometheus at an address such as `http://prometheus.monitoring:9090`, or with a path.

    seconds: for each question. cluster: the label that tells apart the clusters whose metrics are
    there, and the value of ours; without it all are of ours. environment: where the login is from.
    """

    url: str
    seconds: float = SECONDS
    cluster: tuple[str, str] | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def query(self, expression: str) -> list[Sample]:
        """The series of an instant query, without those that are no number.

        Nothing is NaN here: 0/0 is no traffic, which is no answer. Raises PrometheusError, also
        where nothing at all is of our cluster: an empty answer would pass for a quiet mesh.
        """
        if self.cluster is None:
            return self._query(expression)
        label, value = self.cluster
        found = self._query(narrowed(expression, label, value))
        if not found and not self._query(narrowed("up", label, value)):
            raise PrometheusError(
                f'{self._shown}: has no series with {label}="{value}": give the one that evaluates '
                "the rules, or correct observability.alerts.clusterLabel"
            )
        return found

    def _query(self, expression: str) -> list[Sample]:
        document = self._get("/api/v1/query", {"query": expression})
        try:
            if document["status"] != "success" or document["data"]["resultType"] != "vector":
                raise PrometheusError(f"{self._shown}: {document.get('error') or 'no vector'}")
            samples = [
                Sample(dict(each["metric"]), float(each["value"][1]))
                for each in document["data"]["result"]
            ]
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise PrometheusError(f"{self._shown}: no answer of a Prometheus") from None
        return [each for each in samples if not math.isnan(each.value)]

    def alerts(self) -> list[FiringAlert]:
        """The alerts of its own rules that fire, not those that are pending.

        Raises PrometheusError. Follows `/api/v1/alerts` of the page above.
        """
        return [
            FiringAlert(
                dict(each["labels"]), dict(each["annotations"]), str(each.get("activeAt", ""))
            )
            for each in self._data("/api/v1/alerts", "alerts", ("labels", "annotations"))
            if each.get("state") == "firing"
        ]

    def alert_names(self) -> set[str]:
        """The names of the alerts that it has rules for; raises PrometheusError.

        Follows `/api/v1/rules` of the page above.
        """
        groups = self._data("/api/v1/rules", "groups", ("rules",), {"type": "alert"})
        rules = [rule for group in groups for rule in group["rules"] if isinstance(rule, dict)]
        return {str(rule.get("name", "")) for rule in rules if self._is_ours(rule)}

    def _is_ours(self, rule: Mapping[str, Any]) -> bool:
        """False for a rule of another cluster, which says so in its labels."""
        labels = rule.get("labels")
        own = labels.get("cluster") if isinstance(labels, dict) else None
        return self.cluster is None or own in (None, self.cluster[1])

    def _data(
        self, path: str, key: str, needed: Sequence[str], query: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        document = self._get(path, query or {})
        try:
            found = document["data"][key]
            if all(isinstance(each, dict) and set(needed) <= each.keys() for each in found):
                return list(found)
        except (KeyError, TypeError):
            pass
        raise PrometheusError(f"{self._shown}: no answer of a Prometheus")

    @property
    def _shown(self) -> str:
        return f"Prometheus {self.url}"

    def _get(self, path: str, query: Mapping[str, str]) -> Any:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise PrometheusError(f"{self._shown}: is no http or https address")
        address = f"{self.url.rstrip('/')}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            with self._opener().open(self._asked(address), timeout=self.seconds) as answer:
                return json.loads(answer.read(_MOST_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                raise PrometheusError(f"{self._shown}: {_said(error)}") from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise PrometheusError(f"{self._shown}: {reason or type(error).__name__}") from None

    def _asked(self, address: str) -> urllib.request.Request:
        """The request with its login, which no other server gets when this one sends us on."""
        asked = urllib.request.Request(address)  # noqa: S310  (the scheme is looked at before)
        login = _login(self.environment)
        if login and not _kept_secret(self.url):
            raise PrometheusError(
                f"{self._shown}: a login is sent over https, or to this machine, alone: give an "
                f"https address, or unset {TOKEN} and {USERNAME}"
            )
        if login:
            asked.add_unredirected_header("Authorization", login)
        if tenant := self.environment.get(TENANT):
            asked.add_unredirected_header("X-Scope-OrgID", tenant)
        return asked

    def _opener(self) -> urllib.request.OpenerDirector:
        """By the proxy that Go would take; raises PrometheusError for one of another kind."""
        proxy = proxies.proxy_for(self.url, os.environ)
        if proxy and proxies.kind(proxy) != "http":
            shown = proxies.shown(proxy)
            raise PrometheusError(
                f"{self._shown}: proxy {shown}: only http proxies can be used here: name the host "
                "in NO_PROXY, or forward a port"
            )
        used = {urlsplit(self.url).scheme: proxy} if proxy else {}
        return urllib.request.build_opener(urllib.request.ProxyHandler(used))


def _login(environment: Mapping[str, str]) -> str:
    """What goes into `Authorization`, none without a login; raises PrometheusError."""
    token = _secret(environment, TOKEN)
    username, password = (_secret(environment, name) for name in (USERNAME, PASSWORD))
    if token and (username or password):
        raise PrometheusError(f"give {TOKEN}, or {USERNAME} and {PASSWORD}, and not both")
    if bool(username) != bool(password):
        missing, given = (PASSWORD, USERNAME) if username else (USERNAME, PASSWORD)
        raise PrometheusError(f"{given} is set and {missing} is not: set both, or {TOKEN} alone")
    if token:
        return f"Bearer {token}"
    if username:
        return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
    return ""


def _secret(environment: Mapping[str, str], name: str) -> str:
    """A variable, or the file that `<name>_FILE` names; raises PrometheusError."""
    file = environment.get(f"{name}_FILE")
    if not file:
        value = environment.get(name, "")
    elif environment.get(name):
        raise PrometheusError(f"give {name} or {name}_FILE, and not both")
    else:
        try:
            value = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is no text"
            raise PrometheusError(f"{name}_FILE {file}: {reason}") from None
        if not value:
            raise PrometheusError(f"{name}_FILE {file}: is empty")
    if not value.isprintable():
        raise PrometheusError(f"{name}: has more than one line, or a control character")
    return value


def _kept_secret(url: str) -> bool:
    """Whether nobody on the way can read what is sent there."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    return parts.scheme == "https" or local


def _said(error: urllib.error.HTTPError) -> str:
    """What a refusal says: Prometheus explains a faulty query in its body."""
    try:
        return str(json.loads(error.read(4096))["error"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"status {error.code}"
