"""This domain's section of the configuration: bounds of the write-ahead log, of ingest and of the table."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from actors.base.errors import IntegrityError
from actors.spans.frames import FRAME_HEADER_BYTES, HEADER_MAX_BYTES
from actors.spans.log.note import KeyKind, NoteKey, read_key
from actors.spans.place import Location

KIB = 1024
MIB = 1024 * KIB


class SpansConfig(BaseModel):
    """Bounds of everything the spans domain queues, writes, reads and keeps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    segment_bytes: int = Field(default=16 * MIB, ge=64 * KIB, le=1024 * MIB)
    """Size every segment is preallocated to."""
    reserve_segments: int = Field(default=2, ge=1, le=16)
    """Segments kept preallocated ahead of the active one; when they are gone and cannot be had, appends are refused."""
    max_frame_bytes: int = Field(default=1 * MIB, ge=1 * KIB, le=64 * MIB)
    """Largest payload of one append; a larger one is refused."""
    queue_max_bytes: int = Field(default=32 * MIB, ge=64 * KIB)
    """Frames waiting for the disk; above it appends are refused."""
    batch_max_frames: int = Field(default=256, ge=1, le=512)
    """Frames in one group commit (two buffers each, and IOV_MAX is 1024)."""
    batch_max_bytes: int = Field(default=4 * MIB, ge=64 * KIB)
    """Bytes in one group commit, exceeded by at most one frame."""
    group_wait_us: int = Field(default=2_000, ge=0, le=100_000)
    """How long a frame waits for others before it is made durable with them, where enough of them are on their way (PostgreSQL's
    ``commit_delay``): a sync costs the processor as much as a tenth of a request."""
    group_siblings: int = Field(default=5, ge=1, le=65_536)
    """How many others have to be on their way for that (``commit_siblings``): who is alone waits for nobody."""
    storage_retry_ms: int = Field(default=200, ge=1, le=60_000)
    """How often space or a working disk is looked for again after storage failed."""
    stall_after_ms: int = Field(default=2_000, ge=10, le=600_000)
    """Age of the oldest frame that is not durable at which the log counts as unavailable: its disk hangs."""
    reserve_wait_s: float = Field(default=5.0, gt=0, le=300)
    """How long rotating waits for a segment that is being preallocated."""
    close_timeout_s: float = Field(default=10.0, gt=0, le=300)
    """How long closing a writer waits for its queue to become durable."""
    table_roll_rows: int = Field(default=25_000, ge=1, le=5_000_000)
    """Rows that make the actor commit to the table at once."""
    table_roll_bytes: int = Field(default=64 * MIB, ge=64 * KIB, le=256 * MIB)
    """Bytes of rows that make it do so as well, and the most that it reads and commits together: one frame that is larger goes
    alone. Rows of other services count seven times, for the table shows of them up to six times what they are."""
    table_roll_age_s: float = Field(default=3.0, ge=0, le=3600)
    """Longest time an ingested row waits for its commit."""
    table_checkpoint_commits: int = Field(default=100, ge=1, le=10_000)
    """Commits between checkpoints of the Delta log."""
    compact_target_bytes: int = Field(default=64 * MIB, ge=64 * KIB, le=1024 * MIB)
    """Size at which files of the table are rolled when they are merged: between half of it and one and a half."""
    compact_min_files: int = Field(default=16, ge=2, le=64)
    """How many small files make a merge, and by how much a merged one has more rows: the more, the less often rows are rewritten
    and the more files there are."""
    compact_close_age_s: int = Field(default=86_400, ge=60, le=30 * 86_400)
    """How long after its last new file a date's small ones are merged even where they are few."""
    compact_step_ms: int = Field(default=200, ge=0, le=60_000)
    """How long one tick of the actor goes on with a merge, exceeded by at most one step; 0 merges nothing."""
    retention_days: int = Field(default=0, ge=0, le=36_500)
    """How long after its last row ended a batch is kept in the table; 0 for ever. Its leaf stays in the log all the same."""
    removed_files_keep_s: int = Field(default=3600, ge=60, le=30 * 86_400)
    """How long files that were merged, and entries of Delta's log, are kept for readers that hold a list from before."""
    ingest_poll_ms: int = Field(default=500, ge=1, le=60_000)
    """Pause between two ticks of the actor."""
    quarantine_max_rows: int = Field(default=256, ge=1, le=100_000)
    """Rows of one writer that are set aside in one tick (exceeded by at most one frame); beyond it the writer waits."""
    quarantine_max_bytes: int = Field(default=1024 * MIB, ge=64 * KIB)
    """Room of all rows that were set aside, and as much for damaged segments. None is ever dropped: where there is no room they
    wait in the log, and the rows' writer with them, until files were moved away."""
    baseline_keep_rows: int = Field(default=5_000, ge=1, le=1_000_000)
    """Rows that the statistics' baseline on disk may be behind what was learned."""
    counters_every_s: int = Field(default=10, ge=1, le=3600)
    """How often a replica that writes rows writes down how many it wrote."""
    storm_window_s: int = Field(default=300, ge=10, le=86_400)
    """How long a row that came counts towards a storm."""
    storm_min_bad: int = Field(default=50, ge=1, le=1_000_000)
    """Rows set aside within that time that make a storm, at least."""
    storm_share: float = Field(default=0.02, gt=0.0, le=1.0)
    """Share of the rows of that time that they must be. A system in order sets one row in a thousand aside at most."""
    integrity_threshold: float = Field(default=0.5, ge=0, le=1)
    """Score below which a row is set aside: two warnings of different checkers fall below the default, one does not."""
    clock_skew_s: float = Field(default=300, gt=0, le=3600)
    """How far the clocks of writers and of the actor may lie apart."""
    max_span_s: float = Field(default=3600, ge=1, le=86_400)
    """Longest a span can have lasted."""
    remembered_spans: int = Field(default=65_536, ge=1, le=4_194_304)
    """Spans whose ids are remembered, so that a copy is known (some 250 bytes each; up to twice as many), and half as many
    decisions."""
    recalled_rows: int = Field(default=32_768, ge=0, le=4_194_304)
    """Newest rows of the table that checkers are told of when the actor begins, so that a restart forgets none of them; 0: none.
    (Some 50 µs each, before the first row is judged.)"""
    canary_every_ticks: int = Field(default=20, ge=1, le=100_000)
    """Ticks between two rounds of canaries, by which checkers prove that they see."""
    unchecked_wait_s: float = Field(default=60, ge=0, le=86_400)
    """How long rows wait for a checker that fails before they are taken in as unchecked, quarantined where they lie."""
    investigations_max: int = Field(default=1000, ge=1, le=1_000_000)
    """Records of investigations that are kept at once."""
    wal_max_age_s: int = Field(default=86_400, ge=3600, le=30 * 86_400)
    """How much later than the log's promise a row may be taken in, counted from the end of its writer's certificate."""
    lookup_max_bytes: int = Field(default=256 * MIB, ge=1 * MIB)
    """Bytes of log read for one look-up of a decision before the table is asked."""

    storage: str = Field(
        default="", pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9][A-Za-z0-9._-]*)+)?$", max_length=512
    )
    """Where the table lies: ``s3://<bucket>/<prefix>``, one prefix a home; empty: in ``home/spans``. Credentials come from the
    environment (``AWS_ACCESS_KEY_ID`` …) or ``~/.aws``, never from here."""
    storage_endpoint: str = Field(default="", pattern=r"^(https?://[^\s/@?#]+)?$", max_length=512)
    """Base URL of an S3-compatible store; empty: Amazon's."""
    storage_timeout_s: float = Field(default=5.0, ge=0.1, le=60)
    """Longest that one request to it may take."""
    storage_retries: int = Field(default=2, ge=0, le=10)
    """How often a request that failed is repeated."""
    backup: str = Field(default="", max_length=1024)
    """Directory, on another disk than the home, that takes the table's rows while their first storage fails; empty: none."""
    backup_after_failures: int = Field(default=5, ge=1, le=1000)
    """Failures in a row after which the backup takes over."""
    backup_after_s: float = Field(default=10.0, gt=0, le=3600)
    """How long after the first of a row the next failure is enough."""
    backup_return_s: float = Field(default=5.0, ge=0, le=3600)
    """How often the first storage is looked for while the backup is in use."""
    backup_check_s: float = Field(default=60.0, ge=0, le=3600)
    """How often the backup is tried while it is not."""
    backup_keep_s: float = Field(default=600.0, ge=0, le=30 * 86_400)
    """How long the backup's rows stay after they were brought back, for those that read there still."""

    @property
    def location(self) -> Location:
        """Return where the table lies."""
        return Location(self.storage, self.storage_endpoint, self.storage_timeout_s, self.storage_retries)

    @field_validator("backup")
    @classmethod
    def _is_a_directory(cls, value: str) -> str:
        if value and not value.startswith("/"):
            raise ValueError("it is the absolute path of a directory; only spans.storage can be a bucket")
        return value

    @model_validator(mode="after")
    def _endpoint_has_a_bucket(self) -> Self:
        if self.storage_endpoint and not self.storage:
            raise ValueError("storage_endpoint: without spans.storage (s3://<bucket>/<prefix>) nothing lies there")
        return self

    @model_validator(mode="after")
    def _frame_fits_segment(self) -> Self:
        largest = HEADER_MAX_BYTES + self.max_frame_bytes + 2 * FRAME_HEADER_BYTES
        if largest > self.segment_bytes:
            raise ValueError(f"segment_bytes must be at least {largest} for max_frame_bytes {self.max_frame_bytes}")
        return self


class WitnessConfig(BaseModel):
    """Somebody who remembers how far the log was."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^https?://[^\s]+[^/\s]$", max_length=512)
    """Where it takes checkpoints: the submission prefix of c2sp.org/tlog-witness."""
    key: str = Field(max_length=512)
    """Its verifier key, of kind 4: ``<name>+<id>+<base64>``, as the witness prints it."""

    @property
    def note_key(self) -> NoteKey:
        """Return the key."""
        return read_key(self.key)

    @model_validator(mode="after")
    def _is_a_cosigner(self) -> Self:
        try:
            kind = self.note_key.kind
        except IntegrityError as error:
            raise ValueError(f"log.witnesses: {error}") from error
        if kind is not KeyKind.COSIGNATURE:
            raise ValueError("log.witnesses: the key is not one of a witness (kind 4)")
        return self


class LogConfig(BaseModel):
    """Bounds of the transparency log."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    merge_target_s: float = Field(default=5.0, gt=0, le=3600)
    """How old a row may get before its batch is sealed; beyond it the system says that it is degraded."""
    merge_promise_s: int = Field(default=86_400, ge=60, le=30 * 86_400)
    """What a record promises: longer than any loss of the control path that must not break a signed promise."""
    catch_up_batches: int = Field(default=512, ge=1, le=100_000)
    """Batches read back from the table and sealed at a time, after a loss of the log's disk or process; fewer where they
    hold more than ``spans.table_roll_rows`` rows."""
    witnesses: tuple[WitnessConfig, ...] = Field(default=(), max_length=8)
    """Who signs checkpoints that go on from those that they signed before."""
    local_witnesses: int = Field(default=0, ge=0, le=4)
    """How many of them ``up`` makes and keeps on this machine, beside those that are named."""
    witness_timeout_s: float = Field(default=5.0, gt=0, le=60)
    """How long one of them may take to answer."""
    witness_interval_s: float = Field(default=5.0, ge=0, le=3600)
    """How often they are asked, at most."""
    witness_skew_s: float = Field(default=60.0, ge=1, le=3600)
    """How far the clock of one may be from the clock of whoever asks it what it saw: for so long an answer can be repeated."""

    @model_validator(mode="after")
    def _each_witness_once(self) -> Self:
        names = [witness.note_key.name for witness in self.witnesses]
        if len(set(names)) < len(names):
            raise ValueError("log.witnesses: two of them have the same name")
        return self
