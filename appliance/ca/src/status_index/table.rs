//! Serials of 16 octets, as this authority makes them, in one flat array: open addressing with linear probing.
//!
//! A slot has 20 octets, and the array is filled to between 68 and 85 %: 24 to 30 octets for each serial. Nothing is ever
//! taken out. The serials are random, so a few of their own octets are a good place to begin looking, and nobody outside
//! can choose where they crowd.

/// Octets of the serials kept here.
pub(super) const LENGTH: usize = 16;
/// What stands in a slot that holds no serial.
const VACANT: u32 = u32::MAX;
/// Slots of the first array.
const FIRST: usize = 16;

/// A serial and the number that goes with it, which is never `u32::MAX`.
#[derive(Clone, Copy, Debug)]
struct Slot {
    serial: [u8; LENGTH],
    number: u32,
}

/// Serial → number.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    used: usize,
}

impl Table {
    /// Sets the number of a serial.
    pub(super) fn set(&mut self, serial: [u8; LENGTH], number: u32) {
        // At 85 % the next one makes the array a quarter longer.
        if self.slots.len() * 17 <= self.used * 20 {
            self.grow();
        }
        if self.put(Slot { serial, number }) {
            self.used += 1;
        }
    }

    /// The number of a serial.
    pub(super) fn find(&self, serial: &[u8; LENGTH]) -> Option<u32> {
        let (before, from) = self.slots.split_at_checked(self.home(serial))?;
        // The array is never full, so this ends.
        for slot in from.iter().chain(before) {
            if slot.number == VACANT {
                return None;
            }
            if slot.serial == *serial {
                return Some(slot.number);
            }
        }
        None
    }

    /// How many serials there are.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// Octets the array takes.
    pub(super) fn octets(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    fn grow(&mut self) {
        let length = (self.slots.len() * 5 / 4).max(FIRST);
        let vacant = Slot {
            serial: [0; LENGTH],
            number: VACANT,
        };
        let mut longer = Vec::new();
        longer.reserve_exact(length);
        longer.resize(length, vacant);
        let old = std::mem::replace(&mut self.slots, longer);
        for slot in old {
            if slot.number != VACANT {
                self.put(slot);
            }
        }
    }

    /// Writes a slot; whether its serial is new. There is a vacant place.
    fn put(&mut self, new: Slot) -> bool {
        let home = self.home(&new.serial);
        let Some((before, from)) = self.slots.split_at_mut_checked(home) else {
            return false;
        };
        for slot in from.iter_mut().chain(before) {
            let is_vacant = slot.number == VACANT;
            if is_vacant || slot.serial == new.serial {
                *slot = new;
                return is_vacant;
            }
        }
        false
    }

    /// Where to begin: the octets scaled to the length of the array.
    fn home(&self, serial: &[u8; LENGTH]) -> usize {
        let [_, _, _, _, _, _, _, _, last @ ..] = *serial;
        let place = (u128::from(u64::from_be_bytes(last)) * self.slots.len() as u128) >> 64;
        usize::try_from(place).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serial(number: u64) -> [u8; LENGTH] {
        // SplitMix64: distinct and spread.
        let mut octets = [0; LENGTH];
        let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        octets[..8].copy_from_slice(&number.to_be_bytes());
        octets[8..].copy_from_slice(&(mixed ^ (mixed >> 27)).to_be_bytes());
        octets
    }

    #[test]
    fn what_was_set_is_found_and_nothing_else() {
        let mut table = Table::default();
        assert_eq!(table.find(&serial(1)), None);
        for number in 0..100_000_u32 {
            table.set(serial(number.into()), number);
        }
        table.set(serial(7), 70);
        assert_eq!(table.len(), 100_000);
        assert_eq!(table.find(&serial(7)), Some(70));
        for number in 8..100_000_u32 {
            assert_eq!(table.find(&serial(number.into())), Some(number));
        }
        for number in 100_000..200_000 {
            assert_eq!(table.find(&serial(number)), None);
        }
    }

    #[test]
    fn serials_that_crowd_are_all_found() {
        let mut table = Table::default();
        let crowded = |number: u8| {
            let mut octets = [0xff; LENGTH];
            octets[0] = number;
            octets
        };
        for number in 0..=254 {
            table.set(crowded(number), number.into());
        }
        assert!((0..=254).all(|number| table.find(&crowded(number)) == Some(number.into())));
        assert_eq!(table.find(&crowded(255)), None);
    }

    #[test]
    fn a_serial_takes_at_most_thirty_octets() {
        let mut table = Table::default();
        for number in 0..50_000_u32 {
            table.set(serial(number.into()), 0);
            let used = usize::try_from(number).unwrap_or_default() + 1;
            assert!(
                used < 1000 || table.octets() <= used * 30,
                "{used}: {}",
                table.octets()
            );
        }
    }
}
