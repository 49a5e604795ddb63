//! Conversion of UTF-16 to UTF-8.

use super::open::{ByteSource, invalid};
use std::io::{self, Read};

/// The byte order of UTF-16 units.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    LittleEndian,
    BigEndian,
}

/// Text in UTF-16, read as UTF-8.
pub(super) struct Utf16<'r> {
    source: ByteSource<'r>,
    order: Order,
    /// UTF-16 bytes that are not decoded yet: part of a character.
    left: Vec<u8>,
    /// UTF-8 bytes that are not returned yet.
    ready: Vec<u8>,
    given: usize,
}

impl<'r> Utf16<'r> {
    pub(super) fn new(source: ByteSource<'r>, order: Order) -> Self {
        Self { source, order, left: Vec::new(), ready: Vec::new(), given: 0 }
    }

    /// Decodes the next part; leaves `ready` empty at the end of the input.
    fn decode(&mut self) -> io::Result<()> {
        let mut block = [0; 1 << 13];
        self.ready.clear();
        self.given = 0;
        while self.ready.is_empty() {
            let read = self.source.read(&mut block)?;
            self.left.extend_from_slice(&block[..read]);
            let ended = read == 0;
            let mut units: Vec<u16> = self.left.chunks_exact(2).map(|b| self.unit(b)).collect();
            // The first half of a surrogate pair waits for the second one.
            if !ended && units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
                units.pop();
            }
            self.left.drain(..2 * units.len());
            for character in char::decode_utf16(units) {
                let character = character.map_err(|_| invalid("it is no valid UTF-16"))?;
                self.ready.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            if ended {
                if !self.left.is_empty() {
                    return Err(invalid("it is UTF-16 that ends inside of a character"));
                }
                break;
            }
        }
        Ok(())
    }

    fn unit(&self, bytes: &[u8]) -> u16 {
        let pair = [bytes[0], bytes[1]];
        match self.order {
            Order::LittleEndian => u16::from_le_bytes(pair),
            Order::BigEndian => u16::from_be_bytes(pair),
        }
    }
}

impl Read for Utf16<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ready.len() {
            self.decode()?;
        }
        let count = (self.ready.len() - self.given).min(buffer.len());
        buffer[..count].copy_from_slice(&self.ready[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_comes_through(text in ".{0,9000}") {
            for order in [Order::LittleEndian, Order::BigEndian] {
                let bytes: Vec<u8> = text
                    .encode_utf16()
                    .flat_map(|unit| match order {
                        Order::LittleEndian => unit.to_le_bytes(),
                        Order::BigEndian => unit.to_be_bytes(),
                    })
                    .collect();
                let mut found = String::new();
                Utf16::new(Box::new(bytes.as_slice()), order).read_to_string(&mut found).unwrap();
                prop_assert_eq!(&found, &text);
            }
        }

        #[test]
        fn any_bytes_give_text_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut found = String::new();
            let _ = Utf16::new(Box::new(bytes.as_slice()), Order::LittleEndian).read_to_string(&mut found);
        }
    }
}
