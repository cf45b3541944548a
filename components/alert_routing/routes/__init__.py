"""The routing of alerts as data: receivers, routes, inhibition, messages, and both forms of it."""
