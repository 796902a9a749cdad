"""Screens candidates in a bounded pool of threads, remembers what was found, and proves that the rules still see.

Rules:
- The canaries are run at construction, and again before a verdict once their last run is older than ``canary_max_age_s``.
- While a canary is missed the screener is blind: everything is rejected as ``scanner-blind``, memo or not.
- A screening is remembered by (digest of the code, language, version). What failed to be looked into is not remembered.
- The same code asked for again while it is being looked into waits for that one answer.
- One thread parses at a time, Bandit's too, and a rule that failed for a disturbed parse all the same is tried again: two threads
  can disturb each other (``base.python_source``).

Left out: the rules (``screening.screen``). One instance belongs to one event loop.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from actors.base.python_source import ATTEMPTS, parse_one_at_a_time
from actors.consensus.adapters.bandit import Bandit
from actors.consensus.ports import BROKEN, Clock
from actors.consensus.screening import canaries
from actors.consensus.screening.config import ScreeningConfig
from actors.consensus.screening.findings import Screening, refusal
from actors.consensus.screening.screen import Screen, screen
from actors.consensus.screening.version import SCREENING_VERSION

Key = tuple[str, str, str]
FAILED = "scanner-error"
DISTURBED = ("SystemError", "RecursionError", "BanditFailed")
"""Ends of messages on rules that failed; Bandit says of whatever it fails at that it did."""
MAX_NAMED = 5  # canaries named in the state


class Screener:
    """Screens code for one process."""

    def __init__(self, rules: Screen, clock: Clock, config: ScreeningConfig) -> None:
        self._rules = rules
        self._clock = clock
        self._config = config
        self._memo: OrderedDict[Key, Screening] = OrderedDict()
        self._under_way: dict[Key, asyncio.Future[Screening]] = {}
        self._proving: asyncio.Future[None] | None = None
        self._pool = ThreadPoolExecutor(config.threads, "screening")
        self._missed: tuple[str, ...] = ()
        self._proven_s = 0.0
        self.prove()

    @property
    def version(self) -> str:
        """The version of the rules; it goes into the record."""
        return SCREENING_VERSION

    def prove(self) -> tuple[str, ...]:
        """Run the canaries now and return the names of those missed."""
        self._missed = canaries.check(self._rules)
        self._proven_s = self._clock.monotonic()
        return self._missed

    def state(self) -> str:
        """Return in one line why everything is rejected; empty while the rules see."""
        if not self._missed:
            return ""
        named = ", ".join(self._missed[:MAX_NAMED])
        return f"screening is blind: {len(self._missed)} of {len(canaries.CANARIES)} canaries missed ({named})"

    async def screen(self, code: str, language: str) -> Screening:
        """Return what the rules find; never raises but for cancellation."""
        await self._proof()
        if self._missed:
            return refusal("scanner-blind", self.state(), SCREENING_VERSION)
        key = (hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest(), language, SCREENING_VERSION)
        if (known := self._memo.get(key)) is not None:
            self._memo.move_to_end(key)
            return known
        if (running := self._under_way.get(key)) is None:
            if len(self._under_way) >= self._config.max_waiting:
                return refusal(
                    "scanner-busy", "more code waits to be screened than the configuration allows", SCREENING_VERSION
                )
            running = asyncio.get_running_loop().run_in_executor(self._pool, self._rules, code, language)
            self._under_way[key] = running
            running.add_done_callback(partial(self._done, key))
        return await asyncio.shield(running)

    def close(self) -> None:
        """End the threads; what waits is not looked into any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _proof(self) -> None:
        if self._clock.monotonic() - self._proven_s <= self._config.canary_max_age_s:
            return
        if self._proving is None:
            loop = asyncio.get_running_loop()
            self._proving = asyncio.ensure_future(self._prove_again(loop))
        await asyncio.shield(self._proving)

    async def _prove_again(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            await loop.run_in_executor(self._pool, self.prove)
        finally:
            self._proving = None

    def _done(self, key: Key, finished: "asyncio.Future[Screening]") -> None:
        del self._under_way[key]
        if finished.cancelled() or finished.exception() is not None:
            return
        found = finished.result()
        if self._config.memo_entries and not (found.findings and found.findings[0].rule in BROKEN):
            self._memo[key] = found
            if len(self._memo) > self._config.memo_entries:
                self._memo.popitem(last=False)


def build_screener(clock: Clock, config: ScreeningConfig) -> Screener:
    """Return a screener of all rules, Bandit's with them; raise ``BanditFailed`` if Bandit cannot be used."""
    return Screener(all_rules(), clock, config)


def was_disturbed(found: Screening) -> bool:
    """Tell whether a rule failed by what a disturbed parse raises, which says nothing of the code."""
    return any(f.rule == FAILED and f.message.endswith(DISTURBED) for f in found.findings)


def all_rules() -> Screen:
    """Return all rules, Bandit's with them; raise ``BanditFailed`` if Bandit cannot be used."""
    parse_one_at_a_time()
    logging.getLogger("stevedore").setLevel(logging.CRITICAL)  # it complains of report formats that nobody asks for
    bandit = Bandit()

    def rules(code: str, language: str) -> Screening:
        found = screen(code, language, (bandit,))
        for _ in range(ATTEMPTS - 1):
            if not was_disturbed(found):
                break
            found = screen(code, language, (bandit,))
        return found

    return rules
