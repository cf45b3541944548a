"""Authorization: the calls that were seen, whom a policy would deny, and the rules it lacks."""
