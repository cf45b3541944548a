"""Plain values, names that tell, and the forms in which one stands behind the other."""

from __future__ import annotations

import html
import json
import uuid
from collections.abc import Callable

from tests.unit.secret_corpus import ALNUM, DIGITS, HEX, LOWER, Value

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
