"""Surfaces: the only place where Ray Serve deployments are built. No policy lives here."""
