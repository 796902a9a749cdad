"""The number format of a CPU engine follows from the processor's own flags."""

from pathlib import Path

import pytest

from models.processor import feature_flags, quickest_dtype, this_processors_dtype

X86_CPUINFO = "processor\t: 0\nmodel name\t: any\nflags\t\t: fpu sse2 avx2 {more}\n\nprocessor\t: 1\nflags\t\t: fpu\n"


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16"])
def test_a_processor_with_bfloat16_instructions_computes_in_it(flag: str) -> None:
    """Half the memory, and quicker."""
    assert quickest_dtype(feature_flags(X86_CPUINFO.format(more=flag))) == "bfloat16"


@pytest.mark.parametrize("more", ["", "avx512f avx512bw avx512vl"])
def test_a_processor_without_them_computes_in_float32(more: str) -> None:
    """Emulated bfloat16 is slower than float32, wide registers or not."""
    assert quickest_dtype(feature_flags(X86_CPUINFO.format(more=more))) == "float32"


def test_an_arm_processor_tells_its_features_under_another_name() -> None:
    """Linux writes ``Features`` on aarch64."""
    assert quickest_dtype(feature_flags("processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\n")) == "bfloat16"


def test_a_machine_that_says_nothing_computes_in_what_any_processor_does(tmp_path: Path) -> None:
    """No such file, or no such line: float32."""
    (tmp_path / "cpuinfo").write_text("processor: 0\n")
    assert [this_processors_dtype(tmp_path / name) for name in ("absent", "cpuinfo")] == ["float32", "float32"]
