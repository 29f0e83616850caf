"""What the processor computes with."""

import re
from pathlib import Path

# As Linux calls what computes bf16 in hardware, and how it is shown.
BF16 = {"avx512_bf16": "AVX512_BF16", "amx_bf16": "AMX_BF16"}


def instruction_set() -> str:
    """Return the vector instructions that PyTorch uses here, then those for bf16: AVX512, AVX512_BF16, AMX_BF16.

    Kernels, and so the rounding of a run's figures, differ with them.
    """
    import torch

    return ", ".join([torch.backends.cpu.get_cpu_capability(), *bf16_instructions()])


def bf16_instructions() -> list[str]:
    """Return the instructions that compute bf16 in hardware, the quickest last; none where the system does not say."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return []
    words = flags[1].split() if flags else []
    return [name for flag, name in BF16.items() if flag in words]
