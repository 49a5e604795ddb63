//! Tables as Apache Parquet files, for data frames (pandas, polars, DuckDB, R).
//!
//! A table has named columns of four types; every cell may be absent (`None`, a null). Rows are written in groups of
//! any size, so that a table need not fit into memory.

use parquet::basic::{Compression, Encoding, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{ColumnPath, Type};
use std::io::{self, Write};
use std::sync::Arc;

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// True or false.
    Bool,
    /// Signed 64-bit integers.
    Integer,
    /// Double-precision numbers.
    Float,
    /// UTF-8 text.
    Text,
}

/// The cells of one column in a group of rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Of a [`ColumnType::Bool`] column.
    Bool(Vec<Option<bool>>),
    /// Of a [`ColumnType::Integer`] column.
    Integer(Vec<Option<i64>>),
    /// Of a [`ColumnType::Float`] column.
    Float(Vec<Option<f64>>),
    /// Of a [`ColumnType::Text`] column.
    Text(Vec<Option<String>>),
}

impl Cells {
    /// Returns the type of the column that the cells belong to.
    #[must_use]
    pub fn column_type(&self) -> ColumnType {
        match self {
            Self::Bool(_) => ColumnType::Bool,
            Self::Integer(_) => ColumnType::Integer,
            Self::Float(_) => ColumnType::Float,
            Self::Text(_) => ColumnType::Text,
        }
    }

    /// Returns the number of cells.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(cells) => cells.len(),
            Self::Integer(cells) => cells.len(),
            Self::Float(cells) => cells.len(),
            Self::Text(cells) => cells.len(),
        }
    }

    /// Whether there are no cells.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A Parquet file that is being written, compressed with Snappy. Its bytes depend only on the cells, their groups and
/// the version of the program.
///
/// ```
/// use igniter_results::{Cells, ColumnType, ParquetTable};
/// let columns = [("workload", ColumnType::Text), ("p99_ms", ColumnType::Float)];
/// let mut file = Vec::new();
/// let mut table = ParquetTable::new(&mut file, &columns)?;
/// table.write(&[
///     Cells::Text(vec![Some("W1".into()), Some("W2".into())]),
///     Cells::Float(vec![Some(8.88), None]),
/// ])?;
/// table.finish()?;
/// assert!(file.starts_with(b"PAR1"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ParquetTable<W: Write + Send> {
    columns: Vec<(String, ColumnType)>,
    file: SerializedFileWriter<W>,
}

impl<W: Write + Send> std::fmt::Debug for ParquetTable<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetTable").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl<W: Write + Send> ParquetTable<W> {
    /// Starts a file with these columns.
    ///
    /// # Errors
    /// When nothing can be written, or two columns have the same name.
    pub fn new(out: W, columns: &[(&str, ColumnType)]) -> io::Result<Self> {
        let fields = columns.iter().map(|&(name, kind)| field(name, kind));
        let fields = fields.collect::<Result<_, _>>().map_err(failed)?;
        let schema = Type::group_type_builder("table").with_fields(fields).build();
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("igniter ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_statistics_enabled(EnabledStatistics::Chunk);
        for &(name, _) in columns.iter().filter(|(_, kind)| *kind == ColumnType::Integer) {
            // Times and indices grow from row to row: their differences are small, and few values repeat.
            let name = ColumnPath::from(name);
            properties = properties
                .set_column_dictionary_enabled(name.clone(), false)
                .set_column_encoding(name, Encoding::DELTA_BINARY_PACKED);
        }
        let (schema, properties) =
            (Arc::new(schema.map_err(failed)?), Arc::new(properties.build()));
        let file = SerializedFileWriter::new(out, schema, properties).map_err(failed)?;
        let columns = columns.iter().map(|&(name, kind)| (name.to_owned(), kind)).collect();
        Ok(Self { columns, file })
    }

    /// Writes a group of rows: the cells of each column, in the order of the columns.
    ///
    /// # Errors
    /// When the group cannot be written.
    ///
    /// # Panics
    /// When the cells do not match the columns, or the columns differ in length.
    pub fn write(&mut self, group: &[Cells]) -> io::Result<()> {
        assert_eq!(group.len(), self.columns.len(), "cells for each column");
        if group.first().is_none_or(Cells::is_empty) {
            return Ok(());
        }
        let rows = group[0].len();
        for ((name, kind), cells) in self.columns.iter().zip(group) {
            assert_eq!(cells.column_type(), *kind, "cells of column {name}");
            assert_eq!(cells.len(), rows, "rows of column {name}");
        }
        self.write_group(group).map_err(failed)
    }

    fn write_group(&mut self, group: &[Cells]) -> Result<(), ParquetError> {
        let mut rows = self.file.next_row_group()?;
        for cells in group {
            let mut column = rows.next_column()?.expect("a column for all cells");
            write_cells(&mut column, cells)?;
            column.close()?;
        }
        rows.close().map(drop)
    }

    /// Finishes the file.
    ///
    /// # Errors
    /// When its footer cannot be written.
    pub fn finish(self) -> io::Result<()> {
        let mut out = self.file.into_inner().map_err(failed)?;
        out.flush()
    }
}

fn field(name: &str, kind: ColumnType) -> Result<Arc<Type>, ParquetError> {
    let (physical, logical) = match kind {
        ColumnType::Bool => (Physical::BOOLEAN, None),
        ColumnType::Integer => (Physical::INT64, None),
        ColumnType::Float => (Physical::DOUBLE, None),
        ColumnType::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let field = Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()?;
    Ok(Arc::new(field))
}

fn write_cells(
    column: &mut SerializedColumnWriter<'_>,
    cells: &Cells,
) -> Result<usize, ParquetError> {
    match cells {
        Cells::Bool(cells) => {
            let values: Vec<bool> = cells.iter().copied().flatten().collect();
            column.typed::<BoolType>().write_batch(&values, Some(&present(cells)), None)
        }
        Cells::Integer(cells) => {
            let values: Vec<i64> = cells.iter().copied().flatten().collect();
            column.typed::<Int64Type>().write_batch(&values, Some(&present(cells)), None)
        }
        Cells::Float(cells) => {
            let values: Vec<f64> = cells.iter().copied().flatten().collect();
            column.typed::<DoubleType>().write_batch(&values, Some(&present(cells)), None)
        }
        Cells::Text(cells) => {
            let bytes = |text: &String| ByteArray::from(text.as_bytes().to_vec());
            let values: Vec<ByteArray> = cells.iter().flatten().map(bytes).collect();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&present(cells)), None)
        }
    }
}

/// Returns Parquet definition levels: 1 for a present cell, 0 for an absent one.
fn present<T>(cells: &[Option<T>]) -> Vec<i16> {
    cells.iter().map(|cell| i16::from(cell.is_some())).collect()
}

fn failed(error: ParquetError) -> io::Error {
    // Unwrap errors from the disk, so that a full disk is still recognised.
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => *source,
            Err(source) => io::Error::other(source),
        },
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    fn groups() -> [Vec<Cells>; 2] {
        let text = |text: &str| Some(text.to_owned());
        [
            vec![
                Cells::Text(vec![text("W1"), None, text("ß, \"q\"")]),
                Cells::Integer(vec![Some(i64::MAX), Some(-1), None]),
                Cells::Float(vec![None, Some(0.1), Some(f64::INFINITY)]),
                Cells::Bool(vec![Some(true), None, Some(false)]),
            ],
            vec![
                Cells::Text(vec![text("W1")]),
                Cells::Integer(vec![Some(7)]),
                Cells::Float(vec![Some(-0.0)]),
                Cells::Bool(vec![Some(true)]),
            ],
        ]
    }

    fn file() -> Vec<u8> {
        let columns = [
            ("name", ColumnType::Text),
            ("count", ColumnType::Integer),
            ("p99_ms", ColumnType::Float),
            ("ok", ColumnType::Bool),
        ];
        let mut file = Vec::new();
        let mut table = ParquetTable::new(&mut file, &columns).unwrap();
        for group in groups() {
            table.write(&group).unwrap();
        }
        table.finish().unwrap();
        file
    }

    #[test]
    fn cells_come_back_as_they_were() {
        let mut disk = tempfile::tempfile().unwrap();
        disk.write_all(&file()).unwrap();
        let reader = SerializedFileReader::new(disk).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 2);
        let rows: Vec<Vec<Field>> = (reader.get_row_iter(None).unwrap())
            .map(|row| row.unwrap().get_column_iter().map(|(_, field)| field.clone()).collect())
            .collect();
        let text = |text: &str| Field::Str(text.to_owned());
        let expected = [
            [text("W1"), Field::Long(i64::MAX), Field::Null, Field::Bool(true)],
            [Field::Null, Field::Long(-1), Field::Double(0.1), Field::Null],
            [text("ß, \"q\""), Field::Null, Field::Double(f64::INFINITY), Field::Bool(false)],
            [text("W1"), Field::Long(7), Field::Double(-0.0), Field::Bool(true)],
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn the_same_cells_give_the_same_bytes() {
        assert_eq!(file(), file());
    }

    #[test]
    fn a_disk_that_refuses_is_reported_as_what_it_is() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let columns = [("a", ColumnType::Integer)];
        let written = ParquetTable::new(Full, &columns).and_then(|mut table| {
            table.write(&[Cells::Integer(vec![Some(1)])])?;
            table.finish()
        });
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    #[should_panic(expected = "rows of column b")]
    fn columns_of_different_length_are_a_mistake() {
        let columns = [("a", ColumnType::Integer), ("b", ColumnType::Bool)];
        let mut table = ParquetTable::new(Vec::new(), &columns).unwrap();
        let _ = table.write(&[Cells::Integer(vec![Some(1)]), Cells::Bool(vec![])]);
    }
}
