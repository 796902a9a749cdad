"""Running untrusted code where it can harm and learn nothing, and telling what it did as plain data."""
