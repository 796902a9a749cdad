"""The OpenAI-compatible gateway: HTTP in, a decision out. What may leave is decided in ``actors``."""
