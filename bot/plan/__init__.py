"""What a stack is made of, and what changes between two revisions, without any credentials."""
