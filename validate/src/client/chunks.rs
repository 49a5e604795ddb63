//! Chunked bodies (RFC 9112, section 7.1), as sent by gateways that do not know the length beforehand.

/// The maximum length of a chunk-size line or a trailer, and of all trailers together, in bytes.
const LONGEST_LINE: usize = 8_192;

/// Assembles a body from its chunks, which arrive in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    body: Vec<u8>,
    next: NextChunk,
    /// Number of trailer bytes so far.
    trailers: usize,
}

/// The element that is expected next.
#[derive(Debug, Clone, Copy, Default)]
enum NextChunk {
    /// The line with the size of a chunk.
    #[default]
    Size,
    /// This many further bytes of a chunk.
    Data(usize),
    /// The end of the line after a chunk.
    End,
    /// A trailer, or the empty line that ends the body.
    Trailer,
}

impl Chunks {
    /// Consumes as much as it can from the front of `bytes`; returns the body once it is complete. The body
    /// may have up to `longest` bytes.
    pub(super) fn take(
        &mut self,
        bytes: &mut Vec<u8>,
        longest: usize,
    ) -> Result<Option<Vec<u8>>, String> {
        let mut at = 0;
        let body = loop {
            let left = &bytes[at..];
            match self.next {
                NextChunk::Data(size) => {
                    let taken = size.min(left.len());
                    self.body.extend_from_slice(&left[..taken]);
                    at += taken;
                    if taken < size {
                        self.next = NextChunk::Data(size - taken);
                        break None;
                    }
                    self.next = NextChunk::End;
                }
                NextChunk::Size | NextChunk::End | NextChunk::Trailer => {
                    let Some(line) = line(left)? else { break None };
                    at += line.len() + 2;
                    match self.next {
                        NextChunk::Size => {
                            let size = size(line)?;
                            if size > longest - self.body.len() {
                                return Err(format!(
                                    "an answer of more than {longest} bytes; allowed: at most {longest}"
                                ));
                            }
                            self.next =
                                if size == 0 { NextChunk::Trailer } else { NextChunk::Data(size) };
                        }
                        NextChunk::End if line.is_empty() => self.next = NextChunk::Size,
                        NextChunk::End => {
                            return Err("a chunk that is longer than it says".to_owned());
                        }
                        _ if line.is_empty() => break Some(std::mem::take(&mut self.body)),
                        _ => {
                            self.trailers += line.len();
                            if self.trailers > LONGEST_LINE {
                                return Err("an answer with endless trailers".to_owned());
                            }
                        }
                    }
                }
            }
        };
        bytes.drain(..at);
        Ok(body)
    }
}

/// Returns the first line without its end, or `None` while its end is missing.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, String> {
    let seen = &bytes[..bytes.len().min(LONGEST_LINE)];
    match seen.windows(2).position(|two| two == b"\r\n") {
        Some(end) => Ok(Some(&seen[..end])),
        None if seen.len() == LONGEST_LINE => Err("a chunk with an endless first line".to_owned()),
        None => Ok(None),
    }
}

/// Parses the size of a chunk, which precedes its extensions.
fn size(line: &[u8]) -> Result<usize, String> {
    let text = String::from_utf8_lossy(line);
    let digits = text.split(';').next().unwrap_or_default().trim_matches([' ', '\t']);
    // `from_str_radix` accepts a sign too.
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let size = usize::from_str_radix(digits, 16).ok().filter(|_| plain);
    size.ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        format!("a chunk of the size {shown:?}; allowed: a hexadecimal number")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body, and what comes after it.
    type Whole = (Vec<u8>, Vec<u8>);

    fn all(text: &[u8], piece: usize) -> Result<Option<Whole>, String> {
        let (mut chunks, mut bytes, mut pieces) =
            (Chunks::default(), Vec::new(), text.chunks(piece));
        while let Some(piece) = pieces.next() {
            bytes.extend_from_slice(piece);
            if let Some(body) = chunks.take(&mut bytes, 1_000)? {
                let rest = [bytes, pieces.flatten().copied().collect()].concat();
                return Ok(Some((body, rest)));
            }
        }
        Ok(None)
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for (text, words) in [
            ("x\r\n", "hexadecimal"),
            ("+4\r\nabcd\r\n", "hexadecimal"),
            ("\r\n", "hexadecimal"),
            ("4\r\nabcde\r\n", "longer than it says"),
            ("3e9\r\n", "more than 1000 bytes"),
            ("3e8\r\n", ""),
            ("ffffffffffffffff\r\n", "more than 1000 bytes"),
            ("fffffffffffffffff\r\n", "hexadecimal"),
        ] {
            match all(text.as_bytes(), 3) {
                Err(error) => {
                    assert!(!words.is_empty() && error.contains(words), "{text}: {error}")
                }
                Ok(none) => assert!(words.is_empty() && none.is_none(), "{text}"),
            }
        }
        let endless = [b"1;".as_slice(), &[b'x'; 9_000]].concat();
        assert!(all(&endless, 100).unwrap_err().contains("endless"));
        let trailers = format!("0\r\n{}", "a: b\r\n".repeat(3_000));
        assert!(all(trailers.as_bytes(), 100).unwrap_err().contains("endless trailers"));
    }

    #[test]
    fn a_body_is_the_same_in_any_chunks_and_pieces() {
        let body: Vec<u8> = (0..700_u16).map(|i| u8::try_from(i * 37 % 251).unwrap()).collect();
        for size in [1, 2, 15, 16, 40, 700] {
            let mut text = Vec::new();
            for (i, part) in body.chunks(size).enumerate() {
                let extension = if i % 2 == 0 { " ;a=b" } else { "" };
                text.extend(format!("{:X}{extension}\r\n", part.len()).into_bytes());
                text.extend([part, b"\r\n"].concat());
            }
            for end in [b"0\r\nT: v\r\n\r\n".as_slice(), b"0\r\n\r\n", b"000;x\r\n\r\n"] {
                let text = [&text, end].concat();
                for piece in [1, 3, 17, 60, 5_000] {
                    // Nothing is missing before the last byte, and nothing is taken after it.
                    assert_eq!(all(&text[..text.len() - 1], piece), Ok(None));
                    let text = [&text, b"next".as_slice()].concat();
                    assert_eq!(all(&text, piece), Ok(Some((body.clone(), b"next".to_vec()))));
                }
            }
        }
    }
}
