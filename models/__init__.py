"""Voters: language models that take a prompt and return a candidate.

Who is right is decided elsewhere; nothing here imports another package of the project.
"""
