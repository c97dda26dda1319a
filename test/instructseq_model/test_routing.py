import pytest
import torch

from instructseq_model.label_sets import LABEL_SET_NAMES
from instructseq_model.perception import Task
from instructseq_model.routing import TASKS, Route, Router


def router() -> Router:
    torch.manual_seed(0)
    return Router(8, hidden=6).eval()


def test_padding_does_not_matter() -> None:
    states, lengths = torch.randn(2, 5, 8), torch.tensor([3, 5])
    other = states.clone()
    other[0, 3:] = 99
    assert router().route(states, lengths) == router().route(other, lengths)
    alone = router().route(states[:1, :3], lengths[:1])[0]
    assert alone.task_probabilities == pytest.approx(router().route(states, lengths)[0].task_probabilities)


def test_route_names_the_most_probable_answers() -> None:
    model = router()
    states, lengths = torch.randn(4, 3, 8), torch.full((4,), 3)
    with torch.no_grad():
        tasks, label_sets = model(states, lengths)
    for row, route in enumerate(model.route(states, lengths)):
        assert route.task == TASKS[int(tasks[row].argmax())]
        assert route.label_set == LABEL_SET_NAMES[int(label_sets[row].argmax())]
        assert sum(route.task_probabilities.values()) == pytest.approx(1)
        assert route.label_set_probability == pytest.approx(float(label_sets[row].softmax(-1).max()))


def test_map_task_is_the_more_probable_of_the_two_that_give_maps() -> None:
    chances = {Task.SEMANTIC: 0.1, Task.SEGMENTATION: 0.2, Task.DETECTION: 0.3, Task.CAPTION: 0.4}
    route = Route(task=Task.CAPTION, task_probabilities=chances, label_set="household", label_set_probability=1.0)
    assert route.map_task is Task.SEGMENTATION


def test_half_precision_router_takes_float_states() -> None:
    route = router().bfloat16().route(torch.randn(1, 3, 8), torch.tensor([3]))[0]
    assert sum(route.task_probabilities.values()) == pytest.approx(1, abs=1e-3)
