# What deploying the stack of cluster CLUSTER takes in Vault: its login, and reading the anchors.
# Paths are those of the defaults vault.authMount (kubernetes/CLUSTER) and vault.kvMount (linkerd/kv).
# At another KV mount the policies below are called after it: linkerd-read-CLUSTER.blue.kv for blue/kv.
path "sys/auth" {
  capabilities = ["read"]
}
# Making an auth mount takes sudo in Vault.
path "sys/auth/kubernetes/CLUSTER" {
  capabilities = ["create", "read", "update", "delete", "sudo"]
}
path "sys/mounts/auth/kubernetes/CLUSTER" {
  capabilities = ["read"]
}
path "sys/mounts/auth/kubernetes/CLUSTER/tune" {
  capabilities = ["read", "update"]
}
path "auth/kubernetes/CLUSTER/*" {
  capabilities = ["create", "read", "update", "delete"]
}
path "sys/policies/acl/linkerd-read-CLUSTER" {
  capabilities = ["create", "read", "update", "delete"]
}
# The right to read the key of the signing generation, where that is in custody `cluster`.
path "sys/policies/acl/linkerd-anchor-key-CLUSTER" {
  capabilities = ["create", "read", "update", "delete"]
}
path "linkerd/kv/data/anchors/*" {
  capabilities = ["read"]
}
# Whether the approval of a change was signed (the policy linkerd-deployer-linkerd.transit says the same).
path "linkerd/transit/verify/approvals" {
  capabilities = ["create", "update"]
}
# The provider works with a child token; not needed with vault.skipChildToken.
path "auth/token/create" {
  capabilities = ["create", "update"]
}
