//! From cases to statuses and a verdict. It reads nothing but the result itself, so that shards add up to the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use worker_contract::{Function, Level, RequirementId, catalogue};

use super::{Case, CaseKind, CodeCount, Conformance, End, Failure, RequirementResult, RunResult, Status};
use crate::fuzz::kept::quote;
use crate::fuzz::share;
use crate::waiver::{GivenWaiver, Holds};

/// What became of a requirement, and why.
struct Judged {
    status: Status,
    reason: Option<String>,
    applies: bool,
}

impl RunResult {
    /// Works out everything that follows from the cases: statuses, verdict, counts, and which waivers are stale.
    pub fn sum_up(&mut self) {
        let partial = self.selection.is_partial();
        let asked: BTreeSet<RequirementId> = self.selection.only.iter().copied().collect();
        let concerns = |id: RequirementId| {
            let found =
                || self.cases.iter().any(|one| one.findings.iter().any(|found| found.requirement == id));
            let own = || self.cases.iter().any(|one| one.requirements.contains(&id));
            let by_place = self.selection.scenario.is_some() || self.selection.feature.is_some();
            let all = asked.is_empty() && !by_place && self.selection.shard.is_none();
            let shown = match self.selection.shard {
                // A shard tells of what it looked at.
                Some(_) => own() && (asked.is_empty() || asked.contains(&id)),
                None => asked.contains(&id) || by_place && own(),
            };
            all || shown || found()
        };
        let ids: Vec<RequirementId> =
            catalogue().iter().map(|requirement| requirement.id).filter(|id| concerns(*id)).collect();
        let judged: Vec<(RequirementResult, bool)> = ids.into_iter().map(|id| self.result_of(id)).collect();
        let mut problems = Vec::new();
        for waiver in &self.waivers {
            let told = |what: String| format!("{}, {}: {what}", waiver.name(), waiver.from);
            match waiver.holds {
                Holds::Elsewhere => {}
                Holds::Expired => {
                    problems
                        .push(told(format!("expired on {}; mend the library, or renew it", waiver.expires)));
                }
                // A part of the suite does not show that a requirement is kept.
                Holds::Yes if partial => {}
                Holds::Yes => {
                    let kept = match &waiver.scenario {
                        Some(_) => self.is_kept_in_scenarios(waiver),
                        None => judged.iter().any(|(one, passes)| {
                            Some(one.id) == waiver.requirement && *passes && one.failures.is_empty()
                        }),
                    };
                    if kept {
                        problems.push(told("it passes now; take the waiver out".to_owned()));
                    }
                }
            }
        }
        self.waiver_problems = problems;
        self.requirements = judged.into_iter().map(|(one, _)| one).collect();
        let injected = self.profile.as_ref().map_or(&[][..], |profile| &profile.faults);
        self.verdict = RunResult::judge(&self.requirements, self.level, injected);
        self.codes = code_counts(&self.cases);
        self.scenarios = self.cases.iter().filter(|one| one.kind == CaseKind::Scenario).count();
    }

    /// Whether the scenarios that a waiver is of were played to the end and found nothing that it excuses.
    fn is_kept_in_scenarios(&self, waiver: &GivenWaiver) -> bool {
        let mut named = self.cases.iter().filter(|one| waiver.names(one)).peekable();
        let found = |one: &Case| one.findings.iter().any(|found| waiver.excuses(found.requirement, one));
        named.peek().is_some() && named.all(|one| one.end == End::Complete && !found(one))
    }

    /// One requirement, and whether it passes without any waiver.
    fn result_of(&self, id: RequirementId) -> (RequirementResult, bool) {
        let requirement = id.requirement();
        let level = requirement.level;
        let excused = |one: &Case| self.waivers.iter().find(|waiver| waiver.excuses(id, one));
        let by_scenario = |one: &Case| excused(one).filter(|waiver| waiver.scenario.is_some());
        let mut failures = Vec::new();
        let mut notes: BTreeSet<String> = BTreeSet::new();
        for one in &self.cases {
            for found in one.findings.iter().filter(|found| found.requirement == id) {
                failures.push(Failure {
                    scenario: one.place.clone(),
                    level: found.level,
                    call: found.call.clone(),
                    expected: found.expected.clone(),
                    observed: found.observed.clone(),
                    rerun: self.rerun(id, &one.place),
                    waived: excused(one).is_some(),
                });
            }
            let own = one.choices.iter().filter(|choice| choice.requirement == id);
            notes.extend(own.map(|choice| choice.text.clone()));
        }
        let checks: u64 = self.cases.iter().filter_map(|one| one.checks.get(&id)).sum();
        let bare = self.judge_requirement(id, checks, &|_| false);
        let passes = bare.status == Status::Pass;
        let mut judged = bare;
        let own = |waiver: &&GivenWaiver| waiver.requirement == Some(id) && waiver.scenario.is_none();
        let whole = self.waivers.iter().filter(own).filter(|waiver| waiver.holds != Holds::Elsewhere);
        // One that counts excuses, whatever has expired before it.
        let whole = whole.min_by_key(|waiver| waiver.holds != Holds::Yes);
        match whole {
            _ if passes => {}
            Some(waiver) if waiver.holds == Holds::Yes => {
                judged = Judged { status: Status::Waived, reason: Some(waiver.told()), ..judged };
            }
            _ => {
                if let Some(waiver) = self.cases.iter().find_map(by_scenario) {
                    // What is left when the excused scenarios are left out.
                    let left = self.judge_requirement(id, checks.max(1), &|one| by_scenario(one).is_some());
                    judged = match left.status {
                        Status::Pass => {
                            Judged { status: Status::Waived, reason: Some(waiver.told()), applies: true }
                        }
                        _ => left,
                    };
                }
                if let (Some(waiver), true) = (whole, judged.status != Status::Waived) {
                    judged.reason = Some(format!("its waiver expired on {}", waiver.expires));
                }
            }
        }
        let result = RequirementResult {
            id,
            level,
            status: judged.status,
            applies: judged.applies,
            checks,
            failures,
            reason: judged.reason,
            notes: notes.into_iter().collect(),
            text: requirement.text.clone(),
            source: requirement.source,
            spec: requirement.spec.clone(),
        };
        (result, passes)
    }

    /// What the cases say of a requirement, where `left_out` says which of them do not count against it.
    fn judge_requirement(&self, id: RequirementId, checks: u64, left_out: &dyn Fn(&Case) -> bool) -> Judged {
        let level = id.requirement().level;
        let strict = level == Level::Should || self.level == Conformance::Strict;
        let own = || self.cases.iter().filter(|one| one.requirements.contains(&id));
        let broken = self.cases.iter().filter(|one| !left_out(one)).flat_map(|one| &one.findings);
        let judged = |status, reason| Judged { status, reason, applies: true };
        if broken.into_iter().any(|f| f.requirement == id && (f.level == Level::Must || strict)) {
            return judged(Status::Fail, None);
        }
        let complete = own().any(|one| one.end == End::Complete || left_out(one));
        let hindered = own().filter(|one| !left_out(one)).find_map(|one| match one.end {
            End::Blocked => Some(format!("{}: {}", one.place, one.reason.as_deref().unwrap_or_default())),
            End::CutShort => Some(format!("{} stopped at another requirement", one.place)),
            _ => None,
        });
        if let Some(why) = hindered.or_else(|| self.blocked.clone().filter(|_| !complete || checks == 0)) {
            return judged(Status::NotVerified, Some(why));
        }
        if complete && checks > 0 {
            return judged(Status::Pass, None);
        }
        let why = |end: End| own().find(|one| one.end == end).and_then(|one| one.reason.clone());
        // What one scenario does not ask for does not make up for what another could not show.
        if let Some(why) = why(End::OutOfReach) {
            return judged(Status::NotVerified, Some(why));
        }
        let why = why(End::NotApplicable);
        Judged {
            status: Status::NotVerified,
            applies: why.is_none(),
            reason: Some(why.unwrap_or_else(|| "no scenario verifies it yet".to_owned())),
        }
    }

    /// The command that runs a scenario again.
    fn rerun(&self, id: RequirementId, place: &str) -> String {
        let quote = |path: &str| quote(Path::new(path));
        let generated = share::again(place);
        let name = if generated.is_some() { "fuzz" } else { "run" };
        let mut command = format!("worker-conformance {name} --library {}", quote(&self.selection.library));
        if generated.is_none() {
            command += &self.selection.instrument;
        }
        if let Some(path) = self.profile.as_ref().and_then(|profile| profile.path.as_deref()) {
            command += &format!(" --profile {}", quote(path));
        }
        if let Some(options) = generated {
            return format!("{command} {options}");
        }
        if let Some(feature) = &self.selection.feature {
            return format!("{command} --feature {}", quote(feature));
        }
        match place.split_once(": ") {
            Some((file, _)) if place.starts_with("features/") => command += &format!(" --scenario {file}:"),
            _ => command += &format!(" --only {id}"),
        }
        command
    }
}

/// How often each function reported each code, over all cases.
fn code_counts(cases: &[Case]) -> Vec<CodeCount> {
    let mut all: BTreeMap<(Function, i32), u64> = BTreeMap::new();
    for cell in cases.iter().flat_map(|one| &one.codes) {
        *all.entry((cell.function, cell.code)).or_default() += cell.calls;
    }
    all.into_iter().map(|((function, code), calls)| CodeCount { function, code, calls }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::verdict::Verdict;

    /// Status, whether it is asked for, and the verdict on a library that has one requirement, shown by scenarios that
    /// end so.
    fn judged(ends: &[End]) -> (Status, bool, Verdict) {
        let mut result = sample::result();
        let cases = ends.iter().enumerate().map(|(line, end)| {
            let mut case = sample::scenario("utf8.feature", line, "text", &["UTF8-01"], *end);
            case.reason = Some(format!("{end:?}"));
            if *end != End::Complete {
                case.checks.clear();
            }
            case
        });
        result.cases = cases.collect();
        result.selection.only = result.cases[0].requirements.clone();
        result.waivers.clear();
        result.sum_up();
        let one = &result.requirements[0];
        (one.status, one.applies, result.verdict)
    }

    #[test]
    fn what_no_scenario_could_show_is_not_verified_and_asked_for_all_the_same() {
        use End::{Blocked, Complete, NotApplicable, OutOfReach};
        let open = (Status::NotVerified, true, Verdict::Incomplete);
        let pass = (Status::Pass, true, Verdict::Conformant);
        assert_eq!(judged(&[OutOfReach]), open);
        assert_eq!(judged(&[NotApplicable, OutOfReach]), open);
        assert_eq!(judged(&[OutOfReach, NotApplicable]), open);
        assert_eq!(judged(&[Complete, OutOfReach]), pass);
        assert_eq!(judged(&[Complete, NotApplicable]), pass);
        assert_eq!(judged(&[Complete, Blocked]), open);
        assert_eq!(judged(&[NotApplicable]), (Status::NotVerified, false, Verdict::Conformant));
    }
}
