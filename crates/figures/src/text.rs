//! Text widths, so that labels do not overlap, and shortening of names.

/// Advance widths of DejaVu Sans for U+0020 to U+007E, in 1/2048 of the font size.
#[rustfmt::skip]
const ADVANCES: [u16; 95] = [
    651, 821, 942, 1716, 1303, 1946, 1597, 563, 799, 799, 1024, 1716, 651, 739, 651, 690, 1303, 1303,
    1303, 1303, 1303, 1303, 1303, 1303, 1303, 1303, 690, 690, 1716, 1716, 1716, 1087, 2048, 1401, 1405,
    1430, 1577, 1294, 1178, 1587, 1540, 604, 604, 1343, 1141, 1767, 1532, 1612, 1235, 1612, 1423, 1300,
    1251, 1499, 1401, 2025, 1403, 1251, 1403, 799, 690, 799, 1716, 1024, 1024, 1255, 1300, 1126, 1300,
    1260, 721, 1300, 1298, 569, 569, 1186, 569, 1995, 1298, 1253, 1300, 1300, 842, 1067, 803, 1298,
    1212, 1675, 1212, 1212, 1075, 1303, 690, 1303, 1716,
];

/// Returns the width of a line of text at a font size, in the unit of the size. The width is exact for ASCII; other
/// characters are assumed to be as wide as the font is high, which is rarely too little.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let advance = |c: char| {
        let index = (c as usize).checked_sub(0x20);
        index.and_then(|index| ADVANCES.get(index)).map_or(2048, |advance| *advance)
    };
    let sum: u32 = text.chars().map(|c| u32::from(advance(c))).sum();
    f64::from(sum) / 2048.0 * size
}

/// Maximum width of bold text relative to regular text.
pub(super) const BOLD: f64 = 1.13;

/// Returns the text, or as much of it as fits with an ellipsis; empty if not even one character fits.
pub(super) fn fitted(text: &str, size: f64, limit: f64) -> String {
    if width(text, size) <= limit {
        return text.to_owned();
    }
    let mut cut: Vec<char> = text.chars().collect();
    while cut.pop().is_some() {
        let shorter: String = cut.iter().collect::<String>().trim_end().to_owned() + "…";
        if width(&shorter, size) <= limit && shorter.chars().count() > 1 {
            return shorter;
        }
    }
    String::new()
}

/// Shortens a name to at most `limit` characters. It is cut in the middle so that `…-a` and `…-b` stay distinct.
pub(super) fn shortened(name: &str, limit: usize) -> String {
    let chars: Vec<char> = name.chars().collect();
    if chars.len() <= limit {
        return name.to_owned();
    }
    let tail = limit / 3;
    let head = limit - 1 - tail;
    let (head, tail) = (&chars[..head], &chars[chars.len() - tail..]);
    head.iter().chain(&['…']).chain(tail).collect()
}

/// Joins a name and `rest`; the name is cut in the middle until both fit into `limit`.
pub(super) fn titled(name: &str, rest: &str, size: f64, limit: f64) -> String {
    let mut characters = name.chars().count();
    loop {
        let title = format!("{} {rest}", shortened(name, characters));
        if width(&title, size) <= limit || characters <= 4 {
            return fitted(&title, size, limit);
        }
        characters -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_come_from_the_font() {
        // W 2025 + 5 1303 = 3328/2048 = 1.625 em
        assert!((width("W5", 10.0) - 16.25).abs() < 1e-9);
        assert!((width("", 10.0)).abs() < 1e-9);
    }

    #[test]
    fn text_is_cut_to_fit() {
        assert_eq!(fitted("resnet50", 10.0, 1000.0), "resnet50");
        let cut = fitted("resnet50", 10.0, 35.0);
        assert!(cut.ends_with('…') && width(&cut, 10.0) <= 35.0, "{cut}");
        assert_eq!(fitted("resnet50", 10.0, 5.0), "");
    }

    #[test]
    fn names_keep_both_ends() {
        assert_eq!(shortened("W1", 12), "W1");
        assert_eq!(shortened("recommendation-europe-a", 12), "recomme…pe-a");
        assert_eq!(shortened("recommendation-europe-a", 12).chars().count(), 12);
        let title = titled("recommendation-europe-a", "alexnet", 10.0, 120.0);
        assert!(title.ends_with("-a alexnet") && width(&title, 10.0) <= 120.0, "{title}");
    }
}
