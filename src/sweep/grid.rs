//! The points of a sweep, addressed by number.

use super::axis::{ValueKind, Values, cell};
use crate::results::hex;
use sha2::{Digest, Sha256};
use toml::Value;

/// A field of the scenario that takes several values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SweptField {
    /// The column of the tables.
    pub(super) column: String,
    /// The path in the scenario.
    pub(super) path: String,
    pub(super) values: Values,
}

/// Fields that change together: one, or several that are zipped or sampled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GridAxis {
    pub(super) fields: Vec<SweptField>,
}

impl GridAxis {
    fn len(&self) -> u64 {
        self.fields.first().map_or(0, |field| field.values.len())
    }
}

/// The product of all axes; the first one varies slowest.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct SweepGrid {
    pub(super) axes: Vec<GridAxis>,
}

/// One point of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SweepPoint {
    pub(super) index: u64,
    /// The identifier among all points of any sweep over the same fields.
    pub(super) id: String,
    /// The value of each field, in the order of [`SweepGrid::fields`].
    pub(super) values: Vec<Value>,
}

impl SweepGrid {
    /// Returns the number of points; `None` when it exceeds 2⁶⁴.
    pub(super) fn len(&self) -> Option<u64> {
        self.axes.iter().try_fold(1_u64, |n, axis| n.checked_mul(axis.len()))
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &SweptField> {
        self.axes.iter().flat_map(|axis| &axis.fields)
    }

    pub(super) fn kinds(&self) -> Vec<ValueKind> {
        self.fields().map(|field| field.values.kind()).collect()
    }

    /// Returns the point with a number below [`SweepGrid::len`].
    pub(super) fn point(&self, index: u64) -> SweepPoint {
        let mut positions = vec![0; self.axes.len()];
        let mut rest = index;
        for (position, axis) in positions.iter_mut().zip(&self.axes).rev() {
            *position = rest % axis.len();
            rest /= axis.len();
        }
        let values: Vec<Value> = positions
            .iter()
            .zip(&self.axes)
            .flat_map(|(position, axis)| axis.fields.iter().map(|f| f.values.value(*position)))
            .collect();
        let digest = self.digest(&values);
        let id = hex(&digest[..8]);
        SweepPoint { index, id, values }
    }

    /// Returns the points that differ from the first one in a single axis with a text value, which may name
    /// other files.
    pub(super) fn points_of_texts(&self) -> impl Iterator<Item = SweepPoint> {
        let mut step = self.len().unwrap_or(0);
        self.axes.iter().flat_map(move |axis| {
            step /= axis.len().max(1);
            let texts = axis.fields.iter().any(|field| field.values.kind() == ValueKind::Text);
            let values = if texts { 1..axis.len() } else { 0..0 };
            values.map(move |value| self.point(value * step))
        })
    }

    /// Returns the shard of a point among `shards`. It is chosen by the hash of the point's values, so that
    /// neighbours, which cost about the same, go to different shards.
    pub(super) fn shard_of(&self, point: &SweepPoint, shards: u32) -> u32 {
        let hash = u64::from_str_radix(&point.id, 16).expect("an id is 16 hexadecimal digits");
        u32::try_from(hash % u64::from(shards)).expect("a remainder of 32 bits")
    }

    fn digest(&self, values: &[Value]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"igniter/point/v1");
        for (field, value) in self.fields().zip(values) {
            for part in [&field.path, &cell(value)] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part.as_bytes());
            }
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(path: &str, values: &[i64]) -> SweptField {
        let values = Values::List(values.iter().map(|v| Value::Integer(*v)).collect());
        SweptField { column: path.to_owned(), path: path.to_owned(), values }
    }

    #[test]
    fn the_last_axis_varies_fastest_and_zipped_fields_together() {
        let zipped = GridAxis { fields: vec![field("b", &[10, 20, 30]), field("c", &[1, 2, 3])] };
        let grid = SweepGrid { axes: vec![GridAxis { fields: vec![field("a", &[7, 8])] }, zipped] };
        assert_eq!(grid.len(), Some(6));
        let all: Vec<String> = (0..6)
            .map(|i| grid.point(i).values.iter().map(cell).collect::<Vec<_>>().join("/"))
            .collect();
        assert_eq!(all, ["7/10/1", "7/20/2", "7/30/3", "8/10/1", "8/20/2", "8/30/3"]);
    }

    #[test]
    fn a_sweep_without_axes_has_one_point() {
        assert_eq!(SweepGrid::default().len(), Some(1));
        assert!(SweepGrid::default().point(0).values.is_empty());
    }

    #[test]
    fn ids_depend_on_values_and_paths_alone() {
        let one = SweepGrid { axes: vec![GridAxis { fields: vec![field("a", &[1, 2, 3])] }] };
        let other = SweepGrid { axes: vec![GridAxis { fields: vec![field("a", &[3, 9])] }] };
        assert_eq!(one.point(2).id, other.point(0).id);
        let path = SweepGrid { axes: vec![GridAxis { fields: vec![field("b", &[3])] }] };
        assert_ne!(one.point(2).id, path.point(0).id);
    }

    #[test]
    fn shards_share_the_points_about_evenly() {
        let values: Vec<i64> = (0..4000).collect();
        let grid = SweepGrid { axes: vec![GridAxis { fields: vec![field("a", &values)] }] };
        let mut counts = [0_u32; 4];
        for i in 0..4000 {
            counts[grid.shard_of(&grid.point(i), 4) as usize] += 1;
        }
        // 1000 each; the standard deviation of a binomial is 27.
        assert!(counts.iter().all(|n| (890..=1110).contains(n)), "{counts:?}");
    }
}
