"""A process of its own for a test: with limits, and without root's right to read and write everything."""

import ctypes
import multiprocessing
import os
from collections.abc import Callable

from pets_seg.errors import InputError

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1 << 1, 1 << 2


def refusal(call: Callable[[], object]) -> str:
    """Return the text of the InputError that `call` raises in a forked process where permissions count."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(call, send))
    process.start()
    send.close()
    text = receive.recv()
    process.join(120)
    return text


def _report(call: Callable[[], object], send) -> None:
    if os.geteuid() == 0:
        _obey_permissions()
    try:
        send.send(f"no error: {call()}")
    except InputError as error:
        send.send(str(error))
    except BaseException as error:
        send.send(f"another error: {error!r}")


def _obey_permissions() -> None:
    # Linux, capset(2): a header of version and process, then (effective, permitted, inheritable) twice.
    libc = ctypes.CDLL(None, use_errno=True)
    header, rights = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, rights) == 0
    for position in (0, 1):
        rights[position] &= ~(CAP_DAC_OVERRIDE | CAP_DAC_READ_SEARCH)
    assert libc.capset(header, rights) == 0
