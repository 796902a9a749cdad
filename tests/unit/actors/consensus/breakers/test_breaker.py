"""One breaker: the scenarios that resilience4j's documentation describes, the seed's, and what is our own."""

import pytest

from actors.consensus.breakers.breaker import Breaker
from actors.consensus.breakers.config import BreakerConfig, consecutive
from actors.consensus.breakers.vocabulary import Denied, Permit, Transition, View
from tests.unit.actors.consensus.breakers.scenarios import played

TEN = {"window_calls": 10, "minimum_calls": 10, "failure_rate": 0.5, "half_open_permits": 3}
SLOW = {**TEN, "failure_rate": 1.0, "slow_call_s": 4.0, "slow_call_rate": 0.5}
TIMED = {"window": "time", "window_s": 10, "window_buckets": 10, "minimum_calls": 3, "failure_rate": 1.0}

RESILIENCE4J = [
    # (section of resilience4j's guide "CircuitBreaker", configuration, steps)
    ("Introduction: closed, open, half-open are the normal states", TEN, "=closed f*10 =open +60 p =half_open"),
    ("Introduction: forced open denies everything", TEN, "!open d*50 +9999 d =forced_open"),
    ("Introduction: disabled permits everything", TEN, "!closed f*50 =forced_closed"),
    ("Introduction: leaving the special states takes a trigger", TEN,
     "!open +9999 d !none s*3 =closed !closed f*9 !none =closed"),
    ("Count-based sliding window: the last N calls", {**TEN, "window_calls": 4, "minimum_calls": 4, "failure_rate": 0.75},
     "f f s s =closed f =closed f =closed f =open"),
    ("Count-based sliding window: the oldest is subtracted when it is evicted",
     {**TEN, "window_calls": 3, "minimum_calls": 3, "failure_rate": 1.0}, "f f s f f =closed f =open"),
    ("Time-based sliding window: the last N seconds", TIMED, "f f +10 f =closed f =closed f =open"),
    ("Time-based sliding window: inside N seconds all count", TIMED, "f +3 f +6 f =open"),
    ("Time-based sliding window: one part falls out at a time", TIMED, "s +1 f +1 f +7.9 =closed f =closed +0.2 f =open"),
    ("Time-based sliding window: the minimum is of the calls in the period", TIMED, "f +11 f +11 f +11 f =closed"),
    ("Failure rate and slow call rate thresholds: opens at the threshold itself", TEN, "s*5 f*4 =closed f =open"),
    ("Failure rate and slow call rate thresholds: not below it", TEN, "s*6 f*4 =closed s*10 f*4 =closed"),
    ("Failure rate and slow call rate thresholds: slow calls open, too", SLOW, "s*5 l*4 =closed l =open"),
    ("Failure rate and slow call rate thresholds: a slow failure counts as slow", SLOW, "s*5 m*5 =open"),
    ("Failure rate and slow call rate thresholds: a slow failure counts as a failure",
     {**TEN, "slow_call_s": 4.0}, "s*5 m*5 =open"),
    ("Failure rate and slow call rate thresholds: ignored exceptions count neither way", TEN,
     "f*5 n*50 =closed s*4 n =closed s =open"),
    ("Failure rate and slow call rate thresholds: 9 of at least 10 never open", TEN, "f*9 =closed +9999 =closed f =open"),
    ("Failure rate and slow call rate thresholds: open rejects", TEN, "f*10 d*100 +59.9 d +0.1 p"),
    ("Failure rate and slow call rate thresholds: half-open permits so many", TEN, "f*10 +60 p*3 d*100"),
    ("Failure rate and slow call rate thresholds: half-open waits for all permitted", TEN, "f*10 +60 f f =half_open f =open"),
    ("Failure rate and slow call rate thresholds: half-open at the threshold opens",
     {**TEN, "half_open_permits": 2}, "f*10 +60 s f =open d +60 p"),
    ("Failure rate and slow call rate thresholds: half-open below it closes", TEN, "f*10 +60 f s s =closed"),
    ("Failure rate and slow call rate thresholds: slow probes open", SLOW, "f*10 +60 l l s =open"),
    ("Failure rate and slow call rate thresholds: slow probes below the threshold close", SLOW, "f*10 +60 l s s =closed"),
    ("Create and configure: slowCallDurationThreshold is above which, not from which", SLOW, "e*30 =closed"),
    ("Create and configure: minimumNumberOfCalls less than the window", {**TEN, "minimum_calls": 4}, "f*3 =closed f =open"),
    ("Create and configure: waitDurationInOpenState", {**TEN, "open_s": 5}, "f*10 +4.9 d +0.1 p =half_open"),
    ("Create and configure: permittedNumberOfCallsInHalfOpenState", {**TEN, "half_open_permits": 10}, "f*10 +60 p*10 d"),
    ("Create and configure: maxWaitDurationInHalfOpenState", {**TEN, "half_open_max_s": 30},
     "f*10 +60 p*3 +29 d =half_open +1 d =open +60 p"),
    ("Create and configure: no transition to half-open without a call", TEN, "f*10 +9999 =open p =half_open"),
]  # fmt: skip

OURS = [
    ("the seed: four failures leave it closed, the fifth opens it", {}, "f*4 =closed f =open d"),
    ("the seed: a success between starts the count again", {}, "f*4 s f*4 =closed f =open"),
    ("the seed: 60 s, then one call, whose success closes it", {}, "f*5 +59 d +1 s =closed f*4 =closed"),
    ("the seed: whose failure opens it for another 60 s", {}, "f*5 +60 f =open +59 d +1 p"),
    ("what was counted before it opened is forgotten when it closes", TEN, "f*10 +60 s*3 f*9 =closed f =open"),
    ("a probe that says nothing gives its permit back", {}, "f*5 +60 n*100 =half_open s =closed"),
    ("Retry-After opens at once", {}, "f@30 =open +29 d +1 s =closed"),
    ("Retry-After of a busy voter opens, too, and is no failure", {}, "n@30 d +30 s =closed f*4 =closed"),
    ("Retry-After longer than the cool-down counts", {}, "f*4 f@100 +99 d +1 p"),
    ("Retry-After shorter than the cool-down does not shorten it", {}, "f*4 f@10 +59 d +1 p"),
    ("Retry-After of a probe opens again for that time", {}, "f*5 +60 f@90 +89 d +1 p"),
    ("a cool-down of 0 is none: the next call is a probe", {"open_s": 0}, "f*5 =open p =half_open d"),
    ("Retry-After of 0 is an answer: the next call is a probe", {}, "f@0 =open p =half_open d"),
    ("7 of 100 are at a threshold of 0.07",
     {"window_calls": 100, "minimum_calls": 100, "failure_rate": 0.07}, "s*93 f*6 =closed f =open"),
    ("let go after forced open, it is probed", {}, "!open d !none =half_open p d"),
    ("forced closed and let go, it is as new", {}, "f*5 !closed s !none =closed f*4 =closed f =open"),
    ("what an operator forced open, nothing opens or closes", {}, "!open !open d =forced_open"),
]  # fmt: skip


@pytest.mark.parametrize(("section", "values", "steps"), RESILIENCE4J, ids=[row[0] for row in RESILIENCE4J])
def test_it_does_what_resilience4j_s_guide_says(section: str, values: dict[str, object], steps: str) -> None:
    """Each row is a sentence of the guide, played."""
    played(BreakerConfig.model_validate(values), steps)


@pytest.mark.parametrize(("what", "values", "steps"), OURS, ids=[row[0] for row in OURS])
def test_it_does_what_its_own_rules_say(what: str, values: dict[str, object], steps: str) -> None:
    """Each row is a rule of ours, played."""
    played(BreakerConfig.model_validate(values), steps)


def test_transitions_come_back_as_values() -> None:
    """From, to, why, when, and until when it is open."""
    assert played(consecutive(2, 10.0), "f f +10 s") == [
        Transition("closed", "open", "failure_rate", 0.0, 10.0),
        Transition("open", "half_open", "cooled", 10.0, None),
        Transition("half_open", "closed", "probes_passed", 10.0, None),
    ]


def test_a_transition_tells_the_whole_cool_down() -> None:
    """What the voter asked for with the failure that opened it is in it."""
    assert played(consecutive(1, 10.0), "f@99") == [Transition("closed", "open", "failure_rate", 0.0, 99.0)]


def opened() -> tuple[Breaker, list[Permit]]:
    """Return a breaker that five failures opened at 100, with three more calls under way."""
    breaker, permits = Breaker(BreakerConfig(half_open_permits=2)), list[Permit]()
    for _ in range(8):
        permit, _ = breaker.admit(100.0)
        assert isinstance(permit, Permit)
        permits.append(permit)
    for permit in permits[:5]:
        breaker.settle(permit, "sick", 100.0)
    return breaker, permits[5:]


def test_late_results_do_not_corrupt_the_present_state() -> None:
    """Calls let in while closed end while half-open and closed again: no permit comes back, nothing counts."""
    breaker, late = opened()
    probes = [breaker.admit(160.0)[0], breaker.admit(160.0)[0]]
    assert breaker.settle(late[0], "healthy", 161.0) == ()
    assert breaker.settle(late[1], "says_nothing", 161.0) == ()
    assert isinstance(breaker.admit(161.0)[0], Denied)
    for probe in probes:
        assert isinstance(probe, Permit)
        breaker.settle(probe, "healthy", 162.0)
    assert breaker.settle(late[2], "sick", 163.0, 50.0) == ()
    assert breaker.view(163.0) == View("closed", "probes_passed", 0, 0, 0, 0.0, 0)


def test_a_late_result_lengthens_a_cool_down() -> None:
    """What a voter asks for while its breaker is open is heard, whoever asked it; less than what is left changes nothing."""
    breaker, late = opened()
    breaker.settle(late[0], "sick", 110.0, 5.0)
    assert breaker.view(110.0).open_left_s == 50.0
    breaker.settle(late[1], "sick", 110.0, 500.0)
    assert breaker.view(110.0).open_left_s == 500.0


def test_a_call_settles_once() -> None:
    """Neither a second failure nor a second return of a permit is taken from one call."""
    breaker, _ = opened()
    probe, _ = breaker.admit(160.0)
    assert isinstance(probe, Permit)
    for _ in range(10):
        breaker.settle(probe, "says_nothing", 161.0)
    assert breaker.view(161.0).permits_left == 2
    for _ in range(2):
        permit, _ = breaker.admit(161.0)
        assert isinstance(permit, Permit)
    assert isinstance(breaker.admit(161.0)[0], Denied)


def test_a_denial_says_why_and_when_to_come_back() -> None:
    """While open what is left; while half-open and forced open nobody knows."""
    breaker, _ = opened()
    assert breaker.admit(130.0)[0] == Denied("open", "failure_rate", 30.0)
    breaker.admit(160.0)
    breaker.admit(160.0)
    assert breaker.admit(160.0)[0] == Denied("half_open", "cooled", None)
    breaker.force("open", 161.0)
    assert breaker.admit(161.0)[0] == Denied("forced_open", "operator", None)


def test_health_may_be_ignored_but_not_what_the_voter_asked_for_nor_an_operator() -> None:
    """Past an open breaker without a permit and without counting; never before the voter's own time, never if forced."""
    breaker, late = opened()
    past, _ = breaker.admit(130.0, ignore_health=True)
    assert isinstance(past, Permit)
    assert breaker.settle(past, "healthy", 131.0) == ()
    assert breaker.view(131.0).state == "open"
    breaker.settle(late[0], "sick", 131.0, 5.0)
    assert isinstance(breaker.admit(135.9, ignore_health=True)[0], Denied)
    assert isinstance(breaker.admit(136.0, ignore_health=True)[0], Permit)
    breaker.force("open", 137.0)
    assert isinstance(breaker.admit(137.0, ignore_health=True)[0], Denied)


def test_a_voter_s_wish_is_bounded() -> None:
    """A day is an hour, less than nothing is nothing, what is no number is no wish."""
    for asked, left in ((86_400.0, 3600.0), (-5.0, 0.0)):
        breaker = Breaker(BreakerConfig())
        permit, _ = breaker.admit(0.0)
        assert isinstance(permit, Permit)
        breaker.settle(permit, "sick", 0.0, asked)
        assert (breaker.view(0.0).state, breaker.view(0.0).open_left_s) == ("open", left)
    breaker = Breaker(BreakerConfig())
    permit, _ = breaker.admit(0.0)
    assert isinstance(permit, Permit)
    breaker.settle(permit, "sick", 0.0, float("nan"))
    assert breaker.view(0.0).state == "closed"


def test_other_causes_open_the_same_breaker() -> None:
    """An ejection opens it, a longer one lengthens it, a shorter one does not shorten it, and it is probed after."""
    breaker = Breaker(BreakerConfig())
    (move,) = breaker.open(30.0, "outlier", 0.0)
    assert (move.after, move.cause, move.until_s) == ("open", "outlier", 30.0)
    assert breaker.open(90.0, "outlier", 1.0) == ()
    assert breaker.open(10.0, "outlier", 2.0) == ()
    assert (breaker.available(89.0), breaker.available(90.0)) == (False, True)
    assert isinstance(breaker.admit(90.0)[0], Permit)
    assert breaker.view(90.0).state == "half_open"
    breaker.force("closed", 91.0)
    assert breaker.open(200.0, "outlier", 92.0) == ()


def test_a_hundred_thousand_cancelled_probes_leak_no_permit() -> None:
    """Each is let in, none ends, and the permits are all there."""
    breaker, _ = opened()
    for number in range(100_000):
        probe, _ = breaker.admit(160.0 + number * 1e-6)
        assert isinstance(probe, Permit)
        breaker.settle(probe, "says_nothing", 160.0 + number * 1e-6)
    assert breaker.view(161.0) == View("half_open", "cooled", 0, 0, 0, 0.0, 2)
