//! Options of a figure that a user may choose: its size, its text and its display names.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The size of figures and their texts. Commands draw with the default sheet.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// The width of figures of one column, in inches (> 0).
    pub column_in: f64,
    /// The width of figures of both columns, in inches (> 0).
    pub both_columns_in: f64,
    /// The size of legends and titles, in pt of 1/72 in (> 0). Tick labels are an eighth smaller.
    pub font_pt: f64,
    /// Factor on the default height of charts (> 0).
    pub height: f64,
    /// Whether panels show their titles.
    pub titles: bool,
    /// Title of the x axis, replacing the default one.
    pub x_label: Option<String>,
    /// Title of the y axis, replacing the default one.
    pub y_label: Option<String>,
    /// Display names of strategies, models, workloads and stages, by their names.
    pub display: BTreeMap<String, String>,
}

impl Default for Sheet {
    fn default() -> Self {
        Self {
            column_in: 3.5,
            both_columns_in: 7.16,
            font_pt: 8.0,
            height: 1.0,
            titles: true,
            x_label: None,
            y_label: None,
            display: BTreeMap::new(),
        }
    }
}

thread_local! {
    static CURRENT: RefCell<Rc<Sheet>> = RefCell::new(Rc::new(Sheet::default()));
}

impl Sheet {
    /// Runs `draw`; all figures that this thread draws meanwhile use this sheet.
    pub fn draw<T>(&self, draw: impl FnOnce() -> T) -> T {
        /// Restores the previous sheet on drop, even after a panic.
        struct Back(Rc<Sheet>);
        impl Drop for Back {
            fn drop(&mut self) {
                CURRENT.with(|current| current.replace(self.0.clone()));
            }
        }
        let _back = Back(CURRENT.with(|current| current.replace(Rc::new(self.clone()))));
        draw()
    }

    /// Returns the sheet that this thread draws with.
    pub(super) fn current() -> Rc<Self> {
        CURRENT.with(|current| current.borrow().clone())
    }

    /// Returns the text size relative to the default. Figures are laid out for the default and scaled as a whole.
    pub(super) fn scale(&self) -> f64 {
        self.font_pt / Self::default().font_pt
    }
}

/// Returns the display name of a strategy, model, workload or stage.
pub(super) fn shown(name: &str) -> String {
    Sheet::current().display.get(name).map_or_else(|| name.to_owned(), Clone::clone)
}

/// Returns the title of the x axis; `own` is the default.
pub(super) fn x_label(own: &str) -> String {
    Sheet::current().x_label.clone().unwrap_or_else(|| own.to_owned())
}

/// Returns the title of the y axis; `own` is the default.
pub(super) fn y_label(own: &str) -> String {
    Sheet::current().y_label.clone().unwrap_or_else(|| own.to_owned())
}

/// Returns the title, or an empty string if titles are disabled.
pub(super) fn title(own: String) -> String {
    if Sheet::current().titles { own } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_holds_for_one_drawing() {
        let display = BTreeMap::from([("ffd".to_owned(), "FFD+".to_owned())]);
        let sheet =
            Sheet { display, titles: false, x_label: Some("load".into()), ..Sheet::default() };
        let inside =
            sheet.draw(|| (shown("ffd"), shown("igniter"), title("t".into()), x_label("x")));
        assert_eq!(inside, ("FFD+".into(), "igniter".into(), String::new(), "load".into()));
        assert_eq!((shown("ffd"), x_label("x")), ("ffd".into(), "x".into()));
    }
}
