//! Protocol buffers in text format, as used by `config.pbtxt`:
//! <https://protobuf.dev/reference/protobuf/textformat-spec>.
//!
//! The parser implements the grammar without types. It yields a tree of fields with their positions in the
//! text, which is enough to read and change a configuration.

use std::ops::Range;

/// A field, with the position of its whole text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TextField {
    pub(super) name: String,
    /// The values; several where the field was written as a list.
    pub(super) values: Vec<TextValue>,
    pub(super) place: Range<usize>,
}

/// A value, with the position of its text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TextValue {
    /// Quoted text; adjacent strings are joined.
    Text(Vec<u8>, Range<usize>),
    /// A number or a word, verbatim.
    Word(String, Range<usize>),
    /// A nested message in brackets.
    Message(Message, Range<usize>),
}

/// Fields, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Message(pub(super) Vec<TextField>);

impl Message {
    /// Parses a whole text.
    ///
    /// # Errors
    /// The line of the syntax error, and its description.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut reader = PrototextReader { text: text.as_bytes(), at: 0, depth: 0 };
        let read = reader.fields(None);
        read.map_err(|(at, why)| {
            let line =
                text.as_bytes()[..at.min(text.len())].iter().filter(|&&b| b == b'\n').count() + 1;
            format!("line {line}: {why}")
        })
    }

    /// Returns all values of a field, however often the field occurs.
    pub(super) fn all<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m TextValue> {
        self.0.iter().filter(move |field| field.name == name).flat_map(|field| &field.values)
    }

    /// Returns the last value of a field, which takes precedence.
    pub(super) fn get<'m>(&'m self, name: &'m str) -> Option<&'m TextValue> {
        self.all(name).last()
    }

    /// Returns all values of a field that are messages.
    pub(super) fn messages<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m Message> {
        self.all(name).filter_map(|value| match value {
            TextValue::Message(message, _) => Some(message),
            _ => None,
        })
    }

    /// Returns the value of a field as an integer.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            TextValue::Word(word, _) => integer(word),
            _ => None,
        }
    }

    /// Returns the value of a field as quoted text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.get(name)? {
            TextValue::Text(bytes, _) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }

    /// Returns the value of a boolean field; false where the field is absent.
    pub(super) fn is_true(&self, name: &str) -> bool {
        matches!(self.get(name), Some(TextValue::Word(word, _)) if ["true", "True", "t", "1"].contains(&word.as_str()))
    }
}

/// Parses a decimal, hexadecimal or octal integer in the notation of the format.
fn integer(word: &str) -> Option<i64> {
    let (sign, digits) = word.strip_prefix('-').map_or((1, word), |rest| (-1, rest.trim_start()));
    let value = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    Some(sign * value)
}

/// The position of a syntax error, and its description.
type SyntaxProblem = (usize, String);

/// The maximum nesting depth; no real configuration is deeper.
const DEEPEST: usize = 64;

struct PrototextReader<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
}

impl PrototextReader<'_> {
    fn wrong<T>(&self, why: impl Into<String>) -> Result<T, SyntaxProblem> {
        Err((self.at, why.into()))
    }

    /// Returns the next byte that is neither white space nor comment.
    fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.text.get(self.at) {
            if byte == b'#' {
                let rest = &self.text[self.at..];
                self.at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
            } else if byte.is_ascii_whitespace() {
                self.at += 1;
            } else {
                return Some(byte);
            }
        }
        None
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Parses fields up to a closing bracket, or to the end.
    fn fields(&mut self, close: Option<u8>) -> Result<Message, SyntaxProblem> {
        let mut fields = Vec::new();
        loop {
            match (self.peek(), close) {
                (None, None) => return Ok(Message(fields)),
                (None, Some(close)) => {
                    return self.wrong(format!("`{}` is missing at the end", char::from(close)));
                }
                (Some(byte), Some(close)) if byte == close => {
                    self.at += 1;
                    return Ok(Message(fields));
                }
                _ => fields.push(self.field()?),
            }
        }
    }

    fn field(&mut self) -> Result<TextField, SyntaxProblem> {
        let start = self.at;
        let name = self.name()?;
        let colon = self.skip(b':');
        let values = match self.peek() {
            Some(b'[') => self.list(colon)?,
            Some(b'{' | b'<') => vec![self.message()?],
            Some(_) if colon => vec![self.scalar()?],
            Some(_) => return self.wrong(format!("`:` or a bracket is missing after `{name}`")),
            None => return self.wrong(format!("`{name}` has no value")),
        };
        let place = start..self.at;
        // One separator may follow.
        if !self.skip(b',') {
            self.skip(b';');
        }
        Ok(TextField { name, values, place })
    }

    fn name(&mut self) -> Result<String, SyntaxProblem> {
        let start = self.at;
        if self.text[start] == b'[' {
            // An extension, or the type of an `Any`.
            let Some(length) = self.text[start..].iter().position(|&b| b == b']') else {
                return self.wrong("`]` is missing");
            };
            self.at += length + 1;
        } else {
            let of_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
            let length = self.text[start..].iter().take_while(|b| of_name(b)).count();
            if length == 0 || self.text[start].is_ascii_digit() {
                let found = char::from(self.text[start]);
                return self.wrong(format!("a field's name cannot begin with `{found}`"));
            }
            self.at += length;
        }
        Ok(String::from_utf8_lossy(&self.text[start..self.at]).into_owned())
    }

    fn list(&mut self, scalars: bool) -> Result<Vec<TextValue>, SyntaxProblem> {
        self.at += 1;
        let mut values = Vec::new();
        if self.skip(b']') {
            return Ok(values);
        }
        loop {
            values.push(match self.peek() {
                Some(b'{' | b'<') => self.message()?,
                Some(_) if scalars => self.scalar()?,
                _ => return self.wrong("a list without `:` holds messages in brackets"),
            });
            if self.skip(b']') {
                return Ok(values);
            }
            if !self.skip(b',') {
                return self.wrong("`,` or `]` is missing in a list");
            }
        }
    }

    fn message(&mut self) -> Result<TextValue, SyntaxProblem> {
        let start = self.at;
        let close = if self.text[start] == b'{' { b'}' } else { b'>' };
        self.at += 1;
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.wrong("brackets are nested too deeply");
        }
        let message = self.fields(Some(close))?;
        self.depth -= 1;
        Ok(TextValue::Message(message, start..self.at))
    }

    fn scalar(&mut self) -> Result<TextValue, SyntaxProblem> {
        let start = self.at;
        match self.text[start] {
            b'"' | b'\'' => {
                let mut bytes = Vec::new();
                let mut end = start;
                while matches!(self.peek(), Some(b'"' | b'\'')) {
                    self.string(&mut bytes)?;
                    end = self.at;
                }
                // White space and comments that `peek` skipped are not part of the value.
                self.at = end;
                Ok(TextValue::Text(bytes, start..end))
            }
            byte => {
                let minus = byte == b'-';
                if minus {
                    self.at += 1;
                    self.peek();
                }
                let word = self.at;
                let of_word = |b: &u8| b.is_ascii_alphanumeric() || b"_.+-".contains(b);
                self.at += self.text[word..].iter().take_while(|b| of_word(b)).count();
                if self.at == word {
                    let found = self.text.get(word).copied().map_or('?', char::from);
                    return self.wrong(format!("a value cannot begin with `{found}`"));
                }
                let text = String::from_utf8_lossy(&self.text[word..self.at]).into_owned();
                let text = if minus { format!("-{text}") } else { text };
                Ok(TextValue::Word(text, start..self.at))
            }
        }
    }

    /// Parses one quoted string and appends it to `bytes`.
    fn string(&mut self, bytes: &mut Vec<u8>) -> Result<(), SyntaxProblem> {
        let quote = self.text[self.at];
        self.at += 1;
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                return self.wrong("a string does not end");
            };
            self.at += 1;
            match byte {
                b'\n' => return self.wrong("a string does not end on its line"),
                b'\\' => self.escape(bytes)?,
                byte if byte == quote => return Ok(()),
                byte => bytes.push(byte),
            }
        }
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), SyntaxProblem> {
        let Some(&byte) = self.text.get(self.at) else {
            return self.wrong("a string does not end");
        };
        self.at += 1;
        let plain = match byte {
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'\\' | b'\'' | b'"' | b'?' => byte,
            b'0'..=b'7' => {
                self.at -= 1;
                return self.number(bytes, 8, 3);
            }
            b'x' | b'X' => return self.number(bytes, 16, 2),
            b'u' => return self.code_point(bytes, 4),
            b'U' => return self.code_point(bytes, 8),
            other => return self.wrong(format!("`\\{}` is no escape", char::from(other))),
        };
        bytes.push(plain);
        Ok(())
    }

    fn digits(&mut self, radix: u32, most: usize) -> Result<u32, SyntaxProblem> {
        let rest = &self.text[self.at..];
        let count = rest.iter().take(most).take_while(|&&b| char::from(b).is_digit(radix)).count();
        let text = String::from_utf8_lossy(&rest[..count]).into_owned();
        match u32::from_str_radix(&text, radix) {
            Ok(value) => {
                self.at += count;
                Ok(value)
            }
            Err(_) => self.wrong("an escape without digits"),
        }
    }

    fn number(
        &mut self,
        bytes: &mut Vec<u8>,
        radix: u32,
        most: usize,
    ) -> Result<(), SyntaxProblem> {
        let value = self.digits(radix, most)?;
        match u8::try_from(value) {
            Ok(byte) => bytes.push(byte),
            Err(_) => return self.wrong("an escape beyond a byte"),
        }
        Ok(())
    }

    fn code_point(&mut self, bytes: &mut Vec<u8>, digits: usize) -> Result<(), SyntaxProblem> {
        let value = self.digits(16, digits)?;
        let Some(letter) = char::from_u32(value) else {
            return self.wrong("an escape that is no character");
        };
        bytes.extend(letter.to_string().bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_the_format_allows() {
        let text = "# a } comment\n\
            name: 'al' \"ex\" # between\n  \"net\"\n\
            max_batch_size: 4; input < name: \"X\" dims: [ -1, 0x10, 010 ] >\n\
            output: { name: \"Y\\x41\\101\\n\\u00e9\", }\n\
            instance_group [ { count: 2 }, < kind: KIND_CPU > ]\n\
            dims: -1 dims: - 2 empty: [] [a.b/c]: { } scale: 1.5e-3f";
        let message = Message::read(text).unwrap();
        assert_eq!(message.text("name").unwrap(), "alexnet");
        assert_eq!(message.number("max_batch_size"), Some(4));
        let input = message.messages("input").next().unwrap();
        let numbers: Vec<_> = input.all("dims").cloned().collect();
        let words = numbers.iter().map(|v| match v {
            TextValue::Word(word, _) => integer(word),
            _ => None,
        });
        assert_eq!(words.collect::<Vec<_>>(), [Some(-1), Some(16), Some(8)]);
        let output = message.messages("output").next().unwrap();
        assert_eq!(output.text("name").unwrap(), "YAA\n\u{e9}");
        assert_eq!(message.messages("instance_group").count(), 2);
        assert_eq!(message.number("dims"), Some(-2), "the last one counts");
        assert_eq!(message.all("empty").count(), 0);
        assert!(
            matches!(message.get("scale"), Some(TextValue::Word(word, _)) if word == "1.5e-3f")
        );
        let name = &message.0[0];
        assert_eq!(&text[name.place.clone()], "name: 'al' \"ex\" # between\n  \"net\"");
        assert_eq!(&text[message.0[1].place.clone()], "max_batch_size: 4");
    }

    #[test]
    fn what_is_no_text_of_it_is_refused_with_its_line() {
        for (text, why) in [
            ("name: \"open", "does not end"),
            ("\ninput [ {", "line 2: `}` is missing"),
            ("{ }", "cannot begin with `{`"),
            ("name: }", "a value cannot begin with `}`"),
            ("a b", "`:` or a bracket"),
            ("a: 1 }", "cannot begin with `}`"),
            ("a: \"\\q\"", "no escape"),
            ("a: [1 2]", "`,` or `]`"),
            ("a [1]", "without `:`"),
            ("a", "has no value"),
            ("a <b: 1}", "cannot begin with `}`"),
        ] {
            let error = Message::read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let deep = "a{".repeat(100_000);
        assert!(Message::read(&deep).unwrap_err().contains("nested too deeply"));
    }
}
