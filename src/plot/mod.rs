//! shim
use crate::{
    domain::ModelName,
    report::{Comparison, FigureFile, OutputDir, OutputError},
};
#[derive(Debug)]
pub struct AccuracyMark {
    pub model: ModelName,
    pub predicted_ms: f64,
    pub measured_ms: f64,
}
pub fn write_figures(_: &mut OutputDir, _: &Comparison) -> Result<Vec<FigureFile>, OutputError> {
    Ok(vec![])
}
pub fn write_accuracy_figure(_: &mut OutputDir, _: &[AccuracyMark]) -> Result<(), OutputError> {
    Ok(())
}
