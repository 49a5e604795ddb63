//! Tables as Arrow streams, by the PyCapsule interface: pandas, Polars, DuckDB and pyarrow take them without copying.

use crate::failure::JobFailure;
use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Int8Array, Int32Array, Int64Array, RecordBatch,
    RecordBatchIterator, StringArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use igniter::domain::Workload;
use igniter::results::{Cell, Column, ColumnType, RequestChunk, RequestColumns};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyList};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// A table in memory, as Arrow has it.
#[pyclass(frozen, name = "Table", module = "igniter._igniter")]
pub(crate) struct ArrowTable {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl From<ArrowError> for JobFailure {
    fn from(error: ArrowError) -> Self {
        Self::new("InternalError", format!("a bug of igniter: {error}"))
    }
}

/// The values of one column while it is filled.
enum ColumnBuilder {
    Integer(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
    Bool(BooleanBuilder),
}

impl ColumnBuilder {
    fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Integer => Self::Integer(Int64Builder::new()),
            ColumnType::Float => Self::Float(Float64Builder::new()),
            ColumnType::Text => Self::Text(StringBuilder::new()),
            ColumnType::Bool => Self::Bool(BooleanBuilder::new()),
        }
    }

    fn add(&mut self, cell: &Cell) {
        match self {
            Self::Integer(builder) => builder.append_option(match cell {
                Cell::Whole(count) => i64::try_from(*count).ok(),
                _ => None,
            }),
            Self::Float(builder) => builder.append_option(cell.number()),
            Self::Text(builder) => builder.append_option(match cell {
                Cell::Absent => None,
                cell => Some(cell.exact()),
            }),
            Self::Bool(builder) => builder.append_option(match cell {
                Cell::Flag(yes) => Some(*yes),
                _ => None,
            }),
        }
    }

    fn add_json(&mut self, value: Option<&Value>) {
        match self {
            Self::Integer(builder) => builder.append_option(value.and_then(Value::as_i64)),
            Self::Float(builder) => builder.append_option(value.and_then(Value::as_f64)),
            Self::Text(builder) => builder.append_option(value.and_then(|value| match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            })),
            Self::Bool(builder) => builder.append_option(value.and_then(Value::as_bool)),
        }
    }

    /// For a text of a CSV file, where nothing means absent.
    fn add_text(&mut self, text: &str) {
        match self {
            Self::Integer(builder) => builder.append_option(text.parse().ok()),
            Self::Float(builder) => builder.append_option(text.parse().ok()),
            Self::Text(builder) => builder.append_option((!text.is_empty()).then_some(text)),
            Self::Bool(builder) => builder.append_option(text.parse().ok()),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Integer(mut builder) => Arc::new(builder.finish()),
            Self::Float(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) => Arc::new(builder.finish()),
            Self::Bool(mut builder) => Arc::new(builder.finish()),
        }
    }
}

impl ArrowTable {
    fn of_arrays(columns: Vec<(String, ArrayRef)>) -> Result<Self, JobFailure> {
        let field = |(name, array): &(String, ArrayRef)| {
            Field::new(name.as_str(), array.data_type().clone(), true)
        };
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
        Ok(Self { schema, batches: vec![batch] })
    }

    /// The columns of the program's own tables.
    pub(crate) fn of_columns<R>(columns: &[Column<R>], rows: &[R]) -> Result<Self, JobFailure> {
        let array = |column: &Column<R>| {
            let mut builder = ColumnBuilder::new(column.kind);
            rows.iter().for_each(|row| builder.add(&(column.of)(row)));
            (column.key.to_owned(), builder.finish())
        };
        Self::of_arrays(columns.iter().map(array).collect())
    }

    /// Rows that are objects of plain values; columns come in the order in which they are met.
    pub(crate) fn of_rows<T: Serialize>(rows: &[T]) -> Result<Self, JobFailure> {
        let mut objects = Vec::with_capacity(rows.len());
        let mut columns: Vec<(String, ColumnType)> = Vec::new();
        for row in rows {
            // Through text: serde_json's own maps are sorted by key.
            let text = serde_json::to_string(row)?;
            let Ordered(entries) = serde_json::from_str(&text)?;
            for (name, value) in &entries {
                let kind = match value {
                    Value::Null => continue,
                    Value::Bool(_) => ColumnType::Bool,
                    Value::Number(number) if number.is_f64() => ColumnType::Float,
                    Value::Number(_) => ColumnType::Integer,
                    _ => ColumnType::Text,
                };
                match columns.iter_mut().find(|(known, _)| known == name) {
                    None => columns.push((name.clone(), kind)),
                    Some((_, known))
                        if *known == ColumnType::Integer && kind == ColumnType::Float =>
                    {
                        *known = kind;
                    }
                    Some(_) => {}
                }
            }
            objects.push(entries);
        }
        let array = |(name, kind): &(String, ColumnType)| {
            let mut builder = ColumnBuilder::new(*kind);
            for entries in &objects {
                let value = entries.iter().find(|(known, _)| known == name);
                builder.add_json(value.map(|(_, value)| value));
            }
            (name.clone(), builder.finish())
        };
        Self::of_arrays(columns.iter().map(array).collect())
    }

    /// A CSV text with a header, whose columns have these types where they are known, and else are text or numbers.
    pub(crate) fn of_csv(text: &str, types: &[(String, ColumnType)]) -> Result<Self, JobFailure> {
        let wrong = |error: csv::Error| JobFailure::new("InternalError", error);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header: Vec<String> =
            reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect();
        let rows: Vec<csv::StringRecord> =
            reader.records().collect::<Result<_, _>>().map_err(wrong)?;
        let array = |(place, name): (usize, &String)| {
            let known = types.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind);
            let kind = known.unwrap_or_else(|| {
                let cells: Vec<&str> = rows.iter().map(|row| &row[place]).collect();
                guessed(name, &cells)
            });
            let mut builder = ColumnBuilder::new(kind);
            rows.iter().for_each(|row| builder.add_text(&row[place]));
            (name.clone(), builder.finish())
        };
        Self::of_arrays(header.iter().enumerate().map(array).collect())
    }

    /// The requests of a run, GPU by GPU: the columns of `requests.parquet`.
    pub(crate) fn of_requests(
        gpus: Vec<RequestColumns>,
        workloads: &[Workload],
    ) -> Result<Self, JobFailure> {
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(
            workloads.iter().map(|workload| workload.name.as_str()),
        ));
        let outcomes: ArrayRef = Arc::new(StringArray::from_iter_values(RequestColumns::OUTCOMES));
        let mut batches = Vec::new();
        let mut first = 0;
        for (gpu, columns) in (0..).zip(gpus) {
            for chunk in columns.into_chunks() {
                let rows = chunk.len();
                batches.push(request_batch(chunk, gpu, first, &names, &outcomes)?);
                first += i64::try_from(rows).unwrap_or(i64::MAX);
            }
        }
        if batches.is_empty() {
            batches.push(request_batch(RequestChunk::default(), 0, 0, &names, &outcomes)?);
        }
        Ok(Self { schema: batches[0].schema(), batches })
    }
}

/// Integers and floats where all cells are such.
fn guessed(name: &str, cells: &[&str]) -> ColumnType {
    let parsed = Cell::column(name, cells);
    if parsed.iter().any(Cell::is_words) {
        return ColumnType::Text;
    }
    let whole = cells.iter().all(|cell| cell.is_empty() || cell.parse::<i64>().is_ok());
    if whole { ColumnType::Integer } else { ColumnType::Float }
}

fn request_batch(
    chunk: RequestChunk,
    gpu: i64,
    first: i64,
    names: &ArrayRef,
    outcomes: &ArrayRef,
) -> Result<RecordBatch, JobFailure> {
    let rows = chunk.len();
    let count = i64::try_from(rows).unwrap_or(i64::MAX);
    // The stages of a request that failed are absent.
    let nulls = chunk
        .has_failures()
        .then(|| NullBuffer::new(BooleanBuffer::collect_bool(rows, |row| chunk.outcome[row] == 0)));
    let latency: Vec<i64> =
        chunk.done.iter().zip(&chunk.arrival).map(|(done, arrival)| done - arrival).collect();
    let plain = |values: Vec<i64>| -> ArrayRef {
        Arc::new(Int64Array::new(ScalarBuffer::from(values), None))
    };
    let stage = |values: Vec<i64>| -> ArrayRef {
        Arc::new(Int64Array::new(ScalarBuffer::from(values), nulls.clone()))
    };
    let workload = DictionaryArray::<Int32Type>::try_new(
        Int32Array::new(ScalarBuffer::from(chunk.workload), None),
        Arc::clone(names),
    )?;
    let outcome = DictionaryArray::<Int8Type>::try_new(
        Int8Array::new(ScalarBuffer::from(chunk.outcome), None),
        Arc::clone(outcomes),
    )?;
    let batch_size = Int32Array::new(ScalarBuffer::from(chunk.batch_size), nulls.clone());
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("request", plain((first..first + count).collect())),
        ("workload", Arc::new(workload)),
        ("gpu", plain(vec![gpu; rows])),
        ("arrival_ns", plain(chunk.arrival)),
        ("load_start_ns", stage(chunk.load_start)),
        ("load_end_ns", stage(chunk.load_end)),
        ("exec_start_ns", stage(chunk.exec_start)),
        ("exec_end_ns", stage(chunk.exec_end)),
        ("done_ns", plain(chunk.done)),
        ("latency_ns", plain(latency)),
        ("batch", stage(chunk.batch)),
        ("batch_size", Arc::new(batch_size)),
        ("ok", Arc::new(BooleanArray::from(chunk.ok))),
        ("outcome", Arc::new(outcome)),
    ];
    let field =
        |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    Ok(RecordBatch::try_new(schema, columns.into_iter().map(|(_, array)| array).collect())?)
}

/// A JSON object with its entries in their order.
struct Ordered(Vec<(String, Value)>);

impl<'de> serde::Deserialize<'de> for Ordered {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PyEntries;
        impl<'de> serde::de::Visitor<'de> for PyEntries {
            type Value = Ordered;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Ordered, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(PyEntries)
    }
}

#[pymethods]
impl ArrowTable {
    /// The table as an Arrow stream; see the Arrow PyCapsule interface.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // Consumers must take another schema than the one that they asked for, and cast themselves.
        let _ = requested_schema;
        let batches: Vec<Result<RecordBatch, ArrowError>> =
            self.batches.iter().cloned().map(Ok).collect();
        let reader = RecordBatchIterator::new(batches, Arc::clone(&self.schema));
        let stream = FFI_ArrowArrayStream::new(Box::new(reader));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }

    /// Its schema, likewise.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.schema.as_ref());
        let schema = schema.map_err(|error| JobFailure::from(error).raise(py))?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    /// The names of its columns.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    fn __len__(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The values of a column, from one row to before another, as Python has them.
    fn values<'py>(
        &self,
        py: Python<'py>,
        column: usize,
        from: usize,
        until: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        let mut start = 0;
        for batch in &self.batches {
            let array = batch.column(column);
            let rows = from.saturating_sub(start)..until.saturating_sub(start).min(array.len());
            for row in rows {
                list.append(value(py, array.as_ref(), row)?)?;
            }
            start += array.len();
        }
        Ok(list)
    }
}

/// A value for Python; None where it is absent.
fn value(py: Python<'_>, array: &dyn Array, row: usize) -> PyResult<Py<PyAny>> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type};
    if array.is_null(row) {
        return Ok(py.None());
    }
    let object = match array.data_type() {
        DataType::Int64 => {
            array.as_primitive::<Int64Type>().value(row).into_pyobject(py)?.into_any()
        }
        DataType::Int32 => {
            array.as_primitive::<Int32Type>().value(row).into_pyobject(py)?.into_any()
        }
        DataType::Float64 => {
            array.as_primitive::<Float64Type>().value(row).into_pyobject(py)?.into_any()
        }
        DataType::Boolean => array.as_boolean().value(row).into_pyobject(py)?.to_owned().into_any(),
        DataType::Utf8 => array.as_string::<i32>().value(row).into_pyobject(py)?.into_any(),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let keys = dictionary.keys();
            let key = match keys.as_primitive_opt::<Int8Type>() {
                Some(keys) => usize::try_from(keys.value(row)),
                None => usize::try_from(keys.as_primitive::<Int32Type>().value(row)),
            };
            return value(py, dictionary.values().as_ref(), key.unwrap_or_default());
        }
        other => {
            let message = format!("a bug of igniter: no values of type {other}");
            return Err(JobFailure::new("InternalError", message).raise(py));
        }
    };
    Ok(object.unbind())
}
