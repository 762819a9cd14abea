"""The distribution of the largest of several t statistics that share a reference and an estimate of the error.

k treatments are compared with one reference (Dunnett, 1955). Their t statistics have the same degrees of freedom and,
between any two, the correlation rho: 1/2 if all have equally many seeds. Given the common part Z of the statistics and
the ratio S of the estimated to the true standard deviation, they are independent, so that two integrals remain:

    P(max |T| <= t) = E [Phi((sqrt(rho) Z + t S) / sqrt(1 - rho)) - Phi((sqrt(rho) Z - t S) / sqrt(1 - rho))]^k

A smaller rho than the true correlations makes the result conservative (Šidák, 1967; Slepian, 1962).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq
from scipy.special import ndtr

from analysis.statistics.arrays import Values

_NODES = 80
"""Points of each integral. Critical values are then right to a millionth, with one degree of freedom to 4e-5."""

_REACH = 9.0
"""Standard deviations of Z that are integrated over: beyond them is a probability of 1e-19."""

_TAIL = 1e-12
"""The probability that is left out at either end of S."""

_GRID = np.sinh(np.linspace(0.0, 10.0, 320))
"""The t at which the distribution is computed; between them, it is interpolated."""


@dataclass(frozen=True, kw_only=True)
class ManyToOne:
    """The distribution for one design.

    Args:
        treatments: number of treatments, k.
        df: degrees of freedom of the error; may be infinite.
        correlation: rho, from 0 to below 1.
        one_sided: whether the largest T counts, instead of the largest |T|.
    """

    treatments: int
    df: float
    correlation: float = 0.5
    one_sided: bool = False

    def p_values(self, t: ArrayLike) -> Values:
        """The chance of a largest statistic of at least `t` if no treatment differs from the reference."""
        statistics = np.asarray(t, dtype=float)
        reached = statistics if self.one_sided else np.abs(statistics)
        found: Values = np.exp(_log_survival(self)(np.clip(reached, self._least, _GRID[-1])))
        return np.minimum(found, 1.0)

    def critical_value(self, level: float) -> float:
        """The t that the largest statistic reaches with a chance of `level` if no treatment differs."""
        survival = _log_survival(self)
        return float(brentq(lambda t: survival(t) - np.log(level), self._least, _GRID[-1], xtol=1e-9))

    @property
    def _least(self) -> float:
        return -float(_GRID[-1]) if self.one_sided else 0.0


@lru_cache(maxsize=4096)
def _log_survival(design: ManyToOne) -> PchipInterpolator:
    """The logarithm of the chance that the largest statistic exceeds t, as a function of t."""
    at = np.concatenate([-_GRID[:0:-1], _GRID]) if design.one_sided else _GRID
    z, z_weights = _normal_nodes()
    ratio, ratio_weights = _ratio_nodes(design.df)
    rho = design.correlation
    common, reach = np.sqrt(rho) * z[:, np.newaxis], at[:, np.newaxis, np.newaxis] * ratio
    above = ndtr((common - reach) / np.sqrt(1 - rho))
    outside = above if design.one_sided else above + ndtr((-common - reach) / np.sqrt(1 - rho))
    # Of the chance that any of k is outside, computed so that small chances keep their digits.
    with np.errstate(divide="ignore"):
        any_outside = -np.expm1(design.treatments * np.log1p(-np.minimum(outside, 1.0)))
    survival = (any_outside @ ratio_weights) @ z_weights
    return PchipInterpolator(at, np.log(np.maximum(survival, np.finfo(float).tiny)))


@lru_cache(maxsize=1)
def _normal_nodes() -> tuple[Values, Values]:
    """Points of a standard normal variable, and their probabilities."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    z = _REACH * nodes
    return z, _REACH * weights * stats.norm.pdf(z)


@lru_cache(maxsize=4096)
def _ratio_nodes(df: float) -> tuple[Values, Values]:
    """Points of the estimated over the true standard deviation, sqrt(chi2 / df), and their probabilities."""
    if np.isinf(df):
        return np.ones(1), np.ones(1)
    # On a logarithmic scale: with few degrees of freedom, a large t depends on a tiny S.
    low, high = np.log(stats.chi2.ppf([_TAIL, 1 - _TAIL], df) / df) / 2
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    logarithm = low + (high - low) * (nodes + 1) / 2
    ratio = np.exp(logarithm)
    density = 2 * df * ratio**2 * stats.chi2.pdf(df * ratio**2, df)
    return ratio, (high - low) / 2 * weights * density
