"""A kubeconfig is read as kubectl reads it, and what is wrong with one is said in one line."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.clients import kubeconfig
from bot.clients.https import MissingError, ReadError
from tests.unit import stack_files

TOKEN = "from-the-program"  # noqa: S105
ANSWER = f"""
import json, os
asked = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
assert asked["spec"].pop("interactive") is False and os.environ["REGION"] == "here"
assert asked["spec"] == json.loads(os.environ["EXPECTED"])
head = {{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1"}}
print(json.dumps({{**head, "status": {{"token": "{TOKEN}"}}}}))
"""
PAIR = """
import json
pair = {"clientCertificateData": "certificate", "clientKeyData": "key"}
version = "client.authentication.k8s.io/v1beta1"
print(json.dumps({"kind": "ExecCredential", "apiVersion": version, "status": pair}))
"""


def text(
    user: dict[str, Any],
    cluster: dict[str, Any] | None = None,
    *,
    name: str = "c",
    current: str | None = "c",
) -> str:
    made = {"server": "https://k:6443", "certificate-authority": "ca.pem", **(cluster or {})}
    document: dict[str, Any] = {
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": {k: v for k, v in made.items() if v is not None}}],
        "users": [{"name": name, "user": user}],
    }
    return yaml.safe_dump(document | ({"current-context": current} if current else {}))


def written(folder: Path, content: str, name: str = "config") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "ca.pem").write_text(stack_files.certificate(), encoding="utf-8")
    (folder / name).write_text(content, encoding="utf-8")
    return folder / name


def opened(
    path: Path, environment: dict[str, str] | None = None, context: str | None = None
) -> Any:
    return kubeconfig.client(
        kubeconfig.select([path], context), {"PATH": os.environ["PATH"], **(environment or {})}
    )


def program(script: str, **more: Any) -> dict[str, Any]:
    expected = more.pop("expected", {})
    environment = [
        {"name": "REGION", "value": "here"},
        {"name": "EXPECTED", "value": json.dumps(expected)},
    ]
    version = "client.authentication.k8s.io/v1beta1"
    return {
        "exec": {
            "apiVersion": version,
            "command": sys.executable,
            "args": ["-c", script],
            "env": environment,
            **more,
        }
    }


def test_the_file_that_is_named_comes_before_the_variable_and_that_before_the_usual(
    tmp_path: Path,
) -> None:
    two = {"KUBECONFIG": os.pathsep.join(["a", "", "/b"])}
    assert kubeconfig.files("named", two, tmp_path) == [tmp_path / "named"]
    assert kubeconfig.files(None, two, tmp_path) == [tmp_path / "a", Path("/b")]
    assert kubeconfig.files(None, {}, tmp_path) == [Path("~/.kube/config").expanduser().resolve()]


def test_files_are_merged_and_what_stands_first_holds(tmp_path: Path) -> None:
    """A path stays relative to its own file; one of the files may not be there."""
    first = written(tmp_path / "one", text({"token": "first"}, current=None))
    second = written(tmp_path / "two", text({"token": "second"}))
    third = written(tmp_path / "two", text({"token": "third"}, name="d", current="d"), "third")
    chosen = kubeconfig.select([tmp_path / "none", first, second, third], None)
    assert (chosen.context, chosen.file, chosen.user["token"]) == ("c", first, "first")
    other = kubeconfig.select([first, second, third], "d")
    assert list(other.user.values()) == ["third"]
    assert other.cluster["certificate-authority"] == str(tmp_path / "two" / "ca.pem")


@pytest.mark.parametrize(
    ("user", "headers"),
    [
        ({"token": "t"}, {"Authorization": "Bearer t"}),
        ({"tokenFile": "token", "token": "stale"}, {"Authorization": "Bearer fresh"}),
        (
            {"username": "u", "password": "p"},
            {"Authorization": f"Basic {base64.b64encode(b'u:p').decode()}"},
        ),
    ],
)
def test_who_somebody_is_may_be_said_in_many_ways(
    user: dict[str, Any], headers: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("fresh\n", encoding="utf-8")
    with opened(written(tmp_path, text(user))) as client:
        assert client.headers == headers
        assert client.base == "https://k:6443"
        assert client.client_pair is None


def test_a_certificate_is_for_its_owner_alone_and_gone_afterwards(tmp_path: Path) -> None:
    """One may stand in the file, and the other beside it."""
    inline = base64.b64encode(b"inline").decode()
    (tmp_path / "key").write_text("from a file", encoding="utf-8")
    user = {"client-certificate-data": inline, "client-key": "key"}
    with opened(written(tmp_path, text(user))) as client:
        certificate, key = client.client_pair
        assert (certificate.read_text(), key.read_text()) == ("inline", "from a file")
        assert {key.stat().st_mode & 0o777, certificate.stat().st_mode & 0o777} == {0o600}
    assert not key.exists()


def test_a_program_is_run_for_a_token_or_a_certificate(tmp_path: Path) -> None:
    """Those of managed clusters are programs."""
    with opened(written(tmp_path, text(program(ANSWER)))) as client:
        assert client.headers == {"Authorization": f"Bearer {TOKEN}"}
    with opened(written(tmp_path, text(program(PAIR)))) as client:
        assert [each.read_text() for each in client.client_pair] == ["certificate", "key"]
        assert client.headers == {}


def test_a_program_is_told_of_the_cluster_only_where_it_asks(tmp_path: Path) -> None:
    """With the authority's content: it may run elsewhere than the file lies."""
    authority = base64.b64encode(stack_files.certificate().encode()).decode()
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a"}}
    cluster = {
        "server": "https://k:6443",
        "tls-server-name": "kube.example.com",
        "certificate-authority-data": authority,
        "config": {"audience": "a"},
    }
    asking = program(ANSWER, provideClusterInfo=True, expected={"cluster": cluster})
    made = text(asking, {"tls-server-name": "kube.example.com", "extensions": [extension]})
    with opened(written(tmp_path, made)) as client:
        assert client.headers == {"Authorization": f"Bearer {TOKEN}"}
        assert client.server_name == "kube.example.com"


@pytest.mark.parametrize("script", ["print('secret')", "print('{}')", "raise SystemExit('secret')"])
def test_what_a_program_printed_is_told_to_nobody(tmp_path: Path, script: str) -> None:
    """It may have printed a credential."""
    with pytest.raises(ReadError, match="gave no credential: run `kubectl get nodes`") as caught:
        opened(written(tmp_path, text(program(script)))).__enter__()
    assert "secret" not in str(caught.value)


def test_a_program_that_is_not_there_is_named_with_the_kubeconfigs_hint(tmp_path: Path) -> None:
    """A name with a slash is relative to the kubeconfig; another is looked for on PATH."""
    version = {"apiVersion": "client.authentication.k8s.io/v1beta1"}
    absent = {"exec": {**version, "command": "no-such-program", "installHint": "brew install it\n"}}
    with pytest.raises(MissingError, match="no-such-program, which is not on PATH: brew install"):
        opened(written(tmp_path, text(absent))).__enter__()
    beside = tmp_path / "bin" / "login"
    beside.parent.mkdir()
    answer = {**version, "kind": "ExecCredential", "status": {"token": "t"}}
    beside.write_text(f"#!{sys.executable}\nprint('{json.dumps(answer)}')\n")
    beside.chmod(0o755)
    with opened(written(tmp_path, text({"exec": {**version, "command": "bin/login"}}))) as client:
        assert client.headers == {"Authorization": "Bearer t"}


@pytest.mark.parametrize(
    ("server", "named", "environment", "proxy"),
    [
        ("https://k:6443", "http://p:1", {"HTTPS_PROXY": "http://q:2"}, "http://p:1"),
        ("https://k:6443", None, {"HTTPS_PROXY": "http://q:2"}, "http://q:2"),
        ("https://k:6443", None, {"https_proxy": "http://q:2", "NO_PROXY": "a,k"}, None),
        ("https://k.in.example.com", None, {"HTTPS_PROXY": "x", "no_proxy": ".example.com"}, None),
        ("https://127.0.0.1:6443", None, {"HTTPS_PROXY": "http://q:2"}, None),
        ("https://localhost:6443", None, {"HTTPS_PROXY": "http://q:2"}, None),
        ("https://k:6443", None, {}, None),
    ],
)
def test_a_proxy_is_the_kubeconfigs_or_that_of_the_environment(
    server: str, named: str | None, environment: dict[str, str], proxy: str | None, tmp_path: Path
) -> None:
    made = text({"token": "t"}, {"server": server, "proxy-url": named})
    with opened(written(tmp_path, made), environment) as client:
        assert client.proxy == proxy


def test_an_authority_that_is_not_given_is_one_that_everybody_trusts(tmp_path: Path) -> None:
    path = written(tmp_path, text({"token": "t"}, {"certificate-authority": None}))
    assert kubeconfig.authority_of(kubeconfig.select([path], None)) is None
    with opened(path) as client:
        assert client.ca_file is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "is no YAML"),
        ("- a", "is no kubeconfig"),
        ("clusters: [{cluster: {}}]", "clusters: each needs a name and a cluster"),
        ("contexts: 7", "contexts: each needs a name and a context"),
        ("current-context: x", "no context 'x'; there are: none"),
        (text({"token": "t"}, {"server": "http://k"}), "'http://k' is no https address"),
        (text({"token": "t"}, {"insecure-skip-tls-verify": True}), "anybody's word"),
        (text({"token": "t"}, {"proxy-url": "ftp://p"}), "only http, https and socks5 proxies"),
        (text({"token": "t"}, {"certificate-authority": "gone.pem"}), "gone.pem: No such file"),
        (
            text(
                {"token": "t"}, {"certificate-authority": None, "certificate-authority-data": "%"}
            ),
            "is no base64",
        ),
        (text({}), "needs a client certificate, a token or a program"),
        (text({"client-key": "ca.pem"}), "needs a client certificate, a token or a program"),
        (text({"token": "t"}).replace("cluster: c\n", "cluster: d\n", 1), "no cluster 'd'"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_file(
    content: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ReadError) as caught:
        opened(written(tmp_path, content)).__enter__()
    told = str(caught.value)
    assert said in told
    assert len(told.splitlines()) == 1
    assert str(tmp_path) in told or "proxy-url" in told


def test_without_any_file_it_is_said_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"none: No such file.*KUBECONFIG.*context 'a'"):
        kubeconfig.select([tmp_path / "none"], "a")
