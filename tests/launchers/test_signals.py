"""The first signal stops between writes, the second immediately."""

import os
import signal

import pytest

from rlkit.core.errors import StopRequested
from rlkit.launchers.signals import SignalGuard


def send(signum: int) -> None:
    os.kill(os.getpid(), signum)


@pytest.fixture(autouse=True)
def hangups_count():
    """SIGHUP as a shell leaves it, also where these tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_outside_of_protected_sections_a_signal_stops_at_once(signum, code):
    reached = []
    with pytest.raises(StopRequested) as caught, SignalGuard():
        send(signum)
        reached.append("after")
    assert (reached, caught.value.exit_code) == ([], code)


def test_inside_a_protected_section_a_signal_waits_for_its_end():
    reached = []
    with pytest.raises(StopRequested), SignalGuard() as guard:
        with guard.protect():
            send(signal.SIGINT)
            reached.append("end of the section")
        reached.append("after the section")
    assert reached == ["end of the section"]


def test_nested_sections_end_with_the_outermost():
    reached = []
    with pytest.raises(StopRequested), SignalGuard() as guard, guard.protect():
        with guard.protect():
            send(signal.SIGTERM)
        reached.append("end of the outer section")
    assert reached == ["end of the outer section"]


def test_a_second_signal_ends_the_process_without_waiting():
    codes = []
    with pytest.raises(StopRequested), SignalGuard(codes.append) as guard, guard.protect():
        send(signal.SIGINT)
        assert codes == []
        send(signal.SIGINT)
        assert codes == [130]


def test_a_request_that_was_swallowed_is_raised_at_the_next_write():
    with pytest.raises(StopRequested), SignalGuard() as guard:
        try:
            send(signal.SIGINT)
        except StopRequested:
            pass  # as when it is raised in a callback that cannot pass it on
        with guard.protect():
            pytest.fail("the section must not begin")


def test_an_error_in_a_protected_section_is_not_hidden_by_a_signal():
    with pytest.raises(ValueError, match="broken"), SignalGuard() as guard, guard.protect():
        send(signal.SIGINT)
        raise ValueError("broken")


def test_the_former_handlers_are_put_back():
    before = [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)]
    with SignalGuard():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)] == before


def test_sighup_stays_ignored_where_it_is():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with SignalGuard() as guard:
            send(signal.SIGHUP)
            with guard.protect():
                pass
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
