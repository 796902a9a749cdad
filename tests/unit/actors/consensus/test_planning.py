"""From request and policy to a plan."""

import msgspec
import pytest

from actors.base.digests import sha256_hex
from actors.base.errors import ModelNotFound, PolicyNotAllowed, VoterUnavailable
from actors.consensus.config import ConsensusConfig
from actors.consensus.independence import Pair
from actors.consensus.planning import kept_out, later_plans, make_plan, plan_layer, replan, usual_plan
from actors.consensus.request import Caller, GenerationRequest
from actors.consensus.tally import Vote, tally
from actors.consensus.vocabulary import Ballot, Conclusion, Plan, State
from actors.consensus.weights import Correlation, Reliability, Weights, default_weights, read_weights
from actors.policy.snapshot import LayerRule, PolicySnapshot
from actors.spans.record import LayerOutcome
from models.voter import VoterInfo
from tests.unit.actors.consensus.world import CALLER, candidate, request, snapshot

WEIGHTS = read_weights(default_weights([]))
INFOS = {name: VoterInfo(name, name, name) for name in "abc"}


def make(asked: GenerationRequest, caller: Caller = CALLER, panel_size: int = 0, **changes: object) -> Plan:
    """Plan a request against three voters."""
    config = ConsensusConfig(panel_size=panel_size)
    return make_plan(asked, caller, snapshot("abc", **changes), WEIGHTS, INFOS, config)


def test_isolated_members_keep_their_seat_and_never_stand_by() -> None:
    """A member that is isolated, or unknown to the policy, holds its seat's weight but is no substitute."""
    made = make(request(), voter_state={"a": "active", "b": "isolated"})
    assert ([seat.voter for seat in made.seats], made.isolated) == (["a", "b", "c"], frozenset("bc"))
    assert make(request(), panel_size=1, voter_state={"a": "active"}).spares == ()


def test_a_small_panel_leaves_spares() -> None:
    """Members beyond the panel stand by as substitutes."""
    made = make(request(), panel_size=2)
    assert (len(made.seats), len(made.spares)) == (2, 1)


def test_what_is_usual_is_a_short_answer_of_the_first_layer() -> None:
    """As a request for one would be planned."""
    config = ConsensusConfig(panel_size=2)
    usual = usual_plan(snapshot("abc"), WEIGHTS, INFOS, config)
    asked = make(request("", answer_kind="value", deadline_ms=config.deadline_ms), panel_size=2)
    assert usual == asked
    assert (usual.kind, usual.policy, usual.index, len(usual.spares)) == ("value", "strict", 0, 1)


@pytest.mark.parametrize(
    ("question", "model", "may_run", "kept"),
    [
        ("Write a Python function f(x).", "consensus", True, True),
        ("Write a Python function f(x).", "consensus", False, False),
        ("Write a Python function f(x).", "b", True, False),
        ("Write a Rust function f(x).", "consensus", True, False),
        ("What is the capital of France?", "consensus", True, False),
    ],
)
def test_time_to_compare_is_kept_only_for_what_may_run(question: str, model: str, may_run: bool, kept: bool) -> None:
    """Python of several voters, while the sandbox is proven: nothing else is ever handed to it."""
    asked = request(question, model=model)
    made = make_plan(asked, CALLER, snapshot("abc"), WEIGHTS, INFOS, ConsensusConfig(), may_run=may_run)
    assert (made.compare_ms > 0) == kept
    assert made.deadline_ms + made.compare_ms == asked.deadline_ms


def test_without_a_choice_the_strictest_policy_is_taken() -> None:
    """A key that holds strict and evidence gets strict; one without consensus policies is told so."""
    assert make(request()).policy == "strict"
    assert make(request(), Caller("t", "k", frozenset({"evidence"}))).policy == "evidence"
    with pytest.raises(PolicyNotAllowed, match="no consensus policy"):
        make(request(), Caller("t", "k", frozenset({"direct"})))


def test_evidence_is_held_to_two_lineages_while_no_example_can_run() -> None:
    """Until examples run, ``evidence`` never lets one lineage win."""
    assert make(request(policy="evidence")).rule == make(request(policy="strict")).rule
    assert make(request(policy="evidence")).rule.min_lineages == 2


def test_a_request_chooses_only_among_its_keys_policies() -> None:
    """Asking for a policy the key does not hold, or for ``direct`` with consensus, is refused."""
    with pytest.raises(PolicyNotAllowed):
        make(request(policy="evidence"), Caller("t", "k", frozenset({"strict"})))
    with pytest.raises(PolicyNotAllowed, match="voter's id"):
        make(request(policy="direct"))


def test_direct_seats_one_named_voter() -> None:
    """A voter's id as model is policy direct: one seat that must answer."""
    made = make(request(model="b"))
    assert (made.policy, [seat.voter for seat in made.seats], made.rule.min_lineages) == ("direct", ["b"], 1)


def test_direct_needs_the_policy_and_an_active_voter() -> None:
    """Without the policy, with an unknown or an isolated voter there is no direct answer."""
    with pytest.raises(PolicyNotAllowed):
        make(request(model="b"), Caller("t", "k", frozenset({"strict"})))
    with pytest.raises(ModelNotFound):
        make(request(model="gpt-4"))
    with pytest.raises(VoterUnavailable):
        make(request(model="b"), voter_state={"b": "isolated"})


@pytest.mark.parametrize("policy", ["strict", "evidence"])
def test_no_layer_lets_one_lineage_make_a_quorum(policy: str) -> None:
    """Whatever a layer's own least number of lineages is, consensus takes two; more is kept."""
    for asked, held in ((1, 2), (2, 2), (3, 3)):
        layer = msgspec.structs.replace(snapshot("abc").layers[0], min_lineages=asked)
        assert make(request(policy=policy), layers=[layer]).rule.min_lineages == held
        assert replan(make(request()), snapshot("abc", layers=[layer]), WEIGHTS, INFOS).rule.min_lineages == held


def test_a_newer_snapshot_plans_the_same_voters_anew() -> None:
    """Weights, lineages, similarity and rule are the newer snapshot's; who sits where stays."""
    made = make(request(), panel_size=2)
    assert replan(made, snapshot("abc"), WEIGHTS, INFOS) == made
    learned = msgspec.structs.replace(WEIGHTS, voters={"a": {"value": Reliability("9.000000", "1.000000", 8)}})
    layer = msgspec.structs.replace(snapshot("abc").layers[0], quorum="0.900000")
    newer = snapshot("abc", layers=[layer], thresholds={"similarity": "0.950000"})
    again = replan(made, newer, learned, INFOS | {"b": VoterInfo("b", "b", "a")})
    assert [(seat.voter, seat.lineage, seat.weight_micro) for seat in (*again.seats, *again.spares)] == [
        ("a", "a", 900_000), ("b", "a", 500_000), ("c", "c", 500_000),
    ]  # fmt: skip
    assert (again.rule.quorum_micro, again.similarity_micro) == (900_000, 950_000)


def test_voters_that_leave_the_layer_are_kept_out() -> None:
    """A newer policy that isolates a voter, drops it from the layer, or drops the layer keeps its ballot from counting."""
    made = make(request())
    assert kept_out(made, snapshot("abc", voter_state={"a": "active", "b": "isolated"})) == frozenset("bc")
    assert kept_out(made, snapshot("ab", voter_state=dict.fromkeys("abc", "active"))) == frozenset("c")
    spared = make(request(), panel_size=2)
    assert kept_out(spared, snapshot("abc", voter_state={"a": "active", "b": "active"})) == frozenset("c")
    other = msgspec.structs.replace(snapshot("abc").layers[0], name="other")
    assert kept_out(made, snapshot("abc", layers=[other])) == frozenset("abc")
    assert kept_out(make(request(model="b")), snapshot("ac", voter_state={"b": "active"})) == frozenset()


def test_examples_of_the_prompt_are_part_of_the_plan() -> None:
    """A code question's examples are read; other kinds have none."""
    question = "Write a Python function f\n>>> f(1)\n2\n"
    assert len(make(request(question)).examples) == 1
    assert make(request(question, answer_kind="text")).examples == ()


def correlated(rho: str = "0.500000", **pairs: str) -> Weights:
    """Return weights that know how much pairs of voters correlate, named ``ab`` for ``a|b``."""
    known = {"|".join(name): value for name, value in pairs.items()}
    return msgspec.structs.replace(WEIGHTS, correlation=Correlation(pairs=known, rho=rho, n=100))


def planned(weights: Weights, lineages: str = "abc", **thresholds: str) -> Plan:
    """Plan a request of three voters with these lineages and weights."""
    infos = {name: VoterInfo(name, name, lineage) for name, lineage in zip("abc", lineages, strict=True)}
    held = snapshot("abc", thresholds=thresholds)
    return make_plan(request(), CALLER, held, weights, infos, ConsensusConfig())


def test_pairs_count_as_correlated_as_the_weights_say() -> None:
    """A pair that is more correlated than the mean is part of the rule; one that is not known, or as all others, is not."""
    rule = planned(correlated(ab="0.900000", ac="0.500000")).rule
    assert (rule.rho_micro, rule.pairs) == (500_000, (Pair("a", "b", 900_000),))
    assert planned(WEIGHTS).rule.pairs == ()


def test_a_strongly_correlated_pair_is_abstained_from_and_an_independent_one_suffices() -> None:
    """Under ``strict``, whose layer asks for 1.3 independent votes: the pair's own correlation decides, either way."""

    def wins(weights: Weights, **thresholds: str) -> bool:
        rule = planned(weights, **thresholds).rule
        return tally([Vote("a", 500_000, 0), Vote("b", 500_000, 0), Vote("c", 500_000, 1)], rule).winner is not None

    assert wins(WEIGHTS)
    assert not wins(correlated(ab="0.900000"))
    assert wins(correlated(ac="0.900000"))
    assert not wins(correlated("0.700000"))
    assert wins(correlated("0.700000", ab="0.100000"), min_correlation="0.000000")


def test_no_pair_counts_as_less_correlated_than_policy_lets_it() -> None:
    """Unless policy says otherwise that is the mean: what verdicts teach may only show dependence."""
    weights = correlated(ab="0.100000", ac="0.900000")
    assert planned(weights).rule.pairs == (Pair("a", "c", 900_000),)
    assert planned(weights, min_correlation="0.300000").rule.pairs == (Pair("a", "b", 300_000), Pair("a", "c", 900_000))
    raised = planned(weights, min_correlation="0.950000").rule
    assert (raised.rho_micro, raised.pairs) == (950_000, ())


def test_lineages_are_as_correlated_as_their_most_correlated_voters() -> None:
    """Of several voters of a lineage the worst pair counts, one that nobody knows by the mean; one lineage makes none."""
    weights = correlated(ac="0.100000", bc="0.900000", ab="1.000000")
    assert planned(weights, "LLM", min_correlation="0.000000").rule.pairs == (Pair("L", "M", 900_000),)
    half = correlated(ac="0.100000")
    assert planned(half, "LLM", min_correlation="0.000000").rule.pairs == ()
    assert planned(half, "LMN", min_correlation="0.000000").rule.pairs == (Pair("L", "N", 100_000),)


def test_pairs_and_gap_follow_a_newer_snapshot() -> None:
    """Planned anew, the rule has the newer snapshot's gap and the newer weights' pairs, of whom the lineages are then."""
    made = planned(WEIGHTS)
    assert made.rule.min_gap_micro == 0
    newer = snapshot("abc", thresholds={"min_gap": "0.200000"})
    again = replan(made, newer, correlated(ab="0.900000"), INFOS | {"b": VoterInfo("b", "b", "z")}).rule
    assert (again.min_gap_micro, again.pairs) == (200_000, (Pair("a", "z", 900_000),))


def test_those_that_stand_by_have_pairs_too() -> None:
    """A substitute may be in the winning group: its pairs are part of the rule, planned and planned anew."""
    weights = correlated(ac="0.900000")
    made = make_plan(request(), CALLER, snapshot("abc"), weights, INFOS, ConsensusConfig(panel_size=2))
    assert ([seat.voter for seat in made.spares], made.rule.pairs) == (["c"], (Pair("a", "c", 900_000),))
    assert replan(made, snapshot("abc"), weights, INFOS) == made


def test_whoever_is_asked_alone_is_held_to_no_pairs_and_no_gap() -> None:
    """``direct`` is no consensus: nothing of the thresholds of one applies."""
    held = snapshot("abc", thresholds={"min_gap": "0.200000"})
    made = make_plan(request(model="b"), CALLER, held, correlated(ab="0.900000"), INFOS, ConsensusConfig())
    assert (made.rule.min_gap_micro, made.rule.pairs, made.rule.rho_micro) == (0, (), 0)


def several(
    *names: str, shares: tuple[str, ...] = ("0.500000", "0.250000", "0.250000"), quorum: str = "0.600000"
) -> PolicySnapshot:
    """Return a policy with these layers, each of all three voters."""
    return snapshot(
        "abc",
        layers=[
            LayerRule(
                name=name, members=list("abc"), quorum=quorum, min_lineages=2, min_n_eff="1.000000", time_share=share
            )
            for name, share in zip(names, shares, strict=False)
        ],
    )


def over(tried: Plan, *ballots: Ballot, outcome: LayerOutcome = "unavailable") -> State:
    """Return the end of a layer."""
    return State(tried, ballots, (), conclusion=Conclusion(outcome, tally([], tried.rule), {}, "none", "for a reason"))


def behind(
    tried: Plan, held: PolicySnapshot, left_ms: int = 30_000, *ballots: Ballot, may_run: bool = False
) -> list[Plan]:
    """Plan the layers behind one that was tried, under a policy."""
    asked = request(deadline_ms=60_000) if tried.kind == "value" else request("Write a Python function f(x).")
    state = over(tried, *ballots)
    return list(
        later_plans(asked, [state], left_ms, held, WEIGHTS, INFOS, ConsensusConfig(panel_size=2), may_run=may_run)
    )


def test_layers_have_their_shares_of_the_time_that_is_left() -> None:
    """The first half of all of it; each of the others what its share is beside those behind it."""
    held = several("one", "two", "three")
    first = make_plan(request(deadline_ms=60_000), CALLER, held, WEIGHTS, INFOS, ConsensusConfig())
    assert (first.index, first.layer, first.deadline_ms) == (0, "one", 30_000)
    assert [(p.index, p.layer, p.deadline_ms) for p in behind(first, held, 40_000)] == [
        (1, "two", 20_000), (2, "three", 40_000),
    ]  # fmt: skip


def of_two_lineages(name: str, members: str, share: str, min_lineages: int = 2) -> LayerRule:
    """Return a layer of voters with one letter each."""
    return LayerRule(
        name=name, members=list(members), quorum="0.600000", min_lineages=min_lineages, min_n_eff="1.000000", time_share=share
    )  # fmt: skip


SIX = {name: VoterInfo(name, name, name) for name in "abcdef"}
DEEP = snapshot(
    "abcdef",
    layers=[
        of_two_lineages("one", "abc", "0.400000"), of_two_lineages("two", "def", "0.300000"),
        of_two_lineages("three", "de", "0.200000"), of_two_lineages("four", "a", "0.100000", min_lineages=1),
    ],
)  # fmt: skip


def test_no_time_is_kept_for_layers_that_may_not_follow_any_more() -> None:
    """Behind a disagreement the second has all that is left, for it asks the others' lineages. Behind silence, a part."""
    first = make_plan(request(), CALLER, DEEP, WEIGHTS, SIX, ConsensusConfig())
    ballots = tuple(Ballot(place, seat, "out", outcome="dissented") for place, seat in enumerate(first.seats))
    disagreed, silent = (over(first, *ballots, outcome=outcome) for outcome in ("disagreed", "unavailable"))

    def times(tried: State) -> dict[str, int]:
        later = later_plans(request(), [tried], 30_000, DEEP, WEIGHTS, SIX, ConsensusConfig())
        return {plan.layer: plan.deadline_ms for plan in later}

    assert times(disagreed)["two"] == 30_000
    assert times(silent) == {"two": 18_000, "three": 30_000, "four": 30_000}


def test_no_time_is_kept_for_a_layer_in_which_nobody_can_win() -> None:
    """One lineage makes no consensus under ``strict`` and may do under ``evidence``; whom policy isolates brings none."""
    two_isolated = {**dict.fromkeys("abcdef", "active"), "d": "isolated"}
    for policy, held, told in (
        ("strict", DEEP, 60_000 * 4 // 9),
        ("evidence", DEEP, 24_000),
        ("strict", msgspec.structs.replace(DEEP, voter_state=two_isolated), 60_000 * 4 // 7),
    ):
        asked = request(policy=policy, deadline_ms=60_000)
        assert make_plan(asked, CALLER, held, WEIGHTS, SIX, ConsensusConfig()).deadline_ms == told


def test_time_for_comparing_comes_out_of_the_layer_s_own() -> None:
    """A quarter of it at most, however much is configured; the rest is for voting."""
    held, config = several("one", "two"), ConsensusConfig(compare_ms=5_000)
    for left_ms, compare_ms, deadline_ms in ((60_000, 5_000, 35_000), (12_000, 2_000, 6_000)):
        asked = request("Write a Python function f(x).")
        made = plan_layer(asked, "strict", 0, left_ms, held, WEIGHTS, INFOS, config, may_run=True)
        assert (made.compare_ms, made.deadline_ms) == (compare_ms, deadline_ms)
        assert made.layer_ms == left_ms * 2 // 3
        (later,) = behind(made, held, left_ms, may_run=True)
        assert later.compare_ms == min(5_000, left_ms // 4)


def test_what_was_rejected_is_barred_from_every_later_layer() -> None:
    """By its bytes; what was not is not."""
    held = several("one", "two", "three")
    first = make_plan(request(), CALLER, held, WEIGHTS, INFOS, ConsensusConfig())
    gone = Ballot(0, first.seats[0], "out", outcome="screened_out", candidate=candidate("x"), rejected_form="f" * 64)
    other = Ballot(1, first.seats[1], "out", outcome="invalid", candidate=candidate("y"))
    plans = behind(first, held, 30_000, gone, other)
    assert [plan.barred for plan in plans] == [frozenset({sha256_hex(b"x"), "f" * 64})] * 2
    assert first.barred == frozenset()
    tried = [over(first, gone), over(plans[0])]
    (third,) = later_plans(request(), tried, 30_000, held, WEIGHTS, INFOS, ConsensusConfig())
    assert third.barred == plans[0].barred


def test_nothing_is_behind_a_voter_asked_by_name_or_a_layer_that_is_no_more() -> None:
    """Nor behind the last."""
    held = several("one", "two", "three")
    alone = make_plan(request(model="b"), CALLER, held, WEIGHTS, INFOS, ConsensusConfig())
    assert behind(alone, several("direct", "two")) == []
    first = make_plan(request(), CALLER, held, WEIGHTS, INFOS, ConsensusConfig())
    assert behind(first, several("two", "three")) == []
    assert behind(first, several("two", "one")) == []
    assert behind(msgspec.structs.replace(first, layer="three", index=2), held) == []


def test_a_policy_that_moves_layers_meanwhile_has_none_asked_twice() -> None:
    """Behind a layer come those that are behind it now, and none whose place is not behind the one it was asked in."""
    tried = make_plan(request(), CALLER, several("one", "two", "three"), WEIGHTS, INFOS, ConsensusConfig())
    assert [p.layer for p in behind(tried, several("zero", "one", "two"))] == ["two"]
    assert [p.layer for p in behind(msgspec.structs.replace(tried, index=1), several("one", "two", "three"))] == [
        "three"
    ]


def test_those_who_stand_by_are_told_by_rank() -> None:
    """The heaviest are seated, and of the rest the heaviest stands first; equals stay in the layer's order."""
    learned = msgspec.structs.replace(WEIGHTS, voters={"c": {"value": Reliability("9.000000", "1.000000", 8)}})
    config = ConsensusConfig(panel_size=1, max_substitutes=1)
    made = make_plan(request(explain=True), CALLER, snapshot("abc"), learned, INFOS, config)
    assert ([seat.voter for seat in made.seats], [seat.voter for seat in made.spares]) == (["c"], ["a", "b"])
    assert (made.max_substitutes, made.hear_everyone) == (1, True)


def test_a_later_layer_is_held_to_no_less_than_it_was_chosen_for() -> None:
    """A newer policy that loosens meanwhile loosens the first layer alone: what is behind it follows by the rule that it had."""
    loose = several("one", "two", quorum="0.300000")
    for index, held in ((0, 300_000), (1, 600_000)):
        made = plan_layer(request(), "strict", index, 60_000, several("one", "two"), WEIGHTS, INFOS, ConsensusConfig())
        assert replan(made, loose, WEIGHTS, INFOS).rule.quorum_micro == held


def test_a_newer_snapshot_tells_anew_who_is_kept_out() -> None:
    """Planned anew, the plan isolates whom the snapshot in force does; a layer that is gone keeps its rule, and all are out."""
    made = make(request())
    again = replan(made, snapshot("abc", voter_state={"a": "active", "b": "isolated", "c": "active"}), WEIGHTS, INFOS)
    assert again.isolated == frozenset("b")
    gone = replan(made, several("other", quorum="0.900000"), WEIGHTS, INFOS)
    assert (gone.isolated, gone.rule) == (frozenset("abc"), made.rule)
