"""Texts with secrets and texts without, made at run time: none of them stands in the tree.

A secret is a kind of value in a form of container. What tells by itself must be found behind any
name, what does not behind a name that tells.
"""

from __future__ import annotations

import base64
import html
import json
import random
import string
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

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

# ---- values that tell nothing by themselves

PLAIN: dict[str, Value] = {
    "a word with a digit": lambda maker: (made := f"hunter{maker.of(DIGITS, 3)}", made),
    "a word": lambda maker: (made := "swordfish" + maker.of(LOWER, 4), made),
    "words with hyphens": lambda maker: (made := "correct-horse-" + maker.of(LOWER, 5), made),
    "short": lambda maker: (made := maker.of(ALNUM, 6), made),
    "long": lambda maker: (made := maker.of(ALNUM, 24), made),
    "hexadecimal": lambda maker: (made := maker.of(HEX, 32), made),
    "long hexadecimal": lambda maker: (made := maker.of(HEX, 64), made),
    "UUID": lambda maker: (
        made := str(uuid.UUID(int=maker.random.getrandbits(128), version=4)), made,
    ),
    "with $ in front": lambda maker: ("$" + (made := maker.of(ALNUM, 9)), made),
    "with ! in front": lambda maker: ("!" + (made := maker.of(ALNUM, 9)), made),
    "with * in front": lambda maker: ("*" + (made := maker.of(ALNUM, 9)), made),
    "with / in front": lambda maker: ("/" + (made := maker.of(ALNUM, 9)), made),
    "with signs": lambda maker: ((made := maker.of(ALNUM, 7)) + "%^+~!?", made),
    "digits": lambda maker: (made := maker.of(DIGITS, 8), made),
}  # fmt: skip

# Names that make any value a secret.
KEYS = (
    *("password", "db_password", "DB_PASSWORD", "adminPassword", "passwd", "pwd", "passphrase"),
    *("token", "api_token", "authToken", "VAULT_TOKEN", "apiKey", "api_key", "API-KEY"),
    *("clientSecret", "client_secret", "private_key", "secret_access_key", "accessKey"),
    *("webhookUrl", "secretId", "signing-key", "dbPassword2", "PASSWORD_PROD"),
)

# ---- forms in which a value stands behind a name

Form = Callable[[str, str], str]


def _yaml_quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


FORMS: dict[str, Form] = {
    "YAML": lambda k, v: f"kind: x\ndata:\n  {k}: {v}\n  z: 1\n",
    "YAML in a list": lambda k, v: f"- name: x\n- {k}: {v}\n",
    "YAML, single quotes": lambda k, v: f"a: 1\n{k}: {_yaml_quoted(v)}\n",
    "YAML, double quotes": lambda k, v: f"a: 1\n{k}: {json.dumps(v)}\n",
    "YAML, quoted key": lambda k, v: f'"{k}": {json.dumps(v)}\n',
    "YAML, flow": lambda k, v: f"spec: {{user: bob, {k}: {v}, port: 5432}}\n",
    "YAML, flow at its end": lambda k, v: f"spec: {{user: bob, {k}: {v}}}\n",
    "YAML, flow in quotes": lambda k, v: f"spec: {{user: bob, {k}: {_yaml_quoted(v)}, port: 1}}\n",
    "YAML, block": lambda k, v: f"a: 1\n{k}: |\n  {v}\nb: 2\n",
    "YAML, folded": lambda k, v: f"a: 1\n  {k}: >-\n    {v}\n  b: 2\n",
    "YAML, on the next line": lambda k, v: f"a: 1\n{k}:\n  {v}\nb: 2\n",
    "YAML, with a tag": lambda k, v: f"{k}: !!str {json.dumps(v)}\n",
    "YAML with a comment": lambda k, v: f"{k}: {v} # do not tell\n",
    "name and value": lambda k, v: f"env:\n- name: {k}\n  value: {v}\n",
    "name and value, quoted": lambda k, v: f"env:\n  - name: {k}\n    value: {json.dumps(v)}\n",
    "JSON": lambda k, v: json.dumps({"a": 1, k: v, "b": 2}),
    "JSON, indented": lambda k, v: json.dumps({"a": {"b": {k: v}}}, indent=2),
    "JSON without blanks": lambda k, v: json.dumps({k: v, "z": 1}, separators=(",", ":")),
    "JSON in JSON": lambda k, v: json.dumps({"config": json.dumps({k: v, "b": 1})}),
    "JSON in JSON in JSON": lambda k, v: json.dumps({"x": json.dumps({"y": json.dumps({k: v})})}),
    "JSON, name and value": lambda k, v: json.dumps([{"name": k, "value": v}]),
    "JSON in a line of a log": lambda k, v: f"level=info msg={json.dumps(json.dumps({k: v}))} z=1",
    "Python": lambda k, v: repr({"user": "bob", k: v, "port": 1}),
    "Python, keyword": lambda k, v: f"connect(host='x', {k.replace('-', '_')}={v!r}, port=1)",
    "Python, bytes": lambda k, v: repr({"user": b"bob", k: v.encode()}),
    "TOML": lambda k, v: f"[db]\nuser = 'bob'\n{k} = {json.dumps(v)}\n",
    "INI": lambda k, v: f"[db]\nuser = bob\n{k} = {v}\nport = 1\n",
    "properties": lambda k, v: f"db.user=bob\ndb.{k}={v}\n",
    "shell": lambda k, v: f"export {k}={v}\n",
    "shell, quoted": lambda k, v: f"export {k}='{v}'\n",
    "environment of a command": lambda k, v: f"{k}={v} ./run --fast\n",
    "flag with =": lambda k, v: f"run --{k}={v} --fast",
    "flag with a blank": lambda k, v: f"run --{k} {v} --fast",
    "flag, quoted": lambda k, v: f'run --{k} "{v}" --fast',
    "query": lambda k, v: f"https://x.example.com/a?b=1&{k}={v}&z=2",
    "header": lambda k, v: f"GET / HTTP/1.1\nHost: x\nX-{k}: {v}\nAccept: */*\n",
    "Go": lambda k, v: f"&{{User:bob {k.title().replace('_', '')}:{v} Port:5432}}",
    "Go, at its end": lambda k, v: f"config: {{User:bob {k[0].upper()}{k[1:]}:{v}}}",
    "Go, with names": lambda k, v: f'main.C{{User:"bob", {k[0].upper()}{k[1:]}:{json.dumps(v)}}}',
    "logfmt": lambda k, v: f"level=info msg=done {k}={v} took=1s",
    "logfmt, quoted": lambda k, v: f'level=info msg="is done" {k}="{v}" took=1s',
    "HTML attribute": lambda k, v: f'<input name="{k}" value="{html.escape(v)}">',
    "HTML, escaped JSON": lambda k, v: html.escape(json.dumps({"a": 1, k: v})),
    "HTML table": lambda k, v: f"<tr><td>{k}</td><td>{html.escape(v)}</td></tr>",
    "XML": lambda k, v: f"<db><{k}>{html.escape(v)}</{k}></db>",
    "XML attribute": lambda k, v: f'<db user="bob" {k}="{html.escape(v)}"/>',
    "Markdown table": lambda k, v: f"| key | value |\n|---|---|\n| {k} | {v} |\n",
    "Markdown table, code": lambda k, v: f"| key | value |\n|---|---|\n| `{k}` | `{v}` |\n",
    "diff": lambda k, v: f"@@ data @@\n- {k}: old\n+ {k}: {v}\n",
    "HCL": lambda k, v: f'resource "x" "y" {{\n  {k} = {json.dumps(v)}\n}}\n',
    "Ruby": lambda k, v: f"{{:user => 'bob', :{k} => {v!r}}}",
    "message": lambda k, v: f"error: cannot connect with {k}={v}: timeout",
    "message, quoted": lambda k, v: f'invalid value for {k}: "{v}" is refused',
}


def _fits(form: str, value: str) -> bool:
    """Whether somebody can have written it so: YAML takes no plain `*x`, a shell no `!`."""
    plain = "quote" not in form and not form.startswith(
        ("JSON", "Python", "XML", "HTML", "HCL", "TOML", "Ruby")
    )
    if form == "query":
        return not any(c in value for c in "%&#+ ?")
    return not (plain and "\n" in value)


def crossed(seed: int, keys: int = 2) -> Iterator[Case]:
    """Each kind of plain value in each form, behind some of the names."""
    maker = Maker(seed)
    for kind, make in PLAIN.items():
        for form, put in FORMS.items():
            for key in maker.random.sample(KEYS, keys):
                written, part = make(maker)
                if _fits(form, written):
                    yield Case(f"{kind} / {form} / {key}", put(key, written), (part,))


def telling(seed: int) -> Iterator[Case]:
    """Each kind of value that tells by itself, behind a name that says nothing, in each form."""
    maker = Maker(seed)
    for kind, make in TELLING.items():
        for form, put in FORMS.items():
            written, part = make(maker)
            if _fits(form, written) and not (
                " " in written and form.startswith(("Go", "flag", "logfmt"))
            ):
                yield Case(f"{kind} / {form}", put("note", written), (part,))


@cache
def _keys() -> dict[str, tuple[bytes, bytes, bytes]]:
    """Keys as PEM, DER, and encrypted DER."""
    made = {}
    coding, form = serialization.Encoding, serialization.PrivateFormat
    none, locked = serialization.NoEncryption(), serialization.BestAvailableEncryption(b"x")
    for name, key in {
        "ec": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "rsa": rsa.generate_private_key(65537, 2048),
    }.items():
        made[name] = (
            key.private_bytes(coding.PEM, form.PKCS8, none),
            key.private_bytes(coding.DER, form.PKCS8, none),
            key.private_bytes(coding.DER, form.PKCS8, locked),
        )
        made[f"{name}, encrypted"] = (
            key.private_bytes(coding.PEM, form.PKCS8, locked), *made[name][1:],
        )  # fmt: skip
        made[f"{name}, OpenSSH"] = (
            key.private_bytes(coding.PEM, form.OpenSSH, none), *made[name][1:],
        )  # fmt: skip
        if name != "ed25519":
            made[f"{name}, old"] = (
                key.private_bytes(coding.PEM, form.TraditionalOpenSSL, none),
                key.private_bytes(coding.DER, form.TraditionalOpenSSL, none),
                made[name][2],
            )
    return made


def _lines(text: str, width: int) -> list[str]:
    return [text[at : at + width] for at in range(0, len(text), width)]


def private_keys() -> Iterator[Case]:
    """Private keys: behind prefixes, in JSON, in base64 of short lines, without armour, in DER."""
    for kind, (pem, der, locked) in _keys().items():
        text = pem.decode()
        body = tuple(line for line in text.splitlines() if "-----" not in line)
        for prefix in ("", "  ", "| ", "> ", "+ ", "- ", "    | ", "# ", "// ", "\t", '"', "* "):
            yield Case(
                f"{kind} behind {prefix!r}",
                "before\n" + "\n".join(prefix + line for line in text.splitlines()) + "\nafter",
                body,
            )
        yield Case(f"{kind} in JSON", json.dumps({"tls.key": text}), body)
        yield Case(f"{kind} in JSON in JSON", json.dumps({"a": json.dumps({"k": text})}), body)
        yield Case(f"{kind} in JSON in YAML", f"a: '{json.dumps({'k': text})}'\n", body)
        yield Case(f"{kind} as a list", json.dumps(text.splitlines()), body)
        yield Case(f"{kind}, cut", text[: len(text) // 2], tuple(b for b in body[:1]))
        yield Case(f"{kind}, without its first line", "\n".join(text.splitlines()[1:]), body)
        yield Case(f"{kind} in Python", repr({"k": text}), body)
        coded = base64.b64encode(pem).decode()
        yield Case(f"{kind} in base64", f"note: {coded}", (coded,))
        yield Case(
            f"{kind} twice in base64", (c := base64.b64encode(coded.encode()).decode()), (c,)
        )
        for name, raw in (("DER", der), ("encrypted DER", locked)):
            once = base64.b64encode(raw).decode()
            yield Case(f"{kind}, {name}", f"note: {once} and more", (once,))
            yield Case(f"{kind}, {name} in hexadecimal", f"note {raw.hex()} x", (raw.hex(),))
            yield Case(
                f"{kind}, {name} in upper hexadecimal",
                f"n: {raw.hex().upper()}",
                (raw.hex().upper(),),
            )
            for width in (12, 16, 24, 40, 64, 76):
                rows = _lines(once, width)
                for joint in ("\n", "\n  ", "\\n", "\n| ", "\r\n"):
                    yield Case(
                        f"{kind}, {name} in lines of {width} by {joint!r}",
                        f"note:\n  {joint.join(rows)}\nafter: 1\n",
                        tuple(row for row in rows if len(row) >= 10),
                    )


@cache
def certificate() -> str:
    """A certificate of nobody."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root.linkerd.cluster.local")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def listed() -> Iterator[Case]:
    """Texts that are in no form of those above."""
    maker = Maker(17)

    def case(name: str, template: str, letters: str = ALNUM, length: int = 14) -> Case:
        part = maker.of(letters, length)
        return Case(name, template.replace("KEY", part), (part,))

    urn = "urn:pulumi:p::linkerd-platform::kubernetes:core/v1:ConfigMap::"
    yield case("token in a URN", f"{urn}web-gh" + "p_KEY", length=36)
    yield case("token in a name", "name: web-hv" + "s.KEY", length=40)
    yield case("token as a key", '{"hv' + 's.KEY": 1}', length=40)
    yield case("token as a key of YAML", "data:\n  gh" + "p_KEY: x\n", length=36)
    yield case("phrase", "password: correct horse KEY staple\n", LOWER, 8)
    yield case("password = x", "password = KEY")
    yield case("pwd=", "pwd=KEY")
    yield case("secret:", "secret: KEY")
    yield case("secret, a word", "secret: KEY", LOWER, 9)
    yield case("private_key", "private_key: KEY")
    yield case("authorization", "authorization: KEY")
    yield case("authorization of a header", "authorization: token KEY")
    yield case("basic", 'curl -H "Authorization: Basic KEYKEY=="')
    yield case("login of curl", "curl -u admin:KEY https://x.example.com")
    yield case("login of curl, long", "curl --user admin:KEY https://x.example.com")
    yield case("netrc", "machine x login y password KEY")
    yield case("Opsgenie's header", "Authorization: GenieKey KEY")
    yield case("digest of a header", 'Authorization: Digest username="a", response="KEY"')
    yield case("kubeconfig, token", "users:\n- name: a\n  user:\n    token: KEY\n", length=40)
    yield case("kubeconfig, key", "    client-key-data: KEY\n", ALNUM + "+/", 400)
    yield case("kubeconfig, password", "  user: {username: a, password: KEY}\n")
    auth = base64.b64encode(f"robot:{maker.of(ALNUM, 20)}".encode()).decode()
    yield Case("docker", json.dumps({"auths": {"r": {"auth": auth}}}), (auth,))
    whole = base64.b64encode(json.dumps({"auths": {"r": {"auth": auth}}}).encode()).decode()
    yield Case("docker, coded", f".dockerconfigjson: {whole}", (whole,))
    coded = base64.b64encode(f"password: {maker.of(ALNUM, 12)}".encode()).decode()
    yield Case("password in base64", f"data:\n  config.yaml: {coded}\n", (coded,))
    twice = base64.b64encode(coded.encode()).decode()
    yield Case("password twice in base64", f"x {twice} y", (twice,))
    for prefix in ("", "a", "ab", "abc"):
        yield Case(f"base64 behind {prefix!r}", f"{prefix}{coded}", (coded[8:],))
    yield case("block, kept", "password: |-\n  KEY\n  KEY\nafter: 1\n")
    yield case("block of JSON", '{"a": "password: |\\n  KEY\\n"}')
    yield case("block in a list", "- a: 1\n  token: >\n    KEY\n")
    yield case("tag", "password: !!str KEY")
    yield case("alias", "password: *KEY")
    yield case("date of Go", "password:=KEY")
    yield case("arrow", "password => KEY")
    yield case("bearer", "bearer KEY", length=40)
    yield case("Bearer in a log", 'msg="sent" header="Bearer KEY"', length=30)
    yield case("escaped ampersand", "https://x.example.com/?a=1\\u0026token=KEY")
    yield case("HTML ampersand", "https://x.example.com/?a=1&amp;api_key=KEY")
    yield case("percent", "redirect=https%3A%2F%2Fa%3AKEY%40x.example.com")
    yield case("fragment", "https://x.example.com/#access_token=KEY&z=1")
    yield case("JDBC", "jdbc:postgresql://db/app?user=a&password=KEY")
    yield case("DSN", "host=db user=a password=KEY dbname=x")
    yield case("quoted DSN", "host=db user=a password='KEY' dbname=x")
    yield case("AMQP without a host", "amqp://a:KEY@/vhost")
    yield case("LDAP hash", "userPassword: {SSHA}KEYKEYKEY")
    yield case("error of a server", 'permission denied: token "hv' + 's.KEY" is expired', length=30)
    yield case("error of Go", 'Get "https://a:KEY@x.example.com/v1": dial tcp: no such host')
    yield case("error with a name", "invalid value for password='KEY'")
    yield case("Slack without a scheme", "hooks.slack" + ".com/services/T0A/B0B/KEY", length=24)
    yield case("Slack, short", "https://hooks.slack" + ".com/services/T0/B0/KEY", LOWER, 5)
    yield case("Slack, escaped", "https:\\/\\/hooks.slack" + ".com\\/services\\/T0\\/B0\\/KEY")
    yield case(
        "Splunk, words",
        "https://alert.victorops" + ".com/integrations/generic/1/alert/KEY/x",
        LOWER,
    )
    yield case("near a name", "the signing secret KEY was refused", ALNUM, 24)
    yield case("token in words", "token KEY was refused", HEX, 32)
    yield case("Terraform", 'password             = "KEY"')
    yield case("Ansible", "ansible_ssh_pass=KEY")
    yield case("Maven", "<server><id>a</id><password>KEY</password></server>")
    yield case(".NET", '<add key="ApiKey" value="KEY" />')
    yield case("properties", "spring.datasource.password=KEY")
    yield case("Docker", "ENV DB_PASSWORD KEY"[4:].replace(" ", "="))
    yield case("PowerShell", '$env:DB_PASSWORD = "KEY"')
    yield case("Windows", "set DB_PASSWORD=KEY")
    yield case("trailing comma", '  "password": "KEY",')
    yield case("single quotes in JSON", "{'password':'KEY'}")
    yield case("list", 'passwords: ["KEY", "KEY"]')
    yield case("assert", "AssertionError: assert 'a' == {'token': 'KEY'}")
