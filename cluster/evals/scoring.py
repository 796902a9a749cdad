"""Whether a candidate passes its task's tests. Pure: what to run, and what an outcome means.

Rules:
- A candidate is the code that a gateway would compare, run and screen (``reading.code``), run after what stands in the prompt
  before the function (imports, helpers): the answer completes that text, and is worth what it is worth there. Its imports from
  ``__future__`` stand before both, where alone Python takes them. An answer without code that can be read fails.
- The tests come last, so that a candidate cannot put its own ``check`` in their place. A candidate passes if ``check`` returned
  ``None``; whatever else happened, it failed.
- What could not be run has no verdict: an unproven sandbox says nothing about a candidate.
- A verdict belongs to exactly the source that was run (``Scored.source_sha256``), so it can be kept and used again.

Left out: candidates that attack the tests from inside, which honest voters do not (a suite's tests are no secret gate); running
anything (``judging``).
"""

import msgspec

from actors.base.digests import sha256_hex
from actors.consensus.reading.code import code_of
from actors.consensus.reading.context import future_and_rest
from actors.consensus.sandbox.protocol import Job, Ran
from cluster.evals.tasks import Task

_LANGUAGE = "python"


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the tests said about one source."""

    source_sha256: str
    """Of the candidate in its context with the tests: equal sources have equal verdicts."""
    passed: bool
    end: str
    """How it ended: of the call where the code ran, else of the run."""


def code_in(content: str) -> str:
    """Return the Python code of an answer; empty if it has none that can be read."""
    try:
        return code_of(content, _LANGUAGE)
    except (ValueError, RecursionError):
        return ""


def context_of(task: Task) -> str:
    """Return what stands in the prompt before the function that is to be written."""
    return task.prompt[: max(0, task.prompt.find(f"def {task.entry_point}("))]


def job_of(task: Task, content: str) -> Job:
    """Return the run that decides whether an answer passes."""
    first, rest = future_and_rest(code_in(content))
    source = "\n".join((context_of(task), rest, task.test))
    return Job(f"{first}\n{source}" if first else source, (f"check({task.entry_point})",))


def source_sha256(job: Job) -> str:
    """Return the digest that a run's verdict is kept under."""
    return sha256_hex("\0".join((job.code, *job.calls)).encode("utf-8", "surrogatepass"))


def verdict_of(job: Job, ran: Ran) -> Verdict | None:
    """Judge what came of a run; ``None`` where nothing was run."""
    if ran.end == "unavailable":
        return None
    end = ran.calls[0].end if ran.end == "ran" and ran.calls else ran.end
    return Verdict(source_sha256(job), end == "value" and ran.calls[0].value is None, end)
