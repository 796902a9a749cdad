"""The audit job: verifies the log and every decision of the last hours once more, from the bytes on disk and the trust bundle.

``python -m cluster.jobs.audit --home DIR --hours H --report FILE``; ends with 0 if nothing was found, else with 1.

It runs beside the serving system and asks nothing of it: one process at low priority, file after file. A decision takes
about a millisecond and a few hundred bytes.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from actors.base.certificates import TrustBundle
from actors.consensus.audit import Audit, Recorded
from actors.spans.adapters.check import Checked, check_log
from cluster.home import Home, open_home
from cluster.jobs.submission import MARK, write_report
from cluster.leaving import leave
from cluster.records import Unread, read_records
from cluster.trust import load_trust

SCHEMA = "weavergen.audit/1"
TELL_EVERY = 1000
MAX_LISTED = 1000
"""Findings that a report lists; all are counted."""
_NICENESS = 10
_HOUR_S = 3600


def audit(
    rows: Iterable[Recorded | Unread], trust: TrustBundle, log: Checked, now_s: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Verify rows as they come, of a home whose log was checked, and return what was found."""
    auditor, unread = Audit(trust, now_s, log.whole), set[Unread]()
    for row in rows:
        if isinstance(row, Unread):
            unread.add(row)
            continue
        auditor.take(row)
        if auditor.rows % TELL_EVERY == 0:
            tell(f"{auditor.rows} records verified")
    findings = auditor.conclude()
    places = sorted(unread, key=lambda item: item.place)
    return {
        "schema": SCHEMA, "ok": not findings and not places and not log.damage,
        "decisions": auditor.decisions, "records": auditor.rows, "results": auditor.results,
        "inclusion": auditor.inclusion, "log": _log_report(log),
        "findings_total": len(findings), "findings": [asdict(finding) for finding in findings[:MAX_LISTED]],
        "unread_total": len(places), "unread": [asdict(item) for item in places[:MAX_LISTED]],
    }  # fmt: skip


def audit_home(home: Home, hours: float, now_s: float, tell: Callable[[str], None]) -> dict[str, Any]:
    """Audit every decision on a home's disk whose request began in the last ``hours``."""
    since_s = max(0.0, now_s - hours * _HOUR_S)
    spans, trust = home.read_config().spans, load_trust(home.trust_file)
    tell("checking the log")
    log = check_log(home.root, trust, spans.table_checkpoint_commits, location=spans.location)
    rows = read_records(home.root, spans, int(since_s * 1e9))
    window = {"hours": hours, "since": _utc(since_s), "until": _utc(now_s)}
    return window | audit(rows, trust, log, int(now_s), tell)


def _log_report(log: Checked) -> dict[str, Any]:
    whole = log.report()
    return whole | {"damage_total": len(log.damage), "damage": whole["damage"][:MAX_LISTED]}


def _utc(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds")


def main(argv: list[str] | None = None) -> int:
    """Run the job that the command line describes."""
    parser = argparse.ArgumentParser(prog="python -m cluster.jobs.audit", description=__doc__)
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--hours", required=True, type=float)
    parser.add_argument("--report", required=True, type=Path)
    given = parser.parse_args(argv)
    os.nice(_NICENESS)
    started_s = time.monotonic()
    report = audit_home(
        open_home(given.home), given.hours, time.time(), lambda line: print(f"{MARK}{line}", flush=True)
    )
    write_report(given.report, report | {"took_s": round(time.monotonic() - started_s, 3)})
    print(f"{MARK}{report['records']} records of {report['decisions']} decisions verified, "
          f"{report['findings_total']} findings, {report['unread_total']} places unreadable, "
          f"{report['log']['damage_total']} damages of the log", flush=True)  # fmt: skip
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    leave(main())
