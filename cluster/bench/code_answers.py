"""Questions for code and the answers recorded for them: the load of ``cluster.bench.code``. Pure.

Rules:
- A question carries a number and so does every answer to it, as a constant of the code: another number is another question and
  other code. The request's ``seed`` is the same number, and the recorded voters take the answer of that place.
- To an even number every voter gives the same code; to an odd one each writes it another way, to the same effect. The first
  way has no part that none of the others has, so that ``strict`` serves it.
- Numbers that follow on each other come round after ``NUMBERS``: far more codes of each sort than a screener remembers, which
  forgets the one that was longest unused, so that in each of its requests the code is new to it.
- The answer in JSON is as long as the code.

Left out: serving them (``models.recorded_server``).
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

NUMBERS = 12_000
SAME_ANSWERS, OTHER_ANSWERS = 0, 1
"""What a number leaves, divided by two: the sort of answers it gets."""
STEP = 2
_SAID = "Here is a function that does it:\n\n```python\n{code}```\n"
_WAYS = (
    '''\
def moving_totals(values: list[int], width: int) -> list[int]:
    """Return the total of every window of ``width`` values, plus a constant."""
    if width < 1 or width > len(values):
        return []
    total = sum(values[:width])
    totals = [total + {number}]
    for place in range(width, len(values)):
        total += values[place] - values[place - width]
        totals.append(total + {number})
    return totals
''',
    '''\
def moving_totals(values: list[int], width: int) -> list[int]:
    """Add up each window of ``width`` values by itself, plus a constant."""
    if width > len(values) or width < 1:
        return []
    totals = []
    for place in range(width - 1, len(values)):
        total = sum(values[place - width + 1 : place + 1])
        totals.append(total + {number})
    return totals
''',
    '''\
def moving_totals(values: list[int], width: int) -> list[int]:
    """Take each value in and the one before its window out, plus a constant."""
    if width < 1 or len(values) < width:
        return []
    total = sum(values[:width])
    place = width
    found = [total + {number}]
    for value in values[width:]:
        total += value - values[place - width]
        place += 1
        found.append(total + {number})
    return found
''',
)


def question(number: int | str) -> str:
    """Return the question for code with this number, or with what stands for one."""
    return (
        "Write a Python function `moving_totals(values: list[int], width: int) -> list[int]` that returns, for each window of "
        f"`width` consecutive values, their sum plus {number}. Return an empty list if there is no such window."
    )


JSON_QUESTION = "Return the totals of the year's weeks as JSON."


def code_answer(number: int, voter: int) -> str:
    """Return what the voter of this place in the panel answers to the question with this number."""
    way = voter if number % STEP == OTHER_ANSWERS else SAME_ANSWERS
    return _SAID.format(code=_WAYS[way].format(number=number))


def json_answer() -> str:
    """Return a JSON answer no shorter than the code, and by less than one member longer."""
    wanted, weeks = len(code_answer(0, 0)), dict[str, int]()
    while len(told := json.dumps(weeks)) < wanted:
        weeks[f"week {len(weeks) + 1}"] = 1000 + len(weeks)
    return told


def recordings(voters: Sequence[str]) -> list[dict[str, Any]]:
    """Return the lines of recorded answers for a panel of these voters, at most as many as there are ways."""
    lines: list[dict[str, Any]] = []
    for place, voter in enumerate(voters):
        who = {"voter": voter, "family": voter, "lineage": voter}
        answers = [{"content": code_answer(number, place)} for number in range(NUMBERS)]
        lines.append({"default": {**who, "answers": answers}})
        asked = hashlib.sha256(JSON_QUESTION.encode()).hexdigest()
        lines.append({"prompt_sha256": asked, **who, "answers": [{"content": json_answer()}]})
    return lines
