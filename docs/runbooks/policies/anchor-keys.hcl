# What `python -m bot trust import` and `trust destroy-key` take on top of owner.hcl: the entries
# with the keys of generations in custody `cluster`. Paths are those of the default vault.kvMount.
# Give it to the person who does it, for as long as it takes; no deployment needs it.
path "linkerd/kv/+/anchor-keys/*" {
  capabilities = ["create", "read", "update"]
}
