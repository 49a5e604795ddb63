//! Exponential draws in bulk.

use super::Stream;
use rand::{Rng, TryRng, rand_core};
use rand_distr::{Distribution, Exp1};
use std::convert::Infallible;
use std::sync::LazyLock;

/// The draws of [`Exp1`] at a lower cost.
///
/// `Exp1` covers the density by 256 layers of equal area (Marsaglia and Tsang's ziggurat). The lowest 8 bits of a word
/// select the layer, and the highest 52 the point in it. In 99 of 100 cases the point also lies in the layer above, and
/// is the draw. Only this case is handled here; `Exp1` handles all others.
#[derive(Debug)]
pub(super) struct Exponential {
    /// The width of each layer, and 0 above the topmost.
    widths: [f64; LAYERS + 1],
}

const LAYERS: usize = 256;

/// The inverse of the smallest position in a layer: 2⁵³.
const PLACES: f64 = 9_007_199_254_740_992.0;

impl Exponential {
    /// Returns the only instance.
    pub(super) fn get() -> &'static Self {
        static ONLY: LazyLock<Exponential> = LazyLock::new(Exponential::new);
        &ONLY
    }

    /// Obtains the widths of the layers from `Exp1` itself: for the smallest position, it returns that part of the
    /// width.
    fn new() -> Self {
        let mut widths = [0.0; LAYERS + 1];
        for (layer, width) in (0_u64..).zip(&mut widths[..LAYERS]) {
            // In the topmost layer a second word decides, for which every value but 0 will do.
            let mut words = [layer].into_iter();
            let least: f64 = Exp1.sample(&mut Words(|| words.next().unwrap_or(1 << 63)));
            *width = PLACES * least;
        }
        Self { widths }
    }

    /// Draws numbers with mean 1. Not inlined, so that the state of the generator stays in registers.
    #[inline(never)]
    pub(super) fn fill(&self, random: &mut Stream, draws: &mut [f64]) {
        let mut own = random.clone();
        // Not fill_with, which would keep the generator in memory. Four draws at a time, as the loop itself has a cost
        // too.
        let (blocks, rest) = draws.as_chunks_mut::<4>();
        for [a, b, c, d] in blocks {
            *a = self.sample(&mut own);
            *b = self.sample(&mut own);
            *c = self.sample(&mut own);
            *d = self.sample(&mut own);
        }
        for draw in rest {
            *draw = self.sample(&mut own);
        }
        *random = own;
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "of the layer, only the lowest bits count")]
    fn sample(&self, random: &mut Stream) -> f64 {
        let word = random.next_u64();
        let layer = word as usize % LAYERS;
        let place = f64::from_bits((word >> 12) | 1.0_f64.to_bits()) - (1.0 - 1.0 / PLACES);
        let point = place * self.widths[layer];
        if point < self.widths[layer + 1] {
            return point;
        }
        let (draw, then) = rare(word, random.clone());
        *random = then;
        draw
    }
}

/// Returns the draw that begins with a given word. The generator is passed and returned by value: if its address were
/// taken, frequent draws would have to keep it in memory.
#[cold]
#[inline(never)]
fn rare(word: u64, mut random: Stream) -> (f64, Stream) {
    let mut first = Some(word);
    let draw = Exp1.sample(&mut Words(|| first.take().unwrap_or_else(|| random.next_u64())));
    (draw, random)
}

/// A generator of given words.
struct Words<F>(F);

impl<F: FnMut() -> u64> TryRng for Words<F> {
    type Error = Infallible;

    /// Takes the same bits as the method of a [`Stream`].
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.0() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        rand_core::utils::fill_bytes_via_next_word(bytes, || self.try_next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrivals::{Purpose, stream};
    use igniter_model::domain::WorkloadName;

    #[test]
    fn draws_are_those_of_the_library_to_the_last_bit() {
        let own = Exponential::get();
        assert!(own.widths.windows(2).all(|pair| pair[0] > pair[1]));
        let name = WorkloadName::new("W1").unwrap();
        let mut random = stream(1, &name, Purpose::Arrivals);
        let mut other = random.clone();
        // Among so many, thousands are of each layer and take each way.
        let mut draws = [0.0; 1_000];
        for _ in 0..2_000 {
            own.fill(&mut random, &mut draws);
            for draw in draws {
                let expected: f64 = Exp1.sample(&mut other);
                assert_eq!(draw.to_bits(), expected.to_bits());
            }
        }
        assert_eq!(random, other);
    }
}
