"""Servers that speak the protocols of OpenAI, Anthropic and Google Gemini and fail like them, on demand.

They stand at the project's edge where a cloud provider would: for tests, for the fault campaign, for benchmarks. What they
say comes from files of recorded answers (``models.recorded``), how they fail from ``faults``. As a program::

    python -m models.protocol_servers --protocol anthropic --answers FILE --key-file KEY --control-key-file CONTROL

prints ``{"port", "control_port", …}``; ``POST /control`` with ``{"fault": "cut_stream", "model": "m1", "remaining": 3}``
orders a fault, ``{"fault": null}`` lifts it, ``GET /control`` tells what is ordered and what was counted.
"""
