"""Servers that speak the protocols of OpenAI, Anthropic and Google Gemini and fail like them, on demand.

They stand at the project's edge where a cloud provider would: for tests, for the fault campaign, for benchmarks. What they
say comes from files of recorded answers (``models.recorded``), how they fail from ``faults``.
"""
