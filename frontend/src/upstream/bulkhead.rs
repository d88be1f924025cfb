//! Bounds how many requests an upstream has at once: one that answers slowly fills its own places, and not all of the gateway's, so
//! that the others go on ("bulkheads", M. Nygard, Release It!, 2nd edition, chapter 5).

use prometheus_client::metrics::gauge::Gauge;

/// The most requests in flight that can be asked for.
pub(super) const MOST_IN_FLIGHT: u32 = 1_000_000;

/// The places of one upstream.
pub(super) struct Bulkhead {
    /// So many; any number if 0.
    most: u32,
    /// How many are taken. Of an upstream that a new table describes in another way it is the same one: what is on its way counts.
    taken: Gauge,
}

/// A request's place, free again when it is dropped.
pub(super) struct Place(Gauge);

impl Bulkhead {
    /// With `most` places, 1 to [`MOST_IN_FLIGHT`], or any number of them if 0; `taken` counts those in use.
    pub(super) fn new(most: u32, taken: Gauge) -> Self {
        Self { most, taken }
    }

    pub(super) fn place(&self) -> Option<Place> {
        let before = self.taken.inc();
        // Given back where it is one too many.
        let place = Place(self.taken.clone());
        (self.most == 0 || before < i64::from(self.most)).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_places_as_there_are_and_each_is_free_again() {
        let taken = Gauge::default();
        let bulkhead = Bulkhead::new(2, taken.clone());
        let first = bulkhead.place().unwrap();
        let second = bulkhead.place();
        assert!(second.is_some() && bulkhead.place().is_none());
        assert_eq!(taken.get(), 2, "who got none has none");
        drop(first);
        assert!(bulkhead.place().is_some());
        assert_eq!(taken.get(), 1);
    }

    #[test]
    fn without_a_bound_they_are_only_counted() {
        let taken = Gauge::default();
        let bulkhead = Bulkhead::new(0, taken.clone());
        let places: Vec<Place> = (0..1000).map_while(|_| bulkhead.place()).collect();
        assert_eq!((places.len(), taken.get()), (1000, 1000));
    }

    #[test]
    fn another_bound_counts_what_the_one_before_let_in() {
        let taken = Gauge::default();
        let before = Bulkhead::new(0, taken.clone());
        let _places: Vec<Place> = (0..3).map_while(|_| before.place()).collect();
        assert!(Bulkhead::new(3, taken.clone()).place().is_none() && Bulkhead::new(4, taken).place().is_some());
    }
}
