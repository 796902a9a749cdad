"""A sandbox for tests that runs trusted snippets here, at once; they raise ``Hang`` and ``Die`` for what it cannot do."""

import ast
import contextlib
import io
from collections.abc import Sequence

from actors.consensus.behaviour.compare import Asked, Comparison, NotCompared, begin, step
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.behaviour.literals import value_of
from actors.consensus.behaviour.values import encode
from actors.consensus.sandbox.protocol import Job, Observed, Ran

_ENDS = {"Hang": "timeout", "Die": "crash"}


class Hang(BaseException):
    """Stands for a call that does not end."""


class Die(BaseException):
    """Stands for a call that ends its process."""


def run_job(job: Job) -> Ran:
    """Run a job's code and calls in a namespace of their own."""
    namespace: dict[str, object] = {"Hang": Hang, "Die": Die}
    try:
        exec(job.code, namespace)  # noqa: S102  # snippets of these tests
    except Exception as error:  # noqa: BLE001  # whatever a candidate's top level raises
        return Ran("failed", (), type(error).__name__)
    calls: list[Observed] = []
    for call in job.calls:
        calls.append(_observed(call, namespace))
        if calls[-1].end in {"timeout", "crash"}:  # the process has ended
            rest = (Observed("not_run"),) * (len(job.calls) - len(calls))
            return Ran("timeout" if calls[-1].end == "timeout" else "crash", (*calls, *rest))
    return Ran("ran", tuple(calls))


def _observed(call: str, namespace: dict[str, object]) -> Observed:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            arguments, value = _called(call, namespace)
        except BaseException as error:  # noqa: BLE001  # whatever a candidate raises
            name = type(error).__name__
            return Observed(_ENDS.get(name, "exception"), None, name, (), printed.getvalue())  # type: ignore[arg-type]
    return Observed("value", encode(value), "", tuple(map(encode, arguments)), printed.getvalue())


def _called(call: str, namespace: dict[str, object]) -> tuple[list[object], object]:
    tree = ast.parse(call, mode="eval").body
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and not tree.keywords:
        with contextlib.suppress(ValueError):
            arguments = [value_of(argument) for argument in tree.args]
            return arguments, namespace[tree.func.id](*arguments)  # type: ignore[operator]
    return [], eval(call, namespace)  # noqa: S307  # snippets of these tests


class InProcess:
    """The port; ``rounds`` counts how often it was asked."""

    def __init__(self) -> None:
        self.rounds = 0

    async def run(self, jobs: Sequence[Job]) -> list[Ran]:
        """Run all jobs."""
        self.rounds += 1
        return [run_job(job) for job in jobs]


def compared(
    asked: Asked, candidates: dict[int, str], seed: int = 7, config: BehaviourConfig | None = None
) -> Comparison:
    """Compare candidates to the end."""
    state, jobs = begin(asked, candidates, config or BehaviourConfig(), seed)
    while jobs:
        state, jobs = step(state, [run_job(job) for job in jobs])
    assert isinstance(state.verdict, Comparison)
    return state.verdict


def not_compared(verdict: Comparison | NotCompared | None) -> str:
    """Return why there is no comparison."""
    assert isinstance(verdict, NotCompared)
    return verdict.reason
