"""Comparing candidates by what they do: which inputs are worth trying, what is equal, who passes the examples."""
