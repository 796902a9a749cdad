"""Long campaigns against a running system: ``make acceptance NAME=…``. Results go to ``docs/acceptance``.

Each stage's result is kept as soon as it is there, so that an interrupted campaign goes on where it was.
"""
