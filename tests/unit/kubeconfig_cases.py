"""Kubeconfigs and what kubectl makes of each: who the API server sees, by which way, or a refusal.

The expectations are those of kubectl 1.32 to 1.36 (k8s.io/client-go/tools/clientcmd), asked in
tests/e2e/test_kubeconfig.py; where the bot refuses what kubectl takes, `stricter` says why.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import yaml

from tests.unit.kubeconfig_users import ENV_A, FROM_PROGRAM, PROGRAM, answer, exec_user

HOST = "kube.example.com"
TOKEN = ("Authorization: Bearer t",)
REFUSED = ("refused",)


@dataclass(frozen=True)
class Case:
    """expected: what the server sees, sorted; REFUSED where no request may come.

    `$NAME` in texts is filled in from World.names. files: for KUBECONFIG, where one is not enough;
    a file may lie in a folder, or be a link (`-> `). seen: those of them that
    KUBECONFIG names, where not all. stricter: why the bot refuses it all the same. said: part of
    the bot's refusal.
    """

    name: str
    expected: tuple[str, ...]
    user: Mapping[str, Any] = field(default_factory=lambda: {"token": "t"})
    cluster: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Any] | None = None
    context: str | None = None
    stricter: str = ""
    said: str = ""
    seen: tuple[str, ...] = ()

    def written(self, folder: Path, names: Mapping[str, str]) -> list[Path]:
        """The files, in the order of KUBECONFIG."""
        files = self.files or {"config": document(self.user, self.cluster)}
        paths = []
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            if isinstance(content, str) and content[:3] == "-> ":
                path.symlink_to(content[3:])
            elif content is not None:
                text = content if isinstance(content, str) else yaml.safe_dump(content)
                path.write_text(Template(text).substitute(names), encoding="utf-8")
            paths += [path] if name in (self.seen or files) else []
        return paths

    def variables(self, names: Mapping[str, str]) -> dict[str, str]:
        """Its environment."""
        return {key: Template(value).substitute(names) for key, value in self.environment.items()}


def document(
    user: Mapping[str, Any] | None,
    cluster: Mapping[str, Any] | None = None,
    current: str | None = "c",
    name: str = "c",
) -> dict[str, Any]:
    """A kubeconfig with one context. None as a value takes a key away."""
    made = {"server": "$SERVER", "certificate-authority-data": "$CA_DATA", **(cluster or {})}
    found: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": {k: v for k, v in made.items() if v is not None}}],
        "users": [{"name": name, "user": dict(user or {})}],
    }
    return found | ({"current-context": current} if current is not None else {})


def _http(host: str = HOST) -> dict[str, Any]:
    return {"server": f"https://{host}:6443", "tls-server-name": HOST}


CASES = (
    # Who one is.
    Case("a token", TOKEN),
    Case("a token file", ("Authorization: Bearer fresh",), {"tokenFile": "$DIR/token"}),
    Case(
        "a token file before a token",
        ("Authorization: Bearer fresh",),
        {"token": "t", "tokenFile": "$DIR/token"},
    ),
    Case(
        "a token where its file is not there", TOKEN, {"token": "t", "tokenFile": "$DIR/not-there"}
    ),
    Case("a token file that is not there", REFUSED, {"tokenFile": "not-there"}, said="tokenFile"),
    Case(
        "user and password",
        (f"Authorization: Basic {base64.b64encode(b'u:p').decode()}",),
        {"username": "u", "password": "p"},
    ),
    Case(
        "a certificate in the file",
        ("certificate: someone",),
        {"client-certificate-data": "$CERT_DATA", "client-key-data": "$KEY_DATA"},
    ),
    Case(
        "a certificate and a token",
        ("Authorization: Bearer t", "certificate: someone"),
        {"client-certificate-data": "$CERT_DATA", "client-key-data": "$KEY_DATA", "token": "t"},
    ),
    Case(
        "a certificate without its key, beside a token",
        REFUSED,
        {"client-certificate-data": "$CERT_DATA", "token": "t"},
        said="client-key",
    ),
    Case(
        "a certificate twice",
        REFUSED,
        {
            "client-certificate-data": "$CERT_DATA",
            "client-key-data": "$KEY_DATA",
            "client-certificate": "$DIR/cert.pem",
        },
        said="client-certificate",
    ),
    Case("a token and a password", REFUSED, {"token": "t", "username": "u"}, said="username"),
    Case("nobody", REFUSED, {}, said="client certificate, a token or a program"),
    Case(
        "an auth-provider",
        REFUSED,
        {"auth-provider": {"name": "gcp"}},
        said="auth-provider",
    ),
    # Impersonation.
    Case(
        "impersonation",
        (*TOKEN, "Impersonate-Group: g1", "Impersonate-Group: g2", "Impersonate-User: auditor"),
        {"token": "t", "as": "auditor", "as-groups": ["g1", "g2"]},
    ),
    Case(
        "impersonation with all that there is",
        (
            *TOKEN,
            "Impersonate-Extra-Example.Com%2Fscope: a",
            "Impersonate-Extra-Example.Com%2Fscope: b",
            "Impersonate-Uid: 7",
            "Impersonate-User: auditor",
        ),
        {
            "token": "t",
            "as": "auditor",
            "as-uid": "7",
            "as-user-extra": {"example.com/scope": ["a", "b"]},
        },
    ),
    Case(
        "impersonation by a certificate",
        ("Impersonate-User: auditor", "certificate: someone"),
        {"client-certificate-data": "$CERT_DATA", "client-key-data": "$KEY_DATA", "as": "auditor"},
    ),
    Case(
        "impersonation by a program",
        (*FROM_PROGRAM, "Impersonate-User: auditor"),
        exec_user(PROGRAM) | {"as": "auditor"},
    ),
    Case("groups of nobody", REFUSED, {"token": "t", "as-groups": ["g"]}, said="as-groups"),
    # Programs.
    Case("a program", FROM_PROGRAM, exec_user(PROGRAM)),
    Case("exec: null", TOKEN, {"exec": None, "token": "t"}),
    Case(
        "a program's null parts",
        FROM_PROGRAM,
        exec_user(PROGRAM, env=None, installHint=None, provideClusterInfo=None),
    ),
    Case(
        "a variable without a value",
        ("Authorization: Bearer <>",),
        exec_user(ENV_A, env=[{"name": "A"}]),
    ),
    Case(
        "a variable of null",
        ("Authorization: Bearer <>",),
        exec_user(ENV_A, env=[{"name": "A", "value": None}]),
    ),
    Case(
        "a variable",
        ("Authorization: Bearer <b>",),
        exec_user(ENV_A, env=[{"name": "A", "value": "b"}]),
    ),
    Case(
        "a variable without a name",
        REFUSED,
        exec_user(ENV_A, env=[{"value": "b"}]),
        said="exec.env",
    ),
    Case(
        "a program beside a token is not run",
        TOKEN,
        exec_user("touch $DIR/was-run; exit 1") | {"token": "t"},
    ),
    Case(
        "a program beside a certificate is not run",
        ("certificate: someone",),
        exec_user("touch $DIR/was-run; exit 1")
        | {"client-certificate-data": "$CERT_DATA", "client-key-data": "$KEY_DATA"},
    ),
    Case(
        "a program with a certificate",
        ("certificate: someone",),
        exec_user(
            'printf \'{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
            '"status":{"clientCertificateData":"%s","clientKeyData":"%s"}}\' '
            "\"$$(sed 's/$$/\\\\n/' $DIR/cert.pem | tr -d '\\n')\" "
            "\"$$(sed 's/$$/\\\\n/' $DIR/key.pem | tr -d '\\n')\""
        ),
    ),
    Case(
        "a program beside its file",
        FROM_PROGRAM,
        {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "interactiveMode": "Never",
                "command": "bin/login",
            }
        },
    ),
    Case(
        "a program that must ask",
        REFUSED,
        exec_user(PROGRAM, interactiveMode="Always"),
        said="interactiveMode",
    ),
    Case(
        "a program of version v1beta1 that says no mode",
        ("Authorization: Bearer beta",),
        {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1beta1",
                "command": "sh",
                "args": ["-c", answer('{"token":"beta"}').replace("/v1", "/v1beta1")],
            }
        },
    ),
    Case(
        "a program of a version that is gone",
        REFUSED,
        exec_user(PROGRAM, apiVersion="client.authentication.k8s.io/v1alpha1"),
        said="exec.apiVersion",
    ),
    Case(
        "a program without a version",
        REFUSED,
        exec_user(PROGRAM, apiVersion=None),
        said="exec.apiVersion",
    ),
    Case(
        "a program that answers in another version",
        REFUSED,
        exec_user(answer('{"token":"x"}').replace("/v1", "/v1beta1")),
        said="gave no credential",
    ),
    Case(
        "a program without a credential",
        REFUSED,
        exec_user(answer("{}")),
        said="gave no credential",
    ),
    # The server.
    Case(
        "an authority in a file beside it",
        TOKEN,
        cluster={"certificate-authority-data": None, "certificate-authority": "ca.pem"},
    ),
    Case(
        "an authority twice",
        REFUSED,
        cluster={"certificate-authority": "$DIR/ca.pem"},
        said="certificate-authority",
    ),
    Case(
        "a path below the address",
        (*TOKEN, "path: /k8s/clusters/c-1/version"),
        cluster={"server": "$SERVER/k8s/clusters/c-1"},
    ),
    Case(
        "a path with a slash at its end",
        (*TOKEN, "path: /k8s/version"),
        cluster={"server": "$SERVER/k8s/"},
    ),
    Case("another authority", REFUSED, cluster={"certificate-authority-data": "$OTHER_DATA"}),
    Case(
        "authorities of the machine",
        TOKEN,
        cluster={"certificate-authority-data": None},
        environment={"SSL_CERT_FILE": "$DIR/ca.pem"},
    ),
    Case(
        "authorities of the machine, as a folder",
        TOKEN,
        cluster={"certificate-authority-data": None},
        environment={"SSL_CERT_FILE": "/dev/null", "SSL_CERT_DIR": "$DIR/authorities"},
    ),
    Case("tls-server-name", TOKEN, cluster={"tls-server-name": HOST}),
    Case("another tls-server-name", REFUSED, cluster={"tls-server-name": "other.example.com"}),
    Case(
        "insecure-skip-tls-verify",
        TOKEN,
        cluster={"insecure-skip-tls-verify": True, "certificate-authority-data": None},
        stricter="anybody could take the place of the API server",
        said="insecure-skip-tls-verify",
    ),
    Case(
        "insecure-skip-tls-verify with an authority",
        REFUSED,
        cluster={"insecure-skip-tls-verify": True},
        said="insecure-skip-tls-verify",
    ),
    # Several files.
    Case(
        "what stands in the first file holds, whole",
        ("Authorization: Bearer first",),
        files={
            "a": document({"token": "first"}, current=None),
            "b": document({"token": "second", "as": "auditor"}),
        },
    ),
    Case(
        "one of the files is not there", TOKEN, files={"gone": None, "a": document({"token": "t"})}
    ),
    Case(
        "parts of different files",
        TOKEN,
        files={
            "a": {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "c"}}],
            },
            "b": document({"token": "t"}, current="no"),
        },
    ),
    Case(
        "a path is relative to its own file",
        ("Authorization: Bearer in-folder",),
        files={
            "one/a": document({"tokenFile": "token"}, current=None),
            "two/b": document({"token": "no"}),
        },
    ),
    Case(
        "one of the files is broken",
        REFUSED,
        files={"a": document({"token": "t"}), "b": "a: ["},
        said="is no YAML",
    ),
    Case("an empty file among them", TOKEN, files={"e": "", "a": document({"token": "t"})}),
    Case(
        "another context",
        ("Authorization: Bearer d",),
        files={"a": document({"token": "t"}), "b": document({"token": "d"}, name="d")},
        context="d",
    ),
    Case(
        "an empty current-context",
        REFUSED,
        files={"a": document({"token": "t"}, current="")},
        said="no current-context",
    ),
    Case(
        "no current-context",
        REFUSED,
        files={"a": document({"token": "t"}, current=None)},
        said="no current-context",
    ),
    Case(
        "a context of no user",
        REFUSED,
        files={"a": document({"token": "t"}) | {"users": []}},
        said="no user",
    ),
    Case(
        "as JSON",
        TOKEN,
        files={"a": json.dumps(document({"token": "t"}))},
    ),
    Case(
        "lists of null",
        REFUSED,
        files={"a": document({"token": "t"}) | {"users": None}},
        said="no user",
    ),
    Case(
        "keys that nobody knows",
        TOKEN,
        files={
            "a": document({"token": "t", "x": 1}, {"y": 2, "disable-compression": True})
            | {"preferences": {}, "extensions": []}
        },
    ),
    # Proxies. What is asked of them is resolved by them.
    Case("a proxy", (*TOKEN, f"via http {HOST}:6443"), cluster={**_http(), "proxy-url": "$PROXY"}),
    Case(
        "a proxy that wants a login",
        (*TOKEN, f"via http {HOST}:6443 as u:p@"),
        cluster={**_http(), "proxy-url": "http://u:p%40@$PROXY_HOST"},
    ),
    Case(
        "a proxy over TLS",
        (*TOKEN, f"via https {HOST}:6443"),
        cluster={**_http(), "proxy-url": "$TLS_PROXY"},
    ),
    Case(
        "a SOCKS proxy",
        (*TOKEN, f"via socks5 {HOST}:6443"),
        cluster={**_http(), "proxy-url": "$SOCKS"},
    ),
    Case(
        "a SOCKS proxy that wants a login",
        (*TOKEN, f"via socks5 {HOST}:6443 as u:p"),
        cluster={**_http(), "proxy-url": "socks5://u:p@$SOCKS_HOST"},
    ),
    Case(
        "a SOCKS proxy to an address",
        (*TOKEN, "via socks5 10.20.0.5:6443"),
        cluster={**_http("10.20.0.5"), "proxy-url": "$SOCKS"},
    ),
    Case(
        "a SOCKS proxy to an address of IPv6",
        (*TOKEN, "via socks5 [fd00::5]:6443"),
        cluster={**_http("[fd00::5]"), "proxy-url": "$SOCKS"},
    ),
    Case(
        "a proxy of another kind",
        REFUSED,
        cluster={**_http(), "proxy-url": "ftp://p"},
        said="proxy-url",
    ),
    Case(
        "the kubeconfig's proxy is used for this machine, too",
        (*TOKEN, "via http 127.0.0.1:$PORT"),
        cluster={"proxy-url": "$PROXY"},
        environment={"NO_PROXY": "*"},
    ),
    Case(
        "the environment's proxy",
        (*TOKEN, f"via http {HOST}:6443"),
        cluster=_http(),
        environment={"HTTPS_PROXY": "$PROXY"},
    ),
    Case(
        "the environment's proxy in small letters",
        (*TOKEN, f"via http {HOST}:6443"),
        cluster=_http(),
        environment={"https_proxy": "$PROXY"},
    ),
    Case(
        "the environment's proxy without a scheme",
        (*TOKEN, f"via http {HOST}:6443"),
        cluster=_http(),
        environment={"HTTPS_PROXY": "$PROXY_HOST"},
    ),
    Case(
        "the environment's SOCKS proxy",
        (*TOKEN, f"via socks5 {HOST}:6443"),
        cluster=_http(),
        environment={"HTTPS_PROXY": "$SOCKS"},
    ),
    Case(
        "the environment's socks5h proxy",
        (*TOKEN, f"via socks5 {HOST}:6443"),
        cluster=_http(),
        environment={"HTTPS_PROXY": "socks5h://$SOCKS_HOST"},
    ),
    Case(
        "the environment's proxy is not used for this machine",
        TOKEN,
        environment={"HTTPS_PROXY": "http://127.0.0.1:1"},
    ),
    Case(
        "a proxy that refuses",
        REFUSED,
        cluster={**_http("refused.example.com"), "proxy-url": "$PROXY"},
    ),
    Case(
        "a SOCKS proxy that refuses",
        REFUSED,
        cluster={**_http("refused.example.com"), "proxy-url": "$SOCKS"},
    ),
)
