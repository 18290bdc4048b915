"""Alpha and foreground colours of a picture of which most pixels are known to be one or the other.

Hair is finer than pixels: at its edge a pixel shows person and background at once, and both the
share and the person's own colour have to be found.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags_array
from scipy.sparse.linalg import cg

from ...curves.easing import smoothstep
from ..mesh.portrait.raster import blur, fit_within, push_pull

_EPSILON = 1e-5
"""Of the colour line of a window, in squared colours: higher lets noise pass less and hair less."""
_STEPS = 250
_TOLERANCE = 1e-3
_PALE = 0.25
"""What likeness to the backdrop counts within the coarse outline."""
_WINDOW = 9
_PRIOR = 0.1
"""What a pixel's own colour says counts at most so much beside what its neighbours say."""
_ROUNDS = 8
_PLAIN = 0.035
"""Median distance from slowly changing colours, up to which a backdrop is called plain."""
_FEWEST = 200
_LINEAR, _QUADRATIC = 3, 6
_MOST_STRAY = 0.35
"""Share of what was taken for a plain backdrop that may be something else."""


@dataclass(frozen=True)
class Backdrop:
    """A wall or a sky: colours that change slowly over the whole picture.

    Attributes:
        colours: (H, W, 3) float32.
        noise: how far what is seen of it lies from them, in colours.
    """

    colours: np.ndarray
    noise: float

    def unlike(self, image: np.ndarray) -> np.ndarray:
        """(H, W) 0..1: how surely a pixel is not it alone."""
        away = np.abs(image - self.colours).max(-1)
        return smoothstep(3 * self.noise + 0.04, 3 * self.noise + 0.16, away)

    def alike(self, image: np.ndarray) -> np.ndarray:
        """(H, W) 0..1: how well a pixel can be it."""
        away = np.abs(image - self.colours).max(-1)
        return 1 - smoothstep(1.5 * self.noise + 0.003, 2.5 * self.noise + 0.02, away)


def plain_backdrop(image: np.ndarray, behind: np.ndarray, sure: np.ndarray) -> Backdrop | None:
    """The backdrop, if it is a plain one; None before anything else.

    Args:
        image: (H, W, 3) float32 in 0..1.
        behind: (H, W) bool, what is taken for background; some of it may be the person's after all.
        sure: (H, W) bool, where that is least likely: looked at alone if all of it is not plain.
    """
    return _fitted(image, behind, _QUADRATIC) or _fitted(image, behind & sure, _LINEAR)


def _fitted(image: np.ndarray, behind: np.ndarray, terms: int) -> Backdrop | None:
    """Colours as a polynomial of the place with so many terms."""
    height, width = behind.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y][:terms], -1)
    rows, colours = basis[behind], image[behind]
    if len(rows) < _FEWEST:
        return None
    step = max(1, len(rows) // 20_000)
    rows, colours = rows[::step].astype(np.float64), colours[::step].astype(np.float64)
    weight, away, solved = np.ones(len(rows)), np.zeros(len(rows)), np.zeros((terms, 3))
    usual = 0.0
    for _ in range(_ROUNDS):  # reweighted, so that hair among it does not bend it
        solved = np.linalg.lstsq(rows * weight[:, None], colours * weight[:, None], rcond=None)[0]
        away = np.abs(colours - rows @ solved).max(-1)
        usual = max(float(np.median(away)), 0.004)
        weight = 1 / (1 + (away / (2 * usual)) ** 2)
    if usual > _PLAIN or float((away > 4 * usual + 0.06).mean()) > _MOST_STRAY:
        return None
    return Backdrop((basis @ solved).astype(np.float32), usual)


def solve_alpha(
    image: np.ndarray,
    guess: np.ndarray,
    unknown: np.ndarray,
    side: int,
    backdrop: Backdrop | None = None,
) -> np.ndarray:
    """The share of the foreground in every pixel.

    Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting", 2008, on a picture
    of at most ``side`` px; its colour lines are then read off at full size (He and Sun, "Fast
    Guided Filter", 2015).

    Args:
        image: (H, W, 3) float32 in 0..1.
        guess: (H, W) float32 in 0..1; kept where nothing is unknown.
        unknown: (H, W) bool, where to solve.
        side: of the picture that is solved on, px.
        backdrop: what is behind, if that is plain.

    Returns:
        (H, W) float32 in 0..1.
    """
    if not unknown.any():
        return guess
    small, factor = fit_within(image, side)
    size = small.shape[1::-1]
    asked = cv2.resize(unknown.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    start = cv2.resize(guess, size, interpolation=cv2.INTER_AREA)
    if backdrop is not None:
        shrunk = cv2.resize(backdrop.colours, size, interpolation=cv2.INTER_AREA)
        backdrop = Backdrop(shrunk, backdrop.noise)
    alpha = _solve(small, start, asked, backdrop).astype(np.float32)
    if factor < 1:
        alpha = _colour_lines(small, alpha, image)
    return np.where(unknown, np.clip(alpha, 0, 1), guess).astype(np.float32)


def _solve(
    image: np.ndarray, guess: np.ndarray, unknown: np.ndarray, backdrop: Backdrop | None
) -> np.ndarray:
    laplacian = _laplacian(image.astype(np.float64), unknown)
    alpha = guess.ravel().astype(np.float64)
    free = np.flatnonzero(unknown)
    rows = laplacian[free]
    known = alpha.copy()
    known[free] = 0
    prior = _by_colour(image, guess, unknown, backdrop)
    likely, weight = (part.ravel()[free].astype(np.float64) for part in prior)
    inner = (rows[:, free] + diags_array(weight)).tocsr()
    scale = diags_array(1 / np.maximum(inner.diagonal(), 1e-9))
    wanted = weight * likely - rows @ known
    found, _ = cg(inner, wanted, likely, rtol=_TOLERANCE, maxiter=_STEPS, M=scale)
    alpha[free] = found.clip(0, 1)
    return alpha.reshape(guess.shape)


def _by_colour(
    image: np.ndarray, guess: np.ndarray, unknown: np.ndarray, backdrop: Backdrop | None
) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) twice: the alpha that a pixel's own colour says, and how much that is worth.

    It lies between the nearest known colours of both sides, see Wang and Cohen, "Optimized Color
    Sampling for Robust Matting", 2007. Before a plain backdrop what is unlike it is the person.
    """
    front, back = ((guess > 0.5) & ~unknown), ((guess <= 0.5) & ~unknown)
    if not front.any() or not back.any():
        return guess, np.zeros_like(guess)
    person = push_pull(image, front.astype(np.float32))
    behind = push_pull(image, back.astype(np.float32)) if backdrop is None else backdrop.colours
    span = person - behind
    length = (span**2).sum(-1)
    likely = (((image - behind) * span).sum(-1) / np.maximum(length, 1e-4)).clip(0, 1)
    rest = image - behind - likely[..., None] * span
    off = 1 - np.exp(-(rest**2).sum(-1) / (2 * 0.1**2))
    worth = length / (length + 0.05) * (1 - off)
    if backdrop is not None:
        unlike = backdrop.unlike(image)
        # what was taken for the person may be pale, too
        alike = backdrop.alike(image) * np.where(guess > 0.5, _PALE, 1.0)
        # what lies on the line between both may be a mixture of them
        likely = np.maximum(likely, unlike * off) * (1 - alike)
        worth = np.maximum(worth, np.maximum(unlike, alike))
    return likely, _PRIOR * worth


def _laplacian(image: np.ndarray, unknown: np.ndarray) -> csr_matrix:
    """(H W, H W) the matting Laplacian of all 3x3 windows that hold an unknown pixel (eq. 23)."""
    height, width = unknown.shape
    near = cv2.dilate(unknown.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    near[[0, -1]], near[:, [0, -1]] = False, False  # a window's middle is not at the border
    middles = np.flatnonzero(near)
    steps = np.array([dy * width + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
    places = middles[:, None] + steps
    colours = image.reshape(-1, 3)[places]
    away = colours - colours.mean(1, keepdims=True)
    spread = np.einsum("nki,nkj->nij", away, away) / _WINDOW + _EPSILON / _WINDOW * np.eye(3)
    alike = (1 + np.einsum("nki,nij,nlj->nkl", away, np.linalg.inv(spread), away)) / _WINDOW
    values = np.eye(_WINDOW) - alike
    rows = np.repeat(places, _WINDOW, axis=1).ravel()
    columns = np.tile(places, (1, _WINDOW)).ravel()
    count = height * width
    return coo_matrix((values.ravel(), (rows, columns)), (count, count)).tocsr()


def _colour_lines(small: np.ndarray, target: np.ndarray, image: np.ndarray) -> np.ndarray:
    """(H, W) a small target read off at the size of the picture, by its local colour lines."""

    def box(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, (3, 3), borderType=cv2.BORDER_REFLECT)

    mean, level = box(small), box(target)
    products = (small[..., :, None] * small[..., None, :]).reshape(*target.shape, 9)
    outer = (mean[..., :, None] * mean[..., None, :]).reshape(*target.shape, 9)
    spread = (box(products) - outer).reshape(*target.shape, 3, 3) + 1e-4 * np.eye(3)
    along = box(small * target[..., None]) - mean * level[..., None]
    slope = np.linalg.solve(spread, along[..., None])[..., 0].astype(np.float32)
    offset = level - (slope * mean).sum(-1)
    lines = np.concatenate([box(slope), box(offset)[..., None]], -1)
    lines = cv2.resize(lines, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return (lines[..., :3] * image).sum(-1) + lines[..., 3]


def foreground_colours(image: np.ndarray, alpha: np.ndarray, reach: float) -> np.ndarray:
    """The person's own colours where the background shines through.

    Forte, "Approximate Fast Foreground Colour Estimation", 2021: twice, wide and narrow.

    Args:
        image: (H, W, 3) float32 in 0..1.
        alpha: (H, W) float32 in 0..1.
        reach: standard deviation of the wide blur, px.

    Returns:
        (H, W, 3) float32 in 0..1; the picture's colours where alpha is 1.
    """
    share = alpha[..., None]
    front, behind = image, image
    for sigma in (reach, reach / 8):
        weight, rest = blur(alpha, sigma)[..., None], blur(1 - alpha, sigma)[..., None]
        front = blur(front * share, sigma) / np.maximum(weight, 1e-4)
        behind = blur(behind * (1 - share), sigma) / np.maximum(rest, 1e-4)
        front = front + share * (image - share * front - (1 - share) * behind)
        front, behind = front.clip(0, 1), behind.clip(0, 1)
    return np.where(share >= 1, image, front).astype(np.float32)
