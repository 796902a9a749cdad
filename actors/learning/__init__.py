"""Learning: what finished decisions say about voters, as counts, and the weights those counts give."""
