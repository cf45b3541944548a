# What deploying an owner stack takes in Vault: the mounts, the roots, what is published, policies.
# Paths are those of the defaults vault.pkiMount (linkerd/pki), vault.kvMount (linkerd/kv) and
# vault.transitMount (linkerd/transit). At other mounts the policies below are called after them:
# linkerd-read-anchors.blue.kv and linkerd-sign-GENERATION.blue.pki for blue/kv and blue/pki.
path "sys/mounts" {
  capabilities = ["read"]
}
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
# The key that approvals are signed with, and the policies of who signs and who verifies.
path "linkerd/transit/keys/approvals" {
  capabilities = ["create", "read", "update", "delete"]
}
path "linkerd/transit/keys/approvals/config" {
  capabilities = ["create", "update"]
}
path "sys/policies/acl/linkerd-approver-linkerd.transit" {
  capabilities = ["create", "read", "update", "delete"]
}
path "sys/policies/acl/linkerd-deployer-linkerd.transit" {
  capabilities = ["create", "read", "update", "delete"]
}
# Whether the approval of a change was signed. Who approves has the policy
# linkerd-approver-linkerd.transit, which the owner stack makes, and need not deploy.
path "linkerd/transit/verify/approvals" {
  capabilities = ["create", "update"]
}
# The provider works with a child token; not needed with vault.skipChildToken.
path "auth/token/create" {
  capabilities = ["create", "update"]
}
