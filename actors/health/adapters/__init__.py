"""What reads the machine, keeps the history, and frees space."""
