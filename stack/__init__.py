"""What a stack is made of: its typed config, its providers and the order of its parts."""
