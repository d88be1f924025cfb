//! Which endpoint of an upstream gets a request.
//!
//! Of two endpoints at random, the one with fewer requests in flight ("power of two choices"): nearly as even as the best
//! of all, without a look at all of them, and without all gateways running to the same one at once, as they would to the
//! least loaded. M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12(10), 2001.

/// The endpoint to ask among those in rotation: an index into `in_flight`, which has the requests in flight of each; none
/// if there are none. Every value of `random` is as likely as any other.
pub(super) fn choose(in_flight: &[u32], random: u64) -> Option<usize> {
    let count = in_flight.len();
    if count <= 1 {
        return (count == 1).then_some(0);
    }
    let first = below(count, random as u32);
    let second = below(count - 1, (random >> 32) as u32);
    // Skips the first, so that the two are never the same.
    let second = second + usize::from(second >= first);
    Some(if in_flight[second] < in_flight[first] { second } else { first })
}

/// Takes outliers out of rotation: which of the endpoints stay, given since when each has been failing (none: it has not).
///
/// At most half leave, those that have been failing longest: when more fail, it is not them, and the ones that stay would
/// not bear the load of all.
pub(super) fn in_rotation<T: Ord + Copy>(failing_since: &[Option<T>]) -> Vec<usize> {
    let mut failing: Vec<(T, usize)> =
        failing_since.iter().enumerate().filter_map(|(index, since)| since.map(|since| (since, index))).collect();
    failing.sort_unstable();
    failing.truncate(failing_since.len() / 2);
    (0..failing_since.len()).filter(|index| failing.iter().all(|(_, out)| out != index)).collect()
}

/// A number below `count`, as evenly as 32 bits divide.
fn below(count: usize, random: u32) -> usize {
    ((u64::from(random) * count as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_of_two_to_five_endpoints_get_an_even_share() {
        for count in 2..=5_usize {
            let mut chosen = vec![0_u32; count];
            let mut random = 1_u64;
            for _ in 0..10_000 {
                // SplitMix64, for numbers that are the same in every run.
                random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut mixed = random;
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                let index = choose(&chosen, mixed ^ (mixed >> 31)).unwrap();
                chosen[index] += 1;
            }
            let even = 10_000 / count as u32;
            assert!(chosen.iter().all(|share| share.abs_diff(even) <= 20), "{chosen:?}");
        }
    }

    #[test]
    fn at_most_half_leave_and_those_that_fail_longest_first() {
        for (failing, stay) in [
            (&[][..], &[][..]),
            (&[Some(1)], &[0]),
            (&[None, Some(1)], &[0]),
            (&[Some(2), Some(1)], &[0]),
            (&[Some(1), Some(3), Some(2)], &[1, 2]),
            (&[Some(1), None, Some(1), None], &[1, 3]),
            (&[Some(4), Some(3), Some(2), Some(1)], &[0, 1]),
        ] {
            assert_eq!(in_rotation(failing), stay, "{failing:?}");
        }
    }

    proptest! {
        #[test]
        fn never_the_busiest_of_several_nor_one_that_is_not_there(
            in_flight in proptest::collection::vec(0_u32..5, 0..9),
            random in any::<u64>(),
        ) {
            match choose(&in_flight, random) {
                None => prop_assert!(in_flight.is_empty()),
                Some(index) => {
                    let others: Vec<u32> =
                        in_flight.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, load)| *load).collect();
                    prop_assert!(others.is_empty() || others.iter().any(|load| *load >= in_flight[index]));
                }
            }
        }

        #[test]
        fn at_least_half_stay_and_all_that_do_not_fail(
            failing in proptest::collection::vec(proptest::option::of(0_u8..9), 0..9),
        ) {
            let stay = in_rotation(&failing);
            prop_assert!(stay.len() * 2 >= failing.len());
            for (index, since) in failing.iter().enumerate() {
                prop_assert!(since.is_some() || stay.contains(&index));
            }
        }
    }
}
