"""Adapters of this domain."""
