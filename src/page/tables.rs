//! The tables and single values of a folder that is not a comparison, or that holds more than one.

use super::{Cell, FoundPage, PageSource, SortableTable};

pub(super) fn write(page: &mut FoundPage, source: &PageSource<'_>) {
    let documents = source.documents.iter().filter(|document| !document.values.is_empty());
    let documents: Vec<_> = documents.collect();
    if source.tables.is_empty() && documents.is_empty() {
        return;
    }
    page.section("tables", "Tables");
    for document in documents {
        let pair = |(path, value): &(String, Cell)| vec![Cell::Text(path.clone()), value.clone()];
        page.table(&SortableTable {
            title: document.name.clone(),
            columns: vec!["key".to_owned(), "value".to_owned()],
            rows: document.values.iter().map(pair).collect(),
            note: None,
        });
    }
    for table in &source.tables {
        page.table(table);
    }
    page.end_section();
}
