"""What `up` may do: approvals, protected actions, waves, locks, history, verification."""
