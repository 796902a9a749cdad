"""The judge of content: what was refused, run, or told is seen wherever it turns up."""

import msgspec
import pytest
from msgspec.structs import replace

from actors.base.digests import sha256_hex
from actors.base.errors import NoConsensus
from actors.consensus.screening.screen import screen
from actors.spans.record import DecisionRecord, LayerEntry
from actors.spans.span import Span
from cluster.simulation.content_judge import ALONE, REFUSED, ContentJudge
from cluster.simulation.draws import Draws
from cluster.simulation.questions import ASKABLE, CODE
from cluster.simulation.voters import ASKED, Asked
from cluster.simulation.weather import Fault
from tests.sim.test_invariants import answered

CLEAN, RUNS, FETCHES = (sha256_hex(text.encode()) for text in (CODE[0].right[0], *CODE[0].poisoned))


def judged(now_s: float = 10.0) -> tuple[ContentJudge, list[str]]:
    """Return a judge of his own at a time, and the rules that he finds broken."""
    found: list[str] = []
    return ContentJudge(lambda: now_s, lambda rule, _: found.append(rule)), found


def code(*candidates: str, result: str = "answered", received: str = "") -> DecisionRecord:
    """Return the record of an answer in code whose ballots hold these candidates; the last one received another, too."""
    _, _, decision = answered()
    record = decision.committed.record
    ballots = [
        replace(one, candidate_sha256=text, group=0, outcome="agreed")
        for one, text in zip(record.ballots, candidates, strict=False)
    ]
    ballots[-1] = replace(ballots[-1], received_sha256=received)
    return replace(record, answer_kind="code:python", answer_sha256=CLEAN, ballots=ballots, result=result)


def test_poison_is_what_screening_finds() -> None:
    """One kind is refused as it stands, the other reaches out, which one lineage alone may not; nothing else does either."""
    for question in CODE:
        runs, fetches = (screen(text, "python") for text in question.poisoned)
        assert (runs.verdict, fetches.verdict) == ("flag", "reject")
        assert runs.sinks
        assert {screen(text, "python").verdict for text in (*question.right, *question.wrong)} == {"pass"}
    assert (len(ALONE), len(REFUSED)) == (len(CODE), len(CODE))


@pytest.mark.parametrize(
    ("record", "rules"),
    [
        (code(CLEAN, CLEAN, CLEAN), []),
        (code(CLEAN, CLEAN, FETCHES), ["screened"]),
        (code(CLEAN, CLEAN, FETCHES, result="no_consensus"), ["screened"]),
        (code(CLEAN, CLEAN, RUNS), ["screened"]),
        (code(CLEAN, CLEAN, RUNS, result="halted"), []),
        (code(CLEAN, RUNS, RUNS), []),
        (code(CLEAN, RUNS, CLEAN, received=RUNS), []),
        (code(CLEAN, CLEAN, CLEAN, received=RUNS), []),
        (replace(code(CLEAN, CLEAN), answer_sha256=FETCHES), ["screened"]),
    ],
)
def test_what_screening_refuses_counts_nowhere(record: DecisionRecord, rules: list[str]) -> None:
    """Refused code in no record; code that reaches out in no answer of which one lineage alone does."""
    judge, found = judged()
    judge.recorded(record, 0.0)
    assert found == rules


def test_what_a_layer_before_counted_is_looked_at_too() -> None:
    """Of every layer that was tried."""
    judge, found = judged()
    record, bad = code(CLEAN, CLEAN, CLEAN), code(FETCHES, CLEAN, CLEAN)
    before = LayerEntry(bad.layer, "syntax", bad.ballots, bad.tie_salt, bad.tally)
    judge.recorded(replace(record, earlier=[before]), 0.0)
    assert found == ["screened"]


@pytest.mark.parametrize(("began_s", "rules"), [(9.0, []), (10.0, []), (10.5, ["blind"])])
def test_code_that_nobody_could_screen_is_not_answered(began_s: float, rules: list[str]) -> None:
    """Who was asked before the screener became blind may have been screened by then."""
    judge, found = judged()
    fault = Fault(10.0, "screener_blind", "", 5.0)
    judge.began(fault)
    judge.began(fault)
    judge.ended(fault)
    judge.recorded(code(CLEAN, CLEAN), began_s)
    judge.recorded(replace(code(CLEAN, CLEAN), answer_kind="text"), began_s)
    judge.ended(fault)
    judge.recorded(code(CLEAN, CLEAN), 11.0)
    assert found == rules


@pytest.mark.parametrize(("began_s", "rules"), [(9.0, []), (10.5, ["sandbox"])])
def test_nothing_is_to_run_where_nothing_may(began_s: float, rules: list[str]) -> None:
    """A sandbox that goes away later runs nothing by itself."""
    judge, found = judged()
    ASKED.set(Asked(1, 0, 1, 1, Draws("content"), began_s=began_s))
    judge.runs()
    judge.began(Fault(10.0, "slow", "a", 5.0))
    judge.runs()
    judge.began(Fault(10.0, "sandbox_away", "", 5.0))
    judge.runs()
    assert found == rules


def span(**attributes: str) -> Span:
    """Return a span."""
    return Span(b"t" * 16, b"s" * 8, b"", "invoke", "server", 1, 2, "ok", "d", "tenant", attributes)


@pytest.mark.parametrize("text", [CODE[0].right[1], CODE[0].wrong[2], *CODE[0].poisoned, CODE[0].text])
def test_content_is_seen_in_rows_records_and_refusals(text: str) -> None:
    """Whole, and inside something longer; another request's is not looked for while one is under way."""
    judge, found = judged()
    ASKED.set(Asked(1, 0, 1, 1, Draws("content")))
    judge.written([span(model="consensus")], [b"{}"])
    judge.told(NoConsensus("the voters do not agree", details={"votes": {"a": 1}, "unencodable": {1, 2}}))
    assert found == []
    judge.written([span(), span(note=f"it said: {text}!")], [])
    judge.written([span()], [msgspec.json.encode({"answer": text})])
    judge.told(NoConsensus(f"a said {text}"))
    judge.told(NoConsensus("no", details={"votes": [{"said": text}]}))
    assert found == ["secret"] * 4
    ASKED.set(Asked(2, 1, 1, 1, Draws("content")))
    judge.written([span(note=text)], [])
    assert len(found) == 4


def test_words_too_short_to_be_told_from_chance_are_left_out() -> None:
    """A name of four letters may stand anywhere."""
    judge, found = judged()
    ASKED.set(Asked(1, 8, 1, 1, Draws("content")))
    assert ASKABLE[8].wrong[-1] == "Nice"
    judge.written([span(note="Nice")], [])
    assert found == []
    judge.written([span(note=ASKABLE[8].wrong[1])], [])
    assert found == ["secret"]
