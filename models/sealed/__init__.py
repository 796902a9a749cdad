"""Engines that no network reaches and that reach none: a namespace of their own, one socket as the only door.

Read ``confinement`` for the barriers, ``inside`` for what runs behind them, ``engine`` for its life and its proof.
"""
