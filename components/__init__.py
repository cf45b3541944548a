"""One component per file. docs/components/README.md says how to add one."""
