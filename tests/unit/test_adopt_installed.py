"""A Linkerd of `linkerd install`, its extensions, and where the key of its anchor is."""

from __future__ import annotations

import pytest
import yaml

from bot.mesh import adopted_file, adoption
from tests.unit.adopt_samples import GIVEN, MANIFEST, record, secret, server
from tests.unit.bot_trust_samples import authority

_OVERRIDES = "linkerd-config-overrides"


def test_public_reports_what_the_cli_installed_is_found_by_its_labels() -> None:
    """`linkerd install` leaves no record, but its overrides and a label on each object."""
    given = {**GIVEN, "identity": {"issuer": {"tls": {"keyPEM": "x"}}}}
    kept = secret(_OVERRIDES, **{_OVERRIDES: yaml.safe_dump(given).encode()})
    kept["metadata"]["namespace"] = "linkerd"
    found = server(
        authority("root"),
        **{
            "/api/v1/secrets": [kept],
            "/apis/apps/v1/deployments": [
                {"metadata": {"name": "linkerd-identity", "namespace": "linkerd"}}
            ],
        },
    )
    seen = adoption.read(found)
    assert seen
    release = seen.release("linkerd-control-plane")
    assert release
    assert release.values == given
    assert release.objects == (("apps/v1", "Deployment", "linkerd", "linkerd-identity"),)
    # It holds the key of the old issuer: it goes as Helm's records do.
    assert release.records == (f"secrets linkerd/{_OVERRIDES}",)
    assert release.version == "2025.4.4"
    assert "linkerd-control-plane 2025.4.4 by the CLI: 1 objects" in list(adoption.told(seen))


@pytest.mark.parametrize(
    ("place", "certificate", "key"),
    [
        ("linkerd/linkerd-identity-issuer", "crt.pem", "key.pem"),
        ("cert-manager/linkerd-trust-anchor", "tls.crt", "tls.key"),
    ],
)
def test_public_reports_the_key_of_an_anchor_is_found_with_the_commands_that_write_its_files(
    place: str, certificate: str, key: str
) -> None:
    """`linkerd install` alone makes one pair that is anchor and issuer: nobody has its files."""
    anchor = authority("root")
    namespace, name = place.split("/")
    pair = {certificate: anchor.pem.encode(), key: anchor.key_pem.encode()}
    path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
    seen = adoption.read(server(anchor, **{path: secret(name, **pair)}))
    assert seen
    (line,) = [each for each in adoption.told(seen) if each.startswith("key of")]
    get = f"kubectl -n {namespace} get secret {name} -o jsonpath='{{.data."
    first, second = (each.replace(".", "\\.") for each in (certificate, key))
    assert line == (
        f"key of an anchor: Secret {place}: umask 077; {get}{first}}}' | base64 -d > ca.crt; "
        f"{get}{second}}}' | base64 -d > ca.key"
    )


def test_public_reports_a_viz_of_the_clis_is_taken_over_whole_beside_a_linkerd_of_helms() -> None:
    """`linkerd viz install`: an object that is not on the list ends the preview, one at a time."""
    at = {"namespace": "linkerd-viz"}
    policy = "/apis/policy.linkerd.io"
    more = {
        "/apis/apiregistration.k8s.io/v1/apiservices": [
            {"metadata": {"name": "v1alpha1.tap.linkerd.io"}}
        ],
        f"{policy}/v1beta3/servers": [{"metadata": {"name": "admin", **at}}],
        f"{policy}/v1alpha1/authorizationpolicies": [{"metadata": {"name": "admin", **at}}],
        f"{policy}/v1alpha1/meshtlsauthentications": [{"metadata": {"name": "web", **at}}],
        f"{policy}/v1alpha1/networkauthentications": [{"metadata": {"name": "kubelet", **at}}],
        "/apis/linkerd.io/v1alpha2/serviceprofiles": [{"metadata": {"name": "a.b", **at}}],
        "/apis/rbac.authorization.k8s.io/v1/roles": [
            {"metadata": {"name": "web", "namespace": "linkerd"}}
        ],
    }
    seen = adoption.read(server(authority("root"), **more))
    assert seen
    assert [(each.chart, each.by) for each in seen.releases] == [
        ("linkerd-control-plane", "Helm"),
        ("linkerd-viz", "CLI"),
    ]
    viz = seen.release("linkerd-viz")
    assert viz
    assert {kind for _, kind, *_ in viz.objects} == {
        *("APIService", "Server", "AuthorizationPolicy", "MeshTLSAuthentication"),
        *("NetworkAuthentication", "ServiceProfile", "Role"),
    }
    assert adopted_file.sections(seen)["viz"]["enabled"]


def test_public_reports_the_cni_plugin_is_taken_over_and_other_extensions_stay() -> None:
    """With `cniEnabled` alone `up` would meet a DaemonSet that is on no list."""
    given = {"destCNIBinDir": "/home/kubernetes/bin", "repairController": {"enabled": True}}
    plugin = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: linkerd-cni}
"""
    found = [
        record("linkerd-control-plane", "linkerd", config=GIVEN, manifest=MANIFEST),
        record("linkerd2-cni", "linkerd-cni", config=given, manifest=plugin),
        record("linkerd-multicluster", "linkerd-multicluster"),
    ]
    seen = adoption.read(server(authority("root"), **{"/api/v1/secrets": found}))
    assert seen
    assert adopted_file.sections(seen)["cniPlugin"] == {
        "enabled": True,
        "binFolder": "/home/kubernetes/bin",
        "repair": True,
    }
    release = seen.release("linkerd2-cni")
    assert release
    assert release.objects == (("apps/v1", "DaemonSet", "linkerd-cni", "linkerd-cni"),)
    told = list(adoption.told(seen))
    stays = "linkerd-multicluster 2026.6.3 stays Helm's, release linkerd-multicluster/"
    assert f"{stays}linkerd-multicluster" in told
