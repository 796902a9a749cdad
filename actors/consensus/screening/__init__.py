"""Screening: what a candidate's code would do to whoever runs it, read from its text before any group of answers can win."""
