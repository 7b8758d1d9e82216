//! What was acknowledged is there, whole and once: after kills, power cuts, full and broken disks.
//!
//! Each suite looks for faults and returns what it found as sentences, so that the same code shows both that Ninefold has
//! none and, in `mutants`, that a Ninefold without one of its defences is caught. `docs/durability.md` says what is promised.
//! Seconds on two cores, in a debug build and one after the other: `kill` 40, `power` 40, `faults` 10, `history` 10, `mutants` 35;
//! CI runs them beside each other. `cargo xtask soak` makes each run longer.

mod disk;
mod faults;
mod history;
mod kill;
mod ledger;
mod mutants;
mod node;
mod power;
mod record;

/// How many times as long as in CI the suites run: what `cargo xtask soak` sets.
fn soak_factor() -> usize {
    std::env::var("NINEFOLD_SOAK").map_or(1, |factor| factor.parse().expect("NINEFOLD_SOAK is a number"))
}

/// SplitMix64: the same choices again for the same seed.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    /// A seed of its own, which a failure prints.
    fn fresh() -> Self {
        Self(u64::from_le_bytes(
            uuid::Uuid::new_v4().as_bytes()[..8].try_into().expect("eight bytes"),
        ))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
