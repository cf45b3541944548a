"""Texts with secrets and texts without, made at run time: none of them stands in the tree.

A secret is a kind of value in a form of container. What tells by itself must be found behind any
name, what does not behind a name that tells.
"""

from __future__ import annotations

import base64
import json
import random
import string
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from tests import certificates

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
ALNUM = string.ascii_letters + DIGITS
HEX = "0123456789abcdef"
B64URL = ALNUM + "-_"


@dataclass(frozen=True)
class Case:
    """A text with a secret in it. parts: what must not be seen of it."""

    name: str
    text: str
    parts: tuple[str, ...]


def leaks(case: Case, told: str) -> bool:
    """Whether a part of the secret is seen: all of it, or any ten characters in a row."""
    for part in case.parts:
        if len(part) <= 10 and part in told:
            return True
        if any(part[at : at + 10] in told for at in range(max(0, len(part) - 9))):
            return True
    return False


class Maker:
    """Values that are new, and the same in every run."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311

    def of(self, letters: str, length: int) -> str:
        """So many letters, with a digit and an upper-case letter among them where there are any."""
        made = [self.random.choice(letters) for _ in range(length)]
        for kind in (DIGITS, UPPER, LOWER):
            some = [letter for letter in kind if letter in letters]
            if some:
                made[self.random.randrange(1, length)] = self.random.choice(some)
        return "".join(made)


# ---- values that tell by themselves: what is written, and what of it must not be seen

Value = Callable[[Maker], tuple[str, str]]


def _prefixed(prefix: str, letters: str, length: int, suffix: str = "") -> Value:
    def make(maker: Maker) -> tuple[str, str]:
        body = maker.of(letters, length)
        return f"{prefix}{body}{suffix}", body

    return make


def _address(template: str, letters: str = ALNUM, length: int = 24) -> Value:
    def make(maker: Maker) -> tuple[str, str]:
        body = maker.of(letters, length)
        return template.replace("KEY", body), body

    return make


def _uuid_address(template: str) -> Value:
    def make(maker: Maker) -> tuple[str, str]:
        made = str(uuid.UUID(int=maker.random.getrandbits(128), version=4))
        return template.replace("KEY", made), made

    return make


def _jwt(maker: Maker) -> tuple[str, str]:
    parts = [
        base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=")
        for each in ({"alg": "RS256", "kid": "a"}, {"iss": "kubernetes/serviceaccount", "n": 1})
    ]
    signature = maker.of(B64URL, 86)
    return ".".join([*parts, signature]), signature


def _basic(maker: Maker) -> tuple[str, str]:
    body = base64.b64encode(f"robot:{maker.of(ALNUM, 14)}".encode()).decode()
    return f"Authorization: Basic {body}", body


# Beginnings are put together here, so that no scanner takes this file for a leak.
TELLING: dict[str, Value] = {
    "Slack webhook": _address("https://hooks.slack" + ".com/services/T0AB/B0CD/KEY"),
    "Slack workflow": _address("https://hooks.slack" + ".com/workflows/T0AB/A0CD/42/KEY"),
    "Discord webhook": _address("https://discord" + ".com/api/webhooks/1234567890/KEY", B64URL, 68),
    "Discord webhook, old host": _address("https://discordapp" + ".com/api/webhooks/12345/KEY"),
    "Teams webhook": _uuid_address("https://acme.webhook.office" + ".com/webhookb2/KEY@tenant/x"),
    "Teams workflow": _address(
        "https://prod-1.westeurope.logic.azure" + ".com:443/workflows/KEY/triggers/manual", HEX, 32
    ),
    "Splunk On-Call": _uuid_address(
        "https://alert.victorops" + ".com/integrations/generic/20131114/alert/KEY/mesh"
    ),
    "Splunk On-Call, a relay": _uuid_address("https://relay.example.com/alert/KEY/mesh"),
    "PagerDuty integration": _address(
        "https://events.pagerduty" + ".com/integration/KEY/enqueue", HEX, 32
    ),
    "healthchecks": _uuid_address("https://hc-ping" + ".com/KEY"),
    "healthchecks, own": _uuid_address("https://healthchecks.example.com/ping/KEY"),
    "Dead Man's Snitch": _address("https://nosnch" + ".in/KEY", HEX, 10),
    "Opsgenie": _uuid_address("https://api.opsgenie.com/v1/json/prometheus?apiKey=KEY"),
    "Cronitor": _address("https://cronitor" + ".link/p/KEY/mesh", HEX, 32),
    "Better Stack": _address("https://uptime.betterstack" + ".com/api/v1/heartbeat/KEY"),
    "Google Chat": _address("https://chat.googleapis.com/v1/spaces/AAA/messages?key=x1&token=KEY"),
    "Telegram": _address(
        "https://api.telegram" + ".org/bot123456789:AAKEY/sendMessage", B64URL, 33
    ),
    "Mattermost": _address("https://chat.example.com/hooks/KEY", LOWER + DIGITS, 26),
    "Zapier": _address("https://hooks.zapier" + ".com/hooks/catch/12345/KEY/", LOWER + DIGITS, 7),
    "Feishu": _uuid_address("https://open.feishu" + ".cn/open-apis/bot/v2/hook/KEY"),
    "Grafana OnCall": _address("https://oncall.example.com/integrations/v1/alertmanager/KEY/"),
    "signed address of S3": _address(
        "https://b.s3.amazonaws.com/o?X-Amz-Date=2026&X-Amz-Signature=KEY", HEX, 64
    ),
    "SAS of Azure": _address("https://a.blob.core.windows.net/c?sv=2024&sp=r&sig=KEY%3D"),
    "address with a key": _address("https://api.example.com/v1/send?key=KEY&z=1"),
    "address with a token": _address("wss://push.example.com/stream?token=KEY", B64URL),
    "address with a password": _address("https://admin:KEY@vault.example.com/v1", ALNUM, 12),
    "address with a slash in its password": _address("https://admin:a/KEY@vault.example.com/v1"),
    "address with an @ in its password": _address("https://admin:a@KEY@vault.example.com:8200/v1"),
    "address with escaped slashes": _address("https:\\/\\/admin:KEY@vault.example.com\\/v1"),
    "postgres": _address("postgres://app:KEY@db.example.com:5432/app?sslmode=require", ALNUM, 14),
    "amqp": _address("amqps://mq:KEY@rabbit:5671/%2f", ALNUM, 9),
    "mongodb": _address("mongodb+srv://app:KEY@cluster0.example.net/?retryWrites=true", ALNUM, 11),
    "redis without a user": _address("redis://:KEY@cache:6379/0", ALNUM, 16),
    "MySQL's driver": _address("app:KEY@tcp(db:3306)/app", ALNUM, 15),
    "Sentry": _address("https://KEY@o123.ingest.sentry.io/456", HEX, 32),
    "git with a token": _address("https://KEY@git.example.com/a/b.git", ALNUM, 40),
    "ADO connection": _address("Server=db;User Id=sa;Password=KEY;Encrypt=true", ALNUM, 13),
    "Azure Storage": _address(
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=KEY==;EndpointSuffix=x",
        ALNUM,
        86,
    ),
    "JSON web token": _jwt,
    "Vault": _prefixed("hv" + "s.", B64URL, 92),
    "Vault, batch": _prefixed("hv" + "b.", B64URL, 120),
    "Vault, old": _prefixed("s" + ".", ALNUM, 24),
    "Pulumi": _prefixed("pul" + "-", HEX, 40),
    "GitHub": _prefixed("gh" + "p_", ALNUM, 36),
    "GitHub app": _prefixed("gh" + "s_", ALNUM, 36),
    "GitHub, fine": _prefixed("github" + "_pat_", ALNUM + "_", 82),
    "GitLab": _prefixed("gl" + "pat-", B64URL, 20),
    "Slack bot": _prefixed("xox" + "b-", DIGITS + LOWER + "-", 50),
    "Slack app": _prefixed("xa" + "pp-1-", ALNUM, 60),
    "Stripe": _prefixed("sk" + "_live_", ALNUM, 24),
    "Stripe webhook": _prefixed("wh" + "sec_", ALNUM, 32),
    "npm": _prefixed("np" + "m_", ALNUM, 36),
    "PyPI": _prefixed("py" + "pi-", B64URL, 150),
    "model provider": _prefixed("sk" + "-ant-api03-", B64URL, 93),
    "model provider, other": _prefixed("sk" + "-proj-", B64URL, 48),
    "DigitalOcean": _prefixed("do" + "p_v1_", HEX, 64),
    "AWS id": _prefixed("AK" + "IA", UPPER + "234567", 16),
    "Google API key": _prefixed("AI" + "za", B64URL, 35),
    "Google OAuth": _prefixed("ya" + "29.", B64URL, 80),
    "Azure client": _prefixed("abc8" + "Q~", ALNUM, 34),
    "SendGrid": _prefixed("SG" + ".", B64URL, 22, "." + "a1B2" * 10),
    "Grafana": _prefixed("gl" + "sa_", ALNUM, 32, "_1a2b3c4d"),
    "Grafana Cloud": _prefixed("gl" + "c_", ALNUM, 80),
    "Docker Hub": _prefixed("dckr" + "_pat_", B64URL, 27),
    "Hugging Face": _prefixed("h" + "f_", ALNUM, 34),
    "Databricks": _prefixed("da" + "pi", HEX, 32),
    "New Relic": _prefixed("NR" + "AK-", UPPER + DIGITS, 27),
    "Sentry token": _prefixed("sntr" + "ys_", B64URL, 80),
    "Atlassian": _prefixed("ATA" + "TT3", B64URL, 100),
    "Tailscale": _prefixed("ts" + "key-auth-", ALNUM, 30),
    "age": _prefixed("AGE-SECRET" + "-KEY-1", UPPER + DIGITS, 58),
    "bootstrap token": _prefixed("abcde1" + ".", LOWER + DIGITS, 16),
    "htpasswd": _prefixed("$2" + "y$10$", ALNUM + "./", 53),
    "htpasswd, old": _prefixed("$apr" + "1$", ALNUM + "./", 31),
    "basic authentication": _basic,
    "bearer": _prefixed("Authorization: Bearer ", B64URL, 40),
    "cookie": _prefixed("Cookie: session=", ALNUM, 26),
    "cookie that is set": _prefixed("Set-Cookie: sid=", ALNUM, 26, "; Path=/; HttpOnly"),
    "header of Vault": _prefixed("X-Vault-Token: ", ALNUM, 18),
    "random base64": _prefixed("", ALNUM + "+/", 43, "="),
    "random base62": _prefixed("", ALNUM, 40),
    "random lower": _prefixed("", LOWER + DIGITS, 40),
    "random for addresses": _prefixed("", B64URL, 48),
}


@cache
def certificate() -> str:
    """A certificate of nobody."""
    made = certificates.authority(
        "root.linkerd.cluster.local",
        starts=datetime(2026, 1, 1, tzinfo=UTC),
        lifetime=10 * certificates.YEAR,
    )
    return made.pem
