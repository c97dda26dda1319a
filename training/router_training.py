"""Training the router: task and label set from the frozen states of instructions that say what they ask for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from instructseq_model.instruction import InstructionEncoder
from instructseq_model.label_sets import LABEL_SET_NAMES
from instructseq_model.perception import Task
from instructseq_model.routing import TASKS, Router
from instructseq_training.evaluation.routes import RoutingScores, routing_scores
from instructseq_training.intents import Intent, load_intents

NO_LABEL_SET = -100
ROUTER_EPOCHS = 60


def train_router(
    encoder: InstructionEncoder, *, epochs: int = ROUTER_EPOCHS, fillings: int = 6, seed: int = 0
) -> Router:
    """Fit a router to the training intents.

    Args:
        encoder: the frozen instruction encoder.
        epochs: passes over the intents.
        fillings: expressions put into each phrasing.
        seed: of initialisation, order and expressions.
    """
    torch.manual_seed(seed)
    intents = load_intents("train", fillings=fillings, seed=seed)
    states, lengths = encoded_intents(encoder, intents)
    tasks = torch.tensor([TASKS.index(intent.task) for intent in intents])
    sets = torch.tensor([NO_LABEL_SET if i.label_set is None else LABEL_SET_NAMES.index(i.label_set) for i in intents])
    router = Router(encoder.width)
    optimiser = torch.optim.AdamW(router.parameters(), lr=1e-3, weight_decay=0.05)
    for _ in range(epochs):
        for rows in torch.randperm(len(intents)).split(128):
            of_tasks, of_sets = router(states[rows], lengths[rows])
            loss = F.cross_entropy(of_tasks, tasks[rows])
            if bool((sets[rows] >= 0).any()):
                loss = loss + F.cross_entropy(of_sets, sets[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return router.eval()


def score_router(router: Router, encoder: InstructionEncoder) -> RoutingScores:
    """The router on phrasings and expressions that it was not trained on."""
    intents = load_intents("held_out")
    routes = router.route(*encoded_intents(encoder, intents))
    pairs = [
        ((route.task, route.label_set if route.task is Task.SEMANTIC else None), (intent.task, intent.label_set))
        for route, intent in zip(routes, intents, strict=True)
    ]
    return routing_scores(pairs)


def encoded_intents(encoder: InstructionEncoder, intents: Sequence[Intent]) -> tuple[Tensor, Tensor]:
    """Frozen states N x L x D and lengths N of instructions."""
    encoded = [encoder.encode([i.text for i in intents[start : start + 256]]) for start in range(0, len(intents), 256)]
    longest = max(part.states.shape[1] for part in encoded)
    states = [F.pad(part.states.float(), (0, 0, 0, longest - part.states.shape[1])) for part in encoded]
    return torch.cat(states).clone(), torch.cat([part.lengths for part in encoded]).clone()
