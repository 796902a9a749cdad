"""Candidates that were run again against the record."""

from msgspec.structs import replace

from actors.consensus.behaviour.compare import Comparison
from actors.consensus.retention.rerunning import compare_again, seed_of, sources_run
from tests.unit.actors.consensus.retention.kept import ADDS_ONE, ONE, OTHER, TWO, MakeWorld, decided
from tests.unit.actors.consensus.world import comparison, says, voter

DID = {0: "a" * 64, 1: "a" * 64, 2: "b" * 64}
PASSED = {0: 2, 1: 2, 2: 0}


def did(vectors: dict[int, str], passed: dict[int, int] | None = None, shaky: tuple[int, ...] = ()) -> Comparison:
    """Build what running again found."""
    return replace(comparison(vectors, passed or PASSED, 2), nondeterministic=frozenset(shaky))


async def test_the_same_behaviour_is_the_same(make_world: MakeWorld) -> None:
    """Equal digests, or other digests that part the candidates alike."""
    record, content = await decided(
        make_world, voter("a", says(ONE)), voter("b", says(TWO)), voter("c", says(OTHER)), behaves=ADDS_ONE
    )
    same = compare_again(record, content, did(DID))
    assert (same.ending, "3 behaviours equal" in same.detail) == ("same", True)
    alike = compare_again(record, content, did({0: "c" * 64, 1: "c" * 64, 2: "d" * 64}))
    assert (alike.ending, "0 behaviours equal" in alike.detail) == ("same", True)


async def test_another_behaviour_names_the_ballots(make_world: MakeWorld) -> None:
    """A candidate that leaves its group, or passes another number of examples, is a lie of the record."""
    record, content = await decided(
        make_world, voter("a", says(ONE)), voter("b", says(TWO)), voter("c", says(OTHER)), behaves=ADDS_ONE
    )
    parted = compare_again(record, content, did({0: "a" * 64, 1: "b" * 64, 2: "b" * 64}))
    assert parted.ending == "differs"
    assert all(f"{name}: group" in parted.detail for name in "abc")
    fewer = compare_again(record, content, did(DID, {0: 2, 1: 1, 2: 0}))
    assert (fewer.ending, fewer.detail.split(":")[0]) == ("differs", "b")


async def test_what_is_left_to_chance_is_told_apart(make_world: MakeWorld) -> None:
    """A difference only of code that does not do the same twice proves nothing; one of the others still does."""
    record, content = await decided(
        make_world, voter("a", says(ONE)), voter("b", says(TWO)), voter("c", says(OTHER)), behaves=ADDS_ONE
    )
    chance = compare_again(record, content, did({0: "a" * 64, 1: "a" * 64}, {0: 2, 1: 2, 2: 1}, shaky=(2,)))
    assert (chance.ending, chance.detail.split(":")[0]) == ("nondeterministic", "c")
    assert compare_again(record, content, did(DID, {0: 1, 1: 2, 2: 0}, shaky=(2,))).ending == "differs"


async def test_another_version_proves_nothing(make_world: MakeWorld) -> None:
    """Other inputs may part what these did not."""
    record, content = await decided(make_world, voter("a", says(ONE)), voter("b", says(TWO)), behaves=ADDS_ONE)
    other = compare_again(record, replace(content, behaviour_version="another"), did({0: "a" * 64, 1: "b" * 64}))
    assert (other.ending, "compared by another" in other.detail) == ("nondeterministic", True)


async def test_what_is_run_again_is_what_was_run(make_world: MakeWorld) -> None:
    """The same code behind the same context, from the recorded seed; nothing where nothing was run."""
    question = 'import math\n\ndef f(x):\n    """Add one.\n\n    >>> f(1)\n    2\n    >>> f(2)\n    3\n    """\n'
    seen: dict[int, str] = {}

    def behaves(candidates: dict[int, str]) -> Comparison:
        seen.update(candidates)
        return comparison(dict.fromkeys(candidates, "a" * 64), dict.fromkeys(candidates, 2), 2)

    record, content = await decided(
        make_world, voter("a", says(ONE)), voter("b", says(TWO)), question=question, answer_kind="code",
        behaves=behaves,
    )  # fmt: skip
    assert sources_run(content) == seen
    assert seen[0] == f"import math\n{ONE}"
    assert sources_run(replace(content, compared=None)) == {}
    assert seed_of(record) == int(record.tie_salt[:16], 16)
