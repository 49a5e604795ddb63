//! HTML text in which everything from outside this program is escaped.

use crate::domain::is_hidden;

/// HTML under construction.
#[derive(Debug, Clone, Default)]
pub(super) struct Html(String);

impl Html {
    /// Adds markup of this program, unescaped.
    pub(super) fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds text from any source, escaped for an element or an attribute in double quotes.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '&' => self.0.push_str("&amp;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(c),
                // Characters that are invisible or reverse the text direction are shown as escapes.
                _ if is_hidden(c) => self.0.extend(c.escape_default()),
                _ => self.0.push(c),
            }
        }
        self
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns JSON for the inside of a `<script>` element: no `<` can end the element or begin a
/// comment.
pub(super) fn script_json(value: &serde_json::Value) -> String {
    // U+2028 and U+2029 end lines in old JavaScript, but JSON may contain them.
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_text_is_text() {
        let mut html = Html::default();
        html.raw("<b title=\"").text("\"><script>alert('1')&").raw("\">");
        assert_eq!(html.as_str(), "<b title=\"&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&amp;\">");
        let mut html = Html::default();
        html.text("a\u{202e}b\u{1b}[0m\nc");
        assert_eq!(html.as_str(), "a\\u{202e}b\\u{1b}[0m\nc");
    }

    #[test]
    fn json_cannot_end_its_element() {
        let text = script_json(&serde_json::json!("</script><!--\u{2028}"));
        assert_eq!(text, "\"\\u003c/script>\\u003c!--\\u2028\"");
        let back: String = serde_json::from_str(&text).unwrap();
        assert_eq!(back, "</script><!--\u{2028}");
    }
}
