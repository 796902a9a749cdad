"""Decisions of a small world, with the content that was kept of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from actors.base.errors import WeaverGenError
from actors.consensus.behaviour.compare import Comparison
from actors.consensus.retention.content import Content
from actors.consensus.screening.findings import Screening
from actors.spans.record import DecisionRecord
from tests.unit.actors.consensus.world import CALLER, FunctionVoter, World, comparison, request, screened

MakeWorld = Callable[..., World]
ONE, TWO, OTHER = (
    "def f(x):\n    return x + 1",
    "def f(x):\n    return sum((x, 1))",
    "def f(x):\n    return x + 2",
)
CODE = "Write a Python function f(x) that adds one.\n\n>>> f(1)\n2\n>>> f(2)\n3\n"


@dataclass
class Sink:
    """Keeps content in memory, of the tenants it is told."""

    tenants: tuple[str, ...] = ("acme",)
    kept: list[Content] = field(default_factory=list)
    stills: list[Callable[[], bool]] = field(default_factory=list)

    def wants(self, tenant: str) -> bool:
        """Tell whether a tenant's content is kept."""
        return tenant in self.tenants

    def put(self, content: Content, still: Callable[[], bool]) -> None:
        """Keep it, and whoever may say that it is to be kept no more."""
        self.kept.append(content)
        self.stills.append(still)


def does(behaviours: Mapping[str, str], passed: Mapping[str, int]) -> Callable[[Mapping[int, str]], Comparison]:
    """Let code behave by a table: code → digest, and how many of two examples it passes."""

    def behaves(candidates: Mapping[int, str]) -> Comparison:
        vectors = {place: behaviours[code] * 64 for place, code in candidates.items() if code in behaviours}
        return comparison(vectors, {place: passed.get(code, 0) for place, code in candidates.items()}, 2)

    return behaves


ADDS_ONE = does({ONE: "a", TWO: "a", OTHER: "b"}, {ONE: 2, TWO: 2})


def screens(code: str, language: str) -> Screening:
    """Find nothing, but in what shells out."""
    return screened("reject" if "os.system" in code else "pass")


async def decided(make_world: MakeWorld, *voters: FunctionVoter, **changes: object) -> tuple[DecisionRecord, Content]:
    """Let a panel decide and return the record and what was kept beside it."""
    behaves = changes.pop("behaves", None)
    question, sink = str(changes.pop("question", CODE)), Sink()
    world = make_world(*voters, content=sink)
    world.comparer.behaves = behaves  # type: ignore[assignment]
    for voter in voters:
        world.screener.says.update(changes.pop("screened", {}))  # type: ignore[call-overload]
        assert voter.asked == 0
    try:
        await world.coordinator.generate(request(question, **changes), CALLER)
    except WeaverGenError:
        assert world.log.committed  # refusals are recorded and kept like answers
    (content,) = sink.kept
    return world.log.committed[0].record, content
