"""Harmless texts that look like secrets: what this product prints every day."""

from __future__ import annotations

import base64
import hashlib
import random
import uuid
from collections.abc import Iterator

from tests.unit import secret_corpus as corpus

# Values that are named after secrets and are none.
LINES = """\
password policy
password: |
password: {{ .Values.password }}
password: ${DB_PASSWORD}
password: $DB_PASSWORD
password: <password>
password: null
password: ""
password: '********'
password: [secret]
password: required
"password": "[secret]"
password must have at least 12 characters
the password of the dashboard is in the Secret linkerd-viz-dashboard
a password is made once and kept by pulumi-random
change the password: run `vault kv put secret/viz password=-`
no password is in the state
passwordLength: 32
password_length=32
passwordSecretRef:
token: ${{ secrets.GITHUB_TOKEN }}
token: required
token_ttl: 1h
tokenTtl: 1h
token_policies: [linkerd-issuer]
token_reviewer_jwt_set: true
tokenFile: /path
tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token
token_type: batch
token: /var/run/secrets/kubernetes.io/serviceaccount/token
bearer_token_file: /var/run/secrets/kubernetes.io/serviceaccount/token
bearerTokenFile: /etc/prometheus/token
--token-file /etc/token --password-file /etc/password
--token TOKEN
--password PASSWORD  the password of the user
[--token TOKEN] [--password PASSWORD]
automountServiceAccountToken: false
automountServiceAccountToken: true
skipChildToken: "false"
serviceAccountToken: {path: token, expirationSeconds: 3600}
the token: permission denied
the token has expired: log in again
error: token expired
VAULT_TOKEN: set it to a token that may manage the mounts
VAULT_TOKEN is not set: export it, or log in with `vault login`
export VAULT_TOKEN=$(cat .sandbox/root-token)
GITHUB_TOKEN is not valid: it may have expired
id-token: write
secretName: x
secretName: linkerd-identity-issuer
secretRef: {name: linkerd-trust-anchor}
secretKeyRef: {name: db, key: password}
secretKeyRef:
  name: db
  key: password
secretStoreRef: {name: vault, kind: ClusterSecretStore}
existingSecret: grafana-admin-login
imagePullSecrets: [{name: registry}]
secret: linkerd-identity-issuer
secret: cert-manager-webhook-ca
secret: {secretName: trust, defaultMode: 420}
secretKey: ca.crt
secretKey: client_secret
secretKey: tls.key
kind: Secret
kind: ExternalSecret
type: Secret
external-secrets.io/v1:ExternalSecret
apiVersion: external-secrets.io/v1
resources: [secrets, configmaps]
resource: secrets, verbs: get, list, watch
secrets is forbidden: User "system:serviceaccount:linkerd:linkerd-identity" cannot list
Secret linkerd/linkerd-identity-issuer: created
Secret cert-manager/trust-manager-tls is not ready: CertificateNotIssued
key: value
key: tls.crt
key: password
key: node-role.kubernetes.io/control-plane
keys: tls.crt, tls.key, ca.crt
publicKey: ssh-rsa
privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
privateKey:
  rotationPolicy: Always
private key: in Vault alone
private_key_file: /etc/tls/tls.key
clientKey: /etc/tls/client.key
tls.key
tls_private_key_type=ec
encryptionKey: transit/linkerd
authorization: authorization
authorization: token
authorization: all-unauthenticated
defaultInboundPolicy: cluster-authenticated
authorizationPolicy: shop/web
auth: kubernetes
auth: {kubernetes: {mountPath: kubernetes-east, role: cert-manager}}
authMount: kubernetes-staging
auth/kubernetes/login
auth/token/create
path "auth/token/create" { capabilities = ["update"] }
path "linkerd-pki/issuer/+/sign-intermediate" { capabilities = ["update"] }
vault write linkerd-pki/root/generate/internal common_name=root.linkerd.cluster.local
vault kv get secret/linkerd/anchors/gen-2026a
vaultPath: platform/slack
vaultPath: observability/on-call/production
vaultKey: api_key
vaultKey: url
channel: '#mesh-alerts'
routingKey: mesh-production
apiUrl: https://relay.example.com/alert
credentials: {vaultPath: buoyant/cloud}
credentialsFolder: /etc/alertmanager/secrets/mesh
credential: the entry of Vault that vaultPath names
basic authentication
Basic Authentication credentials used by the server
uses bearer authentication
a bearer token is sent
Authorization: Bearer <token>
Authorization: Bearer $TOKEN
Authorization: Basic ...
cookie: none
set a cookie for the session
session: new
pin: 1.2.3
signature: valid
webhook: linkerd-proxy-injector
webhooks: injector, sp-validator, policy-validator
webhookFailurePolicy: Fail
webhook linkerd-proxy-injector.linkerd.io: certificate ends in 23h
webhookUrl: https://<host>/<path>
https://hooks.slack.com/services/...
https://hooks.slack.com/services/<team>/<bot>/<key>
https://api.slack.com/messaging/webhooks
https://discord.com/developers/docs/resources/webhook
https://help.victorops.com/knowledge-base/rest-endpoint-integration-guide/
https://alert.victorops.com/integrations/generic/20131114/alert/
https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
https://example.com/alert/runbook
https://github.com/linkerd/linkerd2/issues/12345
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
https://vault.example.com:8200/v1/linkerd-pki/issuer/default/pem
https://vault.example.com:8200
http://prometheus.monitoring.svc.cluster.local:9090/api/v1/query?query=up
https://host.example.com:8443/path?mail=a@example.com
https://user@git.example.com/linkerd/platform.git
https://registry.example.com/v2/linkerd/controller/manifests/edge-26.11.2
oci://registry.example.com/charts/linkerd:1.2.3
git@github.com:acme/linkerd-platform.git
ssh://git@github.com/acme/linkerd-platform.git
file:///var/lib/pulumi/state
s3://acme-pulumi-state?region=eu-west-1
hashivault://production?engine=transit
awskms:///alias/pulumi?region=eu-west-1
mailto:platform@example.com
postgres://db.example.com:5432/app?sslmode=require
ghcr.io/linkerd/proxy:edge-26.11.2
cr.l5d.io/linkerd/controller:edge-26.11.2
docker.io/jaegertracing/jaeger:2.20.0
s.example.com
hvs is how tokens of Vault begin
sk-learn and rk-4 are names
a ghp_ token is one of GitHub
checksum/config: CHECKSUM
checksum/secret: CHECKSUM
linkerd.io/inject: enabled
linkerd.io/trust-root-sha256: CHECKSUM
config.linkerd.io/opaque-ports: "25,587,3306,4444,5432,6379,9300,11211"
pulumi.com/waitFor: condition=Ready
kubectl.kubernetes.io/default-container: linkerd-proxy
iam.amazonaws.com/role: arn:aws:iam::123456789012:role/cert-manager
eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/external-secrets
level=info ts=2026-11-28T18:23:16.123Z caller=main.go:123 msg="secret synced" secret=linkerd/issuer
time="2026-11-28T18:23:16Z" level=info msg="token renewed" ttl=1h0m0s
 +  kubernetes:core/v1:Secret viz-dashboard creating (0s)
 ~  vault:kubernetes/authBackendRole:AuthBackendRole cert-manager updating (1s) [diff: ~tokenTtl]
Type                                  Name                    Status
1 secret, 2 tokens and 3 keys: none is in a state file
| key | type | default | what it is |
| `password` | text | none | Password of the dashboard. |
| `token` | text | required | Token of the account. |
| `clientSecret` | secret | none | Client secret of Buoyant Cloud. |
| `apiUrl` | http address | none | Address of a relay for type `splunk-on-call`, up to `/alert`. |
| Secrets provider | passphrase | `hashivault://<stack>?engine=<mount>` |
sum(rate(response_total{namespace="shop", classification="failure"}[5m])) by (token)
histogram_quantile(0.99, sum(rate(response_latency_ms_bucket[5m])) by (le, deployment))
container_network_receive_bytes_total
ValidatingAdmissionPolicyBindingSpecVersionConversion
requiredDuringSchedulingIgnoredDuringExecution
preferredDuringSchedulingIgnoredDuringExecution
linkerd-control-plane-validator-webhook-certificate-renewal
linkerd-policy-validator-k8s-tls-certificate-2026-generation-a
identity.linkerd.serviceaccount.identity.linkerd.cluster.local
web.shop.serviceaccount.identity.linkerd.cluster.local
ec2-203-0-113-25.eu-west-1.compute.amazonaws.com
ABCDEF0123456789ABCDEF0123456789.gr7.eu-west-1.eks.amazonaws.com
prod-cluster-dns-1a2b3c4d.hcp.westeurope.azmk8s.io
collector.tracing.svc.cluster.local:4317
gke_acme-platform-prod_europe-west4_linkerd-production-east
resourceVersion: "123456789"
Serial Number: 03:a1:b2:c3:d4:e5:f6:07:18:29:3a:4b:5c:6d:7e:8f:90:a1
-----BEGIN PRIVATE KEY----- is the first line of a key
`-----BEGIN RSA PRIVATE KEY-----` in a ConfigMap is refused
no-private-key: data.a holds a private key
expected: tls.key in PEM, PKCS8
Bundle linkerd-identity-trust-roots: 2 certificates
v0.0.0-20261128182316-0bfe201c3dfd
go1.25.4 linux/amd64
pulumi-resource-kubernetes-v4.34.2-linux-amd64.tar.gz
linkerd-control-plane-2026.6.3.tgz
external-secrets-crds-2.9.0.tgz
""".splitlines()

URNS = (
    (
        "urn:pulumi:{stack}::linkerd-platform::linkerd-platform:mesh:Linkerd$kubernetes:helm.sh/v4:Chart"
        "$kubernetes:core/v1:ConfigMap::linkerd-control-plane:linkerd/linkerd-config"
    ),
    (
        "urn:pulumi:{stack}::linkerd-platform::linkerd-platform:trust:VaultAnchor"
        "$vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert::gen-{year}a-root"
    ),
    (
        "urn:pulumi:{stack}::linkerd-platform::linkerd-platform:secrets:ExternalSecrets"
        "$kubernetes:external-secrets.io/v1:ExternalSecret::linkerd-trust-anchor-{year}"
    ),
    "urn:pulumi:{stack}::linkerd-platform::kubernetes:core/v1:Secret::viz-dashboard-password",
    "urn:pulumi:{stack}::linkerd-platform::vault:generic/secret:Secret::anchor-keys-{year}",
    "urn:pulumi:{stack}::linkerd-platform::random:index/randomPassword:RandomPassword::viz-{year}",
)


def harmless() -> Iterator[str]:
    """At least 400 texts."""
    rng = random.Random(11)  # noqa: S311
    digest = lambda: hashlib.sha256(rng.randbytes(8)).hexdigest()  # noqa: E731
    yield from (line.replace("CHECKSUM", digest()) for line in LINES if line)
    for stack in ("production", "staging", "sandbox"):
        for year in (2026, 2027):
            yield from (urn.format(stack=stack, year=year) for urn in URNS)
    # The end of a row and the name in the next one are no lines of base64.
    for _ in range(4):
        row = f"linkerd-webhook-ca  300.0 d left  2027-01-04 12:00 UTC  {digest()[:16]}"
        yield f"  {row}\n  linkerd-proxy-injector-k8s-tls  5.0 d left"
    for _ in range(12):
        commit, made = digest()[:40], uuid.UUID(bytes=rng.randbytes(16), version=4)
        pod = "".join(rng.choices("bcdfghjklmnpqrstvwxz2456789", k=10))
        end = "".join(rng.choices("bcdfghjklmnpqrstvwxz2456789", k=5))
        yield from (
            f"commit {commit}",
            f"{commit[:7]} against {digest()[:7]}",
            f"sha256:{digest()}",
            f"cr.l5d.io/linkerd/proxy@sha256:{digest()}",
            f'{{"bindings": {{"changes": "{digest()}", "state": "{digest()}"}}}}',
            f"digest: {digest()}",
            f'"sha256": "{digest()}"',
            f"fingerprint {digest()}",
            f"uid: {made}",
            f'"id": "{digest()[:16]}"',
            f"pvc-{made}",
            f"issuer_ref={made}",
            f"linkerd-destination-{pod}-{end}",
            f"pod/linkerd-proxy-injector-{pod}-{end} condition met",
            f"pulumi-random-suffix-{digest()[:8]}",
            f"traceparent: 00-{digest()[:32]}-{digest()[:16]}-01",
            "SHA256:" + base64.b64encode(rng.randbytes(32)).decode().rstrip("="),
            "sha256-" + base64.b64encode(rng.randbytes(32)).decode(),
            "h1:" + base64.b64encode(rng.randbytes(32)).decode(),
            f'ETag: "{digest()[:32]}"',
        )
    certificate = corpus.certificate()
    coded = base64.b64encode(certificate.encode()).decode()
    yield from (
        certificate,
        f"caBundle: {coded}",
        f"certificate-authority-data: {coded}",
        f"identityTrustAnchorsPEM: |\n{certificate}",
        base64.b64encode(b"a text of several words, which is none that is secret").decode(),
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + base64.b64encode(rng.randbytes(31)).decode()[:43],
    )
    for kind in ("web", "cart", "orders", "payments", "search", "catalog", "checkout", "mail"):
        yield from (
            f"- {{name: {kind}, secretName: {kind}-tls, tokenTtl: 1h, keyRef: {kind}}}",
            f"- name: {kind.upper()}_TOKEN\n  valueFrom:\n    secretKeyRef: {{name: {kind}}}",
            f"env:\n- name: {kind.upper()}_PASSWORD\n  value: $({kind.upper()}_SECRET)",
            f"volumes:\n- name: {kind}-secret\n  secret:\n    secretName: {kind}-tls\n",
            f"{kind}.secretName={kind}-tls {kind}.tokenFile=/var/run/{kind}/token",
            f'{{"secretName": "{kind}-tls", "secretKeyRef": {{"name": "{kind}", "key": "token"}}}}',
            f"vault kv put secret/{kind} token=@token.txt",
        )
