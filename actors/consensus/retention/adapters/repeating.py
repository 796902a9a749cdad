"""Runs the candidates of a retained decision again, in the proven sandbox and on the recorded inputs.

Left out: what the outcome means (``rerunning``); confinement (the sandbox).
"""

import asyncio

from actors.consensus.behaviour.compare import Comparison, begin, cut_short, step
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.retention.asked import function_asked
from actors.consensus.retention.content import Content
from actors.consensus.retention.rerunning import Rerun, compare_again, seed_of, sources_run
from actors.consensus.sandbox.ports import Sandbox
from actors.spans.record import DecisionRecord

PATIENCE = 4
"""Times the time that the comparison had: whoever checks can wait."""


async def run_again(record: DecisionRecord, content: Content, sandbox: Sandbox) -> Rerun:
    """Run every candidate that was run then, for as many rounds, and tell whether it comes to the same."""
    sources = sources_run(content)
    if content.compared is None or not sources:
        return Rerun("same", "nothing was run then")
    if reason := sandbox.state():
        return Rerun("could not run", reason)
    try:
        config = BehaviourConfig.model_validate(content.compared.config)
    except ValueError:
        return Rerun("could not run", "the content names bounds of the comparison that this version does not know")
    asked, rounds = function_asked(content.question), content.compared.rounds
    state, jobs = await asyncio.to_thread(begin, asked, sources, config, seed_of(record))
    try:
        async with asyncio.timeout(PATIENCE * config.max_time_ms / 1000):
            while jobs and state.rounds < rounds:
                rans = await sandbox.run(jobs)
                state, jobs = await asyncio.to_thread(step, state, rans)
    except TimeoutError:
        return Rerun("could not run", "it took too long")
    found = cut_short(state)
    if not isinstance(found, Comparison):
        return Rerun("could not run", f"the sandbox ran nothing ({found.reason})")
    return compare_again(record, content, found)
