"""Scores screening: ``python -m cluster.bench.screening [--half held-out] [--humaneval FILE] [--out FILE] [--page FILE]``.

Rules:
- Detection is a rejection, for recall and false positives alike; flags are counted apart. Bandit counts at medium severity and
  confidence or higher.
- The same files, in the same run, for both. Fixed halves, a sample of the standard library and HumanEval's reference solutions
  are code that should not be rejected.
- Times are of one thread: ours holds Bandit's.
"""

import argparse
import gzip
import json
import statistics
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actors.consensus.adapters.bandit import Bandit, is_medium
from actors.consensus.screening.screen import MAX_CODE_CHARS, screen
from actors.consensus.screening.version import SCREENING_VERSION
from cluster.bench import facts
from cluster.bench.page import write_section
from cluster.bench.pairs import Half, Pair, read
from cluster.node import REPOSITORY

TITLE = "Screening"
PAIRS = REPOSITORY / "tests" / "data" / "screening"
STANDARD_MODULES = 168
WANTED_TIMES = 1.7


@dataclass(slots=True)
class Count:
    """How one set of files was judged."""

    files: int = 0
    ours: int = 0
    """Rejected by screening."""
    bandit: int = 0
    """Medium or higher by Bandit alone."""
    flagged: int = 0
    """Flagged by screening, not rejected."""
    ours_ms: list[float] = field(default_factory=list)
    bandit_ms: list[float] = field(default_factory=list)
    rules: Counter[str] = field(default_factory=Counter)
    """Which rules rejected, by file."""


class Scorer:
    """Judges files with screening and with Bandit alone."""

    def __init__(self) -> None:
        self._bandit = Bandit()

    def judge(self, code: str, count: Count) -> str:
        """Judge one file and return screening's verdict."""
        began = time.perf_counter()
        found = screen(code, "python", (self._bandit,))
        middle = time.perf_counter()
        alone = any(is_medium(issue) for issue in self._bandit.issues(code))
        ended = time.perf_counter()
        count.files += 1
        count.ours += found.verdict == "reject"
        count.flagged += found.verdict == "flag"
        count.bandit += alone
        count.ours_ms.append((middle - began) * 1000)
        count.bandit_ms.append((ended - middle) * 1000)
        count.rules.update({f.rule for f in found.findings if f.verdict == "reject"})
        return found.verdict

    def all(self, codes: Iterable[str]) -> Count:
        """Judge a set of files."""
        count = Count()
        for code in codes:
            self.judge(code, count)
        return count


def main() -> int:
    """Score and print; return 0 if what is wanted was reached."""
    options = _options()
    load = facts.machine()["load average before the run (1 min)"]
    pairs = [pair for pair in read(PAIRS) if pair.half == options.half]
    scorer = Scorer()
    counts = {
        "vulnerable": scorer.all(pair.vulnerable for pair in pairs),
        "fixed": scorer.all(pair.fixed for pair in pairs),
        "standard library": scorer.all(_standard_library()),
    }
    if options.humaneval:
        counts["HumanEval solutions"] = scorer.all(_humaneval(options.humaneval))
    _print(options.half, pairs, counts)
    if options.list:
        _list(scorer, pairs)
    if options.out:
        options.out.write_text(json.dumps(_as_json(options.half, counts), indent=1) + "\n")
    if options.page:
        text = section(options.half, pairs, counts, load)
        write_section(options.page, TITLE, text, {"screening": _as_json(options.half, counts)})
    return 0 if reached(counts) else 1


def reached(counts: dict[str, Count]) -> bool:
    """Tell whether recall is ``WANTED_TIMES`` Bandit's at no more false positives, over all sets of sound code."""
    sound = [count for name, count in counts.items() if name != "vulnerable"]
    wrong, bandit_wrong = sum(c.ours for c in sound), sum(c.bandit for c in sound)
    return counts["vulnerable"].ours >= WANTED_TIMES * counts["vulnerable"].bandit and wrong <= bandit_wrong


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else sum(values)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cluster.bench.screening", description=__doc__)
    parser.add_argument("--half", choices=("tuning", "held-out"), default="tuning")
    parser.add_argument("--humaneval", type=Path, help="HumanEval.jsonl.gz; left out if not given")
    parser.add_argument("--list", action="store_true", help="name every pair that was judged wrongly")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--page", type=Path, help="write them into this page of benchmarks and the JSON beside it")
    return parser.parse_args()


def _standard_library() -> Iterable[str]:
    """Yield evenly spaced modules of the standard library that fit the bound."""
    root = Path(sysconfig.get_paths()["stdlib"])
    left_out = {"test", "tests", "idle_test", "site-packages", "lib2to3", "__pycache__", "config-3.11-x86_64-linux-gnu"}
    files = sorted(f for f in root.rglob("*.py") if not left_out & set(f.relative_to(root).parts))
    texts = [text for f in files if 0 < len(text := f.read_text(encoding="utf-8", errors="replace")) <= MAX_CODE_CHARS]
    step = max(1, len(texts) // STANDARD_MODULES)
    return texts[::step][:STANDARD_MODULES]


def _humaneval(path: Path) -> Iterable[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        tasks = [json.loads(line) for line in lines]
    return [task["prompt"] + task["canonical_solution"] for task in tasks]


def _print(half: Half, pairs: Sequence[Pair], counts: dict[str, Count]) -> None:
    print(f"screening {SCREENING_VERSION}; {half} half: {len(pairs)} pairs, {len({pair.cwe for pair in pairs})} CWEs")
    print(f"{'':22}{'files':>6}{'ours':>12}{'Bandit':>12}{'flag only':>12}{'p95 ms':>9}{'Bandit':>9}")
    for name, c in counts.items():
        shares = [f"{n} {n / c.files:.1%}" for n in (c.ours, c.bandit, c.flagged)]
        times = f"{p95(c.ours_ms):>9.1f}{p95(c.bandit_ms):>9.1f}"
        print(f"{name:22}{c.files:>6}{shares[0]:>12}{shares[1]:>12}{shares[2]:>12}{times}")
    vulnerable = counts["vulnerable"]
    if vulnerable.bandit:
        print(f"recall is {vulnerable.ours / vulnerable.bandit:.2f} × Bandit's (wanted {WANTED_TIMES})")


def section(half: Half, pairs: Sequence[Pair], counts: dict[str, Count], load: str) -> str:
    """Return the page's section."""
    lines = [
        (
            f"The rules `{SCREENING_VERSION}` and Bandit, at medium severity and confidence or higher, on the same files: the "
            f"{half} half of the pairs of vulnerable and fixed code ({len(pairs)} pairs, {len({pair.cwe for pair in pairs})} "
            "CWEs) and code that should not be rejected. What is rejected counts; our time holds Bandit's."
        ),
        "",
        "| | files | rejected | by Bandit | flagged only | p95 ms | Bandit's p95 ms |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, count in counts.items():
        cells = (f"{number} ({number / count.files:.1%})" for number in (count.ours, count.bandit, count.flagged))
        times = f"{p95(count.ours_ms):.1f} | {p95(count.bandit_ms):.1f}"
        lines.append(f"| {name} | {count.files} | {' | '.join(cells)} | {times} |")
    found, bandit = counts["vulnerable"].ours, counts["vulnerable"].bandit
    told = f"{found / bandit:.2f} × Bandit's" if bandit else "Bandit's is none"
    end = f"Recall: {told}, {WANTED_TIMES} × wanted at no more false positives: {'' if reached(counts) else '**not** '}reached."
    run = f"Run with `python -m cluster.bench.screening`, part of `make bench`; load average before the run {load}."
    return "\n".join([*lines, "", end, "", run])


def _list(scorer: Scorer, pairs: Sequence[Pair]) -> None:
    wanted: tuple[tuple[str, Callable[[Pair], str], bool], ...] = (
        ("missed", lambda pair: pair.vulnerable, False),
        ("wrongly rejected", lambda pair: pair.fixed, True),
    )
    for what, version, rejected in wanted:
        for pair in pairs:
            count = Count()
            if (scorer.judge(version(pair), count) == "reject") == rejected:
                print(f"{what}: {pair.cwe} {pair.source} {pair.title} {sorted(count.rules)}")
    for name, count in (("standard library", scorer.all(_standard_library())),):
        print(name, dict(count.rules.most_common()))


def _as_json(half: Half, counts: dict[str, Count]) -> dict[str, object]:
    rows = {
        name: {
            "files": count.files,
            "ours": count.ours,
            "bandit": count.bandit,
            "flagged": count.flagged,
            "ours_p95_ms": round(p95(count.ours_ms), 2),
            "bandit_p95_ms": round(p95(count.bandit_ms), 2),
            "rules": dict(count.rules.most_common()),
        }
        for name, count in counts.items()
    }
    return {"version": SCREENING_VERSION, "half": half, "sets": rows}


if __name__ == "__main__":
    sys.exit(main())
