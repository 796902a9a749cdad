"""Grouping the answers of a decision again from its retained content. Pure; runs nothing.

Steps, in order; the first that fails raises ``IntegrityError`` whose ``param`` names it, and whose text names the ballots:
1. content     the content opens the record's commitments: the question, and every answer that came
2. kind        the question asks for the recorded kind of answer, unless the request itself did
3. reading     every answer that counts has the recorded normal form, every ``invalid`` one has none
4. screening   code that counts gets the recorded verdict, code that was put out is rejected or alone in what it reaches for
5. behaviour   what the record says was run fits the question and the answers: its examples are all of the question's, equal
               code did the same
6. grouping    the recorded groups are those of the normal forms made anew and the recorded digests of behaviour
7. choice      the record names this version's rules of evidence and of choice, and what it says of every answer's own is so

Rules:
- The very functions that decided decide again.
- What another version of them decided is not held against this one: a difference is told, and is no failure.
- What was put out because the screener was broken, blind or busy, or before a substitute came for a voter that was isolated,
  cannot be repeated, and is told.
- The answers of layers that were tried before are grouped again too; what one of them rejected is not screened again later.
- A deliberation that was halted or ran out of time may have ended before the rule on sinks of one lineage alone was applied.

Left out: the record against itself, its tally and signatures (``verification``); running candidates again (``rerunning``).
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from actors.base.canonical import micro
from actors.base.errors import IntegrityError
from actors.consensus.behaviour.compare import wanted
from actors.consensus.causes import ALONE_NOTE, BARRED_NOTE, UNPROVEN
from actors.consensus.grouping import Answer, group_answers
from actors.consensus.own import Answer as Candidate
from actors.consensus.own import levels
from actors.consensus.pieces import joined
from actors.consensus.ports import BROKEN
from actors.consensus.readable import Readable, readable
from actors.consensus.reading.context import in_context
from actors.consensus.reading.examples import examples_of
from actors.consensus.reading.kind import answer_kind, language_of
from actors.consensus.replay_layers import earlier_views
from actors.consensus.retention.asked import context_asked
from actors.consensus.retention.content import Content, check_opens
from actors.consensus.retention.versions import BEHAVIOUR_VERSION, READING_VERSION
from actors.consensus.screening.difference import asked_sinks, unshared
from actors.consensus.screening.findings import Screening
from actors.consensus.tally import NO_GROUP
from actors.consensus.verification import Step
from actors.consensus.vocabulary import RUNNABLE
from actors.spans.record import BallotEntry, DecisionRecord

Screens = Callable[[str, str], Screening]
"""Screens code of a language."""


_CUT_SHORT = ("halted", "deadline")
"""Results of deliberations that ended before the rule on sinks was applied for the last time, as those do whose code should
have run and did not: nobody has won there."""


class Regrouped(msgspec.Struct, frozen=True):
    """What was repeated, in words, and whether all of it was."""

    steps: tuple[Step, ...]
    complete: bool
    """False where another version decided otherwise."""


class _Found(msgspec.Struct, frozen=True):
    """What one step found."""

    name: str
    detail: str
    faults: tuple[str, ...] = ()
    made_by: str = ""
    """The version that decided; empty where none matters."""
    ours: str = ""
    layer: str = ""
    """The layer, where it was tried before the one that decided."""


def regroup(record: DecisionRecord, content: Content, screens: Screens) -> Regrouped:
    """Group again; raise ``IntegrityError`` at the first step that comes to something else than the record."""
    check_opens(content, record)
    came = sum(said.came for said in content.said)
    found = [
        _Found("content", f"the question and {came} answers open the record's commitments"),
        _kind(record, content),
    ]
    before: list[_Found] = []
    for view, said in zip(earlier_views(record), content.earlier or (), strict=True):
        layer = replace(content, said=said, compared=None)
        before += [replace(each, layer=view.layer.name) for each in _regrouped(view, layer, screens)]
    found += [*before, *_regrouped(record, content, screens)]
    return Regrouped(tuple(map(_step, found)), all(not each.faults for each in found))


def _regrouped(record: DecisionRecord, content: Content, screens: Screens) -> list[_Found]:
    """Group the answers of one layer again."""
    readings = _readings(record, content)
    found = [_reading(record, content, readings), _screening(record, content, readings, screens)]
    found += [_behaviour(record, content, readings), _grouping(record, content, readings)]
    found.append(_choice(record, content, readings))
    return [each for each in found if each is not None]


def _step(found: _Found) -> Step:
    """Return a step that passed, or whose difference another version explains; else raise."""
    where = f"layer {found.layer}: " if found.layer else ""
    if not found.faults:
        return Step(found.name, f"{where}{found.detail}")
    faults = ", ".join(found.faults)
    if found.made_by == found.ours:
        raise IntegrityError(f"{found.name}: {where}not as recorded: {faults}", found.name)
    return Step(
        found.name, f"{where}not repeated: decided by version {found.made_by}, this is {found.ours}; here: {faults}"
    )


def _kind(record: DecisionRecord, content: Content) -> _Found:
    kind = answer_kind(content.asked_kind, content.question)
    faults = () if kind == record.answer_kind else (f"the question asks for {kind}",)
    by = "the question" if content.asked_kind == "auto" else f"the request ({content.asked_kind})"
    return _Found("kind", f"{kind}, by {by}", faults, content.reading_version, READING_VERSION)


def _readings(record: DecisionRecord, content: Content) -> list[Readable | None]:
    """Return what each answer that came reads as, in the order of the ballots."""
    kind, policy = record.answer_kind, record.policy.name
    return [
        readable(kind, content.question, policy, said.text, said.finish_reason, content.json_schema)
        if said.came
        else None
        for said in content.said
    ]


def _reading(record: DecisionRecord, content: Content, readings: Sequence[Readable | None]) -> _Found:
    faults, counted, invalid = [], 0, 0
    for ballot, read in zip(record.ballots, readings, strict=True):
        if ballot.group != NO_GROUP:
            counted += 1
            if read is None or read.why:
                faults.append(f"{ballot.voter}: {read.why if read else 'no answer'}")
            elif read.reading.sha256 != ballot.normal_form_sha256:
                faults.append(f"{ballot.voter}: another normal form")
        elif ballot.outcome == "invalid" and read is not None:
            invalid += 1
            faults += [] if read.why else [f"{ballot.voter}: can be read, though it was invalid"]
    detail = f"{counted} normal forms made anew" + (f", {invalid} answers without one" if invalid else "")
    return _Found("reading", detail, tuple(faults), content.reading_version, READING_VERSION)


def _screening(
    record: DecisionRecord, content: Content, readings: Sequence[Readable | None], screens: Screens
) -> _Found | None:
    looked_at = {
        place: (ballot, pieces)
        for place, (ballot, read) in enumerate(zip(record.ballots, readings, strict=True))
        if (ballot.group != NO_GROUP or ballot.outcome == "screened_out")
        and read is not None
        and (pieces := read.pieces(language_of(record.answer_kind)))
        and not _was_barred(ballot, content.said[place].note)
    }
    if not looked_at:
        return None
    found = {
        place: joined(pieces, [screens(piece.code, piece.language) for piece in pieces])
        for place, (_, pieces) in looked_at.items()
    }
    alone = _alone(record, content, found)
    last = record.layer.tried[-1]
    ended = record.result not in _CUT_SHORT and last.outcome != "deadline" and last.cause not in UNPROVEN
    faults, unable = [], []
    for place, (ballot, _) in looked_at.items():
        suspect = place in alone and (ended or ballot.outcome == "screened_out")
        why = _screened_otherwise(ballot, found[place], alone=suspect)
        if why and ballot.outcome == "screened_out" and _cannot_be_repeated(record, content.said[place].note):
            unable.append(ballot.voter)
        elif why:
            faults.append(f"{ballot.voter}: {why}")
    detail = f"{len(looked_at) - len(unable)} answers screened again by {record.screening_version}"
    detail += f"; put out by what cannot be repeated: {', '.join(unable)}" if unable else ""
    version = next((screening.version for screening in found.values()), record.screening_version)
    return _Found("screening", detail, tuple(faults), record.screening_version, version)


def _was_barred(ballot: BallotEntry, note: str) -> bool:
    """Tell whether an earlier layer had rejected the answer, which nothing here screened again; ``layers`` holds it to that."""
    return (ballot.carried and ballot.outcome == "screened_out") or note == BARRED_NOTE


def _cannot_be_repeated(record: DecisionRecord, note: str) -> bool:
    """Tell whether a ballot was put out by a screener at fault, or as alone before a substitute came for an isolated voter."""
    replaced = any(ballot.outcome == "isolated" and ballot.replaced for ballot in record.ballots)
    return note.startswith(BROKEN) or (replaced and note.startswith(ALONE_NOTE))


def _alone(record: DecisionRecord, content: Content, found: Mapping[int, Screening]) -> frozenset[int]:
    """Return the ballots that the rule on sinks of one lineage alone puts out."""
    if record.policy.name == "direct" or not language_of(record.answer_kind):
        return frozenset()
    used = {
        place: (record.ballots[place].lineage, frozenset(screening.sinks))
        for place, screening in found.items()
        if screening.verdict != "reject"
    }
    used[-1] = ("", frozenset())
    return frozenset(unshared(used, asked_sinks(content.question)))


def _screened_otherwise(ballot: BallotEntry, screening: Screening, *, alone: bool) -> str:
    """Say how a screening differs from what the record says; empty if it does not."""
    if ballot.outcome == "screened_out":
        return "" if screening.verdict == "reject" or alone else f"{screening.verdict}, though it was put out"
    if screening.verdict != ballot.screening:
        return f"{screening.verdict}, recorded as {ballot.screening}"
    return "alone in what it reaches for, and not put out" if alone else ""


def _behaviour(record: DecisionRecord, content: Content, readings: Sequence[Readable | None]) -> _Found | None:
    if record.answer_kind != RUNNABLE or record.policy.name == "direct":
        return None
    faults = []
    total = len(wanted(examples_of(content.question)))
    if record.examples not in (0, total):
        faults.append(f"{record.examples} examples were run, the question gives {total}")
    did: dict[str, tuple[str, int]] = {}
    for ballot, read in zip(record.ballots, readings, strict=True):
        if ballot.group == NO_GROUP or read is None:
            continue
        code = in_context(context_asked(content.question), read.code)
        told = (ballot.outcome_vector_sha256, ballot.examples_passed)
        if did.setdefault(code, told) != told:
            faults.append(f"{ballot.voter}: equal code, another behaviour")
    return _Found("behaviour", _ran(record, content), tuple(faults), content.behaviour_version, BEHAVIOUR_VERSION)


def _ran(record: DecisionRecord, content: Content) -> str:
    if content.compared is None:
        return "nothing was run"
    vectors = {ballot.outcome_vector_sha256 for ballot in record.ballots if ballot.outcome_vector_sha256}
    return f"{len(vectors)} recorded behaviours fit code and {record.examples} examples; --run runs the code again"


def _grouping(record: DecisionRecord, content: Content, readings: Sequence[Readable | None]) -> _Found:
    groups = group_answers(
        [
            Answer(
                place, read.reading.form, read.reading.sha256, read.reading.method, micro(ballot.weight),
                ballot.outcome_vector_sha256,
            )
            for place, (ballot, read) in enumerate(zip(record.ballots, readings, strict=True))
            if ballot.group != NO_GROUP and read is not None
        ],
        micro(record.similarity or "0"),
    )  # fmt: skip
    faults = [
        f"{ballot.voter}: group {groups.get(place, NO_GROUP)}, recorded as {ballot.group}"
        for place, ballot in enumerate(record.ballots)
        if groups.get(place, NO_GROUP) != ballot.group
    ]
    detail = f"{len(groups)} answers in {len(set(groups.values()))} groups, as recorded"
    return _Found("grouping", detail, tuple(faults), content.reading_version, READING_VERSION)


def _weaker_rule(record: DecisionRecord) -> str:
    """Say what this version demands beside what a record's rules do; empty if they are its own."""
    policy, said = record.policy.name, record.tally
    if not said.choice and said.served_sha256:
        return "this version names how it chose"
    if policy == "strict" and said.choice == "own":
        return "this version serves only what is vouched for"
    if policy == "evidence" and not said.seconded:
        return "this version takes no single answer of a lineage that was asked several times for evidence"
    if policy == "evidence" and said.choice == "own":
        return "this version looks at what is an answer's own before it counts its lineage's ballots"
    return ""


def _choice(record: DecisionRecord, content: Content, readings: Sequence[Readable | None]) -> _Found | None:
    if record.tally.winner == NO_GROUP or record.answer_kind != RUNNABLE or record.policy.name == "direct":
        return None
    if content.reading_version == READING_VERSION and (weaker := _weaker_rule(record)):
        return _Found("choice", "", (weaker,))
    if not record.tally.choice and record.tally.served_sha256:
        return _Found("choice", "by lots alone, as older records were")
    groups = {place: ballot.group for place, ballot in enumerate(record.ballots) if ballot.group != NO_GROUP}
    answers = {
        place: Candidate(record.ballots[place].lineage, content.said[place].text, read.code)
        for place in groups
        if (read := readings[place]) is not None
    }
    lineages = len({ballot.lineage for ballot in record.ballots})
    own = levels(answers, groups, record.tally.winner, content.question, lineages)
    faults = [
        f"{ballot.voter}: {own.get(place, (0, 0))} of its own, recorded as {(ballot.own_code, ballot.own_words)}"
        for place, ballot in enumerate(record.ballots)
        if own.get(place, (0, 0)) != (ballot.own_code, ballot.own_words)
    ]
    detail = "what is each answer's own, as recorded" if own else "of one text"
    return _Found("choice", detail, tuple(faults), content.reading_version, READING_VERSION)
