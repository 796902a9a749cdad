"""Operational state: tables, API keys, the signed AuthSnapshot, incidents and the webhook notifier."""
