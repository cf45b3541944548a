"""Who may call whom."""
