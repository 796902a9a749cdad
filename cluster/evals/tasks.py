"""HumanEval: its tasks, and how a voter is asked for one. Pure.

Rules:
- The data set is known by its digest; other bytes are no HumanEval.
- A task is asked as one user message, as a client of the gateway would write it. ``PROMPT_VERSION`` names the wording: recordings
  made with another one are not mixed with these.
- The tests of a task never stand in the question.

Source: Chen et al., "Evaluating Large Language Models Trained on Code" (2021), https://github.com/openai/human-eval, MIT licence.
Left out: where the bytes come from (``dataset``), and running anything (``scoring``).
"""

import zlib

import msgspec

from actors.base.digests import sha256_hex
from actors.base.errors import ConfigurationError

SUITE = "humaneval"
DATASET_SHA256 = "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef"
"""Of the gzipped JSON lines."""
TASKS = 164
PROMPT_VERSION = "function-in-one-block-1"

_MAX_BYTES = 4 << 20
"""Unpacked; the real set has 0.2 MiB."""
_QUESTION = """\
Complete the following Python function. Answer with the whole function in one code block.

```python
{prompt}
```"""


class Task(msgspec.Struct, frozen=True):
    """One function to be written, and the tests that say whether it was."""

    task_id: str
    prompt: str
    """Imports, signature and docstring, mostly with examples."""
    entry_point: str
    """The function's name."""
    canonical_solution: str
    """The body that the authors wrote."""
    test: str
    """Source that defines ``check(candidate)``, which raises unless the candidate is right."""


def read_tasks(data: bytes) -> tuple[Task, ...]:
    """Decode the data set's bytes; raises ``ConfigurationError`` unless they are the ones ``DATASET_SHA256`` names."""
    if (actual := sha256_hex(data)) != DATASET_SHA256:
        raise ConfigurationError(
            f"this is not HumanEval: it hashes to {actual} instead of {DATASET_SHA256}; delete it to have it fetched again"
        )
    unpacked = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(data, _MAX_BYTES)
    return tuple(msgspec.json.decode(line, type=Task) for line in unpacked.splitlines() if line.strip())


def question_of(task: Task) -> str:
    """Return the user message that asks for a task's function."""
    return _QUESTION.format(prompt=task.prompt.strip())


def question_sha256(task: Task) -> str:
    """Return the digest under which a recorded answer to the task is found."""
    return sha256_hex(question_of(task).encode())
