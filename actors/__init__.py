"""Decisions, one folder a domain: pure modules that decide, the ports they need, adapters, and plain actor shells."""
