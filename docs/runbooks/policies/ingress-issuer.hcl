# What the ingress gateway's issuer may: certificates of one role of the PKI engine, and nothing else.
path "pki/sign/ingress" {
  capabilities = ["create", "update"]
}
