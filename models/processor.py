"""Which number format a processor computes in quickest.

Rules: an engine on a processor without bfloat16 instructions computes in float32, though it takes twice the memory. There,
a matrix product in bfloat16 is converted number by number: on an x86-64 core with AVX2 alone and vLLM's engine, the prompt
of a 0.5B model took 5.5 times as long to read, and eight answers at once came at a quarter of the pace. float32 holds every
bfloat16, so the weights are the same numbers. What it leaves out: engines' other arguments.
"""

from pathlib import Path
from typing import Literal

CpuDtype = Literal["bfloat16", "float32"]
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""As Linux names them, on x86-64 and on aarch64 (the last)."""


def quickest_dtype(flags: frozenset[str]) -> CpuDtype:
    """Return what a processor with these feature flags computes in quickest."""
    return "bfloat16" if flags & BFLOAT16_FLAGS else "float32"


def feature_flags(cpuinfo: str) -> frozenset[str]:
    """Read the first processor's feature flags in the text of Linux' ``/proc/cpuinfo``."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def this_processors_dtype(cpuinfo: Path = Path("/proc/cpuinfo")) -> CpuDtype:
    """Return what this machine computes in quickest; float32, which any processor does, where it says nothing."""
    return quickest_dtype(feature_flags(cpuinfo.read_text() if cpuinfo.exists() else ""))
