"""The command line ``weavergen``."""
