"""Registries that ask who one is: logins are found, sent where they belong, and nowhere else."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import logins, web
from sandbox.hosts import HostError, Hosts
from tests.unit.upstream.conftest import Sandbox
from tests.unit.upstream.server import Server, digest, program, tar

USER = "reader"
# Made here, so that nothing in the tree looks like one.
PASSWORD = digest(b"login")[-12:]
HELM = program("helm", 100_000)
LAYER = tar({"bin/helm": HELM})


def encoded(user: str = USER, password: str = PASSWORD) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def docker(home: Path, config: dict[str, object]) -> None:
    (home / ".docker").mkdir(exist_ok=True)
    (home / ".docker" / "config.json").write_text(json.dumps(config))


def docker_auth(home: Path, host: str, password: str) -> None:
    docker(home, {"auths": {host: {"auth": encoded(password=password)}}})


def docker_url(home: Path, host: str, password: str) -> None:
    docker(home, {"auths": {f"https://{host}/v1/": {"auth": encoded(password=password)}}})


def docker_plain(home: Path, host: str, password: str) -> None:
    docker(home, {"auths": {host: {"username": USER, "password": password}}})


def in_netrc(home: Path, host: str, password: str) -> None:
    path = home / ".netrc"
    path.write_text(f"machine {host.partition(':')[0]} login {USER} password {password}\n")
    path.chmod(0o600)


KEPT = [docker_auth, docker_url, docker_plain, in_netrc]
Keep = Callable[[Path, str, str], None]


@pytest.fixture
def guarded(upstream: Server, sandbox: Sandbox) -> Server:
    upstream.push("acme/helm", "1.2.3", [LAYER])
    upstream.login = (USER, PASSWORD)
    sandbox.table(
        helm=[{"image": f"{upstream.host}/acme/helm:{{version}}", "path": "bin/helm"}],
    )
    return upstream


@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
@pytest.mark.parametrize("keep", KEPT)
def test_a_login_that_is_kept_opens_the_registry(
    guarded: Server, sandbox: Sandbox, machine: Path, scheme: str, keep: Keep
) -> None:
    """`docker login` and netrc are where people have theirs already."""
    guarded.scheme = scheme
    keep(machine, guarded.host, PASSWORD)
    assert sandbox.download("helm")["helm"].read_bytes() == HELM
    # Asked for once for the repository, not for each document of it.
    assert guarded.tokens == (1 if scheme == "Bearer" else 0)


@pytest.mark.parametrize("moved", [False, True], ids=["itself", "under another name"])
def test_a_public_image_needs_no_login(
    guarded: Server, serve: Callable[[], Server], sandbox: Sandbox, moved: bool
) -> None:
    """Registries want a token of everybody, and give one to nobody; some are a name for another."""
    guarded.public = True
    if moved:
        front = serve()
        front.moved_to = guarded.address
        sandbox.table(helm=[{"image": f"{front.host}/acme/helm:{{version}}", "path": "bin/helm"}])
    assert sandbox.download("helm")["helm"].read_bytes() == HELM
    assert guarded.tokens == 1


def test_a_token_that_expires_in_the_middle_is_asked_for_again(
    guarded: Server, sandbox: Sandbox, machine: Path
) -> None:
    """They last five minutes; a layer over a slow line takes longer."""
    docker_auth(machine, guarded.host, PASSWORD)
    path = f"/v2/acme/helm/blobs/{digest(LAYER)}"
    guarded.cut[path] = [20_000]
    guarded.expires_with = path
    assert sandbox.download("helm")["helm"].read_bytes() == HELM
    assert guarded.tokens == 2


def test_a_release_file_behind_a_login_is_opened_too(
    guarded: Server, sandbox: Sandbox, machine: Path
) -> None:
    """A mirror of a company guards its files as its images."""
    guarded.scheme = "Basic"
    guarded.files["/dl/helm"] = HELM
    in_netrc(machine, guarded.host, PASSWORD)
    sandbox.table(helm=[{"url": f"{guarded.address}/dl/helm"}])
    assert sandbox.download("helm")


@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
@pytest.mark.parametrize("password", ["", "wrong"], ids=["none", "wrong"])
def test_without_the_right_login_one_line_says_what_to_do(
    guarded: Server, sandbox: Sandbox, machine: Path, scheme: str, password: str
) -> None:
    """`401` names neither the host nor where a login would be looked for."""
    guarded.scheme = scheme
    if password:
        docker_auth(machine, guarded.host, password)
    assert sandbox.download("helm") == {}
    need = "refuses the login that is there for it" if password else "needs a login"
    advice = f"put one into ~/.netrc, or run `docker login {guarded.host}`"
    begin = f"helm 1.2.3 from {guarded.host}/acme/helm:1.2.3"
    assert sandbox.said == [f"{begin}: {guarded.host}: {need}: {advice}; not used"]
    assert sandbox.left() == []
    assert encoded(password=password) not in "".join(sandbox.said)


def test_the_advice_says_when_only_a_credential_helper_knows(
    guarded: Server, sandbox: Sandbox, machine: Path
) -> None:
    """Else `docker login` succeeds, again and again, and nothing here changes."""
    docker(machine, {"auths": {guarded.host: {}}, "credsStore": "desktop"})
    assert sandbox.download("helm") == {}
    assert "credential helpers are not asked" in sandbox.said[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (".docker/config.json", "{"),
        (".docker/config.json", '{"auths": {"HOST": {"auth": "\\u00ff"}}}'),
        (".netrc", "machine HOST login"),
    ],
)
def test_a_file_of_logins_that_cannot_be_read_is_one_line(
    guarded: Server, sandbox: Sandbox, machine: Path, name: str, content: str
) -> None:
    """Passed over in silence, it would read as `needs a login`."""
    host = guarded.host if "docker" in name else "127.0.0.1"
    (machine / ".docker").mkdir()
    (machine / name).write_text(content.replace("HOST", host))
    (machine / name).chmod(0o600)
    assert sandbox.download("helm") == {}
    assert len(sandbox.said) == 1
    assert name.rpartition("/")[2] in sandbox.said[0]


@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
def test_a_login_does_not_travel_along_a_redirect(
    guarded: Server,
    serve: Callable[[], Server],
    sandbox: Sandbox,
    machine: Path,
    scheme: str,
) -> None:
    """Blobs lie in somebody's object store, which has its own signature in the address."""
    store = serve()
    store.files = {path: body for path, body in guarded.files.items() if "/blobs/" in path}
    guarded.blobs_at, guarded.scheme = store.address, scheme
    docker_auth(machine, guarded.host, PASSWORD)
    assert sandbox.download("helm")["helm"].read_bytes() == HELM
    [(_path, headers)] = [each for each in store.asked if "/blobs/" in each[0]]
    assert "Authorization" not in headers


def test_a_redirect_to_a_dead_host_says_that_host(
    guarded: Server, sandbox: Sandbox, machine: Path
) -> None:
    """A firewall often lets the registry through, and not its store."""
    guarded.blobs_at = "http://127.0.0.1:9"
    docker_auth(machine, guarded.host, PASSWORD)
    assert sandbox.download("helm") == {}
    assert sandbox.said == ["127.0.0.1:9: Connection refused; the next source is tried"]


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://registry.example/v2/a", "http://registry.example/b"),
        ("https://registry.example/v2/a", "file:///etc/passwd"),
        ("http://registry.example/v2/a", "ftp://registry.example/b"),
        ("http://registry.example/v2/a", "http://[::1/b"),
        ("http://registry.example/v2/a", "http://registry.example:port/b"),
    ],
)
def test_a_redirect_to_something_weaker_is_not_followed(url: str, target: str) -> None:
    """What came over TLS would come in clear, or from this machine's own files."""
    with pytest.raises(HostError, match=r"not followed$"):
        web._redirected(url, target)


def test_a_login_is_not_sent_in_clear_to_another_machine(machine: Path) -> None:
    """Whoever sits on the line would have it."""
    docker_auth(machine, "registry.example", PASSWORD)
    with pytest.raises(HostError, match="not sent over http"):
        web._login("http://registry.example/v2/a")
    assert web._login("https://registry.example/v2/a") == f"Basic {encoded()}"


def test_a_registry_in_clear_cannot_have_a_login_sent_to_a_realm_of_its_choice(
    guarded: Server, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer may be anybody's on the line."""
    docker_auth(machine, guarded.host, PASSWORD)
    monkeypatch.setattr(web, "private", lambda *urls: len(urls) == 1)
    asked = {"realm": f"{guarded.address}/token", "service": "loopback", "scope": "repository:x"}
    granted = web.Web(Hosts(print))._token(guarded.address, asked, f"Basic {encoded()}")
    assert granted == "anonymous"
    assert "Authorization" not in guarded.asked[-1][1]


def test_a_realm_that_is_no_address_is_not_opened(
    guarded: Server, sandbox: Sandbox, machine: Path
) -> None:
    """`file:` would send a token out of this machine's own files to the registry."""
    (machine / "secret.json").write_text(json.dumps({"token": digest(b"own")}))
    guarded.realm = f"file://{machine}/secret.json"
    assert sandbox.download("helm") == {}
    assert len(sandbox.said) == 1
    assert "for logins, no address; not used" in sandbox.said[0]
    assert not any("Authorization" in headers for _path, headers in guarded.asked)


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io"])
def test_docker_hubs_login_is_found_under_any_of_its_names(machine: Path, key: str) -> None:
    """`docker login` writes another name than images carry, and a third one answers."""
    docker_auth(machine, key, PASSWORD)
    assert logins.authorization("https://registry-1.docker.io/v2/a") == f"Basic {encoded()}"
    assert logins.authorization("https://registry.example/v2/a") is None


def test_the_default_login_of_netrc_is_for_nobody_here(machine: Path) -> None:
    """It would go to every registry that asks."""
    path = machine / ".netrc"
    path.write_text(f"default login {USER} password {PASSWORD}\n")
    path.chmod(0o600)
    assert logins.authorization("https://registry.example/v2/a") is None
