"""An attacker as a recorded voter, read by the reader of recorded answers."""

from pathlib import Path

import pytest

from cluster.evals.attacks.catalogue import ATTACKS, BY_NAME
from cluster.evals.attacks.playable import recorded_lines
from cluster.evals.attacks.poison import Attack, Target
from models.recorded import RecordedVoter, load_recorded
from models.voter import Message, Sampling, VoterRequest

TARGETS = {Target(f"Write {name}.", name): [f"def {name}(x):\n    return x"] for name in ("f", "g")}


async def answers(path: Path, question: str, seeds: range) -> list[str]:
    """Ask the file's voter."""
    recorded = load_recorded([path])
    voter = RecordedVoter(recorded.infos[0], recorded)
    request = [VoterRequest("r", (Message("user", question),), Sampling(max_tokens=64, seed=seed), 0) for seed in seeds]
    return [(await voter.ask(one)).content for one in request]


@pytest.mark.parametrize("attack", [pytest.param(attack, id=attack.name) for attack in ATTACKS])
async def test_a_recorded_attacker_says_what_the_attack_says(tmp_path: Path, attack: Attack) -> None:
    """To every question, and by the request's seed."""
    path = tmp_path / "attacker.jsonl"
    path.write_bytes(b"".join(recorded_lines(attack, "m", "poisoned", TARGETS, range(2))))
    for target, honest in TARGETS.items():
        expected = [attack.make(target, honest, seed).content for seed in (0, 1, 0)]
        assert await answers(path, target.question, range(3)) == expected


async def test_a_recorded_flip_flop_flips(tmp_path: Path) -> None:
    """Honest in one request, poisoned in the next."""
    path = tmp_path / "flip.jsonl"
    path.write_bytes(b"".join(recorded_lines(BY_NAME["flip-flop"], "m", "poisoned", TARGETS, range(2))))
    told = await answers(path, "Write f.", range(4))
    assert ["urlopen" in text for text in told] == [False, True, False, True]
