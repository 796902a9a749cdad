"""Adapters of this domain's ports to disks."""
