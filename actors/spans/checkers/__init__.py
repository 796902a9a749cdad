"""Checkers of rows on their way into the table."""
