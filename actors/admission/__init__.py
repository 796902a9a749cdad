"""What is let in, how much of it at once, and what a repeated request gets."""
