"""Faults of anchors and certificates in public installations, each as a search over a program."""

from __future__ import annotations

from collections.abc import Iterator

from tests.unit.guard_facts import Facts, name_of, seconds

DAY = 86400
SERVERS_IN_RUST = ("linkerd-policy-validator",)


def anchor_renewed(f: Facts) -> Iterator[str]:
    """An anchor that anybody but a reviewer replaces."""
    for root in f.roots:
        spec = root["spec"]
        if spec.get("renewal") != {"policy": "Disabled"}:
            yield f"{name_of(root)} is renewed by cert-manager"
        if {"renewBefore", "renewBeforePercentage"} & set(spec):
            yield f"{name_of(root)} says when it is renewed"
        if spec["privateKey"]["rotationPolicy"] != "Never":
            yield f"{name_of(root)} gets another key"
    pushes = [p for p in f.of("PushSecret") if p["spec"].get("updatePolicy") != "IfNotExists"]
    yield from (f"{name_of(push)} overwrites the anchor in Vault" for push in pushes)


def anchor_shorter_than_said(f: Facts) -> Iterator[str]:
    """A root that lives for less than the stack file says, or that Vault cuts."""
    said = {g.name: g.lifetime.seconds for g in f.config.trust.generations}
    mounts = [
        m["maxLeaseTtlSeconds"] for kind, m in f.vault if kind == "Mount" and m["type"] == "pki"
    ]
    for kind, root in f.vault:
        if kind == "SecretBackendRootCert":
            if int(root["ttl"]) != said[root["issuerName"]]:
                yield f"{root['issuerName']} lives for {root['ttl']} s"
            if int(root["ttl"]) > max(mounts):
                yield f"{root['issuerName']} is cut by its mount"
    for root in f.roots:
        generation = root["metadata"]["name"].split("-anchor-")[1].removesuffix("-origin")
        if seconds(root["spec"]["duration"]) != said[generation]:
            yield f"{name_of(root)} lives for {root['spec']['duration']}"


def renewal_reversed(f: Facts) -> Iterator[str]:
    """A lifetime in place of the time left: a CA of a year that is renewed in its second month."""
    for certificate in f.certificates:
        spec = certificate["spec"]
        if "renewBefore" not in spec:
            continue
        duration, before = seconds(spec["duration"]), seconds(spec["renewBefore"])
        if before >= duration:
            yield f"{name_of(certificate)} is renewed before it begins"
        if duration > 30 * DAY and 2 * before > duration:
            yield f"{name_of(certificate)} is renewed at {(duration - before) // DAY} d"


def leaf_cut_short(f: Facts) -> Iterator[str]:
    """An issuer that ends before the leaves that it signed on its last day."""
    issuer = f.config.trust.issuer
    for certificate in f.certificates:
        if certificate["metadata"]["name"] == "linkerd-identity-issuer":
            left = seconds(certificate["spec"]["renewBefore"])
            if left <= issuer.leaf_lifetime.seconds + issuer.clock_skew.seconds:
                yield "a leaf outlives the issuer"


def lives_for_years(f: Facts) -> Iterator[str]:
    """A certificate below the anchor that lives so long that nobody knows how to renew it."""
    for certificate in f.certificates:
        spec = certificate["spec"]
        if certificate in f.roots:
            continue
        limit = 366 if spec.get("isCA") else 30
        if seconds(spec["duration"]) > limit * DAY or "renewBefore" not in spec:
            yield f"{name_of(certificate)} lives for {spec['duration']}"


def policy_left_to_default(f: Facts) -> Iterator[str]:
    """A key whose rotation changes with the version of cert-manager."""
    for certificate in f.certificates:
        if "rotationPolicy" not in certificate["spec"].get("privateKey", {}):
            yield f"{name_of(certificate)} has no rotationPolicy"


def issuer_not_a_ca(f: Facts) -> Iterator[str]:
    """What linkerd-identity refuses: a leaf, another curve, a chain without `server auth`."""
    for certificate in f.certificates:
        spec = certificate["spec"]
        if certificate["metadata"]["name"] != "linkerd-identity-issuer":
            continue
        key = spec["privateKey"]
        if not spec.get("isCA") or (key["algorithm"], key["size"]) != ("ECDSA", 256):
            yield "no intermediate CA of Linkerd's kind"
        if "server auth" not in spec.get("usages", ["server auth"]):
            yield "no server auth"
        if spec["commonName"] != f"identity.linkerd.{f.config.trust.domain}":
            yield "another name, or the root's"
    for issuer in f.of("ClusterIssuer"):
        path = issuer["spec"].get("vault", {}).get("path", "/sign-intermediate")
        if not path.endswith("/sign-intermediate") or "/root/" in path:
            yield f"{name_of(issuer)} asks {path}"


def wrong_encoding(f: Facts) -> Iterator[str]:
    """SEC1 or PKCS1, where the server in Rust reads PKCS8 alone."""
    for certificate in f.certificates:
        host = certificate["spec"]["commonName"].split(".")[0]
        if host in SERVERS_IN_RUST and certificate["spec"]["privateKey"].get("encoding") != "PKCS8":
            yield f"{name_of(certificate)} is not PKCS8"
