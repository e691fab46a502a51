//! How long to wait before a process is started again, and when to give up.

use std::time::Duration;

/// The numbers of a [`Backoff`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The first wait; each further one is twice as long.
    pub first: Duration,
    /// No wait is longer.
    pub cap: Duration,
    /// How many waits in a row there are.
    pub budget: u32,
    /// A process that ran this long starts the count anew.
    pub stable: Duration,
}

impl Default for Policy {
    /// Ten waits are about two minutes in all: whoever looks after a rollout hears of it in time.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            budget: 10,
            stable: Duration::from_mins(1),
        }
    }
}

/// Counts the endings in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    policy: Policy,
    waits: u32,
}

impl Backoff {
    /// Nothing has ended yet.
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        Self { policy, waits: 0 }
    }

    /// A process ended after `ran`: how long to wait before the next, or none if the budget is spent.
    ///
    /// `random` spreads the wait between half of the step and all of it, so that machines which fail together do not
    /// come back together.
    pub fn ended(&mut self, ran: Duration, random: u64) -> Option<Duration> {
        if ran >= self.policy.stable {
            self.waits = 0;
        }
        if self.waits >= self.policy.budget {
            return None;
        }
        let step = self.step();
        self.waits += 1;
        // Nanoseconds of u64 are 584 years.
        let half = u64::try_from((step / 2).as_nanos()).unwrap_or(u64::MAX);
        Some(step.saturating_sub(Duration::from_nanos(random % half.saturating_add(1))))
    }

    fn step(&self) -> Duration {
        let factor = 2_u32.checked_pow(self.waits).unwrap_or(u32::MAX);
        self.policy.first.saturating_mul(factor).min(self.policy.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHORT: Duration = Duration::from_secs(1);

    #[test]
    fn doubles_up_to_the_cap_and_gives_up() {
        let mut backoff = Backoff::new(Policy::default());
        let waits: Vec<_> = std::iter::from_fn(|| backoff.ended(SHORT, 0)).map(|wait| wait.as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000, 30000]);
        assert_eq!(backoff.ended(SHORT, 0), None);
    }

    #[test]
    fn a_stable_run_starts_anew() {
        let policy = Policy::default();
        let mut backoff = Backoff::new(policy);
        while backoff.ended(SHORT, 0).is_some() {}
        assert_eq!(backoff.ended(policy.stable.saturating_sub(Duration::from_nanos(1)), 0), None);
        assert_eq!(backoff.ended(policy.stable, 0), Some(policy.first));
        assert_eq!(backoff.waits, 1);
    }

    #[test]
    fn the_wait_is_spread_between_half_and_all() {
        let wait = |random| Backoff::new(Policy::default()).ended(SHORT, random).expect("the first");
        let (half, all) = (Duration::from_millis(250), Duration::from_millis(500));
        assert_eq!(wait(0), all);
        assert_eq!(wait(250_000_000), half);
        assert_eq!(wait(250_000_001), all);
    }

    prop_compose! {
        fn policy()(
            first in 1_u64..10_000_000_000,
            cap in 1_u64..1_000_000_000_000,
            budget in 0_u32..100,
            stable in 1_u64..1_000_000_000_000,
        ) -> Policy {
            let [first, cap, stable] = [first, cap, stable].map(Duration::from_nanos);
            Policy { first, cap, budget, stable }
        }
    }

    proptest! {
        #[test]
        fn waits_stay_in_bounds(policy in policy(), random in prop::collection::vec(any::<u64>(), 101)) {
            let mut backoff = Backoff::new(policy);
            let ran = policy.stable.saturating_sub(Duration::from_nanos(1));
            let mut step = policy.first.min(policy.cap);
            let mut given = 0;
            for random in random {
                let Some(wait) = backoff.ended(ran, random) else { break };
                given += 1;
                prop_assert!(!wait.is_zero());
                prop_assert!(wait <= step && wait >= step / 2, "{wait:?} of {step:?}");
                step = (step * 2).min(policy.cap);
            }
            prop_assert_eq!(given, policy.budget);
        }

        #[test]
        fn never_gives_up_on_what_runs_long(policy in policy(), random in any::<u64>()) {
            let mut backoff = Backoff::new(Policy { budget: policy.budget.max(1), ..policy });
            let first = policy.first.min(policy.cap);
            for _ in 0..200 {
                let wait = backoff.ended(policy.stable, random);
                prop_assert!(wait.is_some_and(|wait| wait <= first));
            }
        }
    }
}
