//! Opening of files as UTF-8 text, whatever their compression.

use super::utf16::{Order, Utf16};
use ruzstd::decoding::StreamingDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

/// The maximum memory of a decompressor, in bytes. A file that needs more is rejected; the defaults of all tools stay
/// far below.
pub const WINDOW: u64 = 128 * 1024 * 1024;

/// The first bytes of data files that cannot be read here, and advice for each.
const OTHERS: [(&[u8], &str); 10] = [
    (b"PK\x03\x04", "it is a zip archive (or a spreadsheet); unpack it, or export it as CSV"),
    (b"PAR1", "it is a Parquet file; export it as CSV"),
    (b"\x89HDF", "it is an HDF5 file; export it as CSV"),
    (b"7z\xbc\xaf", "it is a 7z archive; unpack it"),
    (b"Rar!", "it is a RAR archive; unpack it"),
    (b"ARROW1", "it is an Arrow file; export it as CSV"),
    (b"SQLite format 3", "it is an SQLite database; export the table as CSV"),
    (b"\x04\x22\x4d\x18", "it is packed by LZ4; unpack it"),
    (b"\x1f\x9d", "it is packed by compress (.Z); unpack it"),
    (b"\x5d\0\0", "it is packed as .lzma; unpack it, or pack it as .xz"),
];

/// The supported compression formats.
#[derive(Debug, Clone, Copy)]
enum Packing {
    Gzip,
    Zstandard,
    Xz,
    Bzip2,
}

impl Packing {
    /// Detects the format by the first bytes.
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstandard),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Self::Bzip2),
            _ => None,
        }
    }
}

/// A source of bytes. It is boxed so that decoders are compiled once and not for each kind of file.
pub type ByteSource<'r> = Box<dyn Read + Send + 'r>;

/// The mark of a tar archive, and its offset.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// Opens a file as UTF-8 text without a byte-order mark. Compressed data is checked as it is read; whether the text is
/// valid UTF-8 is left to the code that parses it.
///
/// # Errors
/// When the file cannot be read or is not text.
pub fn open(path: &Path) -> io::Result<ByteSource<'static>> {
    decoded(File::open(path)?)
}

/// Reads a whole file as text.
///
/// # Errors
/// When the file cannot be read, is not UTF-8 (or UTF-16), or is longer than `limit` bytes when decompressed.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(invalid(&format!("it is longer than {} MiB", limit >> 20)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        invalid(&format!("it is not UTF-8 (at byte {at}); save it as UTF-8"))
    })
}

/// Converts the bytes of a reader to UTF-8 text without a byte-order mark.
///
/// # Errors
/// When the first bytes cannot be read or are not text.
pub fn decoded<'r>(reader: impl Read + Send + 'r) -> io::Result<ByteSource<'r>> {
    decoded_source(Box::new(reader))
}

fn decoded_source(source: ByteSource<'_>) -> io::Result<ByteSource<'_>> {
    let (head, rest) = peeked(source)?;
    let whole: ByteSource<'_> = Box::new(Cursor::new(head.clone()).chain(rest));
    let Some(packing) = Packing::of(&head) else { return text(whole) };
    let packed = BufReader::with_capacity(1 << 16, whole);
    let kib = u32::try_from(WINDOW >> 10).unwrap_or(u32::MAX);
    match packing {
        Packing::Gzip => unpacked(Box::new(flate2::bufread::MultiGzDecoder::new(packed)), "gzip"),
        Packing::Zstandard => text(Box::new(Zstandard { state: OpenState::Between(packed) })),
        Packing::Xz => {
            unpacked(Box::new(lzma_rust2::XzReader::new_mem_limit(packed, true, kib)), "xz")
        }
        Packing::Bzip2 => unpacked(Box::new(bzip2::bufread::MultiBzDecoder::new(packed)), "bzip2"),
    }
}

/// Returns the output of a decompressor as text.
fn unpacked<'r>(reader: ByteSource<'r>, packing: &'static str) -> io::Result<ByteSource<'r>> {
    text(Box::new(Unpacked { reader, packing }))
}

/// A decompressor whose errors describe what is wrong with the file.
struct Unpacked<'r> {
    reader: ByteSource<'r>,
    packing: &'static str,
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let packing = self.packing;
        self.reader.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            io::ErrorKind::UnexpectedEof => {
                invalid(&format!("its {packing} data ends too early: the file was cut off"))
            }
            _ => invalid(&format!("damaged {packing} data, or more behind it: {error}")),
        })
    }
}

/// Returns decompressed data as text.
fn text(source: ByteSource<'_>) -> io::Result<ByteSource<'_>> {
    let (head, rest) = peeked(source)?;
    for (magic, what) in OTHERS {
        if head.starts_with(magic) {
            return Err(invalid(what));
        }
    }
    if Packing::of(&head).is_some() {
        return Err(invalid("it is packed twice; unpack it once"));
    }
    if head.get(TAR.0..).is_some_and(|tail| tail.starts_with(TAR.1)) {
        return Err(invalid("it is a tar archive; unpack the file in it"));
    }
    let marked = |mark: &[u8]| head.starts_with(mark);
    let skip = if marked(b"\xef\xbb\xbf") {
        3
    } else if marked(b"\xff\xfe") || marked(b"\xfe\xff") {
        2
    } else {
        0
    };
    let order = match head.as_slice() {
        [0xff, 0xfe, ..] => Some(Order::LittleEndian),
        [0xfe, 0xff, ..] => Some(Order::BigEndian),
        // Without a mark, UTF-16 is recognised by ASCII letters with a NUL beside each.
        [a, 0, b, 0, ..] if *a != 0 && *b != 0 => Some(Order::LittleEndian),
        [0, a, 0, b, ..] if *a != 0 && *b != 0 => Some(Order::BigEndian),
        _ => None,
    };
    let bytes: ByteSource<'_> = Box::new(Cursor::new(head[skip..].to_vec()).chain(rest));
    Ok(match order {
        Some(order) => Box::new(Utf16::new(bytes, order)),
        None => bytes,
    })
}

/// Reads enough of the first bytes to detect the format; returns them and the rest.
fn peeked(mut source: ByteSource<'_>) -> io::Result<(Vec<u8>, ByteSource<'_>)> {
    let mut head = Vec::new();
    (&mut source).take(512).read_to_end(&mut head)?;
    Ok((head, source))
}

pub(super) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// A Zstandard file with any number of frames.
struct Zstandard<'r> {
    state: OpenState<BufReader<ByteSource<'r>>>,
}

enum OpenState<R: BufRead> {
    Between(R),
    Inside(Box<StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>),
    Ended,
}

impl Read for Zstandard<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, OpenState::Ended) {
                OpenState::Ended => return Ok(0),
                OpenState::Between(mut packed) => {
                    if packed.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    let frame = StreamingDecoder::new_with_max_window_size(packed, WINDOW)
                        .map_err(|error| invalid(&format!("bad Zstandard data: {error}")))?;
                    self.state = OpenState::Inside(Box::new(frame));
                }
                OpenState::Inside(mut frame) => {
                    let read = frame.read(buffer)?;
                    if read > 0 || buffer.is_empty() {
                        self.state = OpenState::Inside(frame);
                        return Ok(read);
                    }
                    let (packed, decoder) = frame.into_parts();
                    // Not every frame has a checksum.
                    let stored = decoder.get_checksum_from_data();
                    if stored.is_some() && stored != decoder.get_calculated_checksum() {
                        return Err(invalid("damaged Zstandard data: its checksum is another one"));
                    }
                    self.state = OpenState::Between(packed);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn all(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        decoded(bytes)?.read_to_string(&mut text)?;
        Ok(text)
    }

    fn gzipped(text: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text).unwrap();
        out.finish().unwrap()
    }

    /// `a,b` and `1,2`, packed by the usual tools.
    fn packed(file: &str) -> Vec<u8> {
        match file {
            "t.csv.zst" => include_bytes!("packed/t.csv.zst").to_vec(),
            "t.csv.xz" => include_bytes!("packed/t.csv.xz").to_vec(),
            _ => include_bytes!("packed/t.csv.bz2").to_vec(),
        }
    }

    #[test]
    fn every_packing_gives_the_same_text() {
        let text = "a,b\n1,2\n";
        assert_eq!(all(text.as_bytes()).unwrap(), text);
        assert_eq!(all(&gzipped(text.as_bytes())).unwrap(), text);
        assert_eq!(all(b"\xef\xbb\xbfa,b\n1,2\n").unwrap(), text);
        for file in ["t.csv.zst", "t.csv.xz", "t.csv.bz2"] {
            let bytes = packed(file);
            assert_eq!(all(&bytes).unwrap(), text, "{file}");
            // Files that were put one after another are one file.
            assert_eq!(all(&[bytes.clone(), bytes].concat()).unwrap(), text.repeat(2), "{file}");
        }
        for little in [true, false] {
            let units = text.encode_utf16();
            let bytes: Vec<u8> = units
                .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
                .collect();
            assert_eq!(all(&bytes).unwrap(), text);
            let mark: &[u8] = if little { b"\xff\xfe" } else { b"\xfe\xff" };
            assert_eq!(all(&[mark, &bytes].concat()).unwrap(), text);
            assert_eq!(all(&gzipped(&[mark, &bytes].concat())).unwrap(), text);
        }
        assert_eq!(all(b"").unwrap(), "");
    }

    #[test]
    fn what_is_cut_or_damaged_is_an_error() {
        for file in ["t.csv.zst", "t.csv.xz", "t.csv.bz2"] {
            let bytes = packed(file);
            for cut in 7..bytes.len() - 1 {
                assert!(all(&bytes[..cut]).is_err(), "{file} cut to {cut}");
            }
            let mut wrong = bytes.clone();
            let at = bytes.len() / 2;
            wrong[at] ^= 0x10;
            assert!(all(&wrong).is_err(), "{file}");
        }
        let gz = gzipped(b"arrival_s\n1\n");
        assert!(all(&gz[..gz.len() - 3]).unwrap_err().to_string().contains("cut off"));
        let xz = packed("t.csv.xz");
        assert!(all(&xz[..xz.len() - 3]).unwrap_err().to_string().contains("xz data"));
        let behind = [packed("t.csv.bz2"), b"more".to_vec()].concat();
        assert!(all(&behind).unwrap_err().to_string().contains("damaged bzip2 data, or more"));
        assert!(all(b"PK\x03\x04rest").unwrap_err().to_string().contains("zip archive"));
        let twice = all(&gzipped(&gzipped(b"a,b\n"))).unwrap_err().to_string();
        assert!(twice.contains("packed twice"), "{twice}");
        let mut tar = vec![0; 1_024];
        tar[..5].copy_from_slice(b"t.csv");
        tar[257..262].copy_from_slice(b"ustar");
        for bytes in [gzipped(&tar), tar] {
            assert!(all(&bytes).unwrap_err().to_string().contains("tar archive"));
        }
        assert!(all(b"\x5d\0\0\x80\0").unwrap_err().to_string().contains(".lzma"));
        // Text that only looks like it.
        assert_eq!(all(b"BZh,b\n1,2\n").unwrap(), "BZh,b\n1,2\n");
    }
}
