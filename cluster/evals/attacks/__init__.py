"""Poisoned candidates by kind of attack: pure, seeded generators, for evaluations, recorded voters and chaos experiments."""
