"""The ellipse that most of an outline agrees with, although parts of it are wrong."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

AGREEMENT = 0.04
"""Distance from the ellipse within which an outline agrees with it, in radii."""
MIN_AGREEING = 0.65
"""Share of the outline that must agree with an ellipse to be one."""
_SCALE = 0.07
"""Distance from the ellipse, in radii, at which a point has lost three quarters of its weight."""
_LEFT_OUT = (0.15, 0.27, 0.38)
"""Shares of the outline that are left out at a time, in one piece: what covers the limbus is so."""
_PLACES = 12
_ROUNDS = 3
_UNKNOWNS = 5

Floats = NDArray[np.float64]


def robust_ellipse(directions: Floats, radii: Floats, known: NDArray[np.bool_]) -> Floats | None:
    """Return the radii of the ellipse that most of an outline lies on, None if there is none.

    `directions`: (N, 2) unit vectors around a point inside, `radii` (N,) the outline's distance
    there, `known` (N,) the directions in which it was seen. An ellipse is fitted to the outline
    without one stretch, for many stretches; the one nearest to most of the outline is refined by
    least squares with less weight on what lies far off (Geman & McClure 1985).
    """
    count = int(known.sum())
    if count < 4 * _UNKNOWNS:
        return None
    size = float(np.median(radii[known]))
    everywhere = _monomials(directions)
    seen, along = radii[known] / size, everywhere[:, known]
    outline = along * np.stack([seen**2, seen**2, seen**2, seen, seen])
    conics = _through(outline, _without_a_stretch(count))
    squared = ((seen - _radii(conics, along)) / _SCALE) ** 2
    costs = np.where(np.isfinite(squared), squared / (1 + squared), 1).sum(axis=1)
    conic = conics[[np.argmin(costs)]]
    for _ in range(_ROUNDS):
        off = (seen - _radii(conic, along)) / _SCALE
        conic = _through(outline, (1 + off**2) ** -2)
    agreeing = np.abs(seen - _radii(conic, along)) < AGREEMENT
    ellipse = _radii(conic, everywhere)[0] * size
    return ellipse if agreeing.mean() >= MIN_AGREEING and np.isfinite(ellipse).all() else None


def _monomials(points: Floats) -> Floats:
    """Return (5, N) x², xy, y², x and y of (N, 2) points."""
    x, y = points.T
    return np.stack([x * x, x * y, y * y, x, y])


@lru_cache(maxsize=64)
def _without_a_stretch(count: int) -> Floats:
    """Return weights of `count` points in a ring, one row for each stretch that is left out."""
    place = np.arange(count) / count
    starts = np.arange(_PLACES)[:, None] / _PLACES
    without = [((place - starts) % 1 >= share) * 1.0 for share in _LEFT_OUT]
    return np.concatenate([np.ones((1, count)), *without])


def _through(outline: Floats, weights: Floats) -> Floats:
    """Return (K, 5) conics a·x² + b·xy + c·y² + d·x + e·y = 1 nearest to points.

    `outline` are their (5, N) monomials, `weights` is (K, N).
    """
    products = (outline[:, None] * outline).reshape(_UNKNOWNS**2, -1)
    squares = (weights @ products.T).reshape(-1, _UNKNOWNS, _UNKNOWNS) + 1e-9 * np.eye(_UNKNOWNS)
    return np.asarray(np.linalg.solve(squares, (weights @ outline.T)[..., None])[..., 0])


def _radii(conics: Floats, directions: Floats) -> Floats:
    """Return (K, N) distances of (K, 5) conics around the origin; NaN for those not ellipses.

    `directions` are the (5, N) monomials of unit vectors.
    """
    square, linear = conics[:, :3] @ directions[:3], conics[:, 3:] @ directions[3:]
    a, b, c = conics[:, :3].T
    valid = (a > 0) & (4 * a * c > b * b)
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = (np.sqrt(linear**2 + 4 * square) - linear) / (2 * square)
    distance[~valid] = np.nan
    return distance
