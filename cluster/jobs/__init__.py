"""Ray jobs: work on what the system recorded, beside the requests it serves."""
