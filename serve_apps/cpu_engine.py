"""An engine on a CPU that computes in the process of its core, not in one more beside it.

vLLM gives a CPU engine a worker process of its own so that it can choose that process's threads (its ``CpuPlatform`` turns
``uni`` into ``mp``). Ours are chosen already: ``models.engine`` sets ``OMP_NUM_THREADS`` and ``nobind`` before any process
of the engine starts. What is left of the worker process is its price, paid once an engine: importing vLLM again, a second
copy of its libraries' memory, and a message to and fro at every token.
"""

from typing import TYPE_CHECKING, Any

from ray.llm._internal.serve.engines.vllm.vllm_engine import VLLMEngine

if TYPE_CHECKING:
    from vllm.config import VllmConfig


class CpuEngine(VLLMEngine):  # type: ignore[misc]  # Ray ships no types
    """A ``VLLMEngine`` whose model runs inside the engine's core process where one process is all it takes."""

    def _start_async_llm_engine(
        self,
        vllm_engine_args: Any,  # noqa: ANN401 - Ray's type
        vllm_engine_config: "VllmConfig",
        placement_group: Any,  # noqa: ANN401 - Ray's type
    ) -> Any:  # noqa: ANN401 - Ray's type
        if vllm_engine_config.parallel_config.world_size == 1:
            vllm_engine_config.parallel_config.distributed_executor_backend = "uni"
        return super()._start_async_llm_engine(vllm_engine_args, vllm_engine_config, placement_group)
