"""An attacker as a recorded voter: the lines that ``up --answers`` plays. Pure.

Rules: one line a target with as many answers as there are seeds; which of them is given follows from the request's seed, so a
flip-flop flips.
"""

from collections.abc import Mapping, Sequence

import msgspec

from actors.base.digests import sha256_hex
from cluster.evals.attacks.poison import Attack, Target


def recorded_lines(
    attack: Attack, voter: str, lineage: str, targets: Mapping[Target, Sequence[str]], seeds: Sequence[int]
) -> list[bytes]:
    """Return an attacker's answers to every target (target → honest answers, best first), one for each seed."""
    return [
        msgspec.json.encode(
            {
                "prompt_sha256": sha256_hex(target.question.encode()),
                "voter": voter,
                "family": lineage,
                "lineage": lineage,
                "answers": [{"content": attack.make(target, honest, seed).content} for seed in seeds],
            }
        )
        + b"\n"
        for target, honest in targets.items()
    ]
