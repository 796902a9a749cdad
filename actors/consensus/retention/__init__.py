"""Keeping what was asked and answered where the operator wants it, and grouping it again."""
