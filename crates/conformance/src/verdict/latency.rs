//! How long calls took: a histogram that costs little, adds up over shards, and gives percentiles.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use worker_contract::Function;

/// Parts that each power of two is cut into: a percentile is exact to one part in 16.
const PARTS: u64 = 16;

/// Durations of calls, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    buckets: BTreeMap<u16, u64>,
    least: u64,
    most: u64,
}

/// How long the calls of one function took, as reports tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Latency {
    /// The function.
    #[cfg_attr(test, schemars(with = "String"))]
    pub function: Function,
    /// Calls that returned.
    pub calls: u64,
    /// The shortest, in nanoseconds.
    pub min_ns: u64,
    /// Half of them took no longer, in nanoseconds, to one part in 16.
    pub p50_ns: u64,
    /// Nine in ten took no longer.
    pub p90_ns: u64,
    /// Ninety-nine in a hundred took no longer.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// Pairs of the least duration of a bucket, in nanoseconds, and the calls in it.
    pub buckets: Vec<(u64, u64)>,
}

/// The bucket of a duration.
fn bucket(nanos: u64) -> u16 {
    if nanos < PARTS {
        return nanos as u16;
    }
    let power = 63 - nanos.leading_zeros();
    let part = (nanos >> (power - 4)) & (PARTS - 1);
    ((u64::from(power) - 3) * PARTS + part) as u16
}

/// The least duration of a bucket.
fn floor(bucket: u16) -> u64 {
    let (octave, part) = (u64::from(bucket) / PARTS, u64::from(bucket) % PARTS);
    if octave == 0 { part } else { (PARTS + part) << (octave - 1) }
}

impl Histogram {
    /// Counts a call.
    pub fn record(&mut self, nanos: u64) {
        self.least = if self.buckets.is_empty() { nanos } else { self.least.min(nanos) };
        self.most = self.most.max(nanos);
        *self.buckets.entry(bucket(nanos)).or_default() += 1;
    }

    /// Adds the calls of another.
    pub fn absorb(&mut self, other: &Histogram) {
        if other.buckets.is_empty() {
            return;
        }
        self.least = if self.buckets.is_empty() { other.least } else { self.least.min(other.least) };
        self.most = self.most.max(other.most);
        for (bucket, count) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
    }

    /// Calls counted.
    pub fn calls(&self) -> u64 {
        self.buckets.values().sum()
    }

    /// The duration that this share of calls does not exceed, in nanoseconds; 0 without calls.
    pub fn percentile(&self, percent: u64) -> u64 {
        let wanted = (self.calls() * percent).div_ceil(100);
        let mut seen = 0;
        for (bucket, count) in &self.buckets {
            seen += count;
            if seen >= wanted {
                return (floor(bucket + 1) - 1).clamp(self.least, self.most);
            }
        }
        0
    }

    /// As reports tell it.
    pub fn tell(&self, function: Function) -> Latency {
        Latency {
            function,
            calls: self.calls(),
            min_ns: self.least,
            p50_ns: self.percentile(50),
            p90_ns: self.percentile(90),
            p99_ns: self.percentile(99),
            max_ns: self.most,
            buckets: self.buckets.iter().map(|(bucket, count)| (floor(*bucket), *count)).collect(),
        }
    }
}

impl From<&Latency> for Histogram {
    fn from(latency: &Latency) -> Self {
        let mut buckets = BTreeMap::new();
        for (least, count) in &latency.buckets {
            *buckets.entry(bucket(*least)).or_default() += count;
        }
        Self { buckets, least: latency.min_ns, most: latency.max_ns }
    }
}

/// Adds what several shards measured.
pub fn sum<'l>(all: impl IntoIterator<Item = &'l Latency>) -> Vec<Latency> {
    let mut functions: BTreeMap<Function, Histogram> = BTreeMap::new();
    for latency in all {
        functions.entry(latency.function).or_default().absorb(&latency.into());
    }
    functions.iter().map(|(function, histogram)| histogram.tell(*function)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_duration_lies_in_its_bucket(nanos in any::<u64>().prop_map(|n| n >> 1)) {
            let bucket = bucket(nanos);
            prop_assert!(floor(bucket) <= nanos);
            prop_assert!(nanos < floor(bucket + 1));
            prop_assert!(floor(bucket + 1) - floor(bucket) <= 1 + floor(bucket) / PARTS);
        }

        #[test]
        fn halves_add_up_to_the_whole(durations in proptest::collection::vec(0_u64..10_000_000, 1..200)) {
            let mut whole = Histogram::default();
            let mut halves = [Histogram::default(), Histogram::default()];
            for (at, nanos) in durations.iter().enumerate() {
                whole.record(*nanos);
                halves[at % 2].record(*nanos);
            }
            let told: Vec<Latency> = halves
                .iter()
                .filter(|half| half.calls() > 0)
                .map(|half| half.tell(Function::Init))
                .collect();
            prop_assert_eq!(sum(&told), vec![whole.tell(Function::Init)]);
        }
    }

    #[test]
    fn percentiles_are_those_of_the_calls() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|nanos| histogram.record(nanos));
        for (percent, exact) in [(50, 500), (90, 900), (99, 990), (100, 1000)] {
            let found = histogram.percentile(percent);
            assert!(found >= exact && found <= exact + exact / 16, "{percent}: {found}");
        }
    }
}
