"""The command line: dispatcher, options, ends of a command, several stacks at a time."""
