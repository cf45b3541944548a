"""The mesh after it is there: trust, rollout, authorization, status, drift."""
