"""What public histories say: incidents of providers by week, how bad their levels are, and the load of a code service.

Rules:
- Histories are read where they lie (``outages/``, ``traffic/``); what is fitted to them is kept with the project
  (``fitted.json``), they are not.
- An incident counts if it struck the provider's API. Weeks before ``SINCE`` are left out: hardly anything was reported then.
- A level's ``down_share`` is the share of its minutes that the same provider's own account of outages stands for: a minute of
  major outage is one, of partial outage 0.3 (Statuspage's uptime formula). Major minutes are laid to critical incidents,
  partial ones to what is left of these and to major ones. The account says nothing of minor ones; theirs is assumed.
- Without the histories, weeks are drawn from what was fitted: incidents per week as often as there were, lengths lognormal by
  level.

Left out: Anthropic's own history to 2023, too short to be drawn from (eight incidents of its API in half a year): all
providers are drawn from OpenAI's, the longer and the worse one.
"""

import csv
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median, pstdev

import msgspec

from actors.base.errors import ConfigurationError
from cluster.simulation.draws import Draws
from cluster.simulation.outages import WEEK_S, History, Incident

INCIDENTS, SERVICE_DAYS, TRAFFIC = (
    "outages/incidents_until_2023.csv", "outages/service_days_until_2023.csv", "traffic/azure_llm_2023_code.csv",
)  # fmt: skip
PROVIDER, SERVICE, SERVICE_OF_DAYS = "openai", "API", "api"
SINCE, UNTIL = datetime(2022, 1, 3, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
LEAST_S = 60.0
PARTIAL = 0.3
MINOR_DOWN = 0.05
LEVELS = (0, 1, 2, 3)
QUANTILES = 33
WEEKS = 520
"""So many weeks are drawn where there is no history."""
HISTORIES = Path(__file__).parents[3] / "shared" / "data"
"""Where the histories lie beside the project, if they do."""
FITTED = Path(__file__).with_name("fitted.json")


class Level(msgspec.Struct, frozen=True):
    """Incidents of one level."""

    share: float
    median_s: float
    sigma: float
    """Of the logarithm of their length."""
    down_share: float


class Fitted(msgspec.Struct, frozen=True):
    """Everything that was fitted, and to what."""

    source: str
    weeks: int
    incidents_a_week: dict[str, float]
    """Number of incidents → share of weeks with so many."""
    levels: dict[str, Level]
    prompt_tokens: list[int]
    """Quantiles at equal steps from 0 to 1."""
    answer_tokens: list[int]
    mean_gap_s: float
    """Between requests."""

    @property
    def down_share(self) -> dict[int, float]:
        """Return level → probability that an incident leaves a customer without answers."""
        return {int(level): fitted.down_share for level, fitted in self.levels.items()}


def stored() -> Fitted:
    """Return what is kept with the project."""
    return msgspec.json.decode(FITTED.read_bytes(), type=Fitted)


def history_of(data: Path) -> History:
    """Return the provider's weeks; raise ``ConfigurationError`` where they cannot be read."""
    weeks: list[list[Incident]] = [[] for _ in range((UNTIL - SINCE).days // 7)]
    for row in _rows(data / INCIDENTS):
        if row["provider"] != PROVIDER or row[SERVICE] != "1":
            continue
        start = datetime.fromisoformat(row["start_timestamp"])
        if SINCE <= start < UNTIL:
            lasts_s = (datetime.fromisoformat(row["close_timestamp"]) - start).total_seconds()
            week, at_s = divmod((start - SINCE).total_seconds(), WEEK_S)
            level = min(int(row["incident_impact_level"]), LEVELS[-1])
            weeks[int(week)].append(Incident(at_s, max(lasts_s, LEAST_S), level))
    return tuple(map(tuple, weeks))


def drawn_history(fitted: Fitted, draws: Draws) -> History:
    """Return weeks as they may have been, where the real ones are not at hand."""
    weeks = []
    for week in range(WEEKS):
        count = _pick(
            {int(number): share for number, share in fitted.incidents_a_week.items()}, draws.unit("count", week)
        )
        weeks.append(tuple(_drawn(fitted, draws.sub(week, number)) for number in range(count)))
    return tuple(weeks)


def _drawn(fitted: Fitted, draws: Draws) -> Incident:
    level = _pick({int(name): one.share for name, one in fitted.levels.items()}, draws.unit("level"))
    shape = fitted.levels[f"{level}"]
    return Incident(
        draws.unit("at") * WEEK_S, max(draws.lognormal(shape.median_s, shape.sigma, "lasts"), LEAST_S), level
    )


def _pick(shares: Mapping[int, float], drawn: float) -> int:
    for value, share in shares.items():
        if drawn < share:
            return value
        drawn -= share
    return max(shares)


def fit(data: Path) -> Fitted:
    """Fit everything to the histories below ``data``."""
    history = history_of(data)
    counts = [len(week) for week in history]
    incidents = [incident for week in history for incident in week]
    down = _down_shares(data, incidents)
    traffic = list(_rows(data / TRAFFIC))
    times = [datetime.fromisoformat(row["TIMESTAMP"][:26]) for row in traffic]
    return Fitted(
        source=f"{INCIDENTS}, {SERVICE_DAYS} ({PROVIDER} {SERVICE}, {SINCE:%Y-%m-%d} to {UNTIL:%Y-%m-%d}; "
        f"atlarge-research/llm-service-analysis); {TRAFFIC} (Azure/AzurePublicDataset, CC BY 4.0)",
        weeks=len(history),
        incidents_a_week={f"{n}": round(counts.count(n) / len(counts), 6) for n in sorted(set(counts))},
        levels={f"{level}": _level(incidents, level, down[level]) for level in LEVELS},
        prompt_tokens=_quantiles(int(row["ContextTokens"]) for row in traffic),
        answer_tokens=_quantiles(int(row["GeneratedTokens"]) for row in traffic),
        mean_gap_s=round((times[-1] - times[0]).total_seconds() / (len(times) - 1), 6),
    )


def _level(incidents: list[Incident], level: int, down: float) -> Level:
    lengths = [one.lasts_s for one in incidents if one.level == level]
    logs = [math.log(length) for length in lengths] or [math.log(LEAST_S)]
    return Level(
        share=round(len(lengths) / len(incidents), 6), median_s=round(median(lengths or [LEAST_S]), 1),
        sigma=round(pstdev(logs, fmean(logs)), 6), down_share=round(down, 6),
    )  # fmt: skip


def _down_shares(data: Path, incidents: Iterable[Incident]) -> dict[int, float]:
    minutes = dict.fromkeys(LEVELS, 0.0)
    for incident in incidents:
        minutes[incident.level] += incident.lasts_s / 60
    partial = major = 0.0
    for row in _rows(data / SERVICE_DAYS):
        if row["Service"] == SERVICE_OF_DAYS and SINCE.date().isoformat() <= row["Date"] < UNTIL.date().isoformat():
            partial += float(row["partial_outage_minutes"])
            major += float(row["major_outage_minutes"])
    whole = min(major, minutes[3])
    in_part = min(partial, minutes[3] - whole)
    critical = (whole + PARTIAL * in_part) / minutes[3]
    return {0: 0.0, 1: MINOR_DOWN, 2: PARTIAL * min((partial - in_part) / minutes[2], 1.0), 3: critical}


def _quantiles(values: Iterable[int]) -> list[int]:
    ordered = sorted(values)
    return [ordered[round(step * (len(ordered) - 1) / (QUANTILES - 1))] for step in range(QUANTILES)]


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}; name the folder that holds outages/ and traffic/"
        ) from error


def store(data: Path) -> Fitted:
    """Fit anew and keep the result with the project."""
    fitted = fit(data)
    FITTED.write_bytes(msgspec.json.format(msgspec.json.encode(fitted), indent=1) + b"\n")
    return fitted
