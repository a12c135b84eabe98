//! Whether a report that was read can be one of a run: nothing twice, no figure that would overflow a sum.

use std::collections::BTreeSet;

use crate::verdict::RunResult;

/// More than any run counts; so many thousand of them still add up in 64 bits.
const MOST: u64 = 1 << 40;
/// More seconds than any run takes: thirty years.
const LONGEST: f64 = 1e9;

/// What cannot be, if anything.
pub fn complaint(result: &RunResult) -> Option<String> {
    if let Some(shard) = result.selection.shard.filter(|shard| !shard.is_possible()) {
        return Some(format!("there is no shard {shard}"));
    }
    if let Some(id) = twice(result.requirements.iter().map(|one| one.id)) {
        return Some(format!("it has {id} twice"));
    }
    if let Some(place) = twice(result.cases.iter().map(|one| one.place.as_str())) {
        return Some(format!("it has the case `{place}` twice"));
    }
    let steps = result.cases.iter().flat_map(|one| &one.scenario).flat_map(|one| &one.steps);
    let seconds = result.cases.iter().map(|one| one.seconds).chain(steps.map(|one| one.seconds));
    if let Some(odd) = seconds.chain([result.seconds]).find(|one| !(0.0..LONGEST).contains(one)) {
        return Some(format!("nothing takes {odd:?} seconds"));
    }
    figures(result).into_iter().find(|one| *one > MOST).map(|odd| format!("no run counts to {odd}"))
}

/// Something that stands there twice.
fn twice<T: Ord + Copy>(all: impl Iterator<Item = T>) -> Option<T> {
    let mut seen = BTreeSet::new();
    all.into_iter().find(|one| !seen.insert(*one))
}

/// All figures that are added up somewhere.
fn figures(result: &RunResult) -> Vec<u64> {
    let mut all: Vec<u64> = result.generated.iter().map(|one| one.programs).collect();
    all.extend(result.requirements.iter().map(|one| one.checks));
    all.extend(result.codes.iter().map(|one| one.calls));
    all.extend(result.cases.iter().flat_map(|one| one.checks.values()));
    all.extend(result.cases.iter().flat_map(|one| &one.codes).map(|one| one.calls));
    all.extend(result.coverage.iter().flat_map(|one| one.outcomes.values()));
    all.extend(result.latency.iter().map(|one| one.calls));
    all.extend(result.latency.iter().flat_map(|one| &one.buckets).map(|(_, calls)| *calls));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::verdict::Shard;

    #[test]
    fn a_report_of_a_run_is_taken() {
        for result in [sample::result(), sample::hostile()] {
            assert_eq!(complaint(&result), None);
        }
    }

    #[test]
    fn what_no_run_writes_is_refused_in_words() {
        type Change = fn(&mut RunResult);
        let changes: [Change; 9] = [
            |one| one.selection.shard = Some(Shard { index: 1, count: 4_000_000_000 }),
            |one| one.selection.shard = Some(Shard { index: 0, count: 3 }),
            |one| one.requirements.push(one.requirements[0].clone()),
            |one| one.cases.push(one.cases[0].clone()),
            |one| one.seconds = -1.0,
            |one| one.cases[0].seconds = f64::MAX,
            |one| one.requirements[0].checks = u64::MAX,
            |one| one.coverage[0].outcomes.values_mut().for_each(|calls| *calls = u64::MAX),
            |one| one.latency[0].buckets[0].1 = 1 << 41,
        ];
        let said = changes.map(|change| {
            let mut result = sample::result();
            change(&mut result);
            complaint(&result).expect("a complaint")
        });
        insta::assert_snapshot!(said.join("\n"));
    }
}
