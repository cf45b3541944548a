"""What would change, from whichever source: one model, its risk, and what it means to operators."""
