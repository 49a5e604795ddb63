//! Samples of GPUs, written to a table in the background.

use super::{GpuProbe, GpuSample};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const HEADER: &str = "time_s,gpu,power_w,sm_clock_mhz,busy_pct,memory_busy_pct,energy_j,\
    temperature_c,throttle,missed";

/// A summary of all samples of one GPU.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SampleSummary {
    pub gpu: u32,
    /// Number of samples taken.
    pub samples: u64,
    /// Number of samples that could not be taken.
    pub missed: u64,
    /// The mean power, in W: from the energy counter where there is one, otherwise from the samples.
    pub mean_power_w: Option<f64>,
    /// The lowest SM clock while some kernel ran, in MHz.
    pub least_busy_clock_mhz: Option<u32>,
    /// The mean SM clock while some kernel ran, in MHz.
    pub mean_busy_clock_mhz: Option<f64>,
    /// The highest SM clock, in MHz.
    pub highest_clock_mhz: Option<u32>,
    /// Energy between the first and the last sample, in J.
    pub energy_j: Option<f64>,
    /// All throttle bits that were set at any time (see [`super::throttle_reasons`]).
    pub throttle: u64,
}

/// A thread that samples GPUs repeatedly and writes the samples to a CSV file. The file gets its final name
/// when the sampler is stopped; the file of a sampler that is dropped is kept too.
#[derive(Debug)]
pub struct Sampler {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<io::Result<Vec<SampleSummary>>>>,
}

impl Sampler {
    /// Starts sampling. Times in the file count from `origin`, so that they can be compared with those of
    /// requests.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn start(
        probe: Box<dyn GpuProbe>,
        gpus: &[u32],
        period: Duration,
        origin: Instant,
        path: &Path,
    ) -> io::Result<Self> {
        let part = path.with_extension("csv.part");
        let mut file = BufWriter::new(fs::File::create(&part)?);
        writeln!(file, "{HEADER}")?;
        let (stop, stopped) = channel();
        let work =
            SamplerWork { probe, gpus: gpus.to_vec(), period, origin, part, path: path.to_owned() };
        let thread = std::thread::Builder::new()
            .name("gpu-sampler".to_owned())
            .spawn(move || work.run(file, &stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Stops sampling, and summarises each GPU.
    ///
    /// # Errors
    /// When the file could not be written.
    pub fn stop(mut self) -> io::Result<Vec<SampleSummary>> {
        self.end().unwrap_or_else(|| Ok(Vec::new()))
    }

    fn end(&mut self) -> Option<io::Result<Vec<SampleSummary>>> {
        self.stop = None;
        let gone = || io::Error::other("the sampler's thread panicked");
        Some(self.thread.take()?.join().unwrap_or_else(|_| Err(gone())))
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

struct SamplerWork {
    probe: Box<dyn GpuProbe>,
    gpus: Vec<u32>,
    period: Duration,
    origin: Instant,
    part: PathBuf,
    path: PathBuf,
}

impl SamplerWork {
    fn run(
        mut self,
        mut file: BufWriter<fs::File>,
        stopped: &Receiver<()>,
    ) -> io::Result<Vec<SampleSummary>> {
        let mut sums: Vec<Sum> = self.gpus.iter().map(|&gpu| Sum::new(gpu)).collect();
        let mut next = Instant::now();
        loop {
            for sum in &mut sums {
                let sample = self.probe.sample(sum.gpu);
                let time_s = self.origin.elapsed().as_secs_f64();
                let missed = sample.is_err();
                let sample = sample.unwrap_or_default();
                sum.add(time_s, &sample, missed);
                writeln!(file, "{}", row(time_s, sum.gpu, &sample, missed))?;
            }
            next += self.period;
            match stopped.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&self.part, &self.path)?;
        Ok(sums.iter().map(Sum::summary).collect())
    }
}

fn row(time_s: f64, gpu: u32, sample: &GpuSample, missed: bool) -> String {
    let mut row = format!("{time_s:.4},{gpu}");
    let mut cell = |text: Option<String>| {
        let _ = write!(row, ",{}", text.unwrap_or_default());
    };
    cell(sample.power_w.map(|power| format!("{power:.3}")));
    cell(sample.sm_clock_mhz.map(|clock| clock.to_string()));
    cell(sample.busy_pct.map(|busy| busy.to_string()));
    cell(sample.memory_busy_pct.map(|busy| busy.to_string()));
    cell(sample.energy_mj.map(|energy| format!("{}.{:03}", energy / 1000, energy % 1000)));
    cell(sample.temperature_c.map(|temperature| temperature.to_string()));
    cell(sample.throttle.map(|bits| format!("{bits:#x}")));
    cell(Some(u8::from(missed).to_string()));
    row
}

/// The accumulated values of one GPU.
#[derive(Debug)]
struct Sum {
    gpu: u32,
    samples: u64,
    missed: u64,
    power_w: f64,
    powers: u32,
    first: Option<(f64, u64)>,
    last: Option<(f64, u64)>,
    least_busy_clock_mhz: Option<u32>,
    busy_clock_mhz: f64,
    busy_clocks: u32,
    highest_clock_mhz: Option<u32>,
    throttle: u64,
}

impl Sum {
    fn new(gpu: u32) -> Self {
        Self {
            gpu,
            samples: 0,
            missed: 0,
            power_w: 0.0,
            powers: 0,
            first: None,
            last: None,
            least_busy_clock_mhz: None,
            busy_clock_mhz: 0.0,
            busy_clocks: 0,
            highest_clock_mhz: None,
            throttle: 0,
        }
    }

    fn add(&mut self, time_s: f64, sample: &GpuSample, missed: bool) {
        if missed {
            self.missed += 1;
            return;
        }
        self.samples += 1;
        if let Some(power) = sample.power_w {
            self.power_w += power;
            self.powers += 1;
        }
        if let Some(energy) = sample.energy_mj {
            self.first.get_or_insert((time_s, energy));
            self.last = Some((time_s, energy));
        }
        let busy = sample.busy_pct.unwrap_or(0) > 0;
        if let Some(clock) = sample.sm_clock_mhz {
            self.highest_clock_mhz = self.highest_clock_mhz.max(Some(clock));
            if busy {
                let least = self.least_busy_clock_mhz.map_or(clock, |least| least.min(clock));
                self.least_busy_clock_mhz = Some(least);
                self.busy_clock_mhz += f64::from(clock);
                self.busy_clocks += 1;
            }
        }
        self.throttle |= sample.throttle.unwrap_or(0);
    }

    fn summary(&self) -> SampleSummary {
        let spent = self.first.zip(self.last).and_then(|((from, first), (to, last))| {
            #[expect(clippy::cast_precision_loss, reason = "a difference of days is exact")]
            let energy_j = last.checked_sub(first)? as f64 / 1e3;
            Some((to - from, energy_j))
        });
        let by_counter = spent.filter(|&(seconds, _)| seconds > 0.0).map(|(s, energy)| energy / s);
        let by_samples = (self.powers > 0).then(|| self.power_w / f64::from(self.powers));
        SampleSummary {
            gpu: self.gpu,
            samples: self.samples,
            missed: self.missed,
            // Over less than a second the counter is too coarse.
            mean_power_w: by_counter
                .filter(|_| spent.is_some_and(|(s, _)| s >= 1.0))
                .or(by_samples),
            least_busy_clock_mhz: self.least_busy_clock_mhz,
            mean_busy_clock_mhz: (self.busy_clocks > 0)
                .then(|| self.busy_clock_mhz / f64::from(self.busy_clocks)),
            highest_clock_mhz: self.highest_clock_mhz,
            energy_j: spent.map(|(_, energy)| energy),
            throttle: self.throttle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(power: f64, clock: u32, busy: u32, energy_mj: u64, throttle: u64) -> GpuSample {
        GpuSample {
            power_w: Some(power),
            sm_clock_mhz: Some(clock),
            busy_pct: Some(busy),
            energy_mj: Some(energy_mj),
            throttle: Some(throttle),
            ..GpuSample::default()
        }
    }

    #[test]
    fn mean_power_is_energy_by_time() {
        let mut sum = Sum::new(0);
        // 500 J in 2 s are 250 W; the samples, which miss what is between them, say 200 W.
        sum.add(1.0, &sample(100.0, 345, 0, 7_000_000, 1), false);
        sum.add(3.0, &sample(300.0, 1755, 90, 7_500_000, 4), false);
        sum.add(3.5, &GpuSample::default(), true);
        let summary = sum.summary();
        assert_eq!(summary.mean_power_w, Some(250.0));
        assert_eq!(summary.energy_j, Some(500.0));
        assert_eq!((summary.samples, summary.missed), (2, 1));
        // The clock of an idle GPU is nobody's trouble.
        assert_eq!(summary.least_busy_clock_mhz, Some(1755));
        assert_eq!(summary.mean_busy_clock_mhz, Some(1755.0));
        assert_eq!(summary.throttle, 5);
        assert_ne!(summary.throttle & super::super::THROTTLED, 0);
    }

    #[test]
    fn without_a_counter_it_is_the_mean_of_the_samples() {
        let mut sum = Sum::new(0);
        for power in [100.0, 300.0] {
            sum.add(0.0, &GpuSample { energy_mj: None, ..sample(power, 1, 1, 0, 0) }, false);
        }
        assert_eq!(sum.summary().mean_power_w, Some(200.0));
    }

    #[test]
    fn the_table_has_what_the_probe_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gpu.csv");
        let recording = super::super::Recording::read(Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/nvml_h200.json"
        )));
        let probe = Box::new(recording.unwrap());
        let sampler =
            Sampler::start(probe, &[0, 9], Duration::from_secs(60), Instant::now(), &path).unwrap();
        assert!(!path.exists(), "the name is for what is complete");
        let summaries = sampler.stop().unwrap();
        assert_eq!((summaries[0].samples, summaries[1].missed), (1, 1));
        let text = fs::read_to_string(&path).unwrap();
        let cells: Vec<Vec<&str>> = text.lines().map(|l| l.split(',').collect()).collect();
        assert_eq!(cells[0].len(), cells[1].len());
        assert_eq!(cells[1][1..], ["0", "75.500", "345", "0", "0", "81234.567", "31", "0x1", "0"]);
        assert_eq!(cells[2][1..], ["9", "", "", "", "", "", "", "", "1"]);
    }
}
