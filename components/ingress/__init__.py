"""How requests come in from outside: Gateways of Envoy, in front of meshed services."""
