"""What a question asks of code, as its plan asks it."""

from actors.consensus.retention.asked import context_asked, function_asked
from tests.unit.actors.consensus.retention.kept import CODE, ONE, MakeWorld
from tests.unit.actors.consensus.world import CALLER, request, says, voter

GIVEN = 'import math\n\ndef f(x):\n    """Add one.\n\n    >>> f(1)\n    2\n    """\n'


async def test_it_is_what_the_plan_asked(make_world: MakeWorld) -> None:
    """The function, its examples, and what candidates run behind."""
    for question in (CODE, GIVEN):
        world = make_world(voter("a", says(ONE)), voter("b", says(ONE)))
        plan = (await world.coordinator.generate(request(question, answer_kind="code"), CALLER)).state.plan
        asked = function_asked(question)
        assert (asked.name, asked.examples) == (plan.entry_point, plan.examples)
        assert context_asked(question) == plan.context
    assert context_asked(GIVEN) == "import math"
