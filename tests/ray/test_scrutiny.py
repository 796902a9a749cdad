"""Code through a running system: screened and run in its real sandbox before anything leaves."""

import gzip
import stat
from pathlib import Path

import httpx
import pytest

from actors.base.certificates import read_trust
from actors.consensus.verification import verify_envelope
from tests.ray.waiting import until
from tests.ray.world import CODE, CODES, FENCED, HIDDEN, MISTAKE, POISON, SHOWN, System

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


@pytest.fixture
def http(system: System) -> httpx.Client:
    """Open a client with the client's key, once the sandbox is proven."""
    client = httpx.Client(
        base_url=system.base_url, headers={"Authorization": f"Bearer {system.client_key}"}, timeout=60
    )
    until(lambda: not any("sandbox" in line for line in client.get("/readyz").json()["degraded"]), 60)
    return client


def ask(http: httpx.Client, prompt: str) -> httpx.Response:
    """Ask for code."""
    return http.post(
        "/v1/chat/completions", json={"model": "consensus", "messages": [{"role": "user", "content": prompt}]}
    )


def test_code_that_does_the_same_is_served(http: httpx.Client, system: System) -> None:
    """Two voters write it differently and agree by behaviour; the record verifies offline and says what was run."""
    told = ask(http, CODE)
    assert told.status_code == 200, told.text
    agreement = told.json()["weavergen"]["agreement"]
    assert (agreement["method"], agreement["examples"]) == ("behaviour", {"found": 2, "run": 2, "passed": 2})
    assert told.json()["choices"][0]["message"]["content"] in [FENCED.format(code) for code in CODES[CODE][:2]]
    assert [vote["outcome"] for vote in told.json()["weavergen"]["votes"]] == ["agreed", "agreed", "dissented"]
    data = http.get(f"/v1/decisions/{told.json()['weavergen']['decision_id']}").content
    trust = read_trust((system.home / "trust.json").read_bytes())
    record = verify_envelope(data, trust, 2_000_000_000).record
    assert (record.method, record.examples, [b.screening for b in record.ballots]) == ("behaviour", 2, ["pass"] * 3)
    assert len({b.outcome_vector_sha256 for b in record.ballots}) == 2


def test_code_inside_prose_is_screened(http: httpx.Client) -> None:
    """Nobody asked for code, all three agree on prose that shows some, and what it does keeps it from leaving."""
    body = {
        "model": "consensus",
        "messages": [{"role": "user", "content": SHOWN}],
        "weavergen": {"answer_kind": "text"},
    }
    told = http.post("/v1/chat/completions", json=body)
    assert (told.status_code, told.json()["error"]["code"]) == (422, "screened_out")


def test_retained_code_is_grouped_and_run_again(http: httpx.Client, system: System, tmp_path: Path) -> None:
    """What was asked and answered opens the record and comes to its groups; one changed byte of an answer does not."""
    decision = ask(http, CODE).json()["weavergen"]["decision_id"]
    kept = system.home / "content" / f"{decision}.json.gz"
    until(kept.exists, 30)
    assert (stat.S_IMODE(kept.stat().st_mode), stat.S_IMODE(kept.parent.stat().st_mode)) == (0o600, 0o700)
    saved = tmp_path / "decision.json"
    verified = system.weavergen("verify", decision, "--save", str(saved), "--run", timeout_s=120)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "grouping: repeated, as recorded" in verified.stdout
    assert "run again: same: 3 candidates" in verified.stdout
    changed = tmp_path / "content.json"
    changed.write_bytes(gzip.decompress(kept.read_bytes()).replace(b"result = 1", b"result = 2"))
    refused = system.weavergen("verify", str(saved), "--content", str(changed))
    assert refused.returncode == 1
    assert "FAILED  content: not what the record commits to: the answer of m2 (candidate_sha256)" in refused.stdout


def test_a_popular_mistake_is_refused(http: httpx.Client) -> None:
    """What two of three voters say alike fails an example of the prompt, so nobody gets it."""
    told = ask(http, MISTAKE)
    assert (told.status_code, told.json()["error"]["code"]) == (422, "no_consensus")


def test_what_nobody_vouches_for_part_by_part_does_not_leave(http: httpx.Client, system: System) -> None:
    """Two agree by behaviour, one of them with a trigger that no input showed: refused, told why, and the record verifies."""
    told = ask(http, HIDDEN)
    assert (told.status_code, told.json()["error"]["code"]) == (422, "no_consensus")
    assert "parts that most lineages did not write" in told.json()["error"]["message"]
    assert [vote["outcome"] for vote in told.json()["weavergen"]["votes"]] == ["agreed", "agreed", "dissented"]
    data = http.get(f"/v1/decisions/{told.json()['weavergen']['decision_id']}").content
    record = verify_envelope(data, read_trust((system.home / "trust.json").read_bytes()), 2_000_000_000).record
    assert (record.method, record.tally.choice, record.tally.served_sha256) == ("behaviour", "vouched", "")


def test_poison_of_a_majority_is_screened_out(http: httpx.Client) -> None:
    """Two of three agree on code that sends data away: refused, with rule and line, and on record."""
    told = ask(http, POISON)
    assert (told.status_code, told.json()["error"]["code"]) == (422, "screened_out")
    assert "CWE-" in told.json()["error"]["message"]
    decision = http.get(f"/v1/decisions/{told.json()['weavergen']['decision_id']}")
    assert decision.status_code == 200
