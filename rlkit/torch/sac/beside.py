"""Run PEARL's meta-test in its own thread while the algorithm continues to learn."""

from collections.abc import Callable, Mapping

from rlkit.core.algorithm import Loop, Statistics
from rlkit.core.logger import Table
from rlkit.torch.execution import OF_THREAD
from rlkit.torch.sac.evaluation import PEARLEvaluation
from rlkit.torch.sac.meta_rl_algorithm import MetaRLAlgorithm


class EvaluationBeside:
    """Splits PEARL's evaluation for a second thread; see `rlkit.core.algorithm.Beside`.

    Args:
        algorithm: the algorithm that continues to learn.
        evaluation: equal to the algorithm's, but with its own environment and an agent that acts on
            the CPU with copies of the weights.
        update: refreshes these copies.
    """

    def __init__(
        self,
        algorithm: MetaRLAlgorithm,
        evaluation: PEARLEvaluation,
        update: Callable[[], None],
    ) -> None:
        self._algorithm, self._evaluation, self._update = algorithm, evaluation, update
        self.env = evaluation.meta_test.env

    def begin(self, iteration: int) -> Callable[[Loop], tuple[Statistics, Mapping[str, Table]]]:
        """Copy the weights and draw the contexts; return a function that runs the trajectories.

        The generator that has drawn a context also drives its trajectory, so both stay together.
        """
        self._update()
        with_contexts = self._evaluation.begin(iteration)

        def evaluate(loop: Loop) -> tuple[Statistics, Mapping[str, Table]]:
            OF_THREAD.keeps_precision = True
            found = self._evaluation.finish(iteration, with_contexts, loop)
            left_out = self._algorithm.left_out
            statistics = {name: value for name, value in found.items() if name not in left_out}
            return statistics, {"online_returns": self._evaluation.online_returns(iteration)}

        return evaluate

    def remark(self) -> str:
        """Message with the number of diverged evaluation episodes; "" if there are none."""
        return self.env.divergence_message()
