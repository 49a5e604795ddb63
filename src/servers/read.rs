//! Reads offline and online tables, with both generations of column names.

use super::ServersError;
use crate::input::{CsvTable, HeaderRule, TableError};
use std::collections::BTreeMap;
use std::path::Path;

/// Maximum number of requests in a simulated batch.
const LARGEST: f64 = 1024.0;

/// The times of a static batch of one client.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offline {
    /// Size of the batch in requests of the online table; a fraction where one such request has many rows.
    pub batch: f64,
    /// Input copy in ms; `None` where only the client's latency is published.
    pub input_ms: Option<f64>,
    /// Execution and output copy in ms; the client's latency where only that is published.
    pub execution_ms: f64,
    /// Time of a request outside of the server and in its queue, in ms, where published.
    pub outside_ms: Option<f64>,
}

/// The measurements with a number of clients, each of which has one request at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Online {
    /// Number of clients.
    pub clients: u32,
    /// Requests per second.
    pub rps: f64,
    /// Mean latency in ms.
    pub mean_ms: f64,
    /// 99th percentile of latency in ms.
    pub p99_ms: f64,
    /// Mean time in the queue in ms, where published.
    pub queue_ms: Option<f64>,
    /// Mean time of a request outside of the server (client, network) in ms, where published. Used for comparison only.
    pub outside_ms: Option<f64>,
}

/// The tables of one model on one machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Folder and heading.
    pub name: String,
    /// Number of model instances of the server, where the online table or else the offline table states it.
    pub instances: Option<u32>,
    /// Number of rows in one request.
    pub rows: f64,
    /// The largest batch of the server in requests, where published.
    largest: Option<u32>,
    /// Whether `perf_analyzer` measured until it had seen enough requests (its count windows, the newer generation of
    /// column names) instead of for five seconds.
    pub count_windows: bool,
    /// The static batches, by batch size.
    pub offline: Vec<Offline>,
    /// The online rows, in file order.
    pub online: Vec<Online>,
}

impl Section {
    /// Returns the largest batch in requests: the published one, else the largest that was measured.
    #[must_use]
    pub fn max_batch(&self) -> u32 {
        let measured = self.offline.iter().map(|o| o.batch).fold(1.0, f64::max);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 1 to 1024"
        )]
        let measured = measured.min(LARGEST) as u32;
        self.largest.unwrap_or(measured).min(1024)
    }

    /// Returns the reason why the section cannot be simulated; `None` where it can.
    pub(super) fn unusable(&self) -> Option<&'static str> {
        (self.offline.len() < 3).then_some("fewer than three batch sizes in the offline table")
    }

    /// Makes a section with these static batches (requests, ms) and no online rows.
    #[cfg(test)]
    pub(super) fn for_tests(batches: &[(u32, f64)]) -> Self {
        let offline = |&(batch, execution_ms): &(u32, f64)| Offline {
            batch: f64::from(batch),
            input_ms: None,
            execution_ms,
            outside_ms: None,
        };
        Self {
            name: "m, X".to_owned(),
            instances: None,
            rows: 1.0,
            largest: None,
            count_windows: false,
            offline: batches.iter().map(offline).collect(),
            online: Vec::new(),
        }
    }

    /// Returns whether the offline table splits the time in the server into parts.
    pub(super) fn has_parts(&self) -> bool {
        self.offline.iter().all(|o| o.input_ms.is_some())
    }
}

/// One row of either table.
struct PublishedRow<'r> {
    file: &'r Path,
    table: &'r CsvTable<'static>,
}

impl PublishedRow<'_> {
    /// Returns the position of the first of these columns that is not empty in this row.
    fn place(&self, columns: &[&str]) -> Option<usize> {
        let of = |column: &&str| {
            let place = self.table.columns().iter().position(|name| name == *column)?;
            Some(place).filter(|place| !self.table.field(*place).is_empty())
        };
        columns.iter().find_map(of)
    }

    fn text(&self, columns: &[&str]) -> &str {
        self.place(columns).map_or("", |place| self.table.field(place))
    }

    fn number(&self, columns: &[&str]) -> Result<Option<f64>, ServersError> {
        let Some(place) = self.place(columns) else { return Ok(None) };
        match self.table.number(place).filter(|value| *value >= 0.0) {
            Some(value) => Ok(Some(value)),
            None => {
                let text = self.table.field(place);
                Err(self.error(columns[0], &format!("= {text:?}: must be a number from 0")))
            }
        }
    }

    fn whole(&self, columns: &[&str]) -> Result<Option<u32>, ServersError> {
        let Some(value) = self.number(columns)? else { return Ok(None) };
        if value.fract() > 0.0 || value > f64::from(u32::MAX) {
            return Err(self.error(columns[0], &format!("= {value}: must be a whole number")));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "just checked")]
        Ok(Some(value as u32))
    }

    fn error(&self, column: &str, message: &str) -> ServersError {
        let line = self.table.line();
        ServersError::Table(format!("{}:{line}: {column} {message}", self.file.display()))
    }

    /// Returns the name that distinguishes sections: model, GPU, precision and everything else in the heading except
    /// for the words before the colon.
    fn section(&self) -> String {
        let file = self.text(&["file"]);
        let model = file.trim_end_matches("/README.md").replace("/triton", "");
        let heading = self.text(&["section"]);
        let heading = heading.split_once(':').map_or(heading, |(_, rest)| rest.trim());
        let mut name = format!("{model}, {heading}");
        for column in ["precision", "accelerator", "backend_accelerator", "sequence_length"] {
            let text = self.text(&[column]);
            // Headings use TF-TRT where a column has TensorRT.
            let said = name.contains(text) || (text == "TensorRT" && name.contains("TRT"));
            if !text.is_empty() && !said {
                name += &format!(", {text}");
            }
        }
        name
    }

    /// Returns the sum of these parts of the latency in ms; `None` where one is missing.
    fn sum(&self, parts: &[&str]) -> Result<Option<f64>, ServersError> {
        let mut sum = 0.0;
        for part in parts {
            match self.number(&[&format!("{part}_ms"), part])? {
                Some(ms) => sum += ms,
                None => return Ok(None),
            }
        }
        Ok(Some(sum))
    }

    /// Returns a static batch; `None` where neither its parts nor the client's latency is published.
    fn offline(&self, batch: f64) -> Result<Option<Offline>, ServersError> {
        let input_ms = self.sum(&["server_compute_input"])?;
        let execution_ms = self.sum(&["server_compute_infer", "server_compute_output"])?;
        if let (Some(input), Some(execution_ms)) = (input_ms, execution_ms) {
            let outside_ms =
                self.sum(&["client_send", "network_server_send_recv", "server_queue"])?;
            return Ok(Some(Offline { batch, input_ms: Some(input), execution_ms, outside_ms }));
        }
        let latency = self.sum(&["avg_latency"])?;
        Ok(latency.map(|execution_ms| Offline {
            batch,
            input_ms: None,
            execution_ms,
            outside_ms: None,
        }))
    }
}

/// Reads both tables and joins their rows into sections, in the order of the online table.
///
/// # Errors
/// When a file cannot be read or has an invalid number; the message names file, line and column.
pub fn read_sections(offline: &Path, online: &Path) -> Result<Vec<Section>, ServersError> {
    let mut static_batches: BTreeMap<String, (Vec<Offline>, Option<u32>)> = BTreeMap::new();
    each_row(offline, |row| {
        let Some(batch) = row.number(&["batch", "client_batch_size"])? else { return Ok(()) };
        let one_client = row.whole(&["concurrency"])?.is_none_or(|clients| clients <= 1);
        let Some(found) = row.offline(batch)? else { return Ok(()) };
        if one_client && batch > 0.0 && found.execution_ms > 0.0 {
            let instances = row.whole(&["instances"])?;
            let (batches, known) = static_batches.entry(row.section()).or_default();
            batches.push(found);
            *known = known.or(instances);
        }
        Ok(())
    })?;
    let mut sections: Vec<Section> = Vec::new();
    each_row(online, |row| {
        let name = row.section();
        let requests = row.whole(&["batch"])?.unwrap_or(1).max(1);
        if sections.iter().all(|known| known.name != name) {
            let (batches, known) = static_batches.get(&name).cloned().unwrap_or_default();
            let in_requests = |o: Offline| Offline { batch: o.batch / f64::from(requests), ..o };
            let mut offline: Vec<Offline> =
                batches.into_iter().map(in_requests).filter(|o| o.batch <= LARGEST).collect();
            offline.sort_by(|a, b| a.batch.total_cmp(&b.batch));
            offline.dedup_by(|a, b| a.batch <= b.batch);
            let largest = row.whole(&["max_batch"])?.map(|rows| (rows / requests).max(1));
            let instances = row.whole(&["instances"])?.filter(|n| *n > 0).or(known);
            let count_windows = match row.text(&["windows"]) {
                "" => row.whole(&["concurrency"])?.is_some(),
                windows => windows == "count",
            };
            sections.push(Section {
                name: name.clone(),
                instances,
                rows: f64::from(requests),
                largest,
                count_windows,
                offline,
                online: Vec::new(),
            });
        }
        let needed = |columns: &[&str]| {
            row.number(columns)?.ok_or_else(|| row.error(columns[0], "is empty"))
        };
        let clients = row
            .whole(&["concurrent_client_requests", "concurrency"])?
            .ok_or_else(|| row.error("concurrency", "is empty"))?;
        let found = Online {
            clients,
            rps: needed(&["inferences_second"])? / f64::from(requests),
            mean_ms: needed(&["avg_latency_ms", "avg_latency"])?,
            p99_ms: needed(&["p99_latency_ms", "p99_latency"])?,
            queue_ms: row.number(&["server_queue_ms", "server_queue"])?,
            outside_ms: row.sum(&["client_send", "network_server_send_recv", "client_recv"])?,
        };
        if found.clients == 0 || found.rps <= 0.0 || found.mean_ms <= 0.0 || found.p99_ms <= 0.0 {
            return Err(row.error("concurrency", "and rates and latencies must be above 0"));
        }
        let section = sections.iter_mut().find(|known| known.name == name);
        section.expect("just made sure of").online.push(found);
        Ok(())
    })?;
    Ok(sections)
}

fn each_row(
    file: &Path,
    mut take: impl FnMut(&PublishedRow<'_>) -> Result<(), ServersError>,
) -> Result<(), ServersError> {
    let failed = |error: TableError| {
        ServersError::Table(match error {
            TableError::Row { line, what } => format!("{}:{line}: {what}", file.display()),
            TableError::Io(error) => format!("{}: {error}", file.display()),
        })
    };
    let mut table = CsvTable::open(file, HeaderRule::Header).map_err(failed)?;
    for column in ["file", "section", "inferences_second"] {
        table.column(column).map_err(failed)?;
    }
    while table.advance().map_err(failed)? {
        take(&PublishedRow { file, table: &table })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_generations_of_columns_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let old = "file,section,instances,client_batch_size,server_compute_input,server_compute_infer,\
                   server_compute_output,inferences_second,batch,server_compute_input_ms,\
                   server_compute_infer_ms,server_compute_output_ms\n\
                   m/triton/a/README.md,\"Offline: X\",2,4,1,2,3,10,,,,\n\
                   m/triton/a/README.md,\"Offline: X\",2,,,,,10,8,2,4,6\n";
        let offline = write("offline.csv", old);
        let new = "file,section,instances,max_batch,concurrency,inferences_second,batch,client_send_ms,\
                   network_server_send_recv_ms,client_recv_ms,server_queue_ms,p99_latency_ms,avg_latency_ms\n\
                   m/triton/a/README.md,\"Online: X\",2,64,16,400,4,0.5,1,0.25,3,20,10\n";
        let online = write("online.csv", new);
        let sections = read_sections(&offline, &online).unwrap();
        assert_eq!(sections.len(), 1);
        let section = &sections[0];
        assert_eq!(section.name, "m/a, X");
        // Requests of four rows: batches of 4 and 8 rows are one and two requests, and 64 rows 16.
        let batches: Vec<_> =
            section.offline.iter().map(|o| (o.batch, o.input_ms, o.execution_ms)).collect();
        assert_eq!(batches, [(1.0, Some(1.0), 5.0), (2.0, Some(2.0), 10.0)]);
        assert_eq!((section.max_batch(), section.instances), (16, Some(2)));
        assert!(section.count_windows && section.has_parts());
        let row = section.online[0];
        assert!((row.rps - 100.0).abs() < 1e-9 && row.outside_ms == Some(1.75));
        assert!(section.unusable().is_some(), "two batch sizes are too few");
        // An online table that does not say how many instances there are: those of the offline table.
        let silent = write("silent.csv", &new.replace("X\",2,64", "X\",,64"));
        assert_eq!(read_sections(&offline, &silent).unwrap()[0].instances, Some(2));
        // Only the client's latency.
        let bare = write(
            "bare.csv",
            "file,section,inferences_second,client_batch_size,avg_latency\n\
             m/triton/a/README.md,\"Offline: X\",10,4,7\n",
        );
        let section = &read_sections(&bare, &online).unwrap()[0];
        assert!(!section.has_parts() && (section.offline[0].execution_ms - 7.0).abs() < 1e-9);
        let broken = write("broken.csv", &new.replace(",400,", ",many,"));
        let error = read_sections(&offline, &broken).unwrap_err().to_string();
        assert!(error.contains("broken.csv:2: inferences_second = \"many\""), "{error}");
    }
}
