"""What is said of the processor is what the system and PyTorch say."""

from pathlib import Path

import pytest
import torch

from pets_seg.machine.processor import bf16_instructions, instruction_set

FLAGS = "processor\t: 0\nflags\t\t: fpu avx2 avx512f {}\nbugs\t\t: amx_bf16\n"


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        ("", []),
        ("avx512_bf16", ["AVX512_BF16"]),
        ("amx_bf16 avx512_bf16 amx_tile", ["AVX512_BF16", "AMX_BF16"]),
        ("avx512_bf16x", []),
    ],
)
def test_bf16_is_read_from_the_flags(flags: str, shown: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self: FLAGS.format(flags))
    assert bf16_instructions() == shown
    assert instruction_set() == ", ".join([torch.backends.cpu.get_cpu_capability(), *shown])


def test_a_system_without_proc_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(self: Path) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", absent)
    assert bf16_instructions() == []
