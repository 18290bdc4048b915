"""The mesh of one mouth shape: closure in two steps, the tongue, and the channels it shows.

Closing needs two steps. The gap of the lips is linear in the weights, so ``mouthClose`` can be
solved for; then along the whole line of the lips the skin moves by what is left (contact), without
which the corners stay open and teeth show in a "p".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from ...curves.easing import smoothstep
from ...difftalk.conditioning import IBUG_OF_MEDIAPIPE
from ...face.channels import LIP_CHANNELS, measure_channels
from .head import EYES_OUTER, GUM, INNER_PAIRS, SKIN, TOOTH, Head
from .visemes import Shape

Array = npt.NDArray[np.float32]

TOUCHING = -0.01
"""cm of gap that closed lips aim at before contact."""
_UPPER_SHARE = {True: 0.4, False: 0.5}  # of the way to contact; of undoing a crossing
_REACH, _REACH_INSIDE, _FAR = 0.55, 0.9, 2.2  # cm along the skin
_KERNEL = 0.25
_APERTURE = LIP_CHANNELS.index("lipAperture")


@dataclass(frozen=True)
class Contact:
    """How the skin follows what the line of the lips does.

    Attributes:
        near: (K,) vertices that follow.
        follow_upper: (K, U) sparse: a vertex's mean over the upper contour; 0 for those that
            follow the lower one.
        follow_lower: (K, L) the same for the lower one.
        falloff: (K,) 0..1.
    """

    near: npt.NDArray[np.intp]
    follow_upper: csr_matrix
    follow_lower: csr_matrix
    falloff: Array


def find_contact(head: Head) -> Contact:
    """Which part of the skin follows the lips."""
    near = np.flatnonzero((np.abs(head.rim) < _FAR) & (head.kind == SKIN))
    rim, below = head.rim[near], head.below[near]
    reach = np.where(rim < 0, _REACH_INSIDE, _REACH)
    follow = []
    for line, its in ((head.upper, ~below), (head.lower, below)):
        apart = head.neutral[near][:, None] - head.neutral[line]
        distance = np.square(apart).sum(axis=-1)
        weight = np.exp(-(distance - distance.min(axis=1, keepdims=True)) / _KERNEL**2)
        weight[distance.min(axis=1) < 1e-8] = (distance < 1e-8)[distance.min(axis=1) < 1e-8]
        weight /= weight.sum(axis=1, keepdims=True)
        follow.append(csr_matrix(np.where(its[:, None], weight, 0).astype(np.float32)))
    upper, lower = follow
    return Contact(near, upper, lower, np.exp(-np.square(rim / reach)).astype(np.float32))


def tongue_fields(head: Head) -> Array:
    """(4, N, 3) how tip, forward, back and body move the tongue, a cm each.

    Smoothed over the gums' mesh, or the frenulum tears into stripes.
    """
    z = head.neutral[:, 2]
    fields = np.zeros((4, len(z), 3), np.float32)
    fields[0, :, 1] = smoothstep(6.6, 9.6, z)
    fields[1, :, 2] = smoothstep(3.8, 9.6, z)
    fields[2, :, 1] = np.exp(-np.square((z - 6) / 1.3))
    fields[3, :, 1] = smoothstep(3.6, 6.5, z)
    fields *= head.tongue[:, None]
    gums = (head.kind == GUM)[:, None]
    for _ in range(10):
        for field in fields:
            field += np.where(gums, 0.5 * (head.edges @ field - field), 0)
    return fields


def dentures(head: Head, rng: np.random.Generator) -> Array:
    """(N, 3) cm: how one person's teeth and gums differ from the model's, tooth by tooth."""
    moved = np.zeros_like(head.neutral)
    hard = np.isin(head.kind, (GUM, TOOTH)) & (head.tongue == 0)
    upper, lower = rng.normal(-0.03, 0.07), rng.normal(-0.03, 0.07)
    moved[:, 1] = np.where(hard, upper + (lower - upper) * head.rides, 0)
    uneven = rng.uniform(0.2, 1.0)
    for tooth in range(1, int(head.tooth.max()) + 1):
        of_it = head.tooth == tooth
        at = head.neutral[of_it]
        off = at - at.mean(axis=0)
        lower_jaw = head.rides[of_it].mean() > 0.5
        longer, forward, tilt, wider, turned = uneven * rng.normal(0, 1, 5) * (
            0.05, 0.04, 0.03, 0.02, 0.12 if lower_jaw else 0.06
        )  # fmt: skip
        wider = abs(wider) + 0.5 * abs(tilt)  # teeth overlap more often than they leave gaps
        share = head.along[of_it]
        moved[of_it, 1] += longer * share
        moved[of_it, 0] += tilt * off[:, 1] + wider * off[:, 0]
        moved[of_it, 2] += forward + turned * off[:, 0]
    return moved


def gap(head: Head, points: Array) -> Array:
    """Mean signed distance of the inner lips in cm, three pairs, of points or of offsets.

    Of (..., N, 3), it is (...).
    """
    at = points[..., head.landmarks, 1]
    above, below = np.transpose(INNER_PAIRS)
    mean: Array = np.asarray((at[..., above] - at[..., below]).mean(axis=-1))
    return mean


def solve_closure(head: Head, identity: Array, weights: Array, closed: bool) -> Array:
    """The weights with ``mouthClose`` such that the lips touch, or at least don't cross.

    Args:
        identity: (N, 3) the person without expression.
        weights: (57,)
    """
    row = weights.copy()
    close = head.weight("mouthClose")
    gaps = gap(head, head.expression)
    now = float(gap(head, identity) + row @ gaps)
    aim = TOUCHING if closed else 0.0
    if closed or now < aim:
        row[close] = max(row[close] + (aim - now) / float(gaps[close]), -0.5)
    return row


def touch(head: Head, contact: Contact, points: Array, closed: bool) -> tuple[Array, Array]:
    """Contact: points (N, 3) with lips that touch (closed) or don't cross (open).

    Returns:
        The points, and (K,) the gap in cm beside each vertex of ``contact.near``.
    """
    points = points.copy()
    share = _UPPER_SHARE[closed]
    for _ in range(3):
        over, under = _gaps(points[head.upper], points[head.lower])
        if not closed:
            over, under = np.minimum(over, 0), np.minimum(under, 0)
        step = contact.follow_lower @ ((1 - share) * under) - contact.follow_upper @ (share * over)
        points[contact.near, 1] += step * contact.falloff
    over, under = _gaps(points[head.upper], points[head.lower])
    return points, contact.follow_upper @ over + contact.follow_lower @ under


def _gaps(upper: Array, lower: Array) -> tuple[Array, Array]:
    """Signed distance to the other lip, straight up and down, of the points of either."""
    over = upper[:, 1] - np.interp(upper[:, 0], *_rising(lower))
    under = np.interp(lower[:, 0], *_rising(upper)) - lower[:, 1]
    over[[0, -1]] = under[[0, -1]] = 0
    return over.astype(np.float32), under.astype(np.float32)


def _rising(line: Array) -> tuple[Array, Array]:
    return np.maximum.accumulate(line[:, 0]), line[:, 1]


@dataclass(frozen=True)
class MouthModel:
    """What all persons share: the head, its lips' contact and its tongue."""

    head: Head
    contact: Contact
    tongue: Array

    @classmethod
    def of(cls, head: Head) -> MouthModel:
        return cls(head, find_contact(head), tongue_fields(head))

    def mesh(
        self, identity: Array, base: Array, shape: Shape, denture: Array | None = None
    ) -> tuple[Array, Array]:
        """The person's head with a mouth shape.

        Args:
            identity: (N, 3) the person without expression.
            base: (57,) what the person's face always shows.
            denture: (N, 3) of :func:`dentures`.

        Returns:
            (N, 3) cm before posing, and (N,) cm of gap beside the lips; 9 elsewhere.
        """
        head = self.head
        weights = solve_closure(head, identity, base + shape.weights, shape.closed)
        used = np.flatnonzero(weights)
        points = identity + np.tensordot(weights[used], head.expression[used], 1)
        points += np.tensordot(shape.tongue, self.tongue, 1)
        if denture is not None:
            points += denture
        points, near = touch(head, self.contact, points, shape.closed)
        gaps = np.full(len(points), 9.0, np.float32)
        gaps[self.contact.near] = np.maximum(near, 0)
        return points, gaps


def lip_channels(head: Head, points: Array, identity: Array) -> Array:
    """The 13 lip channels of a mesh, as a ``Motion`` has them.

    Args:
        points: (N, 3) cm before posing.
        identity: (N, 3) cm, the same person without expression.

    Returns:
        (13,) in IOD of the identity, offsets from it; the aperture is absolute, at least 0.
    """
    values = mark_channels(points[head.landmarks], identity[head.landmarks])
    values[_APERTURE] = max(0.0, values[_APERTURE])
    return values.astype(np.float32)


def mark_channels(marks: Array, neutral: Array) -> npt.NDArray[np.float64]:
    """The same (13,) of the 68 landmarks, (68, 3) cm; the aperture has a sign.

    Args:
        neutral: (68, 3) cm, the same person without expression.
    """
    outer = neutral[list(EYES_OUTER)]
    iod = float(np.linalg.norm(outer[1] - outer[0]))
    values = _measured(marks / iod) - _measured(neutral / iod)
    above, below = np.transpose(INNER_PAIRS)
    values[_APERTURE] = (marks[above, 1] - marks[below, 1]).mean() / iod
    return values


def _measured(marks: Array) -> npt.NDArray[np.float64]:
    face = np.zeros((478, 3))
    face[list(IBUG_OF_MEDIAPIPE)] = marks
    return measure_channels(face)[: len(LIP_CHANNELS)]
