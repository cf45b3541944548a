"""Questions to a Prometheus, by its HTTP API.

Follows https://prometheus.io/docs/prometheus/latest/querying/api/ (instant queries).
"""

from __future__ import annotations

import json
import math
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

from bot.clients import proxies
from bot.exit_codes import BotError

SECONDS = 30.0
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

    seconds: for each question.
    """

    url: str
    seconds: float = SECONDS

    def query(self, expression: str) -> list[Sample]:
        """The series of an instant query, without those that are no number.

        Nothing is NaN here: 0/0 is no traffic, which is no answer. Raises PrometheusError.
        """
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
        return {str(rule.get("name", "")) for rule in rules}

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
            with self._opener().open(address, timeout=self.seconds) as answer:
                return json.loads(answer.read(_MOST_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                raise PrometheusError(f"{self._shown}: {_said(error)}") from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise PrometheusError(f"{self._shown}: {reason or type(error).__name__}") from None

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


def _said(error: urllib.error.HTTPError) -> str:
    """What a refusal says: Prometheus explains a faulty query in its body."""
    try:
        return str(json.loads(error.read(4096))["error"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"status {error.code}"
