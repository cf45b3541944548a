"""Change sets as comments of a pull request: what they say, how they are split, where they go."""
