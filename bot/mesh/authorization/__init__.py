"""Authorization: what was seen, who a policy would deny, and the rules that are missing."""
