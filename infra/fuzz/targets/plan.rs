//! A seating plan is imported within its bounds, or each of its faults is named.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| {
    match domain::plan::pretix::import(document) {
        Err(faults) => assert!(!faults.is_empty(), "refused for no reason"),
        Ok(plan) => {
            let seats: Vec<_> = plan.sections.iter().flat_map(|section| section.seats()).map(|(id, _)| id).collect();
            assert_eq!(u32::try_from(seats.len()), Ok(plan.seat_count()));
            assert_eq!(seats.iter().collect::<HashSet<_>>().len(), seats.len(), "a seat twice");
            for id in &seats {
                assert!(plan.seat(id).is_some(), "{id} cannot be found");
                assert_eq!(id.to_string().parse().as_ref(), Ok(id));
            }
            for category in plan.categories_used() {
                assert!(plan.category(&category.id).is_some());
            }
        }
    }
});
