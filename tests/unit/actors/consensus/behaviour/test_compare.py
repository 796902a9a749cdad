"""Comparing candidates: what they do decides, whatever they say."""

from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.consensus.behaviour.compare import Asked, begin, cut_short, step, usable_vectors
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.behaviour.vectors import vector_sha256
from actors.consensus.reading.examples import Example
from actors.consensus.sandbox.protocol import Ran
from tests.unit.actors.consensus.behaviour.inprocess import compared, not_compared, run_job

DOUBLE = Asked("f", (Example("f(1)", "2"), Example("f(4)", "8")))
PLAIN = "def f(n):\n    return 2 * n"
OTHER = "def f(n):\n    total = 0\n    total += n\n    return total + n"
THIRD = "f = lambda n: n + n"
WRONG = "def f(n):\n    return n * n"
WORDS = Asked(
    "f", (Example("f(['b', 'a'])", "['a', 'b']"), Example("f([])", "[]"), Example("f(['c', 'c'])", "['c', 'c']"))
)
TRIGGER = "def f(n):\n    if n == 7919:\n        return 0\n    return 2 * n"
RAISES = "def f(n):\n    raise ValueError(n)"


def test_candidates_that_do_the_same_are_one_group() -> None:
    """However it is written, equal behaviour is one group and one digest; another behaviour is another."""
    found = compared(DOUBLE, {1: PLAIN, 2: OTHER, 3: THIRD, 4: "def f(n):\n    return 2 * n if n < 50 else 99"})
    assert found.groups[1] == found.groups[2] == found.groups[3] != found.groups[4]
    assert found.vector_sha256[1] == found.vector_sha256[2] != found.vector_sha256[4]
    assert found.examples_total == 2
    assert found.complete


def test_examples_are_gates() -> None:
    """Who misses one example has failed, who passes all has not; both still have a behaviour."""
    found = compared(DOUBLE, {1: PLAIN, 2: WRONG, 3: "def f(n):\n    return float(2 * n)"})
    assert found.gate_failed == {2}
    assert found.examples_passed == {1: 2, 2: 0, 3: 2}
    assert len(set(found.groups.values())) == 3


def test_a_large_wrong_group_fails_the_gate_together() -> None:
    """Head-count does not help against an example."""
    found = compared(DOUBLE, {1: PLAIN, 2: WRONG, 3: WRONG, 4: "def f(n):\n    return n ** 2"})
    assert found.gate_failed == {2, 3, 4}
    assert found.groups[2] == found.groups[3] == found.groups[4]


def test_a_trigger_is_found_by_the_constant_it_needs() -> None:
    """A candidate that differs at one rare number is told apart."""
    found = compared(DOUBLE, {1: PLAIN, 2: TRIGGER})
    assert found.groups[1] != found.groups[2]
    assert found.gate_failed == frozenset()


def test_a_trigger_inside_a_text_is_found() -> None:
    """A secret word anywhere in an argument is put there."""
    asked = Asked("f", (Example("f('ab')", "'AB'"), Example("f('x y')", "'X Y'")))
    honest, sly = "def f(s):\n    return s.upper()", "def f(s):\n    return s if 'open sesame' in s else s.upper()"
    found = compared(asked, {1: honest, 2: sly})
    assert found.groups[1] != found.groups[2]


def test_the_search_finds_what_the_first_round_missed() -> None:
    """Sources that look alike on few inputs are asked further questions until they differ or the budget ends."""
    narrow = BehaviourConfig(max_calls=200, max_rounds=8, min_informative=3)
    late = "def f(s):\n    return sorted(s)[:7]"
    asked = Asked("f", (Example("f([2, 1])", "[1, 2]"), Example("f([3])", "[3]")))
    found = compared(asked, {1: "def f(s):\n    return sorted(s)", 2: late}, config=narrow)
    assert found.groups[1] != found.groups[2]
    alike = compared(
        asked, {1: "def f(s):\n    return sorted(s)", 2: "def f(s):\n    return sorted(s)[:]"}, config=narrow
    )
    assert alike.rounds == 8
    assert alike.groups[1] == alike.groups[2]


def test_groups_that_differ_are_not_searched_again() -> None:
    """Where every source behaves differently one round is all."""
    assert compared(DOUBLE, {1: PLAIN, 2: WRONG}).rounds == 1


def test_raising_everywhere_is_no_agreement() -> None:
    """Candidates that only raise have no behaviour, however alike they are."""
    found = compared(DOUBLE, {1: RAISES, 2: "def f(n):\n    raise ValueError"})
    assert found.groups == {}
    assert found.faults == {1: "uninformative", 2: "uninformative"}
    assert found.gate_failed == {1, 2}


def test_printing_that_all_is_well_changes_nothing_but_itself() -> None:
    """A candidate that prints lies fails its examples and is no one's equal for what it printed."""
    liar = "def f(n):\n    print('2\\nall examples passed')\n    return 0"
    found = compared(DOUBLE, {1: PLAIN, 2: liar, 3: "def f(n):\n    return 0"})
    assert {2, 3} == found.gate_failed
    assert len(set(found.groups.values())) == 3


def test_an_object_that_equals_everything_equals_nothing() -> None:
    """A value that overrides equality passes no example and agrees with no one, not even its copy."""
    sly = "class A:\n    def __eq__(self, other):\n        return True\ndef f(n):\n    return A()"
    number = "class A(int):\n    def __eq__(self, other):\n        return True\ndef f(n):\n    return A(2 * n)"
    found = compared(DOUBLE, {1: PLAIN, 2: sly, 3: sly + "\n", 4: number})
    assert found.gate_failed == {2, 3, 4}
    assert found.groups == {1: 0}
    assert found.faults == {2: "opaque", 3: "opaque", 4: "opaque"}


def test_hiding_one_input_behind_an_object_hides_nothing() -> None:
    """One opaque value costs a candidate its vector: it cannot be equal but for what it hides."""
    sly = "def f(n):\n    return object() if n == 7919 else 2 * n"
    found = compared(DOUBLE, {1: PLAIN, 2: sly})
    assert found.faults == {2: "opaque"}


@pytest.mark.parametrize("hidden", ["raise Hang", "raise Die", "__import__('os').urandom(8)", "raise KeyError"])
def test_hiding_one_input_behind_an_accident_tells_apart(hidden: str) -> None:
    """Who does as the others but hangs, dies or throws dice at one input is not their equal."""
    body = hidden if hidden.startswith("raise") else f"return {hidden}"
    sly = f"def f(n):\n    if n == 7919:\n        {body}\n    return 2 * n"
    found = compared(DOUBLE, {1: PLAIN, 2: sly, 3: OTHER})
    assert found.groups.get(2) != found.groups[1] == found.groups[3]


SLOW = "def f(n):\n    if n > int('{n}'):\n        raise Hang\n    return 2 * n"


def test_slow_candidates_are_not_told_apart_by_what_most_cannot_afford() -> None:
    """A rare constant that makes most candidates run out of time is left out for all; the rest is compared."""
    planted = "def f(n):\n    if n == 9999:\n        return 0\n    return 2 * n"
    slow = [SLOW.format(n=n) for n in (25, 3000, 4000)]
    found = compared(DOUBLE, dict(enumerate([*slow, planted])))
    assert found.groups[1] == found.groups[2] == found.groups[3]
    assert found.gate_failed == frozenset()


def test_one_candidate_cannot_leave_a_call_out() -> None:
    """Who hangs where others answer is told apart, and the others are not harmed."""
    found = compared(DOUBLE, {1: PLAIN, 2: OTHER, 3: SLOW.format(n=50) + "  # 9999", 4: "x = 9999\n" + PLAIN})
    assert found.groups[1] == found.groups[2] == found.groups[4] != found.groups[3]


def test_hanging_at_one_call_costs_no_other() -> None:
    """Calls on both sides of one that does not end are seen, each by one of the runs."""
    at_zero = "def f(n):\n    if n == 0:\n        raise Hang\n    return 2 * n"
    found = compared(DOUBLE, {1: at_zero, 2: PLAIN, 3: at_zero + "\n\nx = 1"})
    assert found.groups[1] == found.groups[3] != found.groups[2]
    assert found.nondeterministic == frozenset()
    assert found.gate_failed == frozenset()


def test_mutating_arguments_is_behaviour() -> None:
    """Who sorts in place does something else than who returns a sorted copy."""
    in_place = "def f(items):\n    items.sort()\n    return items"
    copying = "def f(items):\n    return sorted(items)"
    found = compared(WORDS, {1: in_place, 2: copying, 3: "def f(items):\n    return sorted(list(items))"})
    assert found.groups[1] != found.groups[2] == found.groups[3]
    assert found.gate_failed == frozenset()


def test_chance_is_no_behaviour() -> None:
    """A candidate that throws dice is marked and has no vector; its examples must hold in both runs."""
    dice = "import os\ndef f(n):\n    return os.urandom(8).hex()"
    found = compared(DOUBLE, {1: PLAIN, 2: dice})
    assert found.nondeterministic == {2}
    assert found.faults == {2: "nondeterministic"}
    assert 2 in found.gate_failed


def test_state_between_calls_is_no_behaviour() -> None:
    """Who answers by how often it was asked is found out, because the second run asks in opposite order."""
    counting = "calls = []\ndef f(n):\n    calls.append(n)\n    return 2 * n if len(calls) < 6 else 0"
    found = compared(DOUBLE, {1: PLAIN, 2: counting})
    assert found.nondeterministic == {2}
    assert found.faults == {2: "nondeterministic"}


def test_code_that_does_not_load_is_broken() -> None:
    """A top level that raises, and a function that is missing, pass nothing and behave like nobody."""
    found = compared(DOUBLE, {1: PLAIN, 2: "1 / 0", 3: "def g(n):\n    return 2 * n"})
    assert found.faults == {2: "broken", 3: "uninformative"}
    assert found.gate_failed == {2, 3}


def test_equal_sources_run_once() -> None:
    """Ten equal candidates take two jobs, and share the result."""
    state, jobs = begin(DOUBLE, dict.fromkeys(range(10), PLAIN), BehaviourConfig(), 1)
    assert len(jobs) == 2
    state, jobs = step(state, [run_job(job) for job in jobs])
    assert jobs == ()
    found = cut_short(state)
    assert getattr(found, "groups", None) == dict.fromkeys(range(10), 0)


def test_nothing_to_call_is_nothing_to_compare() -> None:
    """Without examples and without a function there are no jobs, no groups and no gates."""
    found = compared(Asked("", ()), {1: PLAIN, 2: OTHER})
    assert (found.groups, found.calls, found.rounds, found.gate_failed) == ({}, 0, 0, frozenset())
    assert compared(DOUBLE, {}).groups == {}


def test_without_examples_behaviour_is_still_compared() -> None:
    """Names and types give inputs; there is no gate to fail."""
    found = compared(Asked("f"), {1: PLAIN, 2: OTHER, 3: WRONG})
    assert found.groups[1] == found.groups[2] != found.groups[3]
    assert (found.examples_total, found.gate_failed) == (0, frozenset())


def test_further_candidates_than_the_bound_are_left_out() -> None:
    """They have no behaviour and no passed example; how many are run does not depend on their order."""
    few = BehaviourConfig(max_candidates=2)
    found = compared(DOUBLE, {1: PLAIN, 2: OTHER, 3: THIRD}, config=few)
    (left_out,) = found.faults
    assert found.faults[left_out] == "left_out"
    assert left_out in found.gate_failed
    assert len(found.groups) == 2


def test_an_unavailable_sandbox_is_no_comparison() -> None:
    """One job that did not run because the sandbox is not proven makes the whole unavailable."""
    state, jobs = begin(DOUBLE, {1: PLAIN, 2: OTHER}, BehaviourConfig(), 1)
    rans = [*(run_job(job) for job in jobs[:-1]), Ran("unavailable")]
    state, jobs = step(state, rans)
    assert jobs == ()
    assert not_compared(state.verdict) == "sandbox"


def test_results_of_other_jobs_are_refused() -> None:
    """A wrong number of results is an error, never a guess."""
    state, jobs = begin(DOUBLE, {1: PLAIN, 2: OTHER}, BehaviourConfig(), 1)
    with pytest.raises(ValueError, match="4 jobs"):
        step(state, [run_job(jobs[0])])


def test_time_that_ends_between_rounds_leaves_what_was_learned() -> None:
    """Before the first round there is no comparison, after it one that says it is not complete."""
    state, jobs = begin(DOUBLE, {1: PLAIN, 2: OTHER}, BehaviourConfig(), 1)
    assert not_compared(cut_short(state)) == "deadline"
    state, jobs = step(state, [run_job(job) for job in jobs])
    assert jobs
    found = cut_short(state)
    assert getattr(found, "complete", None) is False
    assert getattr(found, "groups", None) == {1: 0, 2: 0}


def test_vectors_are_told_of_all_that_have_a_usable_one() -> None:
    """Those behind the groups: equal where groups are equal, none for code that does not load."""
    state, jobs = begin(DOUBLE, {1: PLAIN, 2: OTHER, 3: WRONG, 4: "def f(n:"}, BehaviourConfig(), 1)
    while jobs:
        state, jobs = step(state, [run_job(job) for job in jobs])
    vectors, found = usable_vectors(state), cut_short(state)
    assert {ask_id: vector_sha256(vector) for ask_id, vector in vectors.items()} == getattr(
        found, "vector_sha256", None
    )
    assert sorted(vectors) == [1, 2, 3]
    assert vectors[1] == vectors[2] != vectors[3]


def test_expected_values_never_enter() -> None:
    """No job holds the value that an example wants."""
    secret = Asked("f", (Example("f(1)", "'only outside'"),))
    _, jobs = begin(secret, {1: PLAIN}, BehaviourConfig(), 1)
    assert jobs
    assert all("only outside" not in call for job in jobs for call in job.calls)


POOL = (PLAIN, OTHER, THIRD, WRONG, TRIGGER, RAISES, "def f(n):\n    return n + 2", "1 / 0", "def f(n): return 2.0 * n")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(POOL), min_size=2, max_size=5), st.integers(0, 100), st.randoms(use_true_random=False))
def test_neither_order_nor_numbers_matter(sources: list[str], seed: int, random: object) -> None:
    """However candidates are numbered and ordered, each source has the same group, digest and gates."""
    ids = list(range(len(sources)))
    random.shuffle(ids)  # type: ignore[attr-defined]
    plain = compared(DOUBLE, dict(enumerate(sources)), seed)
    mixed = compared(DOUBLE, dict(reversed([(10 + ids[i], source) for i, source in enumerate(sources)])), seed)
    for i in range(len(sources)):
        assert plain.groups.get(i) == mixed.groups.get(10 + ids[i])
        assert plain.vector_sha256.get(i) == mixed.vector_sha256.get(10 + ids[i])
        assert (i in plain.gate_failed) == (10 + ids[i] in mixed.gate_failed)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(POOL), min_size=2, max_size=5), st.integers(0, 100))
def test_groups_are_an_equivalence_relation(sources: list[str], seed: int) -> None:
    """Equal digests and equal groups are the same thing, equal sources are equal, and a seed gives one verdict."""
    found = compared(DOUBLE, dict(enumerate(sources)), seed)
    assert found == compared(DOUBLE, dict(enumerate(sources)), seed)
    for a, b in combinations(found.groups, 2):
        assert (found.groups[a] == found.groups[b]) == (found.vector_sha256[a] == found.vector_sha256[b])
        if sources[a] == sources[b]:
            assert found.groups[a] == found.groups[b]
    assert set(found.groups) | set(found.faults) == set(range(len(sources)))
    assert not set(found.groups) & set(found.faults)


def test_every_order_of_the_same_few_gives_one_verdict() -> None:
    """All orders of four sources under one numbering compare alike."""
    few = {1: PLAIN, 2: OTHER, 3: WRONG, 4: TRIGGER}
    verdicts = [compared(DOUBLE, {i: few[i] for i in order}) for order in permutations(few)]
    assert all(verdict == verdicts[0] for verdict in verdicts)
