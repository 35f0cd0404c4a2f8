"""Classes that are no task distribution of old gym are rejected with one message."""

import numpy as np
import pytest

from rlkit.envs import env_class
from tests.envs.old_gym_toys import Box, Toy, made


class NoReset(Toy):
    reset_task = get_all_task_idx = None


class NewGym(Toy):
    def step(self, action):
        obs, reward, done, info = super().step(action)
        return obs, reward, done, False, info


class NewReset(Toy):
    def reset(self):
        return super().reset(), {}


class NoCount(Toy):
    get_all_task_idx = None

    def __init__(self, size=1):
        super().__init__(n_tasks=4)


class Discrete(Toy):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.action_space = object()


class Unbounded(Toy):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.action_space = Box([-np.inf], [np.inf])


class TwoOnly(Toy):
    def __init__(self, n_tasks=2):
        super().__init__(n_tasks=2)


class Short(Toy):
    def observe(self):
        return np.zeros(2)


class NotFinite(Toy):
    def step(self, action):
        obs, _, done, info = super().step(action)
        return obs, np.nan, done, info


class Broken(Toy):
    def step(self, action):
        raise RuntimeError("the arm is stuck")


@pytest.mark.parametrize(
    ("old_class", "message"),
    [
        (
            NoReset,
            r"toys:Toy lacks method reset_task; expected a task distribution of old gym",
        ),
        (
            NoCount,
            r"toys:Toy does not say how many tasks it has; expected a method get_all_task_idx",
        ),
        (NewGym, r"toys:Toy: step returned 5 values, expected 4: observation, reward, done, info"),
        (NewReset, r"toys:Toy: reset gave an observation \(array.*expected an array of 3 numbers"),
        (
            Discrete,
            r"toys:Toy: action_space is <object.*expected something with shape, low and high",
        ),
        (
            Unbounded,
            r"toys:Toy: the bounds of action_space are \[-inf\] and \[inf\], "
            r"expected finite numbers",
        ),
        (TwoOnly, r"toys:Toy: n_tasks is 4, but the class has 2 tasks"),
        (Short, r"toys:Toy: reset gave an observation .*expected an array of 3 numbers"),
        (NotFinite, r"toys:Toy: step returned the reward nan \(sparse .*expected finite numbers"),
        (
            Broken,
            r"toys:Toy: .*failed "
            r"\(RuntimeError: the arm is stuck, test_old_gym_refused.py line \d+\)",
        ),
        (print, r"toys:Toy is <built-in function print>, expected a class"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_class_that_does_not_fit_is_refused_with_one_message(old_class, message):
    with pytest.raises(ValueError, match=message):
        made(old_class, **({"n_tasks": None} if old_class is NoCount else {}))


def test_a_constructor_that_fails_is_named_with_what_it_was_given():
    class Loud(Toy):
        def reset(self):
            return self.noise - 1

    with pytest.raises(
        ValueError,
        match=r"toys:Toy: cannot be constructed with n_tasks=4, noise='loud' "
        r"\(TypeError: .*line \d+\)",
    ):
        made(Loud, noise="loud")


@pytest.mark.parametrize(
    "line", ["from . import register_env", "from rlkit.envs import register_env"]
)
def test_a_file_of_oyster_that_registers_its_class_is_told_what_takes_its_place(
    tmp_path, monkeypatch, line
):
    (tmp_path / "my_oyster_task.py").write_text(line + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError) as caught:
        env_class("my_oyster_task:Task")
    assert "register_env is not needed here: delete its import" in str(caught.value)
    assert 'with "env_name": "my_oyster_task:Task"' in str(caught.value)
