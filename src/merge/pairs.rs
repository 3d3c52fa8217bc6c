//! Merges sorted lists of plain numbers, pair by pair.
//!
//! A step of a merge takes the smaller of two heads by arithmetic, and the next step needs its outcome. That takes
//! about eight cycles, in which the processor could do far more. So a pair of lists is cut into [`CHAINS`] parts of
//! equal length, which are merged side by side. A binary search finds the cuts ("merge path", Odeh, Green, Mwassi,
//! Shmueli and Birk 2012).

/// Parts of a pair that are merged side by side.
const CHAINS: usize = 4;
/// Minimum numbers of a pair that is cut.
const MIN_CUT: usize = 16 * CHAINS;

/// Merges the lists in `words`, which are adjacent and end at `ends`. Repeated numbers stay. The result is at the start
/// of `words`; what comes after it is undefined. `other` is scratch.
#[inline(always)]
pub(super) fn merge_all<W: Copy + Ord + Default>(
    words: &mut Vec<W>,
    ends: &mut Vec<usize>,
    other: &mut Vec<W>,
) {
    if other.len() < words.len() {
        other.reserve_exact(words.len() - other.len());
        other.resize(words.len(), W::default());
    }
    while ends.len() > 1 {
        let mut start = 0;
        let mut lists = words.as_slice();
        let mut room = other.as_mut_slice();
        let mut next = Vec::with_capacity(ends.len().div_ceil(2));
        for pair in ends.chunks(2) {
            let (middle, end) = match *pair {
                [middle, end] => (middle, end),
                [end] => (end, end),
                _ => break,
            };
            // The ends ascend, and the words reach up to the last end.
            let (one, rest) = lists.split_at(middle - start);
            let (two, rest) = rest.split_at(end - middle);
            let (out, others) = std::mem::take(&mut room).split_at_mut(end - start);
            merge_two(one, two, out);
            (lists, room, start) = (rest, others, end);
            next.push(end);
        }
        *ends = next;
        std::mem::swap(words, other);
    }
}

/// Merges two lists into `out`, which is as long as both.
#[inline(always)]
fn merge_two<W: Copy + Ord>(one: &[W], two: &[W], out: &mut [W]) {
    if one.is_empty() || two.is_empty() || out.len() < MIN_CUT {
        Chain { one, two, out }.finish();
        return;
    }
    let length = out.len() / CHAINS;
    let (mut one, mut two, mut out) = (one, two, out);
    let mut chains: [Chain<'_, W>; CHAINS] = std::array::from_fn(|at| {
        let length = if at + 1 == CHAINS { out.len() } else { length };
        let (own, rest) = std::mem::take(&mut out).split_at_mut(length);
        out = rest;
        let from_one = share_of_one(one, two, length);
        let (first, rest) = one.split_at(from_one);
        one = rest;
        let (second, rest) = two.split_at(length - from_one);
        two = rest;
        Chain { one: first, two: second, out: own }
    });
    loop {
        // In this number of steps no chain reaches the end of a list.
        let lists = chains.iter().flat_map(|chain| [chain.one.len(), chain.two.len()]);
        let steps = lists.fold(usize::MAX, usize::min);
        if steps == 0 {
            break;
        }
        merge_side_by_side(&mut chains, steps);
    }
    chains.into_iter().for_each(Chain::finish);
}

/// How many of the first `length` numbers of both lists together are from the first list.
fn share_of_one<W: Copy + Ord>(one: &[W], two: &[W], length: usize) -> usize {
    let mut low = length.saturating_sub(two.len());
    let mut high = length.min(one.len());
    while low < high {
        let share = low + (high - low) / 2;
        // Enough if the next number of the first list comes after the last number taken from the second list. The share
        // is below `high`, so both exist.
        if one[share] > two[length - share - 1] {
            high = share;
        } else {
            low = share + 1;
        }
    }
    low
}

/// A part of a pair that is being merged: the rest of both lists, and the room for their merge.
struct Chain<'a, W> {
    one: &'a [W],
    two: &'a [W],
    out: &'a mut [W],
}

impl<W: Copy + Ord> Chain<'_, W> {
    /// Merges the rest.
    fn finish(self) {
        let Chain { mut one, mut two, out } = self;
        let mut out = out.iter_mut();
        while let ([first, one_rest @ ..], [second, two_rest @ ..]) = (one, two) {
            // There is a slot for every number: if not, the copy below would panic.
            let Some(slot) = out.next() else { break };
            if first <= second {
                *slot = *first;
                one = one_rest;
            } else {
                *slot = *second;
                two = two_rest;
            }
        }
        let left = if one.is_empty() { two } else { one };
        // The room is as long as both lists.
        out.into_slice().copy_from_slice(left);
    }
}

/// Merges `steps` numbers of each chain; none reaches the end of a list before.
#[inline(always)]
fn merge_side_by_side<W: Copy + Ord>(chains: &mut [Chain<'_, W>; CHAINS], steps: usize) {
    let mut taken = [0usize; CHAINS];
    for step in 0..steps {
        for (chain, from_one) in chains.iter_mut().zip(&mut taken) {
            let from_two = step - *from_one;
            // The lists have `steps` numbers each, and the room has as many as both.
            let (first, second) = (chain.one[*from_one], chain.two[from_two]);
            let takes_one = first <= second;
            chain.out[step] = if takes_one { first } else { second };
            *from_one += usize::from(takes_one);
        }
    }
    for (chain, from_one) in chains.iter_mut().zip(taken) {
        chain.one = &chain.one[from_one..];
        chain.two = &chain.two[steps - from_one..];
        chain.out = &mut std::mem::take(&mut chain.out)[steps..];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn merged_lists_are_all_numbers_in_order(
            mut lists in prop::collection::vec(
                prop::collection::vec(prop_oneof![0u64..9, any::<u64>()], 0..300), 0..9),
        ) {
            lists.iter_mut().for_each(|list| list.sort_unstable());
            let mut words = lists.concat();
            let mut ends = Vec::new();
            lists.iter().fold(0, |end, list| {
                ends.push(end + list.len());
                end + list.len()
            });
            let mut expected = words.clone();
            expected.sort_unstable();
            merge_all(&mut words, &mut ends, &mut Vec::new());
            prop_assert_eq!(words, expected);
        }

        #[test]
        fn pairs_of_any_lengths_and_overlaps_are_merged(
            one in 0usize..400, two in 0usize..400, shift in 0u64..500, step in 1u64..4,
        ) {
            let one: Vec<u64> = (0..one as u64).map(|at| shift + at * step).collect();
            let two: Vec<u64> = (0..two as u64).map(|at| 200 + at * 2).collect();
            let mut expected = [one.clone(), two.clone()].concat();
            expected.sort_unstable();
            let mut out = vec![0; expected.len()];
            merge_two(&one, &two, &mut out);
            prop_assert_eq!(out, expected);
        }
    }
}
