//! Writes JSON documents as YAML, in indented lines. Text is always quoted, so that no part of it is read as a number
//! or a truth value.

use serde_json::Value;
use std::fmt::Write as _;

/// Returns a document as YAML text.
pub(super) fn yaml(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let _ = write!(text, "{indent}{}:", key_text(key));
                nested(value, depth, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                match item {
                    Value::Object(fields) if !fields.is_empty() => {
                        let mut of_item = String::new();
                        write(item, depth + 1, &mut of_item);
                        // The first line begins with the dash in place of its indentation.
                        let _ = write!(text, "{indent}- {}", &of_item[indent.len() + 2..]);
                    }
                    other => {
                        let _ = writeln!(text, "{indent}- {other}");
                    }
                }
            }
        }
        other => {
            let _ = writeln!(text, "{indent}{other}");
        }
    }
}

fn nested(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.push('\n');
            write(value, depth + 1, text);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            write(value, depth + 1, text);
        }
        // Text of several lines stays on several lines.
        Value::String(lines) if lines.contains('\n') && lines.ends_with('\n') => {
            text.push_str(" |\n");
            for line in lines.lines() {
                let _ = writeln!(text, "{}{line}", "  ".repeat(depth + 1));
            }
        }
        other => {
            let _ = writeln!(text, " {other}");
        }
    }
}

/// Returns a key, with quotes where it is not a plain word.
fn key_text(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let word = key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(plain);
    if word { key.to_owned() } else { Value::from(key).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_in_lines() {
        let value = json!({
            "a": {"b": [1, "two", {"c": "x", "d": [true]}], "e": []},
            "8000": "no\nlines", "f": "one\ntwo\n", "g": {}
        });
        let expected = "\"8000\": \"no\\nlines\"\na:\n  b:\n    - 1\n    - \"two\"\n    - c: \"x\"\n      d:\n        - true\n  \
            e: []\nf: |\n  one\n  two\ng: {}\n";
        assert_eq!(yaml(&value), expected);
    }
}
