//! Fits the constants of published pages to their online tables, and scores them on sections that a fit did not see.

use super::closed_loop::closed_loop;
use super::constants::Fitted;
use super::{Constants, Section, Servers, ServersError, compare};
use rayon::prelude::*;

/// A round of a fit: the number of rows per section, spread over the numbers of clients; the number of requests per
/// simulation; the maximum number of times that all rows are simulated; and the number of rule sets that are kept for
/// the next round.
struct Round {
    rows: usize,
    requests: f64,
    evaluations: usize,
    kept: usize,
}

/// Number of additional requests per client.
const ROUND_TRIPS: f64 = 8.0;
/// The rounds of a fit: all rules are tried briefly, the better ones longer.
const ROUNDS: [Round; 3] = [
    Round { rows: 6, requests: 200.0, evaluations: 30, kept: 3 },
    Round { rows: 8, requests: 600.0, evaluations: 50, kept: 1 },
    Round { rows: 12, requests: 1200.0, evaluations: 120, kept: 1 },
];
/// Strength with which numbers that the rows do not determine stay near their start: the loss of one unit of the
/// logarithm.
const PRIOR: f64 = 0.002;
/// Weight of an error of P99 relative to one of the mean latency.
const WEIGHT_OF_P99: f64 = 0.5;

/// Refits the constants of every page to the sections that belong to it. Pages without sections stay unchanged.
///
/// # Errors
/// When a simulation fails.
pub fn fit_pages(
    sections: &[Section],
    pages: &[Constants],
) -> Result<Vec<Constants>, ServersError> {
    pages
        .par_iter()
        .map(|page| {
            let own: Vec<&Section> =
                sections.iter().filter(|s| usable_of(s, page, pages)).collect();
            fit_page(page, &own)
        })
        .collect()
}

/// Compares each third of the sections of a page with constants that are fitted to the other two thirds. A section that
/// is alone on its page gets the constants of the last page, which accepts any section.
///
/// # Errors
/// When a simulation fails.
pub fn cross_validate(sections: &[Section], pages: &[Constants]) -> Result<Servers, ServersError> {
    let work: Vec<(usize, usize)> =
        (0..pages.len()).flat_map(|page| (0..3).map(move |third| (page, third))).collect();
    let parts: Vec<Servers> = work
        .par_iter()
        .map(|&(page, third)| {
            let own: Vec<&Section> =
                sections.iter().filter(|s| usable_of(s, &pages[page], pages)).collect();
            let (mut held, mut rest) = (Vec::new(), Vec::new());
            for (place, section) in own.iter().enumerate() {
                if place % 3 == third { held.push((*section).clone()) } else { rest.push(*section) }
            }
            let constants = match (rest.is_empty(), pages.last()) {
                (true, Some(any)) => Constants { fitted: any.fitted, ..pages[page].clone() },
                _ => fit_page(&pages[page], &rest)?,
            };
            compare(&held, &[constants])
        })
        .collect::<Result<_, ServersError>>()?;
    Ok(Servers::joined(parts))
}

fn usable_of(section: &Section, page: &Constants, pages: &[Constants]) -> bool {
    section.unusable().is_none() && Constants::find(pages, section).is_some_and(|p| p == page)
}

/// The start of every fit, so that the published constants do not depend on earlier ones.
const START: Fitted = Fitted {
    gather: 3.0,
    request_ms: 0.02,
    serial: 3.0,
    latency: 10.0,
    protocol: 0.2,
    shared_ms: 0.15,
    slowdown: 2.0,
    execution: 1.0,
};
/// The start for pages whose offline tables have only the client's latency, which includes the network.
const START_WITHOUT_PARTS: Fitted =
    Fitted { gather: 0.2, serial: 0.2, latency: 1.0, execution: 0.7, ..START };

/// Fits the constants of a page: the rules under which its numbers fit best, and these numbers.
fn fit_page(page: &Constants, sections: &[&Section]) -> Result<Constants, ServersError> {
    let Some(first) = sections.first() else { return Ok(page.clone()) };
    let fitted = if first.has_parts() { START } else { START_WITHOUT_PARTS };
    let count: usize = sections.iter().map(|s| s.online.len()).sum();
    let source = format!("fitted to {} sections, {count} rows", sections.len());
    let several = sections.iter().any(|s| s.instances.unwrap_or(page.instances) > 1);
    let mut tried = rules(&Constants { fitted, source, ..page.clone() }, several);
    for round in &ROUNDS {
        let mut found: Vec<(f64, Constants)> = tried
            .par_iter()
            .map(|rules| fit_numbers(rules, sections, round))
            .collect::<Result<_, ServersError>>()?;
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found.truncate(round.kept);
        tried = found.into_iter().map(|(_, constants)| constants).collect();
    }
    let best = tried.swap_remove(0);
    Ok(Constants { fitted: rounded(best.fitted), ..best })
}

/// Returns all combinations of the properties of servers that tables do not state: the release of their batcher,
/// whether one batch executes at a time, and whether engines pad batches.
fn rules(page: &Constants, several_instances: bool) -> Vec<Constants> {
    let mut all = Vec::new();
    for (triton, merges) in [("24.10", false), ("24.10", true), ("21.12", false), ("21.12", true)] {
        for (shared_thread, pads) in [(false, false), (false, true), (true, false), (true, true)] {
            // A single instance has a thread of its own.
            if several_instances || !shared_thread {
                let triton = triton.to_owned();
                all.push(Constants { triton, merges, shared_thread, pads, ..page.clone() });
            }
        }
    }
    all
}

/// Returns the loss, and `page` with the numbers that fit best under its rules. The search starts at the numbers of
/// `page`.
fn fit_numbers(
    page: &Constants,
    sections: &[&Section],
    round: &Round,
) -> Result<(f64, Constants), ServersError> {
    let parts = sections[0].has_parts();
    let rows: Vec<(&Section, usize)> = sections
        .iter()
        .flat_map(|section| {
            let step = section.online.len().div_ceil(round.rows).max(1);
            (step / 2..section.online.len()).step_by(step).map(|row| (*section, row))
        })
        .collect();
    let loss_of = |fitted: Fitted| -> Result<f64, ServersError> {
        let page = Constants { fitted, ..page.clone() };
        let losses: Vec<f64> = rows
            .par_iter()
            .map(|(section, row)| {
                let online = section.online[*row];
                let server = page.server(section)?;
                let requests = round.requests + ROUND_TRIPS * f64::from(online.clients);
                let found = closed_loop(section, &server, online.clients, requests)?;
                let off = |simulated: f64, published: f64| {
                    libm::log(simulated.max(1e-9) / published).abs()
                };
                Ok(off(found.mean_ms, online.mean_ms)
                    + WEIGHT_OF_P99 * off(found.p99_ms, online.p99_ms))
            })
            .collect::<Result<_, ServersError>>()?;
        // The sum is taken in order, so that it is the same on any number of threads.
        Ok(losses.iter().sum::<f64>() / losses.len() as f64)
    };
    // Numbers that no row can determine stay unchanged.
    let all = coordinates(page.fitted);
    let told = |i: &usize| match i {
        6 => !page.shared_thread,
        7 => !parts,
        _ => true,
    };
    let free: Vec<usize> = (0..all.len()).filter(told).collect();
    let whole = |x: &[f64]| {
        let mut whole = all.clone();
        free.iter().zip(x).for_each(|(i, x)| whole[*i] = *x);
        whole
    };
    let prior = coordinates(if parts { START } else { START_WITHOUT_PARTS });
    let penalised = |x: &[f64]| -> Result<f64, ServersError> {
        let x = whole(x);
        let away: f64 = x.iter().zip(&prior).map(|(x, s)| (x - s) * (x - s)).sum();
        Ok(loss_of(of_coordinates(&x))? + PRIOR * away)
    };
    let start: Vec<f64> = free.iter().map(|i| all[*i]).collect();
    let (loss, best) = nelder_mead(penalised, &start, 0.5, round.evaluations)?;
    Ok((loss, Constants { fitted: of_coordinates(&whole(&best)), ..page.clone() }))
}

/// Returns the logarithms of the numbers, so that every number stays positive in the search.
fn coordinates(f: Fitted) -> Vec<f64> {
    let numbers = [
        f.gather,
        f.request_ms,
        f.serial,
        f.latency,
        f.protocol,
        f.shared_ms,
        f.slowdown - 1.0,
        f.execution,
    ];
    numbers.iter().map(|x| libm::log(x.max(1e-3))).collect()
}

fn of_coordinates(x: &[f64]) -> Fitted {
    let at = |i: usize| libm::exp(x[i].clamp(-12.0, 6.0));
    Fitted {
        gather: at(0),
        request_ms: at(1),
        serial: at(2),
        latency: at(3),
        protocol: at(4),
        shared_ms: at(5),
        slowdown: 1.0 + at(6),
        execution: at(7),
    }
}

/// Rounds the numbers to three digits, which is more than the rows determine.
fn rounded(f: Fitted) -> Fitted {
    let digits = |x: f64| {
        if x <= 0.0 {
            return 0.0;
        }
        let scale = libm::pow(10.0, 2.0 - libm::floor(libm::log10(x)));
        (x * scale).round() / scale
    };
    Fitted {
        gather: digits(f.gather),
        request_ms: digits(f.request_ms),
        serial: digits(f.serial),
        latency: digits(f.latency),
        protocol: digits(f.protocol),
        shared_ms: digits(f.shared_ms),
        slowdown: digits(f.slowdown),
        execution: digits(f.execution),
    }
}

/// The simplex method of Nelder and Mead (The Computer Journal 7, 1965): simulated losses have no derivatives.
fn nelder_mead<E>(
    mut loss: impl FnMut(&[f64]) -> Result<f64, E>,
    start: &[f64],
    step: f64,
    evaluations: usize,
) -> Result<(f64, Vec<f64>), E> {
    let mut simplex = vec![(loss(start)?, start.to_vec())];
    for i in 0..start.len() {
        let mut x = start.to_vec();
        x[i] += if i % 2 == 0 { step } else { -step };
        simplex.push((loss(&x)?, x));
    }
    let mut used = simplex.len();
    let n = start.len() as f64;
    while used < evaluations {
        simplex.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (best, worst) = (simplex[0].0, simplex[simplex.len() - 1].clone());
        let second = simplex[simplex.len() - 2].0;
        let centre: Vec<f64> = (0..start.len())
            .map(|i| simplex[..simplex.len() - 1].iter().map(|(_, x)| x[i]).sum::<f64>() / n)
            .collect();
        let along = |t: f64| -> Vec<f64> {
            centre.iter().zip(&worst.1).map(|(c, w)| c + t * (c - w)).collect()
        };
        let mut replacement = along(1.0);
        let mut value = loss(&replacement)?;
        used += 1;
        if value < best {
            let further = along(2.0);
            let there = loss(&further)?;
            used += 1;
            if there < value {
                (value, replacement) = (there, further);
            }
        } else if value >= second {
            let nearer = along(if value < worst.0 { 0.5 } else { -0.5 });
            let there = loss(&nearer)?;
            used += 1;
            if there < worst.0.min(value) {
                (value, replacement) = (there, nearer);
            } else if value >= worst.0 {
                let around = simplex[0].1.clone();
                for (value, x) in &mut simplex[1..] {
                    for (x, b) in x.iter_mut().zip(&around) {
                        *x = b + (*x - b) / 2.0;
                    }
                    *value = loss(x)?;
                    used += 1;
                }
                continue;
            }
        }
        let last = simplex.len() - 1;
        simplex[last] = (value, replacement);
    }
    simplex.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(simplex.swap_remove(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simplex_finds_a_curved_valley() {
        // Rosenbrock's function: the least value is at (1, 1).
        let mut count = 0;
        let (_, found) = nelder_mead(
            |x| {
                count += 1;
                Ok::<_, ()>(100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2))
            },
            &[-1.2, 1.0],
            0.5,
            400,
        )
        .unwrap();
        assert!((found[0] - 1.0).abs() < 1e-3 && (found[1] - 1.0).abs() < 1e-3, "{found:?}");
        assert!(count <= 404, "{count}");
    }

    #[test]
    fn coordinates_are_turned_back() {
        let back = of_coordinates(&coordinates(START));
        assert!((back.slowdown - START.slowdown).abs() < 1e-9);
        assert!((back.gather - START.gather).abs() < 1e-9);
        let gather = rounded(Fitted { gather: 5.6789, ..START }).gather;
        assert!((gather - 5.68).abs() < 1e-12);
    }
}
