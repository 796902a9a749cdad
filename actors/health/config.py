"""This domain's section of the configuration: the tick, the limits, the windows, and the bounds of what is kept and done."""

from pydantic import BaseModel, ConfigDict, Field

from actors.health.signals import Signal


class HealthConfig(BaseModel):
    """Bounds and limits of everything the health domain measures, keeps and does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tick_s: float = Field(default=5.0, ge=0.2, le=10)
    """Pause between two ticks."""
    cpu_limit: float = Field(default=0.95, gt=0, le=1)
    """Share of the machine's processor time; only shown: engines that use all of it do their work."""
    memory_limit: float = Field(default=0.92, gt=0, le=1)
    """Share of the machine's memory that is not available."""
    memory_alarm_from: float = Field(default=0.5, ge=0, le=1)
    """Below this level a forecast of memory alarms nobody: programs that start take much and then stop."""
    disk_limit: float = Field(default=0.90, gt=0, le=1)
    """Share of the home's file system."""
    queue_limit: float = Field(default=0.90, gt=0, le=1)
    """Deliberations under way as a share of all that the replicas take."""
    stock_every_s: float = Field(default=30.0, ge=1, le=600)
    """Time between two samples of the window that a stock is forecast from: disk, memory, queue."""
    stock_samples: int = Field(default=40, ge=6, le=240)
    flow_every_s: float = Field(default=300.0, ge=1, le=600)
    """The same of a flow: CPU. Its calibration is one of five-minute means."""
    flow_samples: int = Field(default=12, ge=6, le=240)
    confirm_ticks: int = Field(default=12, ge=1, le=1000)
    """Ticks in a row above 0.7 that open an incident: a minute, longer than most of what rises and stops by itself."""
    clear_below: float = Field(default=0.5, ge=0, le=0.7)
    """An incident's signal is well again below this probability."""
    blind_ticks: int = Field(default=6, ge=1, le=1000)
    """Ticks in a row without a reading that open an incident; the check counts as failed from the first."""
    start_grace_s: float = Field(default=900.0, ge=0, le=7200)
    """After a start, how long metrics that nobody has published yet are waited for before their absence counts as blind."""
    voter_window_s: float = Field(default=300.0, ge=10, le=3600)
    """Ballots older than this say nothing about a voter."""
    voter_min_ballots: int = Field(default=10, ge=1, le=10_000)
    """Fewer ballots in the window say nothing about a voter, unless they hold ``voter_failures``."""
    voter_error_rate: float = Field(default=0.5, gt=0, le=1)
    voter_failures: int = Field(default=5, ge=1, le=10_000)
    """Failures and time-outs, with no other ballot beside them, after which a breaker would open."""
    voter_latency_s: float = Field(default=60.0, gt=0, le=600)
    """Mean time to a ballot."""
    history_rows: int = Field(default=20_000, ge=1000, le=1_000_000)
    """Ticks kept in the state database."""
    metrics_max_age_s: float = Field(default=30.0, ge=5, le=600)
    """Older metrics count as unreadable."""
    free_max_files: int = Field(default=1000, ge=1, le=100_000)
    """Files that one mitigation removes at most."""
    capture_again_below: float = Field(default=0.8, gt=0, le=1)
    """Content that was no longer captured because the disk filled is captured again below this level of the disk."""
    capture_again_after_s: float = Field(default=1800.0, ge=10, le=86_400)
    """How long the disk has to stay there first."""
    free_min_age_s: float = Field(default=3600.0, ge=60, le=2_592_000)
    """Age from which a temporary file is expired."""

    extra_replicas: int = Field(default=1, ge=0, le=16)
    """Gateway replicas beyond the configured number that a queue which fills may bring; 0 brings none."""
    replica_mib: int = Field(default=512, ge=64, le=65_536)
    """Memory that one more gateway replica takes: 280 MiB were measured."""
    reserve_mib: int = Field(default=1024, ge=0, le=1_048_576)
    """Memory that is left free beside it."""
    scale_back_below: float = Field(default=0.3, gt=0, le=0.45)
    """The queue is quiet below this level; with one replica of two less it would be twice that."""
    scale_back_after_s: float = Field(default=1800.0, ge=10, le=86_400)
    """Quiet without a break after which such a replica goes: longer than a stock's window, so that the alarm is over by then."""

    @property
    def window_s(self) -> float:
        """Return how far back a window reaches."""
        return max(self.stock_every_s * self.stock_samples, self.flow_every_s * self.flow_samples)

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Return what is forecast."""
        return (
            Signal("cpu", "flow", self.cpu_limit, alarms=False),
            Signal("memory", "stock", self.memory_limit, alarm_from=self.memory_alarm_from),
            Signal("disk", "stock", self.disk_limit),
            Signal("queue", "stock", self.queue_limit),
        )
