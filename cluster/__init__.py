"""Operation: command line, bring-up, supervision and configuration. No logic that a request needs."""
