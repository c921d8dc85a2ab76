//! The most of a farm that stays within a limit.

use cascina_policy_sdk::Resources;
use cascina_policy_sdk::admission::FarmRequest;

/// Takes instances away from the last lines of the shopping list first, never below their minimum,
/// until the farm fits. `None` if even the minimum does not.
pub fn largest_that_fits(request: &FarmRequest, limit: &Resources) -> Option<Resources> {
    if !request.least().fits(limit) {
        return None;
    }
    let mut total = request.total;
    for item in request.items.iter().rev() {
        let without = total.minus(item.most());
        let with = |count| without.plus(item.size.times(count));
        // The largest count that fits, by halving; the minimum if none does, and then the lines
        // before have to give, too.
        let (mut low, mut high) = (item.min_count, item.max_count.max(item.min_count));
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if with(middle).fits(limit) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        total = with(low);
        if total.fits(limit) {
            return Some(total);
        }
    }
    // Reached only when a total is inconsistent with its items.
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_policy_sdk::testing::{farm_request, item};

    fn vcpus(most: u32) -> Resources {
        Resources { vcpus: most, ..Resources::UNLIMITED }
    }

    #[test]
    fn the_last_line_gives_first() {
        let request = farm_request([item(1, 4, 4), item(2, 10, 2)]);
        let offer = largest_that_fits(&request, &vcpus(23)).expect("fits");
        assert_eq!((offer.instances, offer.vcpus), (4 + 3, 16 + 6));
        assert_eq!((offer.addresses, offer.networks), (1, 1));
    }

    #[test]
    fn all_lines_give_if_they_must() {
        let request = farm_request([item(1, 4, 4), item(2, 10, 2)]);
        let offer = largest_that_fits(&request, &vcpus(9)).expect("fits");
        assert_eq!((offer.instances, offer.vcpus), (3, 8));
    }

    #[test]
    fn the_minimum_is_never_touched() {
        let request = farm_request([item(2, 2, 4), item(2, 10, 2)]);
        assert_eq!(largest_that_fits(&request, &vcpus(11)), None);
        assert!(largest_that_fits(&request, &vcpus(12)).is_some());
    }
}
