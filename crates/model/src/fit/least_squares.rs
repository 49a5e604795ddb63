//! Small dense least squares: linear with non-negative unknowns, and non-linear between bounds.

use nalgebra::{DMatrix, DVector};

/// Minimises |A x − y|² over x ≥ 0 by trying every set of unknowns that may be above zero. This is exact, and fast
/// enough for the two to four unknowns that occur here. Rows are (coefficients, right-hand side).
///
/// `None` without rows, and when no set gives finite numbers.
pub(super) fn non_negative<const N: usize>(rows: &[([f64; N], f64)]) -> Option<[f64; N]> {
    let mut best: Option<(f64, [f64; N])> = None;
    for set in 0..1_u32 << N {
        let free: Vec<usize> = (0..N).filter(|i| set >> i & 1 == 1).collect();
        let Some(x) = solve(rows, &free).filter(|x| x.iter().all(|v| v.is_finite() && *v >= 0.0))
        else {
            continue;
        };
        let cost: f64 = rows
            .iter()
            .map(|(a, y)| (a.iter().zip(&x).map(|(a, x)| a * x).sum::<f64>() - y).powi(2))
            .sum();
        if cost.is_finite() && best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, x));
        }
    }
    best.filter(|_| !rows.is_empty()).map(|(_, x)| x)
}

/// Solves the least-squares problem in the unknowns of `free`; the others are zero. Columns are scaled to length 1.
fn solve<const N: usize>(rows: &[([f64; N], f64)], free: &[usize]) -> Option<[f64; N]> {
    let mut x = [0.0; N];
    if free.is_empty() {
        return Some(x);
    }
    let mut matrix = DMatrix::from_fn(rows.len(), free.len(), |r, c| rows[r].0[free[c]]);
    let scales: Vec<f64> = matrix.column_iter().map(|c| c.norm()).collect();
    if scales.iter().any(|s| s.total_cmp(&0.0).is_eq()) || rows.len() < free.len() {
        return None;
    }
    for (mut column, scale) in matrix.column_iter_mut().zip(&scales) {
        column /= *scale;
    }
    let right = DVector::from_fn(rows.len(), |r, _| rows[r].1);
    let solution = matrix.svd(true, true).solve(&right, 1e-12).ok()?;
    for ((place, value), scale) in free.iter().zip(solution.iter()).zip(&scales) {
        x[*place] = value / scale;
    }
    Some(x)
}

/// One unknown of a non-linear problem.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unknown {
    pub start: f64,
    pub lower: f64,
    pub upper: f64,
}

/// The minimum of a non-linear least-squares problem.
#[derive(Debug, Clone)]
pub(super) struct Minimum {
    pub x: Vec<f64>,
    /// Half the sum of squares.
    pub cost: f64,
    /// Covariance of the unknowns for residuals of standard deviation 1; zero for an unknown at a bound. `None` when
    /// the data do not determine all other unknowns.
    pub covariance: Option<DMatrix<f64>>,
}

impl Minimum {
    /// Returns the correlation of two unknowns; `None` where it is not defined.
    pub(super) fn correlation(&self, i: usize, j: usize) -> Option<f64> {
        let c = self.covariance.as_ref()?;
        let scale = (c[(i, i)] * c[(j, j)]).sqrt();
        (scale > 0.0).then(|| c[(i, j)] / scale)
    }

    /// Returns the standard error of an unknown for residuals of standard deviation 1.
    pub(super) fn standard_error(&self, i: usize) -> Option<f64> {
        Some(self.covariance.as_ref()?[(i, i)].sqrt()).filter(|e| *e > 0.0)
    }
}

/// Relative step of the central differences, and the least magnitude to which it applies.
const STEP: f64 = 1e-6;
const LEAST_BASE: f64 = 0.1;
const ITERATIONS: usize = 200;

/// Minimises a sum of squares by Levenberg-Marquardt between bounds: unknowns that the gradient pushes against a bound
/// are held there; the others take a damped Gauss-Newton step that is clipped at the bounds.
///
/// `None` when the residuals are not finite at the start.
pub(super) fn minimise(
    unknowns: &[Unknown],
    residuals: impl Fn(&[f64]) -> Vec<f64>,
) -> Option<Minimum> {
    let n = unknowns.len();
    let mut x: Vec<f64> = unknowns.iter().map(|u| u.start.clamp(u.lower, u.upper)).collect();
    let mut at = DVector::from_vec(residuals(&x));
    let mut cost = at.norm_squared() / 2.0;
    if !cost.is_finite() {
        return None;
    }
    let mut damping = 1e-3;
    let mut jacobian = differences(&x, &residuals, at.len());
    for _ in 0..ITERATIONS {
        let gradient = jacobian.tr_mul(&at);
        let free = free_unknowns(unknowns, &x, &gradient);
        let columns = jacobian.select_columns(&free);
        let normal = columns.tr_mul(&columns);
        let mut improved = false;
        while damping < 1e12 {
            let mut damped = normal.clone();
            for i in 0..free.len() {
                damped[(i, i)] += damping * normal[(i, i)].max(1e-12);
            }
            let right = DVector::from_fn(free.len(), |i, _| -gradient[free[i]]);
            let step = damped.cholesky().map(|c| c.solve(&right));
            let mut moved = x.clone();
            if let Some(step) = step {
                for (i, &place) in free.iter().enumerate() {
                    let u = &unknowns[place];
                    moved[place] = (x[place] + step[i]).clamp(u.lower, u.upper);
                }
                let there = DVector::from_vec(residuals(&moved));
                let less = there.norm_squared() / 2.0;
                if less < cost {
                    improved = cost - less > 1e-13 * cost;
                    (x, at, cost) = (moved, there, less);
                    damping = (damping / 5.0).max(1e-12);
                    break;
                }
            }
            damping *= 4.0;
        }
        if !improved {
            break;
        }
        jacobian = differences(&x, &residuals, at.len());
    }
    let gradient = jacobian.tr_mul(&at);
    let free = free_unknowns(unknowns, &x, &gradient);
    let columns = jacobian.select_columns(&free);
    let covariance = columns.tr_mul(&columns).cholesky().map(|c| {
        let inverse = c.inverse();
        let mut all = DMatrix::zeros(n, n);
        for (i, &row) in free.iter().enumerate() {
            for (j, &column) in free.iter().enumerate() {
                all[(row, column)] = inverse[(i, j)];
            }
        }
        all
    });
    Some(Minimum { x, cost, covariance })
}

fn free_unknowns(unknowns: &[Unknown], x: &[f64], gradient: &DVector<f64>) -> Vec<usize> {
    let held = |i: &usize| {
        (x[*i] <= unknowns[*i].lower && gradient[*i] > 0.0)
            || (x[*i] >= unknowns[*i].upper && gradient[*i] < 0.0)
    };
    (0..x.len()).filter(|i| !held(i)).collect()
}

fn differences(x: &[f64], residuals: &impl Fn(&[f64]) -> Vec<f64>, rows: usize) -> DMatrix<f64> {
    let mut jacobian = DMatrix::zeros(rows, x.len());
    let mut moved = x.to_vec();
    for i in 0..x.len() {
        let step = STEP * x[i].abs().max(LEAST_BASE);
        moved[i] = x[i] + step;
        let above = residuals(&moved);
        moved[i] = x[i] - step;
        let below = residuals(&moved);
        moved[i] = x[i];
        for row in 0..rows {
            jacobian[(row, i)] = (above[row] - below[row]) / (2.0 * step);
        }
    }
    jacobian
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_negative_by_hand() {
        // x + y = 1, x − y = 3 has x = 2, y = −1. With y = 0: least squares x = (1 + 3)/2 = 2.
        let x = non_negative(&[([1.0, 1.0], 1.0), ([1.0, -1.0], 3.0)]).unwrap();
        assert!((x[0] - 2.0).abs() < 1e-12 && x[1].abs() < 1e-12);
        let x = non_negative(&[([1.0, 1.0], 3.0), ([1.0, -1.0], 1.0)]).unwrap();
        assert!((x[0] - 2.0).abs() < 1e-12 && (x[1] - 1.0).abs() < 1e-12);
        assert!(non_negative::<2>(&[]).is_none());
    }

    const FREE: Unknown = Unknown { start: 1.0, lower: f64::NEG_INFINITY, upper: f64::INFINITY };

    #[test]
    fn a_curve_is_found_again_and_its_unknowns_correlate() {
        // y = 3 e^(−0.5 t) at t = 0 … 5.
        let points: Vec<(f64, f64)> =
            (0..6).map(f64::from).map(|t| (t, 3.0 * libm::exp(-0.5 * t))).collect();
        let of = |x: &[f64]| points.iter().map(|(t, y)| x[0] * libm::exp(-x[1] * t) - y).collect();
        let found = minimise(&[FREE, FREE], of).unwrap();
        assert!((found.x[0] - 3.0).abs() < 1e-8 && (found.x[1] - 0.5).abs() < 1e-8);
        assert!(found.cost < 1e-15 && found.correlation(0, 1).unwrap() > 0.0);
    }

    #[test]
    fn bounds_hold() {
        // (x − 2)² + (y + 1)² with y ≥ 0.
        let of = |x: &[f64]| vec![x[0] - 2.0, x[1] + 1.0];
        let found = minimise(&[FREE, Unknown { lower: 0.0, ..FREE }], of).unwrap();
        assert!((found.x[0] - 2.0).abs() < 1e-9 && found.x[1].abs() < 1e-12);
        assert!(found.standard_error(1).is_none());
        assert!((found.standard_error(0).unwrap() - 1.0).abs() < 1e-6);
    }
}
