"""The cases: values crossed with forms, private keys in every form, and some by themselves."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.unit.secret_containers import FORMS, KEYS, PLAIN
from tests.unit.secret_corpus import ALNUM, HEX, LOWER, TELLING, Case, Maker


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
