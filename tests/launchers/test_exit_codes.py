"""Every expected end has its exit code and one message on stderr; other errors pass through."""

import errno
import signal

import pytest

from rlkit.core.errors import NonFiniteError, ResourceError, StopRequested, UserError
from rlkit.launchers.exit_codes import exit_codes


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("batch_size = 0"), 2, "batch_size = 0"),
        (NonFiniteError("iteration 3: QF Loss is nan"), 3, "iteration 3: QF Loss is nan"),
        (ResourceError("disk full"), 4, "disk full"),
        (MemoryError("8 GB"), 4, "memory exhausted: 8 GB"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            4,
            "disk exhausted: [Errno 28] No space left on device",
        ),
        (OSError(errno.ENOMEM, "Cannot allocate"), 4, "memory exhausted: [Errno 12] Cannot"),
        (OSError(errno.EROFS, "Read-only file system"), 4, "disk lost: [Errno 30] Read-only file"),
        (OSError(errno.EIO, "Input/output error", "a.csv"), 4, "disk lost: [Errno 5] Input/output"),
        (OSError(errno.ESTALE, "Stale file handle"), 4, "disk lost: [Errno 116] Stale file handle"),
        (OSError(errno.ENOTCONN, "not connected"), 4, "disk lost: [Errno 107] not connected"),
        (
            RuntimeError("CUDA out of memory. Tried to allocate"),
            4,
            "memory exhausted: CUDA out of memory. Tried to allocate",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: x\ntrace"),
            4,
            "memory exhausted: DefaultCPUAllocator",
        ),
        (StopRequested(signal.SIGINT), 130, "stopped by SIGINT"),
        (StopRequested(signal.SIGTERM), 143, "stopped by SIGTERM"),
    ],
)
def test_an_expected_end_has_its_code_and_message(error, code, message, capsys):
    with pytest.raises(SystemExit) as caught, exit_codes():
        raise error
    printed = capsys.readouterr()
    assert (caught.value.code, printed.out) == (code, "")
    assert printed.err.startswith(message)
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    "error", [RuntimeError("shape mismatch"), OSError(errno.EACCES, "denied"), KeyError("x")]
)
def test_an_unexpected_error_keeps_its_traceback(error):
    with pytest.raises(type(error)), exit_codes():
        raise error


def test_a_stopped_run_has_last_words_and_bad_input_has_none(capsys):
    for error in (StopRequested(signal.SIGINT), UserError("bad")):
        with pytest.raises(SystemExit), exit_codes(lambda message: f"after {message}"):
            raise error
    assert capsys.readouterr().err.splitlines() == [
        "stopped by SIGINT",
        "after stopped by SIGINT",
        "bad",
    ]
