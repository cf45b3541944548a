# What deploying an owner stack takes in Vault: the mounts, the roots, what is published, policies.
# Paths are those of the defaults vault.pkiMount (linkerd/pki) and vault.kvMount (linkerd/kv).
path "sys/mounts/linkerd/*" {
  capabilities = ["create", "read", "update", "delete"]
}
path "linkerd/pki/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}
path "linkerd/kv/+/anchors/*" {
  capabilities = ["create", "read", "update", "delete"]
}
path "sys/policies/acl/linkerd-read-anchors" {
  capabilities = ["create", "read", "update", "delete"]
}
path "sys/policies/acl/linkerd-sign-*" {
  capabilities = ["create", "read", "update", "delete"]
}
# The provider works with a child token; not needed with vault.skipChildToken.
path "auth/token/create" {
  capabilities = ["create", "update"]
}
