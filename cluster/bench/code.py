"""Measures requests for code: ``python -m cluster.bench.code``. Takes about seven minutes; the machine should do nothing else.

Rules:
- The upstreams, our gateway and LiteLLM's proxy are those of ``cluster.bench``; voters play answers recorded for this.
- Before anything is measured each request is sent once, and its answer, the way of agreement and the record are checked.
- Each run of a numbered question goes on behind the numbers of the last one.
"""

import argparse
import contextlib
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from cluster.bench import facts, spent, systems
from cluster.bench.code_answers import (
    JSON_QUESTION,
    NUMBERS,
    OTHER_ANSWERS,
    SAME_ANSWERS,
    STEP,
    code_answer,
    json_answer,
    question,
    recordings,
)
from cluster.bench.code_page import (
    DIFFERS,
    JSON,
    NEW,
    OURS,
    ROWS,
    SAME,
    TEXT,
    TITLE,
    CodeRun,
    as_json,
    connections_of,
    section,
)
from cluster.bench.driving import arguments, driven, samples_of, say, started
from cluster.bench.figures import CONNECTIONS, LITELLM, tabulate
from cluster.bench.load import NUMBER, Figures, NothingAnswered, Numbers, Target, drive
from cluster.bench.page import write_section
from cluster.bench.stages import Share
from cluster.bench.started import BenchError
from cluster.home import Home

_METHODS = {SAME: "syntax", NEW: "syntax", DIFFERS: "behaviour", TEXT: "similarity", JSON: "canonical"}
"""Way of agreement by which each request must be answered."""
_PROFILED = (SAME, TEXT, NEW, DIFFERS)
_LONGER = 3
_LATE = 1.1
"""What is asked while wrk ends its run, and is not in its count, is less than a tenth of it and of one request a connection."""


def bodies() -> dict[str, dict[str, Any]]:
    """Return what is asked, without a model: row → request."""
    once, each = _asked(question(0)) | {"seed": 0}, _asked(question(NUMBER)) | {"seed": NUMBER}
    return {
        SAME: once,
        TEXT: once | {"weavergen": {"answer_kind": "text"}},
        JSON: _asked(JSON_QUESTION) | {"weavergen": {"answer_kind": "json"}},
        NEW: each,
        DIFFERS: each,
        LITELLM: each,
    }


def _asked(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def target_of(template: Target, row: str) -> Target:
    """Return a row's request, sent to where a template goes and to its model."""
    body = json.dumps({"model": json.loads(template.body)["model"], **bodies()[row]})
    body = body.replace(json.dumps(NUMBER), NUMBER)  # the seed is a number
    first = OTHER_ANSWERS if row == DIFFERS else SAME_ANSWERS
    numbers = Numbers(first, STEP, NUMBERS) if NUMBER in body else None
    return replace(template, body=body, numbers=numbers)


def main() -> int:
    """Measure and write the section into the page of benchmarks."""
    parser = arguments("cluster.bench.code", __doc__)
    parser.add_argument("--no-profile", action="store_true", help="leave the stages of the replica out")
    options = parser.parse_args()
    run = driven("code-", lambda wrk, folder: CodeBench(wrk, folder, options).run())
    text = section(run)
    write_section(options.out, TITLE, text, {"code": as_json(run)})
    print(text)
    return 0


class CodeBench:
    """One run: start everything, check it, measure in turns, profile, end everything."""

    def __init__(self, wrk: str, folder: Path, options: argparse.Namespace) -> None:
        self._wrk = wrk
        self._folder = folder
        self._options = options
        self._missing: dict[str, str] = {}
        self._next: dict[str, int] = {}
        self._samples: dict[tuple[str, int], list[Figures]] = {}
        self._spent: dict[tuple[str, int], list[Mapping[str, float]]] = {}

    def run(self) -> CodeRun:
        """Return what was found."""
        name = "load average before the run (1 min)"
        machine = {name: facts.machine()[name]}
        with ExitStack() as stack:
            ports, key = stack.enter_context(systems.upstreams(self._folder, recordings(systems.VOTERS)))
            say("our gateway")
            home, port, client_key = stack.enter_context(
                systems.our_gateway(self._folder, systems.profile_of(ports), key)
            )
            ours = systems.completions(port, "consensus", client_key)
            targets = {row: target_of(ours, row) for row in OURS}
            peer = started(stack, self._missing, LITELLM, systems.litellm(self._folder, ports[0], key))
            if peer is not None:
                targets[LITELLM] = target_of(peer, LITELLM)
            for row, target in targets.items():
                self._check(row, target, home)
            for number in range(self._options.rounds):
                self._round(number + 1, targets, home)
            shares = {} if self._options.no_profile else self._profiles(home, targets)
        spent_by = {cell: _median(found) for cell, found in self._spent.items()}
        return CodeRun(
            machine, self._options.seconds, self._options.rounds, tabulate(self._samples), self._missing, spent_by, shares
        )  # fmt: skip

    def _check(self, row: str, target: Target, home: Home) -> None:
        """Raise ``BenchError`` unless the row's request is answered as it should be, the first of its numbers standing in."""
        first = target.numbers.first if target.numbers else SAME_ANSWERS
        once = replace(target, body=target.body.replace(NUMBER, str(first)), numbers=None)
        answers = (
            {json_answer()} if row == JSON else {code_answer(first, place) for place in range(len(systems.VOTERS))}
        )
        body = systems.answer_of(once, answers)
        systems.require_refusal(once)
        if row == LITELLM:
            return
        told = body["weavergen"]
        systems.verify(home, told["decision_id"])
        if (method := told["agreement"]["method"]) != _METHODS[row]:
            raise BenchError(
                f"{row}: agreement by {method} instead of {_METHODS[row]}; is bubblewrap installed? {told}"
            )

    def _round(self, number: int, targets: Mapping[str, Target], home: Home) -> None:
        for connections in CONNECTIONS:
            for row in ROWS:
                if row in targets and connections in connections_of(row):
                    try:
                        found = self._cell(row, targets[row], connections, home)
                    except NothingAnswered:
                        self._missing[row] = f"no request was answered in {self._seconds(row)} s"
                        continue
                    say(
                        f"round {number}, {connections} conn., {row}: {found.requests_per_s:.1f}/s, p50 {found.p50_ms:.2f} ms"
                    )

    def _cell(self, row: str, target: Target, connections: int, home: Home) -> Figures:
        with contextlib.suppress(NothingAnswered):  # a comparison may take longer than a warm-up
            self._drive(row, target, connections, self._options.warm_up)
        before, seconds = spent.look(home), self._seconds(row)
        found = self._drive(row, target, connections, seconds)
        self._samples.setdefault((row, connections), []).append(found)
        if row in OURS:
            took = spent.per_request_ms(before, spent.look(home), found.requests_per_s * seconds)
            self._spent.setdefault((row, connections), []).append(took)
        return found

    def _seconds(self, row: str) -> int:
        """Return how long a row's cell is measured: comparing is slow, and a few requests tell little."""
        seconds: int = self._options.seconds
        return seconds * _LONGER if row == DIFFERS else seconds

    def _drive(self, row: str, target: Target, connections: int, seconds: float) -> Figures:
        found = drive(self._wrk, self._onward(row, target), self._folder, connections, seconds)
        if target.numbers is not None:
            asked = round((found.requests_per_s * seconds + connections) * _LATE)
            self._next[row] = (self._next.get(row, target.numbers.first) + asked * STEP) % NUMBERS
        return found

    def _onward(self, row: str, target: Target) -> Target:
        """Return a target whose numbers go on behind those that its row has had."""
        if target.numbers is None:
            return target
        return replace(target, numbers=replace(target.numbers, first=self._next.get(row, target.numbers.first)))

    def _profiles(self, home: Home, targets: Mapping[str, Target]) -> dict[str, list[Share]]:
        cells = {row: (self._onward(row, targets[row]), connections_of(row)[-1]) for row in _PROFILED}
        seen = samples_of(home, self._wrk, self._folder, self._missing, cells)
        return {row: found.by() for row, found in seen.items()}


def _median(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {part: statistics.median(each[part] for each in found) for part in spent.PARTS}


if __name__ == "__main__":
    sys.exit(main())
