"""Handwritten digits: a small convolutional network on scikit-learn's 1,797 images, trained on all ranks of a job."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from catalog.errors import UserError, mistake
from ml_jobs.contract import Input, JobSpec, Resources

if TYPE_CHECKING:
    from ml_jobs.runtime import Run

DIGITS = Input(
    name="digits",
    url="package://scikit-learn/digits",
    digest=None,
    columns={
        "pixels": {"dtype": "float64", "shape": [64], "nullable": False, "minimum": 0, "maximum": 16},
        "label": {"dtype": "int64", "shape": [], "nullable": False, "minimum": 0, "maximum": 9},
    },
)

JOB = JobSpec(
    name="digits",
    entry="ml_jobs.train.digits:train",
    params={"seed": 0, "epochs": 30, "width": 24, "batch": 64, "learning_rate": 0.004},
    resources=Resources(count=2),
    estimated_work_s=15,
    inputs=(DIGITS,),
    output="digits",
    data_classification="public",
)


def train(run: Run) -> None:
    """Split, train, evaluate on the fifth that was held out, register."""
    import torch
    from torch.nn.functional import cross_entropy

    params = JOB.params | dict(run.params)
    if unknown := set(params) - set(JOB.params):
        raise UserError(f"params.{min(unknown)} is unknown; allowed: {', '.join(JOB.params)}")
    table = load()
    run.check("digits", table)
    kept, held_out = split(table["label"], params["seed"])
    pixels = torch.as_tensor(table["pixels"], dtype=torch.float32, device=run.device)
    labels = torch.as_tensor(table["label"], device=run.device)

    model = run.parallel(build(width=params["width"]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=params["learning_rate"], weight_decay=0.01)
    for step in run.steps(
        model, optimizer, samples=len(kept), batch=params["batch"], epochs=params["epochs"], seed=params["seed"]
    ):
        for group in optimizer.param_groups:
            group["lr"] = params["learning_rate"] * one_cycle(step.progress)
        rows = torch.as_tensor(kept[step.indices], device=run.device)
        loss = cross_entropy(model(pixels[rows]), labels[rows]) * step.weight
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step.every(10):
            run.log_metrics({"loss": loss.item(), "learning_rate": optimizer.param_groups[0]["lr"]})

    if run.is_first:
        evaluation = evaluate(run.evaluating(model), pixels[held_out], labels[held_out])
        run.log_metrics(evaluation)
        run.register_model(model, describe(run, params, table["pixels"][held_out], evaluation))


def build(width: int = 24) -> Any:
    """The untrained model, as its server builds it too."""
    from ml_jobs.train.digits_model import Digits

    if not isinstance(width, int) or not 1 <= width <= 256:
        raise mistake("params.width", width, "a whole number from 1 to 256")
    return Digits(width)


def one_cycle(progress: float) -> float:
    """The learning rate's share of its peak: up over the first tenth, down to a fiftieth along a cosine."""
    return min(1.0, 0.1 + 9 * progress) * max(0.02, 0.5 * (1 + math.cos(math.pi * progress)))


def load() -> dict[str, Any]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return {"pixels": bunch.data, "label": bunch.target.astype("int64")}


def split(labels: Any, seed: int) -> tuple[Any, Any]:
    """Rows to train on and rows held out (a fifth), every digit in its share."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    kept, held_out = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=labels, random_state=seed)
    return kept, held_out


def evaluate(model: Any, pixels: Any, labels: Any) -> dict[str, float]:
    import torch

    with torch.inference_mode():
        answer = model(pixels)
    likelihood = answer["probabilities"].gather(1, labels[:, None]).clamp_min(1e-12)
    return {
        "accuracy": (answer["label"] == labels).double().mean().item(),
        "log_loss": -likelihood.log().mean().item(),
    }


def describe(run: Run, params: dict[str, Any], golden: Any, evaluation: dict[str, float]) -> Any:
    from ml_jobs.runtime import Model, Tensor

    return Model(
        entry="ml_jobs.train.digits:build",
        params={"width": params["width"]},
        inputs=[Tensor("pixels", "FP32", (-1, 64))],
        outputs=[Tensor("label", "INT64", (-1,)), Tensor("probabilities", "FP32", (-1, 10))],
        golden={"pixels": golden},
        reference=run.reference,
        evaluation=evaluation,
        primary="accuracy",
        summary="Tells the digit in an 8 x 8 image of handwriting; pixels from 0 (paper) to 16 (ink), row by row.",
    )
