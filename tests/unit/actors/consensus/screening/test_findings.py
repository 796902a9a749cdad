"""What a screening says as a whole."""

import msgspec

from actors.consensus.screening.findings import MAX_FINDINGS, Finding, Screening, conclude, refusal

FLAG = Finding("a", "CWE-1", 1, "flag", "m")
REJECT = Finding("b", "CWE-2", 9, "reject", "m")


def test_the_worst_finding_is_the_verdict() -> None:
    """Nothing passes, flags flag, one rejection rejects; rejections come first."""
    assert conclude([], [], "v").verdict == "pass"
    assert conclude([FLAG], [], "v").verdict == "flag"
    whole = conclude([FLAG, REJECT, REJECT], ["file", "eval", "file"], "v")
    assert (whole.verdict, whole.findings, whole.sinks) == ("reject", (REJECT, FLAG), ("eval", "file"))


def test_findings_are_bounded_and_keep_rejections() -> None:
    """Many flags do not push a rejection out."""
    many = [Finding("a", "CWE-1", line, "flag", "m") for line in range(MAX_FINDINGS * 3)]
    found = conclude([*many, REJECT], [], "v").findings
    assert len(found) == MAX_FINDINGS
    assert found[0] == REJECT


def test_a_refusal_rejects_and_survives_the_wire() -> None:
    """What could not be looked into is rejected; a screening is the same after encoding."""
    refused = refusal("scanner-error", "a rule failed", "v")
    assert refused.verdict == "reject"
    assert msgspec.json.decode(msgspec.json.encode(refused), type=Screening) == refused
