"""Cloud voters: three providers' protocols, each through its own SDK or a thin adapter, behind the one ``Voter`` port.

What is pure: ``answer`` (what a provider said), ``*_map`` (each protocol's words for it), ``sse``, ``pointers``,
``failures``, ``prices``, ``spend``. What is not: ``thin``, ``sdk`` and ``sdk_transport`` (the wire), ``cloud`` and
``capped`` (the voters), ``keys``.
"""
