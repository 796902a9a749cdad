"""Whatever runs out: each lifetime with the production's class that keeps it, driven to just before and just after its end."""
