"""The digits' architecture, apart from the job, so that naming the job does not import PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Digits(nn.Module):
    """Rows of 64 pixels, 0 to 16. Logits while training; in evaluation, `label` and `probabilities` by name."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(8 * width, 10))

    def forward(self, pixels: torch.Tensor) -> Any:
        logits = self.head(self.features(pixels.reshape(-1, 1, 8, 8) / 16))
        if self.training:
            return logits
        return {"label": logits.argmax(1), "probabilities": logits.softmax(1)}
