"""Grouping again: honest content comes to the recorded groups, and every lie is named."""

from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from actors.base.errors import IntegrityError
from actors.consensus.readable import readable
from actors.consensus.retention.content import Content, encode_content, read_content
from actors.consensus.retention.regrouping import Regrouped, regroup
from actors.consensus.screening.findings import Finding, Screening
from actors.spans.record import BallotEntry, DecisionRecord
from models.voter import Candidate, VoterRequest
from tests.unit.actors.consensus.retention.kept import (
    ADDS_ONE,
    CODE,
    ONE,
    OTHER,
    TWO,
    MakeWorld,
    Sink,
    decided,
    does,
    screens,
)
from tests.unit.actors.consensus.test_failover import layer
from tests.unit.actors.consensus.world import CALLER, candidate, hangs, request, says, screened, voter

Change = Callable[[DecisionRecord], DecisionRecord]
TEXT = "Describe the sea in a few words, as a poet would."
EVIL = "import os\n\ndef f(x):\n    os.system('ls')\n    return x + 1"
EVIL_FORM = readable("code:python", CODE, "strict", EVIL, "stop").reading.sha256


def names(regrouped: Regrouped) -> list[str]:
    """Return the steps that passed."""
    return [step.name for step in regrouped.steps]


def ballots(record: DecisionRecord, place: int, **changes: object) -> DecisionRecord:
    """Return a record with one ballot changed."""
    changed = [replace(b, **changes) if n == place else b for n, b in enumerate(record.ballots)]
    return replace(record, ballots=changed)


def refused(record: DecisionRecord, content: Content, step: str) -> str:
    """Return what is said of a record that cannot be grouped again, once it is this step that fails."""
    with pytest.raises(IntegrityError) as found:
        regroup(record, content, screens)
    assert found.value.param == step
    return str(found.value)


async def test_code_is_read_screened_and_grouped_again(make_world: MakeWorld) -> None:
    """Two forms with one behaviour and a dissenter: every step comes to what is recorded."""
    record, content = await decided(
        make_world, voter("a", says(ONE)), voter("b", says(TWO)), voter("c", says(OTHER)), behaves=ADDS_ONE
    )
    assert [b.group for b in record.ballots].count(record.tally.winner) == 2
    again = regroup(record, read_content(encode_content(content)), screens)
    assert names(again) == ["content", "kind", "reading", "screening", "behaviour", "grouping", "choice"]
    assert again.complete
    assert again.steps[-2].detail == "3 answers in 2 groups, as recorded"


@pytest.mark.parametrize(
    ("question", "answers", "groups"),
    [
        ("What is the capital of France?", ("Paris", "The capital of France is Paris.", "Lyon"), 2),
        (TEXT, ("the grey sea sings", "the grey sea sings low", "bread and butter, daily"), 2),
        ("Return a JSON object with the key a and the value 1.", ('{"a": 1}', '{ "a":1 }', '{"a": 2}'), 2),
    ],
)
async def test_other_kinds_are_grouped_again(
    make_world: MakeWorld, question: str, answers: tuple[str, ...], groups: int
) -> None:
    """Values, prose and JSON: their forms are made anew, prose by the recorded likeness."""
    panel = [voter(name, says(text)) for name, text in zip("abc", answers, strict=True)]
    record, content = await decided(make_world, *panel, question=question, explain=True)
    again = regroup(record, content, screens)
    assert names(again) == ["content", "kind", "reading", "grouping"]
    assert again.steps[-1].detail == f"3 answers in {groups} groups, as recorded"


async def test_a_changed_byte_of_an_answer_or_the_question_is_named(make_world: MakeWorld) -> None:
    """Whatever is changed, the commitment that it does not open is named, and whose answer it is."""
    record, content = await decided(
        make_world, voter("a", says(ONE)), voter("b", says("no code")), voter("c", says(ONE)), behaves=ADDS_ONE
    )
    assert record.ballots[1].outcome == "invalid"
    for place, commitment in ((0, "candidate_sha256"), (1, "received_sha256")):
        said = list(content.said)
        said[place] = replace(said[place], content=said[place].content.replace("o", "0", 1).replace("x", "y", 1))
        told = refused(record, replace(content, said=said), "content")
        assert f"the answer of {record.ballots[place].voter} ({commitment})" in told
    asked = replace(content, messages=[replace(content.messages[0], content=CODE + " ")])
    assert "the question (prompt_commitment)" in refused(record, asked, "content")
    assert "the question" in refused(record, replace(content, prompt_salt="00" * 32), "content")
    assert "the question" in refused(record, replace(content, prompt_salt="no hex"), "content")


async def test_an_answer_that_is_left_out_or_made_up_is_named(make_world: MakeWorld) -> None:
    """Content holds every answer that came, and none besides."""
    record, content = await decided(
        make_world, voter("a", says(ONE)), voter("b", says(ONE)), voter("c", hangs), behaves=ADDS_ONE, deadline_ms=100
    )
    assert content.said[2].came is False
    blank = msgspec.json.decode(b'{"voter": "a"}', type=type(content.said[0]))
    assert "of a" in refused(record, replace(content, said=[blank, *content.said[1:]]), "content")
    made_up = replace(content.said[0], voter="c")
    assert "of c (none came)" in refused(record, replace(content, said=[*content.said[:2], made_up]), "content")
    assert "not those" in refused(record, replace(content, said=content.said[:2]), "content")
    assert "that of decision" in refused(record, replace(content, decision_id="another"), "content")


async def test_forms_that_were_never_read_are_named(make_world: MakeWorld) -> None:
    """Two answers recorded under one form, though they are written differently: the ballot is named."""
    record, content = await decided(make_world, voter("a", says(ONE)), voter("b", says(OTHER)))
    lie = ballots(record, 1, normal_form_sha256=record.ballots[0].normal_form_sha256, group=0)
    assert "b: another normal form" in refused(lie, content, "reading")


async def test_prose_that_is_not_alike_is_named(make_world: MakeWorld) -> None:
    """Only the texts tell which of them are alike: the record could say anything."""
    record, content = await decided(
        make_world, voter("a", says("the grey sea sings")), voter("b", says("bread and butter")), question=TEXT
    )
    groups = [b.group for b in record.ballots]
    assert sorted(groups) == [0, 1]
    told = refused(ballots(record, groups.index(1), group=0), content, "grouping")
    assert f"{record.ballots[groups.index(1)].voter}: group 1, recorded as 0" in told


async def test_a_readable_answer_cannot_be_called_invalid(make_world: MakeWorld) -> None:
    """A ballot that was kept out as unreadable has to be unreadable."""
    record, content = await decided(make_world, voter("a", says(ONE)), voter("b", says("no code")))
    assert record.ballots[1].outcome == "invalid"
    lie = ballots(record, 0, outcome="invalid", group=-1)
    assert "a: can be read, though it was invalid" in refused(lie, content, "reading")


async def test_the_kind_is_that_of_the_question(make_world: MakeWorld) -> None:
    """A question for a value is not compared as prose, unless the request says so."""
    panel = voter("a", says("Paris")), voter("b", says("Paris"))
    record, content = await decided(make_world, *panel, question="What is the capital of France?")
    assert "asks for value" in refused(replace(record, answer_kind="text"), content, "kind")
    panel = voter("a", says("Paris")), voter("b", says("Paris"))
    record, content = await decided(make_world, *panel, question="What is the capital of France?", answer_kind="text")
    assert regroup(record, content, screens).steps[1].detail == "text, by the request (text)"


async def test_what_was_put_out_is_screened_again(make_world: MakeWorld) -> None:
    """Rejected code is rejected again; a verdict that the rules do not come to is named."""
    record, content = await decided(
        make_world, voter("a", says(ONE)), voter("b", says(ONE)), voter("c", says(EVIL)),
        screened={EVIL: screened("reject")}, behaves=ADDS_ONE,
    )  # fmt: skip
    assert record.ballots[2].outcome == "screened_out"
    assert regroup(record, content, screens).complete
    with pytest.raises(IntegrityError, match="c: pass, though it was put out"):
        regroup(record, content, lambda _code, _language: screened())
    with pytest.raises(IntegrityError, match="a: flag, recorded as pass"):
        regroup(record, content, lambda code, _language: screened("reject" if "os" in code else "flag"))


async def test_a_sink_of_one_lineage_alone_is_found_again(make_world: MakeWorld) -> None:
    """What nobody else reaches for put it out, and does again; without that rule it would count."""
    reaches = {EVIL: screened("pass", "process")}
    record, content = await decided(
        make_world, voter("a", says(ONE)), voter("b", says(ONE)), voter("c", says(EVIL)), screened=reaches,
        behaves=ADDS_ONE,
    )  # fmt: skip
    assert record.ballots[2].outcome == "screened_out"

    def found(code: str, language: str) -> Screening:
        return screened("pass", "process") if "os.system" in code else screened()

    assert regroup(record, content, found).complete
    alone = EVIL_FORM, record.ballots[2].received_sha256
    counted = ballots(
        record, 2, outcome="dissented", group=9, screening="pass", candidate_sha256=alone[1], received_sha256="",
        normal_form_sha256=alone[0],
    )  # fmt: skip
    with pytest.raises(IntegrityError, match="c: alone in what it reaches for, and not put out"):
        regroup(counted, content, found)


async def test_who_is_alone_in_a_deliberation_that_was_cut_short_was_not_put_out(make_world: MakeWorld) -> None:
    """A halt ends it before the last look at sinks: the ballot stands as it stood, and nobody wins by it."""

    def found(code: str, language: str) -> Screening:
        return screened("pass", "process") if "os.system" in code else screened()

    record, content = await decided(make_world, voter("a", says(ONE)), voter("b", says(EVIL)), screened={})
    with pytest.raises(IntegrityError, match="b: alone in what it reaches for"):
        regroup(record, content, found)
    assert regroup(replace(record, result="halted"), content, found).complete


async def test_a_screener_that_was_broken_cannot_be_repeated(make_world: MakeWorld) -> None:
    """What was put out because the scanner was busy passes here, and that is told instead of held against the record."""
    busy = Screening("reject", "rules-1", (Finding("scanner-busy", "CWE-693", 0, "reject", "too much waits"),))
    record, content = await decided(
        make_world, voter("a", says(ONE)), voter("b", says(ONE)), voter("c", says(OTHER)), screened={OTHER: busy},
        behaves=ADDS_ONE,
    )  # fmt: skip
    assert "put out by what cannot be repeated: c" in regroup(record, content, screens).steps[3].detail


async def test_what_another_version_decided_is_told_and_not_held_against_it(make_world: MakeWorld) -> None:
    """Other rules come to other verdicts, another reader to other forms: a difference is no lie then."""
    record, content = await decided(make_world, voter("a", says(ONE)), voter("b", says(ONE)), behaves=ADDS_ONE)
    stricter = regroup(record, content, lambda _code, _language: replace(screened("flag"), version="rules-2"))
    assert not stricter.complete
    assert "not repeated: decided by version rules-1, this is rules-2; here: a: flag" in stricter.steps[3].detail
    other = replace(content, reading_version="another")
    read = regroup(ballots(record, 0, normal_form_sha256="e" * 64), other, screens)
    assert (read.complete, "decided by version another" in read.steps[2].detail) == (False, True)
    assert regroup(record, other, screens).complete


async def test_what_was_run_fits_the_question_and_the_code(make_world: MakeWorld) -> None:
    """All examples of the question are run or none, and equal code cannot have done different things."""
    record, content = await decided(make_world, voter("a", says(ONE)), voter("b", says(ONE)), behaves=ADDS_ONE)
    assert "1 examples were run, the question gives 2" in refused(replace(record, examples=1), content, "behaviour")
    lie = ballots(record, 1, outcome_vector_sha256="b" * 64)
    assert "b: equal code, another behaviour" in refused(lie, content, "behaviour")


async def test_groups_by_behaviour_need_the_recorded_digests(make_world: MakeWorld) -> None:
    """Two forms are one group for their equal digests alone: without them the ballots are named."""
    record, content = await decided(
        make_world, voter("a", says(ONE)), voter("b", says(TWO)), behaves=does({ONE: "a", TWO: "a"}, {ONE: 2, TWO: 2})
    )

    def apart(ballot: BallotEntry) -> BallotEntry:
        return replace(ballot, outcome_vector_sha256="")

    lie = replace(record, ballots=[apart(b) for b in record.ballots])
    assert "recorded as 0" in refused(lie, content, "grouping")


async def test_a_voter_asked_alone_is_read_again(make_world: MakeWorld) -> None:
    """Nobody to compare it with: what it says is its form."""
    record, content = await decided(make_world, voter("a", says("Hello there")), model="a", question="Say hello.")
    assert record.policy.name == "direct"
    assert regroup(record, content, screens).steps[-1].detail == "1 answers in 1 groups, as recorded"


async def test_what_an_answer_has_of_its_own_is_looked_at_again(make_world: MakeWorld) -> None:
    """A record that says less, or more, of an answer than its content does is refused: by that the served one was chosen."""
    panel = [voter(name, says(code)) for name, code in zip("abc", (ONE, ONE, TWO), strict=True)]
    record, content = await decided(make_world, *panel, behaves=ADDS_ONE, explain=True)
    assert [ballot.own_code for ballot in record.ballots] == [0, 0, 2]
    assert regroup(record, content, screens).steps[-1].detail == "what is each answer's own, as recorded"
    for lie in ({"own_code": 1}, {"own_words": 1}):
        told = refused(ballots(record, 2, **lie), content, "choice")
        assert "of its own, recorded as" in told


async def test_a_weaker_rule_of_choice_than_strict_has_now_is_refused(make_world: MakeWorld) -> None:
    """Whoever says that parts of its own did not matter is held to its version; with another version there is no telling."""
    panel = [voter(name, says(code)) for name, code in zip("abc", (ONE, ONE, TWO), strict=True)]
    record, content = await decided(make_world, *panel, behaves=ADDS_ONE, explain=True)
    weaker = replace(record, tally=replace(record.tally, choice="own"))
    assert "serves only what is vouched for" in refused(weaker, content, "choice")
    regroup(weaker, replace(content, reading_version="another"), screens)


async def test_weaker_evidence_than_now_is_refused(make_world: MakeWorld) -> None:
    """Who would let one of several answers of a lineage win says so in the record, and is held to its version."""
    panel = [voter(name, says(code)) for name, code in zip("abc", (ONE, ONE, TWO), strict=True)]
    record, content = await decided(make_world, *panel, behaves=ADDS_ONE, policy="evidence")
    assert record.tally.seconded
    assert regroup(record, content, screens).complete
    weaker = replace(record, tally=replace(record.tally, seconded=False))
    assert "asked several times" in refused(weaker, content, "choice")
    older = replace(record, tally=replace(record.tally, choice="own"))
    assert "before it counts its lineage's ballots" in refused(older, content, "choice")
    assert regroup(weaker, replace(content, reading_version="another"), screens).complete


async def test_a_rule_of_choice_without_a_name_is_an_older_versions(make_world: MakeWorld) -> None:
    """While every candidate had a lot of its own no record said so: now one that says nothing is refused."""
    panel = [voter(name, says(code)) for name, code in zip("abc", (ONE, ONE, TWO), strict=True)]
    record, content = await decided(make_world, *panel, behaves=ADDS_ONE)
    unnamed = replace(record, tally=replace(record.tally, choice=""))
    assert "names how it chose" in refused(unnamed, content, "choice")
    older = regroup(unnamed, replace(content, reading_version="another"), screens)
    assert older.steps[-1].detail == "by lots alone, as older records were"


async def test_prose_of_every_layer_is_grouped_by_the_likeness_that_was_in_force_there(make_world: MakeWorld) -> None:
    """Policy asks for more likeness while the first layer votes: the second is held to that, the first was not."""
    said = ("the grey sea sings", "the grey sea sings low", "bread and butter, daily", *["a low grey sea"] * 3)
    sink, voters = Sink(), [voter(name, says(text)) for name, text in zip("abcdef", said, strict=True)]
    world = make_world(*voters, content=sink)
    layers = [layer("primary", "abc", quorum="1.000000"), layer("backup", "def", quorum="1.000000")]
    world.policy.publish(layers=layers)

    async def tightening(_: VoterRequest) -> Candidate:
        world.policy.publish(thresholds={"similarity": "0.990000"})
        return candidate(said[2])

    world.voters["c"].answer = tightening
    await world.coordinator.generate(request(TEXT), CALLER)
    record = world.log.committed[0].record
    assert (record.layer.name, record.similarity, record.earlier[0].similarity) == ("backup", "0.990000", "0.600000")
    assert regroup(record, sink.kept[0], screens).complete
    forgotten = replace(record, earlier=[replace(record.earlier[0], similarity="")])
    assert "layer primary" in refused(forgotten, sink.kept[0], "grouping")
