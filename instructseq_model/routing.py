"""What kind of map an instruction means: a small head on the frozen instruction states.

The sequence model decides between map, boxes and text itself. A map alone does not say whether its colours are classes
or a mark, nor which label set the classes belong to; this head reads that out of the words.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from instructseq_model.label_sets import LABEL_SET_NAMES
from instructseq_model.perception import Task

TASKS = tuple(Task)


@dataclass(frozen=True, kw_only=True)
class Route:
    """What an instruction asks for.

    Attributes:
        task: the most probable task.
        task_probabilities: of every task, summing to 1.
        label_set: the most probable label set, which means something for semantic maps only.
        label_set_probability: of that one.
    """

    task: Task
    task_probabilities: dict[Task, float]
    label_set: str
    label_set_probability: float

    @property
    def map_task(self) -> Task:
        """The more probable of the two tasks that give a map."""
        return max((Task.SEMANTIC, Task.SEGMENTATION), key=lambda task: self.task_probabilities[task])


class Router(nn.Module):
    """Mean and maximum of the token states, one hidden layer, two answers.

    Args:
        instruction_width: width of the states.
        hidden: of the hidden layer.
    """

    def __init__(self, instruction_width: int, *, hidden: int = 128) -> None:
        super().__init__()
        self.hidden = nn.Linear(2 * instruction_width, hidden)
        self.drop = nn.Dropout(0.3)
        self.task = nn.Linear(hidden, len(TASKS))
        self.label_set = nn.Linear(hidden, len(LABEL_SET_NAMES))

    def forward(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of tasks B x 4 and of label sets B x 3.

        Args:
            states: B x L x D.
            lengths: B, tokens of each.
        """
        there = (torch.arange(states.shape[1], device=states.device) < lengths[:, None])[..., None]  # B x L x 1
        mean = (states * there).sum(1) / lengths[:, None]
        largest = states.masked_fill(~there, float("-inf")).amax(1)
        hidden = self.drop(torch.relu(self.hidden(torch.cat([mean, largest], -1))))
        return self.task(hidden), self.label_set(hidden)

    @torch.inference_mode()
    def route(self, states: Tensor, lengths: Tensor) -> list[Route]:
        """The route of each of B instructions."""
        answers = self(states.to(self.hidden.weight.dtype), lengths)
        return read_routes(*(logits.float().softmax(-1) for logits in answers))


def read_routes(tasks: Tensor, label_sets: Tensor) -> list[Route]:
    """Routes from the probabilities of tasks, B x 4, and of label sets, B x 3."""
    return [
        Route(
            task=TASKS[int(of_tasks.argmax())],
            task_probabilities=dict(zip(TASKS, of_tasks.tolist(), strict=True)),
            label_set=LABEL_SET_NAMES[int(of_sets.argmax())],
            label_set_probability=float(of_sets.max()),
        )
        for of_tasks, of_sets in zip(tasks, label_sets, strict=True)
    ]
