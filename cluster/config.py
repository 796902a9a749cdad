"""The one configuration tree: read from a profile, checked as a whole, frozen, digested, injected.

Rules:
- Unknown keys are refused with their path and the nearest known name; so are duplicate keys and values out of bounds.
- Every section is frozen and bounded; domains bring their own sections, this module composes them.
- ``config_sha256`` is the digest of the effective configuration (defaults filled in, secrets masked, sorted JSON): records
  name it.
- A layer names only voters that exist; a profile without voters can only play recorded answers.

Left out: where the configuration is kept (``cluster.home``) and what is in a model (``models.catalog``).
"""

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from actors.admission.config import AdmissionConfig
from actors.admission.idempotency_config import ENVELOPE_BYTES, IdempotencyConfig
from actors.base.digests import sha256_hex
from actors.base.errors import ConfigurationError
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.breakers.config import BreakerConfig
from actors.consensus.config import ConsensusConfig
from actors.consensus.retention.config import ContentConfig
from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.screening.config import ScreeningConfig
from actors.health.config import HealthConfig
from actors.learning.config import LearningConfig
from actors.policy.config import CalibrationConfig, PolicyConfig
from actors.spans.config import LogConfig, SpansConfig
from actors.spans.otlp.config import OtlpConfig
from actors.store.config import StoreConfig
from cluster.strict_yaml import parse_yaml
from cluster.voter_config import Frozen, Name, Sha256, VoterConfig, require_variable

THRESHOLDS = frozenset({"similarity", "min_gap", "min_correlation"})
PROFILES = Path(__file__).parent / "profiles"
PORTS = 1000
"""Length of the range that Ray keeps to on a node that others join."""
RESERVED_REQUESTS = 64
"""Requests that a replica takes beside generation."""
AIR_GAPPED = "air-gapped"
QUORUM = 0.55
"""More than half of the weight: of up to nine equal lineages exactly a majority, so that a minority of dissenters cannot keep
the others from answering."""


class LayerConfig(Frozen):
    """One consensus layer."""

    name: Name
    members: tuple[Name, ...] = Field(min_length=1, max_length=64)
    quorum: float = Field(default=QUORUM, gt=0, le=1)
    min_lineages: int = Field(default=2, ge=1, le=64)
    """Lineages that must agree, and that readiness waits for. Consensus takes two whatever it says: 1 is for a layer of one
    lineage, whose voters can only be asked by name."""
    min_n_eff: float = Field(default=1.0, ge=0, le=64)
    time_share: float = Field(default=1.0, gt=0, le=1)
    """Share of the time that is left which this layer may take, beside the shares of the layers that can still follow it: what
    one does not use the others have, and the last that may be asked has all of it."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if twice := sorted({member for member in self.members if self.members.count(member) > 1}):
            raise ValueError(f"members: {', '.join(twice)} is named twice")
        if self.min_lineages > len(self.members):
            raise ValueError(f"min_lineages: {self.min_lineages} lineages of {len(self.members)} members cannot be")
        return self


class GatewayConfig(Frozen):
    """The HTTP surface and its replicas."""

    host: str = "127.0.0.1"
    """Where the ingress listens: an IP address or ``localhost``; ``0.0.0.0`` serves other machines."""
    port: int = Field(default=8000, ge=1024, le=65535)
    replicas: int = Field(default=1, ge=1, le=64)
    cpus_per_replica: float = Field(default=1.0, ge=0.1, le=64)
    max_ongoing_requests: int = Field(default=512, ge=1, le=40_000)
    """Requests inside one replica, of any kind: 64 more at least than ``consensus.max_concurrent`` and
    ``admission.line.max_waiting`` together, which stay free for look-ups, probes and a halt while generation is refused."""
    max_queued_requests: int = Field(default=256, ge=0, le=100_000)
    """Requests waiting at one replica beyond these: the last resort, answered by Serve itself with 429."""
    request_head_timeout_s: float = Field(default=10, ge=1, le=600)
    """How long a client may take to send a request line and headers."""
    request_timeout_s: float = Field(default=330, gt=0, le=3600)
    """Bound of the ingress itself; longer than any deliberation's deadline."""
    graceful_shutdown_s: float = Field(default=20, ge=0, le=600)
    health_check_period_s: float = Field(default=2, ge=0.5, le=60)
    health_check_timeout_s: float = Field(default=10, ge=1, le=120)

    @field_validator("host")
    @classmethod
    def _is_host(cls, value: str) -> str:
        if value != "localhost":
            try:
                ip_address(value)
            except ValueError as error:
                raise ValueError(f"{value!r} is no IP address of this machine, nor localhost") from error
        return value


class EngineConfig(Frozen):
    """Bounds of one local engine's deployment."""

    threads: int = Field(default=2, ge=1, le=256)
    """Threads one CPU engine computes with."""
    unsealed: Literal["refuse", "tell"] = "refuse"
    """What ``up`` does on a machine where it cannot close off an engine whose voter says ``egress: none``: refuse, or start it
    with the network that everything has, and say so (``/readyz``, ``/ops/layers``)."""
    scratch_mib: int = Field(default=2048, ge=64, le=1_048_576)
    """Most memory that a closed-off engine's temporary files may take, and its shared memory as much again."""
    cpu_dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """What CPU engines compute in: ``auto`` is bfloat16 where the processor has instructions for it, else float32, which
    takes twice the memory and is several times as quick there."""
    max_ongoing_requests: int = Field(default=16, ge=1, le=1024)
    max_queued_requests: int = Field(default=64, ge=0, le=10_000)
    health_check_period_s: float = Field(default=5, ge=0.5, le=60)
    health_check_timeout_s: float = Field(default=20, ge=1, le=300)
    graceful_shutdown_s: float = Field(default=10, ge=0, le=600)
    request_timeout_s: float = Field(default=300, gt=0, le=3600)
    """Bound of one ask, whatever the deadline; also of calls to ``openai`` servers."""
    max_connections: int = Field(default=256, ge=1, le=10_000)
    """Connections of one replica to each ``openai`` server: as many as there are deliberations, so that none waits."""


class RayConfig(Frozen):
    """The Ray node that ``up`` starts."""

    bind: Literal["loopback", "network"] = "loopback"
    """``network`` lets nodes of other machines join: Ray's ports are then open to the network and guarded by its token."""
    first_port: int = Field(default=19_000, ge=1024, le=65_536 - PORTS)
    """With ``network``, Ray's ports begin here, the same at every start: a firewall can know them."""
    gcs_port: int = Field(default=0, ge=0, le=65535)
    """Port that joining nodes are told; 0 takes a free one, or with ``network`` ``first_port``."""
    autoscaling_config: Path | None = None
    """File that `ray up` leaves on the head, for Ray's autoscaler."""
    logical_cpus: int = Field(default=0, ge=0, le=4096)
    """CPUs Ray schedules on; 0 means what the deployments need, the gateway's extra replicas, and one for jobs."""
    object_store_mib: int = Field(default=200, ge=80, le=1_048_576)
    temp_root: Path = Path("/tmp")  # noqa: S108 - socket paths are short; the directory below it is ours, mode 0700
    haproxy_threads: int = Field(default=2, ge=1, le=64)
    prometheus_url: str = Field(default="http://127.0.0.1:9090", pattern=r"^https?://[^\s/@]+(/[^\s@]*)?$")
    """Where Ray's dashboard and Grafana ask Prometheus."""
    grafana_url: str = Field(default="http://127.0.0.1:3000", pattern=r"^https?://[^\s/@]+(/[^\s@]*)?$")
    """Where the browser of whoever looks at Ray's dashboard reaches Grafana."""

    @model_validator(mode="after")
    def _has_a_place_for_each(self) -> Self:
        if self.bind == "network" and self.gcs_port in self.port_range[1:]:
            raise ValueError(
                f"gcs_port: of the {PORTS} ports from first_port on only the first is this one's; leave it out"
            )
        return self

    @property
    def port_range(self) -> range:
        """Return the ports that a node which others join keeps to."""
        return range(self.first_port, self.first_port + PORTS)


class SupervisorConfig(Frozen):
    """How the node is watched and brought back."""

    poll_s: float = Field(default=0.5, ge=0.05, le=30)
    start_timeout_s: float = Field(default=180, ge=10, le=3600)
    """A node that is not up by then is restarted."""
    deploy_timeout_s: float = Field(default=900, ge=10, le=7200)
    """So is one whose deployments are not ready by then."""
    unready_restart_s: float = Field(default=240, ge=10, le=7200)
    """And one that was ready and has not been for this long, if a restart can help: Serve gets that time to heal it alone."""
    blocked_after_s: float = Field(default=10, ge=0, le=3600)
    """Unready for this long for a reason that no restart mends, it is reported as waiting for a person."""
    alert_window_s: float = Field(default=600, ge=1, le=86_400)
    """Time over which the share of unreadiness is weighted."""
    alert_share: float = Field(default=0.25, gt=0, lt=1)
    """Unready for more than this share of the time, the alarm is raised: after 173 s without a break."""
    backoff_initial_s: float = Field(default=1, ge=0.1, le=60)
    backoff_max_s: float = Field(default=60, ge=1, le=3600)
    stable_s: float = Field(default=300, ge=1, le=86_400)
    """Ready for this long without a break, an alarm is over and the next fault counts as the first."""
    control_silent_s: float = Field(default=20, ge=20, le=600)
    """A control actor that gave no sign of life for this long is told of; at least two of the longest ticks."""
    stop_grace_s: float = Field(default=10, ge=0, le=120)
    issuer_poll_ms: int = Field(default=100, ge=10, le=200)
    max_writers: int = Field(default=256, ge=1, le=10_000)
    """Writer certificates in force at once."""


class BudgetsConfig(Frozen):
    """What may be spent."""

    spend_per_day_usd: float | None = Field(default=None, ge=0, le=1_000_000)
    """Most that all priced voters together may cost in a UTC day, over all replicas and restarts; no cap unless given."""


class AnswersFile(Frozen):
    """A file of recorded answers and the digest it had at bring-up."""

    path: Path
    sha256: Sha256


class Config(Frozen):
    """Everything that is configured."""

    profile: Name
    voters: tuple[VoterConfig, ...] = Field(default=(), max_length=64)
    layers: tuple[LayerConfig, ...] = Field(default=(), max_length=16)
    thresholds: Mapping[str, float] = {"similarity": 0.85}
    """Named thresholds of the tally, 0 to 1: ``similarity``, ``min_gap`` (0 unless given) and ``min_correlation`` (the
    learned mean unless given)."""
    calibration: Mapping[Literal["strict", "evidence"], CalibrationConfig] = {}
    """What the rules of layers and thresholds are calibrated for, by policy; nothing is stated unless given."""
    answers: tuple[AnswersFile, ...] = Field(default=(), max_length=64)
    demo: bool = True
    """Whether ``up`` shows what the voters say to eleven questions."""
    learning: LearningConfig = LearningConfig()
    policy: PolicyConfig = PolicyConfig()
    consensus: ConsensusConfig = ConsensusConfig()
    breakers: BreakerConfig = BreakerConfig()
    admission: AdmissionConfig = AdmissionConfig()
    budgets: BudgetsConfig = BudgetsConfig()
    screening: ScreeningConfig = ScreeningConfig()
    sandbox: SandboxConfig = SandboxConfig()
    behaviour: BehaviourConfig = BehaviourConfig()
    content: ContentConfig = ContentConfig()
    idempotency: IdempotencyConfig = IdempotencyConfig()
    spans: SpansConfig = SpansConfig()
    log: LogConfig = LogConfig()
    otlp: OtlpConfig = OtlpConfig()
    store: StoreConfig = StoreConfig()
    health: HealthConfig = HealthConfig()
    gateway: GatewayConfig = GatewayConfig()
    engine: EngineConfig = EngineConfig()
    ray: RayConfig = RayConfig()
    supervisor: SupervisorConfig = SupervisorConfig()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if strange := sorted(set(self.thresholds) - THRESHOLDS):
            near = difflib.get_close_matches(strange[0], THRESHOLDS, 1)
            raise ValueError(f"unknown key thresholds.{strange[0]}" + (f"; did you mean {near[0]}?" if near else ""))
        _check_names([voter.id for voter in self.voters], "voters")
        _check_names([layer.name for layer in self.layers], "layers")
        if len(self.layers) == 1 and self.layers[0].time_share != 1.0:
            raise ValueError("layers.0: time_share: there is one layer, which has all of the time; leave it out")
        known = {voter.id for voter in self.voters}
        for layer in self.layers:
            if unknown := set(layer.members) - known:
                raise ValueError(f"layer {layer.name} names unknown voters: {', '.join(sorted(unknown))}")
        if any(not 0 <= value <= 1 for value in self.thresholds.values()):
            raise ValueError("thresholds lie between 0 and 1")
        least = self.consensus.max_concurrent + self.admission.line.max_waiting + RESERVED_REQUESTS
        if self.gateway.max_ongoing_requests < least:
            raise ValueError(
                f"gateway.max_ongoing_requests is at least {least}: consensus.max_concurrent, admission.line.max_waiting "
                "and a reserve"
            )
        if self.gateway.request_timeout_s * 1000 < self.consensus.max_deadline_ms:
            raise ValueError("gateway.request_timeout_s is shorter than consensus.max_deadline_ms")
        if self.ray.bind == "network" and self.gateway.port in self.ray.port_range:
            raise ValueError(f"gateway.port: {PORTS} ports from ray.first_port on are Ray's; choose another port")
        if 0 < self.ray.logical_cpus <= self.needed_cpus:
            raise ValueError(f"ray.logical_cpus: the deployments take {self.needed_cpus} and one stays free for jobs")
        return self

    @model_validator(mode="after")
    def _has_no_egress_where_it_says_so(self) -> Self:
        closed = {voter.id for voter in self.voters if voter.egress == "none" or voter.provider == "recorded"}
        for number, layer in enumerate(self.layers):
            if layer.name == AIR_GAPPED and (others := sorted(set(layer.members) - closed)):
                raise ValueError(
                    f"layers.{number}: layer {AIR_GAPPED} takes local engines without a network: set egress: none for "
                    f"{', '.join(others)}, or name the layer otherwise"
                )
        return self

    @model_validator(mode="after")
    def _closes_engines_off_where_they_run(self) -> Self:
        if self.ray.bind == "network" and self.engine.unsealed == "tell":
            raise ValueError(
                "engine.unsealed: tell is for one machine; of several `up` cannot know which would run it open: leave it out"
            )
        return self

    @model_validator(mode="after")
    def _can_keep_answers(self) -> Self:
        least = self.consensus.max_answer_bytes + ENVELOPE_BYTES
        if self.idempotency.max_answer_bytes < least:
            raise ValueError(
                f"idempotency.max_answer_bytes is at least {least}: consensus.max_answer_bytes and the record beside it"
            )
        return self

    @model_validator(mode="after")
    def _can_record_what_comes(self) -> Self:
        if self.spans.max_frame_bytes < self.otlp.max_row_bytes:
            raise ValueError(
                f"spans.max_frame_bytes is at least {self.otlp.max_row_bytes}: otlp.max_span_bytes, otlp.max_name_bytes "
                "and the rest of a row"
            )
        return self

    @model_validator(mode="after")
    def _shares_limits(self) -> Self:
        redis, replicas = self.admission.quotas.redis, self.gateway.replicas + self.health.extra_replicas
        if redis is None:
            return self
        if redis.first_slot + replicas > redis.slots:
            raise ValueError(
                f"admission.quotas.redis.slots is at least {redis.first_slot + replicas}: first_slot and this home's "
                "gateway.replicas and health.extra_replicas"
            )
        if redis.password_env is not None:
            require_variable(redis.password_env)
        return self

    @model_validator(mode="after")
    def _can_be_capped(self) -> Self:
        capped = self.budgets.spend_per_day_usd is not None
        for number, voter in enumerate(self.voters):
            if voter.price is not None and not capped:
                raise ValueError(f"voters.{number}.price: would mean nothing: set budgets.spend_per_day_usd")
            has_key = voter.api_key_env is not None or voter.api_key_file is not None
            if capped and voter.price is None and (has_key or voter.provider in ("anthropic", "gemini")):
                raise ValueError(
                    f"voters.{number}.price: a day's spending is capped, so say what its tokens cost, 0 where they are free"
                )
        return self

    @model_validator(mode="after")
    def _lets_control_actors_tick(self) -> Self:
        ticks_s = 2 * max(self.health.tick_s, self.spans.ingest_poll_ms / 1000)
        if self.supervisor.control_silent_s < ticks_s:
            raise ValueError(f"supervisor.control_silent_s is at least {ticks_s:g}: two ticks of the control actors")
        return self

    @property
    def needed_cpus(self) -> int:
        """Return the logical CPUs that the deployments take."""
        engines = sum(voter.provider == "vllm" for voter in self.voters)
        return engines + math.ceil(self.gateway.replicas * self.gateway.cpus_per_replica)

    @property
    def logical_cpus(self) -> int:
        """Return the logical CPUs of the node: one stays free for jobs, and room for what a queue that fills may bring."""
        extra = math.ceil(self.health.extra_replicas * self.gateway.cpus_per_replica)
        return self.ray.logical_cpus or self.needed_cpus + 1 + extra

    @property
    def sha256(self) -> str:
        """Return the digest of the effective configuration."""
        return sha256_hex(self.canonical)

    @property
    def canonical(self) -> bytes:
        """Return the effective configuration as sorted JSON; secrets are masked in it."""
        data = self.model_dump(mode="json")
        return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def load_profile(profile: str) -> dict[str, Any]:
    """Read a profile by name (``cpu``) or file, over the shipped one it ``extends``; the result is not checked yet."""
    path = PROFILES / f"{profile}.yaml"
    if "/" in profile or profile.endswith((".yaml", ".yml")):
        path = Path(profile)
    elif not path.is_file():
        raise ConfigurationError(f"no profile {profile!r}; there are {_known()}, or give a YAML file")
    try:
        data = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"profile {path} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from error
    base = data.pop("extends", None)
    if base is None:
        return data
    if not isinstance(base, str) or not (PROFILES / f"{base}.yaml").is_file():
        raise ConfigurationError(
            f"profile {path} extends {base!r}, which is no profile that ships; name one of {_known()}"
        )
    return _merged(load_profile(base), data)


def read_config(data: Mapping[str, Any], what: str) -> Config:
    """Check a configuration as a whole; raise ``ConfigurationError`` with one line that names the key."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigurationError(f"{what}: {explain(error)}") from error


def explain(error: ValidationError) -> str:
    """Say the first complaints of a validation in one line, with a suggestion for a misspelt key."""
    return "; ".join(_complaint(item["loc"], item["type"], item["msg"]) for item in error.errors()[:3])


def with_recorded(
    data: Mapping[str, Any], voters: Sequence[tuple[str, str, str]], answers: Sequence[AnswersFile]
) -> dict[str, Any]:
    """Return ``data`` with recorded voters (id, family, lineage) in place of its own; without layers they make one."""
    lineages = len({lineage for _, _, lineage in voters})
    layers = data.get("layers") or [
        {"name": "primary", "members": [voter for voter, _, _ in voters], "min_lineages": min(2, lineages)}
    ]
    recorded = [{"id": v, "provider": "recorded", "family": f, "lineage": li} for v, f, li in voters]
    files = [item.model_dump(mode="json") for item in answers]
    return {**data, "voters": recorded, "layers": layers, "answers": files}


def _known() -> str:
    return ", ".join(sorted(item.stem for item in PROFILES.glob("*.yaml")))


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``over`` laid over it: sections key by key, lists and values as wholes."""
    both = {
        name: _merged(base[name], value)
        for name, value in over.items()
        if isinstance(value, Mapping) and isinstance(base.get(name), Mapping)
    }
    return {**base, **over, **both}


def plain(value: BaseModel, *, said: bool = False) -> dict[str, Any]:
    """Return a configuration as plain JSON values that read back as the same one: secrets are in it, unmasked.

    ``said`` leaves out what nobody said and is only the default of today.
    """
    data = value.model_dump(mode="python", exclude_unset=said)
    result: dict[str, Any] = json.loads(json.dumps(data, default=_plain))
    return result


def _plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _check_names(names: Sequence[str], what: str) -> None:
    if len(set(names)) != len(names):
        raise ValueError(f"{what} are named once each")


def _complaint(loc: tuple[int | str, ...], kind: str, message: str) -> str:
    path = ".".join(str(part) for part in loc) or "profile"
    if kind != "extra_forbidden":
        return f"{path}: {message.removeprefix('Value error, ')}"
    near = difflib.get_close_matches(str(loc[-1]), _fields_at(loc[:-1]), 1)
    return f"unknown key {path}" + (f"; did you mean {near[0]}?" if near else "")


def _fields_at(loc: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] | None = Config
    for part in loc:
        if model is None:
            return []
        if isinstance(part, str):
            field = model.model_fields.get(part)
            model = _model_in(field.annotation) if field else None
    return list(model.model_fields) if model else []


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)
