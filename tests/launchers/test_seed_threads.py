"""Threads that each train a seed share signals, precision, captures, warnings and the console."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import mujoco
import pytest
import torch

from rlkit.core.errors import StopRequested, UserError
from rlkit.envs.mujoco_batch import QuietDivergence
from rlkit.launchers import limits, seeds
from rlkit.launchers.limits import check_it_fits
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.seed_threads import SeedConsole, Stops, ThreadGuard
from rlkit.launchers.seeds import launch_seeds
from rlkit.torch.captured import Captured
from rlkit.torch.execution import OF_THREAD, tensor_cores
from tests.tiny_runs import TINY


def config_of(**changes):
    return parse_config({**copy.deepcopy(TINY), **changes}, "here")


def precisions():
    cudnn = torch.backends.cudnn
    return [kind.fp32_precision for kind in (torch.backends.cuda.matmul, cudnn.rnn, cudnn.conv)]


def test_a_thread_stops_between_two_writes_and_every_one_does():
    stops, reached = Stops(), []
    guards = ThreadGuard(stops), ThreadGuard(stops)
    with pytest.raises(StopRequested) as caught, guards[0].protect():
        with guards[0].protect():
            stops.signum = 15
        reached.append("end of the outer section")
    assert reached == ["end of the outer section"] and caught.value.exit_code == 143
    with pytest.raises(StopRequested), guards[1].protect():
        reached.append("in the other thread")
    assert len(reached) == 1


def test_a_thread_that_keeps_the_precision_of_the_process_changes_nothing():
    before = precisions()

    def acting():
        OF_THREAD.keeps_precision = True
        with tensor_cores(False):
            return precisions()

    with tensor_cores(True), ThreadPoolExecutor(1) as pool:
        assert precisions() == pool.submit(acting).result() == ["tf32"] * 3
        with tensor_cores(False):  # this thread keeps nothing
            assert precisions() == ["tf32", "ieee", "ieee"]
    assert precisions() == before


def test_one_thread_captures_at_a_time(monkeypatch):
    inside, most, stream = [], [], SimpleNamespace(wait_stream=lambda other: None)
    graph = SimpleNamespace(register_generator_state=lambda generator: None, replay=lambda: None)

    @contextmanager
    def capturing(graph, capture_error_mode):
        assert capture_error_mode == "thread_local"  # others may launch meanwhile
        yield

    def work():
        inside.append(None)
        most.append(len(inside))
        threading.Event().wait(0.005)
        inside.pop()
        return {}

    fakes = {
        "CUDAGraph": lambda: graph,
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": lambda stream: nullcontext(),
        "graph": capturing,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    steps = [Captured(work, lambda: 0, nullcontext, torch.Generator()) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda step: step(), steps))
    assert len(most) == 16 and set(most) == {1}


def test_the_handler_of_warnings_stays_until_the_last_thread_has_left():
    first, second = QuietDivergence(), QuietDivergence()
    first.__enter__()
    second.__enter__()
    first.__exit__()
    assert mujoco.get_mju_user_warning() is not None
    second.__exit__()
    assert mujoco.get_mju_user_warning() is None


def test_a_handler_of_the_users_stays():
    def own(message):
        """Receive a warning."""

    mujoco.set_mju_user_warning(own)
    try:
        with QuietDivergence():
            assert mujoco.get_mju_user_warning() is own
        assert mujoco.get_mju_user_warning() is own
    finally:
        mujoco.set_mju_user_warning(None)


def test_every_line_of_a_seed_says_so(capsys):
    SeedConsole(7).print("one\ntwo")
    assert capsys.readouterr().out == "seed 7 | one\nseed 7 | two\n"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"env_name": "tests.launchers.test_new_runs:Walk"}, "class of your own"),
        ({"algo_params": {"encoder": "rlkit.torch.encoders:MlpEncoder"}}, "class of your own"),
        ({"obs_mode": "image"}, "only one thread can render images"),
        ({"util_params": {"rollout_device": "gpu"}}, "rollout_device"),
        ({"algorithm": "hfr", "env_params": {"n_tasks": 5, "task_seed": 2}}, '"hfr" has not been'),
    ],
    ids=str,
)
def test_what_is_not_made_for_threads_trains_one_after_the_other(changes, reason):
    assert reason in config_of(**changes).side_by_side()


def test_runs_that_train_at_the_same_time_act_on_the_cpu_and_divide_its_threads(monkeypatch):
    beside = config_of(util_params={}).side_by_side()
    assert beside.util_params.rollout_device == "cpu"
    monkeypatch.setattr(seeds, "default_threads", lambda: 16)
    assert seeds._sharing(beside, 5, True).util_params.physics_threads == 3
    assert seeds._sharing(beside, 20, True).util_params.physics_threads == 1
    assert seeds._sharing(beside, 5, False).util_params.physics_threads is None
    given = config_of(util_params={"physics_threads": 7})
    assert seeds._sharing(given, 5, True).util_params.physics_threads == 7


def test_choices_are_made_once_for_all_seeds(here, monkeypatch, capsys):
    devices, resolved, resolve = [], [], seeds.resolve

    def device_of(*arguments):
        devices.append("cpu")
        return "cpu"

    def resolving(config, device):
        resolved.append(config.seed)
        return resolve(config, device)

    monkeypatch.setattr(seeds, "device_of", device_of)
    monkeypatch.setattr(seeds, "resolve", resolving)
    launch_seeds(here / "tiny.json", ["algo_params.num_iterations=1"], "1-3", in_threads=True)
    assert len(devices) == len(resolved) == 1


def test_runs_at_the_same_time_share_the_memory_and_all_share_the_disk(monkeypatch):
    config = config_of()
    monkeypatch.setattr(limits, "memory_bytes", lambda device: 2**31)
    monkeypatch.setattr(limits, "free_bytes", lambda folder: 2**31)
    check_it_fits(config, num_runs=5)
    with pytest.raises(UserError, match="these 5000 runs need about .* of disk"):
        check_it_fits(config, num_runs=5000)
    with pytest.raises(UserError, match="these 5 runs need about .* of memory"):
        check_it_fits(config, num_runs=5, at_once=5)
