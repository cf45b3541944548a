"""From the stack file to the routing: defaults, rights in Vault, and the place in the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.alert_routing import arguments as arguments_routing
from stack.config import StackConfig
from tests.unit.every_feature import base_sections, program
from tests.unit.one_fault_routing import BEAT, ON_CALL, SLACK, on
from tests.unit.stack_files import load, spoilt


def config(folder: Path, **section: Any) -> StackConfig:
    return load(folder, spoilt(on(**section)))


def routes(folder: Path, **section: Any) -> dict[str, tuple[str, ...]]:
    args = arguments_routing.arguments(config(folder, **section))
    assert args is not None
    return {route.name: route.receivers for route in args.routing.routes}


def test_by_default_critical_calls_and_warnings_are_written(tmp_path: Path) -> None:
    """What is for information is looked at, and wakes nobody."""
    assert routes(tmp_path) == {
        "critical": ("mesh-slack", "on-call"),
        "warning": ("mesh-slack",),
    }
    assert routes(tmp_path, receivers=[ON_CALL]) == {"critical": ("on-call",)}
    assert routes(tmp_path, receivers=[SLACK]) == {
        "critical": ("mesh-slack",),
        "warning": ("mesh-slack",),
    }


def test_a_receiver_is_what_its_type_says(tmp_path: Path) -> None:
    """Each has a credential under another key, unless the stack file names it."""
    args = arguments_routing.arguments(
        config(tmp_path, receivers=[SLACK, {**ON_CALL, "name": "b", "vaultKey": "key"}])
    )
    assert args is not None
    slack, on_call = args.routing.receivers
    assert (slack.type, slack.vault_key, slack.channel) == ("slack", "url", "#mesh-alerts")
    assert (on_call.name, on_call.type, on_call.vault_key) == ("b", "splunk-on-call", "key")
    default = arguments_routing.arguments(config(tmp_path))
    assert default is not None
    assert default.routing.receivers[1].vault_key == "api_key"


def test_the_address_of_a_relay_ends_where_alertmanager_goes_on(tmp_path: Path) -> None:
    """It puts key and routing key right behind it."""
    for given in ("https://relay.example.com/alert", "https://relay.example.com/alert/"):
        args = arguments_routing.arguments(
            config(tmp_path, receivers=[SLACK, {**ON_CALL, "apiUrl": given}])
        )
        assert args is not None
        assert args.routing.receivers[1].api_url == "https://relay.example.com/alert/"


def test_off_is_nothing_at_all(tmp_path: Path) -> None:
    """No right in Vault is left behind, and no alert fires for a heartbeat that is not sent."""
    off = config(tmp_path, form="off", heartbeat=BEAT)
    assert arguments_routing.arguments(off) is None
    section = off.observability.routing
    assert section.vault_entries == {}
    assert not section.has_heartbeat


def test_the_store_may_read_these_entries_and_serve_that_namespace() -> None:
    """`alerting/*` would give away what other teams keep there."""
    made = program(base_sections("observability"))
    policy = made.named("vault-auth-read").inputs["policy"]
    for name in ("a/slack", "a/on-call", "a/heartbeat"):
        assert f'path "linkerd/kv/data/{name}" {{ capabilities = ["read"] }}\n' in policy
    # And those of the agent's credentials and the traces' backend.
    assert policy.count("path ") == 5
    assert "*" not in policy
    store = made.object("ClusterSecretStore", "linkerd-platform-vault").inputs
    (condition,) = store["spec"]["conditions"]
    assert condition["namespaces"] == [
        "cert-manager",
        "linkerd-buoyant",
        "linkerd-tracing",
        "monitoring",
    ]


def test_the_credentials_come_after_the_store() -> None:
    """An ExternalSecret that finds no store is tried again only after its interval."""
    made = program(base_sections("observability"))
    secret = made.object("ExternalSecret", "linkerd-platform-alert-receivers")
    store = made.object("ClusterSecretStore", "linkerd-platform-vault")
    assert made.comes_after(secret, store)
    rules = made.object("PrometheusRule", "linkerd-platform-rules").inputs["spec"]["groups"]
    names = {rule.get("alert") for group in rules for rule in group["rules"]}
    assert "LinkerdWatchdog" in names
