//! Curve fits by non-linear least squares, with the same method as the artifact.
//!
//! The artifact fits with SciPy's `curve_fit` at its defaults: MINPACK's Levenberg-Marquardt from a start of ones,
//! forward differences for the Jacobian, tolerances of √ε. On these data the minimum is so flat that the algorithm
//! stops up to 5 % (in one coefficient) before it. To reproduce the artifact's coefficients, this fit takes the same
//! path: the `levenberg-marquardt` crate is a port of MINPACK, and Jacobian, start and tolerances are the same.

use levenberg_marquardt::{LeastSquaresProblem, LevenbergMarquardt};
use nalgebra::{DVector, Dyn, OMatrix, OVector, storage::Owned};

/// SciPy's default for `ftol` and `xtol`.
const TOLERANCE: f64 = 1.490_12e-8;

/// A curve in one or more inputs, with the points to fit.
struct CurveProblem<'p, X, F> {
    points: &'p [(X, f64)],
    curve: F,
    parameters: DVector<f64>,
}

impl<X, F: Fn(&X, &[f64]) -> f64> CurveProblem<'_, X, F> {
    fn residual(&self, parameters: &DVector<f64>, (x, y): &(X, f64)) -> f64 {
        (self.curve)(x, parameters.as_slice()) - y
    }
}

impl<X, F: Fn(&X, &[f64]) -> f64> LeastSquaresProblem<f64, Dyn, Dyn> for CurveProblem<'_, X, F> {
    type ResidualStorage = Owned<f64, Dyn>;
    type JacobianStorage = Owned<f64, Dyn, Dyn>;
    type ParameterStorage = Owned<f64, Dyn>;

    fn set_params(&mut self, parameters: &DVector<f64>) {
        self.parameters.copy_from(parameters);
    }

    fn params(&self) -> DVector<f64> {
        self.parameters.clone()
    }

    fn residuals(&self) -> Option<OVector<f64, Dyn>> {
        let residuals = self.points.iter().map(|point| self.residual(&self.parameters, point));
        Some(DVector::from_iterator(self.points.len(), residuals))
    }

    /// Computes forward differences in the same way as MINPACK's `fdjac2`.
    fn jacobian(&self) -> Option<OMatrix<f64, Dyn, Dyn>> {
        let mut jacobian =
            OMatrix::<f64, Dyn, Dyn>::zeros(self.points.len(), self.parameters.len());
        for column in 0..self.parameters.len() {
            let mut moved = self.parameters.clone();
            let relative = f64::EPSILON.sqrt();
            let magnitude = moved[column].abs();
            let step = if magnitude > 0.0 { relative * magnitude } else { relative };
            moved[column] += step;
            for (row, point) in self.points.iter().enumerate() {
                let change = self.residual(&moved, point) - self.residual(&self.parameters, point);
                jacobian[(row, column)] = change / step;
            }
        }
        Some(jacobian)
    }
}

/// Returns the N parameters that minimise Σ (curve(x) − y)² over the points (x, y), from a start of ones.
///
/// `None` with fewer points than parameters, or when the iteration does not converge to finite numbers.
pub(super) fn fit_curve<const N: usize, X>(
    points: &[(X, f64)],
    curve: impl Fn(&X, &[f64]) -> f64,
) -> Option<[f64; N]> {
    if points.len() < N {
        return None;
    }
    let problem = CurveProblem { points, curve, parameters: DVector::repeat(N, 1.0) };
    let (problem, report) = LevenbergMarquardt::new()
        .with_ftol(TOLERANCE)
        .with_xtol(TOLERANCE)
        .with_gtol(0.0)
        .minimize(problem);
    let fitted: [f64; N] = problem.parameters.as_slice().try_into().ok()?;
    (report.termination.was_successful() && fitted.iter().all(|v| v.is_finite())).then_some(fitted)
}

/// Returns slope and intercept of the line through points (x, y); `None` for fewer than two different x.
pub(super) fn fit_line(points: &[(f64, f64)]) -> Option<[f64; 2]> {
    let first = points.first()?.0;
    let varied = points.iter().any(|(x, _)| x.total_cmp(&first).is_ne());
    if varied { fit_curve(points, |x, p| p[0] * x + p[1]) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_by_hand() {
        // Through (0, 1), (1, 2), (2, 6): slope 5/2, intercept 3 − 2.5 = 0.5.
        let [slope, intercept] = fit_line(&[(0.0, 1.0), (1.0, 2.0), (2.0, 6.0)]).unwrap();
        assert!((slope - 2.5).abs() < 1e-7 && (intercept - 0.5).abs() < 1e-7);
        assert!(fit_line(&[(1.0, 1.0), (1.0, 2.0)]).is_none());
        assert!(fit_line(&[(1.0, 1.0)]).is_none());
    }

    #[test]
    fn a_hyperbola_is_found_again() {
        // y = 3 / (x + 2) at four points, exactly.
        let points: Vec<(f64, f64)> = (1..5).map(f64::from).map(|x| (x, 3.0 / (x + 2.0))).collect();
        let [a, b] = fit_curve(&points, |x, p| p[0] / (x + p[1])).unwrap();
        assert!((a - 3.0).abs() < 1e-6 && (b - 2.0).abs() < 1e-6);
    }
}
