"""Who is let in: quotas of keys, the line in front of a replica, what is shed and what is saved when too much comes."""
