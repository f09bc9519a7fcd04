"""Dice and focal loss on logits (segmentation-models-pytorch), and a boundary loss."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from segmentation_models_pytorch.losses import DiceLoss, FocalLoss
from torch import nn


class CorneaLoss(nn.Module):
    """Weighted sum of Dice, focal and boundary loss.

    Dice is computed per image and averaged, so the loss of a batch does not depend on how its
    images are distributed over processes.
    """

    def __init__(self, dice: float = 0.5, focal: float = 0.5, boundary: float = 0.0) -> None:
        super().__init__()
        self.weights = (dice, focal, boundary)
        # Images are passed as classes, because the library averages the loss over classes.
        self._dice = DiceLoss("multilabel", from_logits=True)
        self._focal = FocalLoss("binary")

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss of (N, 1, H, W) float logits and 0/1 float targets."""
        dice, focal, boundary = self.weights
        loss = focal * self._focal(logits, target)
        if dice:
            loss = loss + dice * self._dice(logits.transpose(0, 1), target.transpose(0, 1))
        if boundary:
            loss = loss + boundary * boundary_loss(logits, target)
        return torch.as_tensor(loss)


def boundary_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean of the probability times the signed distance to the true contour.

    The distance is negative inside and in units of the image diagonal (Kervadec et al.,
    "Boundary loss for highly unbalanced segmentation", MIDL 2019).
    """
    masks = target[:, 0].detach().cpu().numpy() > 0.5
    distances = np.stack([_signed_distance(mask) for mask in masks])
    weight = torch.from_numpy(distances).to(logits.device)[:, None]
    return torch.mean(torch.sigmoid(logits) * weight)


def _signed_distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    if mask.all() or not mask.any():
        return np.zeros(mask.shape, np.float32)
    inside = mask.astype(np.uint8)
    outward = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    inward = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray((outward - inward) / np.hypot(*mask.shape), np.float32)
