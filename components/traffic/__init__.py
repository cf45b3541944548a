"""How requests to a service are routed, retried, timed out and kept from failing pods."""
