//! Best fit decreasing with joint batch sizes and interference: the start of every search.

use super::packing::{Bin, Packer};
use super::types::Type;

/// Number of GPUs that are tried for each number of free units.
const TRIED_FOR_EACH_ROOM: usize = 3;

/// Number of GPUs that are tried in total before a new one is opened.
const TRIED: usize = 24;

/// Packs the items (indices into `types`) in the given order: each goes to the fullest of the tried GPUs
/// that has room for it, or to a new one.
pub(crate) fn pack(
    packer: &mut Packer<'_>,
    types: &[Type],
    items: impl Iterator<Item = usize>,
) -> Vec<Bin> {
    let whole = packer.fitter.whole();
    let mut bins: Vec<Bin> = Vec::new();
    // GPUs by their free units.
    let mut by_room: Vec<Vec<usize>> = vec![Vec::new(); whole as usize + 1];
    for of in items {
        let kind = &types[of];
        let mut chosen = None;
        let mut tried = 0;
        'search: for (room, places) in by_room.iter().enumerate().skip(kind.least() as usize) {
            for (place, &index) in places.iter().enumerate().rev().take(TRIED_FOR_EACH_ROOM) {
                tried += 1;
                if let Some(used) = packer.try_add(&bins[index], of, kind) {
                    chosen = Some((room, place, index, used));
                    break 'search;
                }
                if tried == TRIED {
                    break 'search;
                }
            }
        }
        let (index, used) = if let Some((room, place, index, used)) = chosen {
            by_room[room].swap_remove(place);
            (index, used)
        } else {
            bins.push(Bin::default());
            let index = bins.len() - 1;
            let used = packer.try_add(&bins[index], of, kind).expect("it fits an empty GPU");
            (index, used)
        };
        packer.take(&mut bins[index], used);
        by_room[(whole - used) as usize].push(index);
    }
    bins
}
