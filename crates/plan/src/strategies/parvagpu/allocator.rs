//! Allocation of segments to GPUs.
//!
//! A GPU has seven slots. A segment of size 4 or 7 begins at slot 0, one of size 3 at slot 4 (so a GPU holds at most
//! one of size 3), one of size 2 at 0, 4 or 2, and one of size 1 at 0, 6, 4, 1, 2, 3 or 5. A segment goes to the GPU
//! that then has the fewest free slots; of equals, the first.

use super::{SIZES, WHOLE};

/// Slots at which segments of each size may begin, in order of preference.
const STARTS: [&[u32]; 5] = [&[0, 6, 4, 1, 2, 3, 5], &[0, 4, 2], &[4], &[0], &[0]];

/// GPUs with at most this number of slots in use are taken apart.
const SPARSE: u32 = 4;

/// Fractions of a throughput below this are rounding errors.
const NOTHING: f64 = 1e-9;

/// A segment of a workload; its size is an index into [`SIZES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GpuSegment {
    pub(super) workload: usize,
    pub(super) size: usize,
}

/// The segments that a workload needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SegmentNeed {
    workload: usize,
    /// The best throughput of a segment of each size, in requests/s.
    throughput: [Option<f64>; 5],
    /// Number of segments of the best size, and that size; `last` is the size of the one after them.
    best: (u32, usize),
    last: usize,
}

impl SegmentNeed {
    /// Returns `None` where no segment serves the workload.
    pub(super) fn new(
        workload: usize,
        throughput: [Option<f64>; 5],
        rate_rps: f64,
        divide: bool,
    ) -> Option<Self> {
        let smallest = |rest: f64| {
            (0..SIZES.len()).find(|&size| throughput[size].is_some_and(|rps| rps >= rest))
        };
        if !divide {
            let last = smallest(rate_rps)?;
            return Some(Self { workload, throughput, best: (0, last), last });
        }
        let mut best: Option<(usize, f64)> = None;
        for (size, rps) in throughput.iter().enumerate() {
            let each = rps.map_or(0.0, |rps| rps / f64::from(SIZES[size]));
            if each > best.map_or(0.0, |(_, most)| most) {
                best = Some((size, each));
            }
        }
        let (size, _) = best?;
        let rps = throughput[size]?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "segments")]
        let mut count = (rate_rps / rps).floor() as u32;
        if count > 0 && rate_rps - f64::from(count) * rps <= NOTHING * rate_rps {
            count -= 1;
        }
        let last = smallest(rate_rps - f64::from(count) * rps).unwrap_or(size);
        Some(Self { workload, throughput, best: (count, size), last })
    }
}

/// Segments with the slots at which they begin, ordered by slot.
type SegmentedGpu = Vec<(u32, GpuSegment)>;

/// Function that returns whether a GPU with these segments has room for one more.
type HasRoom<'a> = dyn Fn(&[(u32, GpuSegment)], &GpuSegment) -> bool + 'a;

/// Places segments on GPUs.
pub(super) struct Allocator<'a> {
    has_room: &'a HasRoom<'a>,
    gpus: Vec<SegmentedGpu>,
}

impl<'a> Allocator<'a> {
    /// Creates an allocator; `has_room` returns whether a GPU's memory and process limit allow one more segment.
    pub(super) fn new(has_room: &'a HasRoom<'a>) -> Self {
        Self { has_room, gpus: Vec::new() }
    }

    /// Places the wanted segments. Then, where workloads may be divided, takes sparsely used GPUs apart.
    pub(super) fn allocate(mut self, wanted: &[SegmentNeed], divide: bool) -> Vec<SegmentedGpu> {
        for size in (0..SIZES.len()).rev() {
            for SegmentNeed { workload, best, last, .. } in wanted {
                let (count, of_best) = *best;
                let best = (0..count).map(|_| of_best);
                for _ in best.chain([*last]).filter(|of| *of == size) {
                    self.place(GpuSegment { workload: *workload, size });
                }
            }
        }
        if divide {
            self.close_gaps(wanted);
        }
        self.gpus.retain(|gpu| !gpu.is_empty());
        self.gpus
    }

    /// Returns the number of slots that are free after placing a segment on a GPU, and the slot at which it would
    /// begin.
    fn fit(&self, gpu: &[(u32, GpuSegment)], segment: GpuSegment) -> Option<(u32, u32)> {
        let mut free = [true; WHOLE as usize];
        for (start, other) in gpu {
            free[*start as usize..(start + SIZES[other.size]) as usize].fill(false);
        }
        let size = SIZES[segment.size];
        let range = |start: u32| start as usize..(start + size) as usize;
        let fits = |start: &u32| start + size <= WHOLE && free[range(*start)].iter().all(|f| *f);
        let start = STARTS[segment.size].iter().copied().find(fits)?;
        let slots = u32::try_from(free.iter().filter(|f| **f).count()).unwrap_or(WHOLE);
        (self.has_room)(gpu, &segment).then_some((slots - size, start))
    }

    fn place(&mut self, segment: GpuSegment) {
        let fits = self.gpus.iter().enumerate().filter_map(|(i, gpu)| {
            let (free, start) = self.fit(gpu, segment)?;
            Some((free, i, start))
        });
        let (gpu, start) = match fits.min() {
            Some((_, gpu, start)) => (gpu, start),
            None => {
                self.gpus.push(Vec::new());
                (self.gpus.len() - 1, STARTS[segment.size][0])
            }
        };
        let gpu = &mut self.gpus[gpu];
        gpu.push((start, segment));
        gpu.sort_unstable_by_key(|(start, _)| *start);
    }

    /// Takes sparsely used GPUs apart: their segments become smaller ones in the gaps of other GPUs.
    fn close_gaps(&mut self, wanted: &[SegmentNeed]) {
        let most = wanted.iter().map(|w| w.workload + 1).max().unwrap_or(0);
        let mut of_workload: Vec<Option<&SegmentNeed>> = vec![None; most];
        wanted.iter().for_each(|w| of_workload[w.workload] = Some(w));
        let mut credit = vec![0.0; most];
        for gpu in (0..self.gpus.len()).rev() {
            let used: u32 = self.gpus[gpu].iter().map(|(_, segment)| SIZES[segment.size]).sum();
            if used > SPARSE {
                continue;
            }
            for slot in 0..WHOLE {
                let Some(place) = self.gpus[gpu].iter().position(|(start, _)| *start == slot)
                else {
                    continue;
                };
                let (_, segment) = self.gpus[gpu][place];
                let throughput = of_workload[segment.workload].map_or([None; 5], |w| w.throughput);
                let (Some(one), Some(own)) = (throughput[0], throughput[segment.size]) else {
                    continue;
                };
                self.gpus[gpu].remove(place);
                let credit = &mut credit[segment.workload];
                *credit += own;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few")]
                let mut take = |rps: f64, round: fn(f64) -> f64| {
                    let count = round(*credit / rps - NOTHING).max(0.0) as u32;
                    *credit -= f64::from(count) * rps;
                    count
                };
                let two = throughput[1].filter(|two| two / 2.0 > one);
                let twos = two.map_or(0, |two| take(two, |x| (x + 2.0 * NOTHING).floor()));
                let ones = take(one, f64::ceil);
                for (count, size) in [(twos, 1), (ones, 0)] {
                    (0..count).for_each(|_| self.place(GpuSegment { size, ..segment }));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Models with the best throughput of each size, and the rates of the authors' scenarios 3 and 4.
    const PUBLISHED: [(&str, [f64; 5], f64, f64); 11] = [
        ("bert", [170.4, 351.8, 545.0, 626.4, 843.8], 46.0, 69.0),
        ("densenet121", [322.6, 649.4, 1138.5, 1286.1, 2206.4], 728.0, 1091.0),
        ("densenet169", [256.5, 522.4, 883.6, 1042.5, 1913.0], 633.0, 949.0),
        ("densenet201", [186.3, 390.1, 678.0, 791.4, 1342.1], 493.0, 739.0),
        ("inceptionv3", [583.9, 1244.9, 1894.1, 2282.2, 3815.2], 1051.0, 1576.0),
        ("mobilenetv2", [771.2, 1572.7, 2702.6, 3105.2, 5000.6], 1546.0, 2318.0),
        ("resnet101", [253.0, 516.1, 852.8, 1059.6, 1799.2], 760.0, 1140.0),
        ("resnet152", [168.2, 352.0, 612.7, 760.7, 1291.9], 543.0, 815.0),
        ("resnet50", [385.7, 789.0, 1369.7, 1567.1, 2762.8], 1463.0, 2195.0),
        ("vgg16", [252.8, 516.4, 840.6, 1015.4, 1773.6], 780.0, 1169.0),
        ("vgg19", [217.5, 443.3, 719.3, 916.3, 1531.5], 673.0, 1010.0),
    ];

    fn allocated(rate: impl Fn(usize) -> f64) -> Vec<SegmentedGpu> {
        let wanted = |(i, (_, rps, ..)): (usize, &(&str, [f64; 5], f64, f64))| {
            SegmentNeed::new(i, rps.map(Some), rate(i), true).unwrap()
        };
        let wanted: Vec<SegmentNeed> = PUBLISHED.iter().enumerate().map(wanted).collect();
        let gpus = Allocator::new(&|_, _| true).allocate(&wanted, true);
        for (i, (name, rps, ..)) in PUBLISHED.iter().enumerate() {
            let own = gpus.iter().flatten().filter(|(_, segment)| segment.workload == i);
            let served: f64 = own.map(|(_, segment)| rps[segment.size]).sum();
            assert!(served >= rate(i), "{name}: {served}");
        }
        gpus
    }

    fn sevenths(gpus: &[SegmentedGpu]) -> u32 {
        gpus.iter().flatten().map(|(_, segment)| SIZES[segment.size]).sum()
    }

    #[test]
    fn the_published_deployments_come_out() {
        let third = allocated(|i| PUBLISHED[i].2);
        let fourth = allocated(|i| PUBLISHED[i].3);
        assert_eq!((third.len(), sevenths(&third)), (5, 33));
        assert_eq!((fourth.len(), sevenths(&fourth)), (7, 48));
        // Which segments share a GPU in scenario 3. Slots are left out: the original puts a second segment of size 1 at
        // slot 6, which its segment of size 3 at slot 4 covers.
        let mut named: Vec<String> = Vec::new();
        for gpu in &third {
            let name = |(_, s): &(u32, GpuSegment)| {
                format!("{}:{}", PUBLISHED[s.workload].0, SIZES[s.size])
            };
            let mut names: Vec<String> = gpu.iter().map(name).collect();
            names.sort();
            named.push(names.join(" "));
        }
        named.sort();
        assert_eq!(
            named,
            [
                "bert:1 densenet169:3 resnet50:1 vgg19:2",
                "densenet121:3 inceptionv3:2 mobilenetv2:2",
                "densenet201:3 vgg16:2 vgg19:1 vgg19:1",
                "resnet101:3 resnet50:2 vgg16:1 vgg16:1",
                "resnet152:3 resnet50:1 resnet50:1",
            ]
        );
    }

    #[test]
    fn segments_of_three_do_not_share_a_gpu() {
        let three = [None, None, Some(100.0), None, None];
        let wanted: Vec<SegmentNeed> =
            (0..3).map(|i| SegmentNeed::new(i, three, 90.0, true).unwrap()).collect();
        assert_eq!(Allocator::new(&|_, _| true).allocate(&wanted, true).len(), 3);
    }
}
