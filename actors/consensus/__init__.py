"""Reading answers, telling which mean the same, tallying votes, and the coordinator around that core."""
