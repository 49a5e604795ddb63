//! Incremental reader of a server's answers.
//!
//! This crate has its own reader for one reason: about once in a hundred thousand answers Triton 24.10 sends
//! the line `: 147` in place of `Content-Length: 147`, which every strict parser refuses.

use super::chunks::Chunks;

/// The maximum length of an answer that is accepted, in bytes: 1 GiB. The server states the length, and that
/// much memory is allocated.
const LONGEST: usize = 1 << 30;

/// Reads consecutive answers from pieces of any size.
#[derive(Debug, Default)]
pub(super) struct ResponseReader {
    bytes: Vec<u8>,
    /// The head of the answer that is being read, once the head is complete.
    head: Option<ResponseHead>,
}

#[derive(Debug)]
struct ResponseHead {
    status: u16,
    /// How the end of the body is determined.
    body: Body,
    /// Number of bytes of JSON, where the rest is binary.
    json: Option<usize>,
}

#[derive(Debug)]
enum Body {
    /// After this many bytes.
    Length(usize),
    /// Where the chunks end.
    Chunks(Chunks),
}

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    status: u16,
    json: Vec<u8>,
    /// Number of bytes after the JSON, which are tensors.
    binary: usize,
}

impl ResponseReader {
    /// Returns whether nothing of an answer was read yet.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.head.is_none()
    }

    /// Consumes bytes that were read; returns the answer that they complete, if any.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Option<Response>, String> {
        self.bytes.extend_from_slice(bytes);
        let head = match &mut self.head {
            Some(head) => head,
            None => loop {
                let Some((head, end)) = read_head(&self.bytes)? else { return Ok(None) };
                self.bytes.drain(..end);
                if let Some(head) = head {
                    break self.head.insert(head);
                }
            },
        };
        let (json, binary) = match &mut head.body {
            Body::Length(length) if self.bytes.len() < *length => return Ok(None),
            Body::Length(length) => {
                let length = *length;
                let json = head.json.unwrap_or(length).min(length);
                let text = self.bytes[..json].to_vec();
                self.bytes.drain(..length);
                (text, length - json)
            }
            Body::Chunks(chunks) => {
                let Some(mut body) = chunks.take(&mut self.bytes, LONGEST)? else {
                    return Ok(None);
                };
                let length = body.len();
                body.truncate(head.json.unwrap_or(length));
                let binary = length - body.len();
                (body, binary)
            }
        };
        let response = Response { status: head.status, json, binary };
        self.head = None;
        Ok(Some(response))
    }
}

/// Reads a complete head and returns it with the position of its end. A head of status 1xx yields none: it
/// only announces an answer.
fn read_head(bytes: &[u8]) -> Result<Option<(Option<ResponseHead>, usize)>, String> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > 65_536 {
            Err("an answer without a head".into())
        } else {
            Ok(None)
        };
    };
    let text = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.and_then(|status| status.parse().ok());
    if matches!(status, Some(100..=199)) {
        return Ok(Some((None, end + 4)));
    }
    let (mut length, mut json, mut coding) = (None, None, None);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let number = || value.trim().parse::<usize>().ok();
        if name.is_empty() || name.eq_ignore_ascii_case("content-length") {
            length = number();
        } else if name.eq_ignore_ascii_case("inference-header-content-length") {
            json = number();
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            coding = Some(value.trim().to_owned());
        }
    }
    // Chunked coding takes precedence over any stated length.
    let body = match &coding {
        Some(coding) if coding.eq_ignore_ascii_case("chunked") => {
            Some(Body::Chunks(Chunks::default()))
        }
        Some(coding) => {
            return Err(format!(
                "an answer with Transfer-Encoding: {coding:?}; allowed: chunked; fix: turn compression off in the gateway"
            ));
        }
        None => length.map(Body::Length),
    };
    match (status, body) {
        (_, Some(Body::Length(length))) if length > LONGEST => {
            Err(format!("an answer of {length} bytes; allowed: at most {LONGEST}"))
        }
        (Some(status), Some(body)) => {
            Ok(Some((Some(ResponseHead { status, body, json }), end + 4)))
        }
        _ => Err(format!("an answer without status or length: {text:?}")),
    }
}

/// Feeds bytes to the reader in pieces of at most `piece` bytes. Returns for each answer the number of bytes
/// of its tensors, or the server's error text. For the fuzzer.
///
/// # Errors
/// When the bytes are not HTTP.
pub fn answer_sizes(bytes: &[u8], piece: usize) -> Result<Vec<Result<u64, String>>, String> {
    let mut reader = ResponseReader::default();
    let mut answers = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        let mut next = reader.push(piece)?;
        while let Some(answer) = next {
            let _ = answer.shape();
            answers.push(answer.output_bytes());
            next = reader.push(&[])?;
        }
    }
    Ok(answers)
}

impl Response {
    /// Returns the number of bytes of the output tensors, in the answer or in shared memory.
    pub(super) fn output_bytes(&self) -> Result<u64, String> {
        let text = String::from_utf8_lossy(&self.json);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        if self.status != 200 {
            let why = json["error"].as_str().unwrap_or(text.trim()).to_owned();
            return Err(format!("status {}: {why}", self.status));
        }
        let outputs = json["outputs"].as_array().ok_or_else(|| format!("no outputs: {text}"))?;
        let sizes = outputs.iter().map(|output| {
            let size = output["parameters"]["binary_data_size"].as_u64();
            // A server states only the shape of a tensor in shared memory, so its number of elements stands
            // for its bytes.
            let shape = output["shape"].as_array().map(Vec::as_slice).unwrap_or_default();
            let sides = shape.iter().filter_map(serde_json::Value::as_u64);
            size.unwrap_or_else(|| sides.fold(1, u64::saturating_mul))
        });
        Ok(sizes.fold(0, u64::saturating_add))
    }

    /// Returns the shape of the answer; another answer of the same shape need not be parsed.
    pub(super) fn shape(&self) -> (u16, usize, usize) {
        (self.status, self.json.len(), self.binary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\
        Inference-Header-Content-Length: 73\r\nContent-Length: 81\r\n\r\n\
        {\"id\":\"x\",\"outputs\":[{\"name\":\"OUT\",\"parameters\":{\"binary_data_size\":8}}]}12345678";

    #[test]
    fn answers_in_pieces_of_any_size() {
        let text = OK.repeat(2);
        for size in [1, 3, 50, 1000] {
            let mut reader = ResponseReader::default();
            let mut answers = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                let mut next = reader.push(piece).unwrap();
                while let Some(answer) = next {
                    answers.push(answer.output_bytes());
                    next = reader.push(&[]).unwrap();
                }
            }
            assert_eq!(answers, [Ok(8), Ok(8)], "{size}");
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn answers_in_chunks_are_those_with_a_length() {
        let (head, body) = OK.split_once("\r\n\r\n").unwrap();
        let head = head.replace("\r\nContent-Length: 81", "\r\ntransfer-encoding: Chunked");
        let (one, two) = body.split_at(30);
        let text = format!("{head}\r\n\r\n1e\r\n{one}\r\n33;x=y\r\n{two}\r\n0\r\nA: b\r\n\r\n");
        let first = ResponseReader::default().push(OK.as_bytes()).unwrap();
        let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        for piece in [1, 2, 7, 1_000] {
            let mut reader = ResponseReader::default();
            let text = format!("{early}{text}{OK}{text}");
            let mut found = Vec::new();
            for piece in text.as_bytes().chunks(piece) {
                let mut next = reader.push(piece).unwrap();
                while next.is_some() {
                    found.push(next);
                    next = reader.push(&[]).unwrap();
                }
            }
            assert_eq!(found, [first.clone(), first.clone(), first.clone()], "{piece}");
            assert!(reader.is_empty());
        }
        let mut reader = ResponseReader::default();
        assert_eq!(reader.push(text.as_bytes()[..text.len() - 2].as_ref()), Ok(None));
        assert!(!reader.is_empty());
        let packed = text.replace("Chunked", "gzip, chunked");
        let error = ResponseReader::default().push(packed.as_bytes()).unwrap_err();
        assert!(error.contains("gzip") && error.contains("allowed: chunked"), "{error}");
    }

    #[test]
    fn the_length_without_its_name_is_understood() {
        let mut reader = ResponseReader::default();
        let answer = reader.push(OK.replace("\nContent-Length: 81", "\n: 81").as_bytes()).unwrap();
        assert_eq!(answer.unwrap().output_bytes(), Ok(8));
    }

    #[test]
    fn refusals_say_why() {
        let mut reader = ResponseReader::default();
        let text =
            "HTTP/1.1 503 Unavailable\r\nContent-Length: 22\r\n\r\n{\"error\":\"queue full\"}";
        let answer = reader.push(text.as_bytes()).unwrap().unwrap();
        assert_eq!(answer.output_bytes(), Err("status 503: queue full".to_owned()));
        assert!(ResponseReader::default().push(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
