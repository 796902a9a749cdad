"""``python -m cluster.bench``: our gateway, two peers and the yardsticks, measured in one run on one machine."""
