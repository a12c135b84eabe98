//! The report as JUnit XML: the requirements as one suite, then a suite for each feature file.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::plain::line;
use crate::verdict::{Case, CaseKind, End, Found, RequirementResult, RunResult, Status};

/// The report.
///
/// # Errors
/// When it cannot be put into XML.
pub fn render(result: &RunResult) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("worker-conformance");
    report.set_time(seconds(result.seconds));
    report.add_test_suite(requirements(result));
    let mut groups: BTreeMap<String, Vec<&Case>> = BTreeMap::new();
    for case in &result.cases {
        let group = match (&case.scenario, case.kind) {
            (Some(scenario), _) => format!("features/{}", scenario.file),
            (None, CaseKind::Generated) => "generated programs".to_owned(),
            (None, _) => "the library".to_owned(),
        };
        groups.entry(group).or_default().push(case);
    }
    for (name, cases) in groups {
        let mut suite = TestSuite::new(line(&name));
        suite.set_time(seconds(cases.iter().map(|case| case.seconds).sum()));
        suite.add_test_cases(cases.into_iter().map(|case| played(result, &name, case)));
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn requirements(result: &RunResult) -> TestSuite {
    let mut suite = TestSuite::new("requirements");
    for (name, value) in [
        ("verdict", result.verdict.word()),
        ("level", result.level.word()),
        ("library", &result.library.path),
        ("sha256", &result.library.sha256),
        ("contract", &result.contract.version),
        ("suite", &result.suite.version),
    ] {
        suite.add_property(Property::new(name, line(value)));
    }
    suite.add_test_cases(result.requirements.iter().map(|one| requirement(result, one)));
    suite
}

fn requirement(result: &RunResult, one: &RequirementResult) -> TestCase {
    let reason = line(one.reason.as_deref().unwrap_or_default());
    let mut status = match one.status {
        Status::Pass => TestCaseStatus::success(),
        Status::Fail if result.counts(one) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Status::Fail => TestCaseStatus::skipped(),
        // What was asked for and not shown must not look like success.
        Status::NotVerified if result.is_asked(one) => TestCaseStatus::non_success(NonSuccessKind::Error),
        Status::NotVerified | Status::Waived => TestCaseStatus::skipped(),
    };
    match one.status {
        Status::Pass => {}
        Status::Fail => {
            let places: Vec<String> = one.failures.iter().map(|failure| line(&failure.scenario)).collect();
            let kind = if result.counts(one) { "broken" } else { "broken, but only a SHOULD" };
            status.set_message(format!("{kind}: {}", one.text));
            status.set_description(places.join("\n"));
        }
        Status::NotVerified => {
            status.set_message(format!("not verified: {reason}"));
        }
        Status::Waived => {
            status.set_message(format!("waived: {reason}"));
        }
    }
    let mut case = TestCase::new(format!("{} {}", one.id, one.text), status);
    case.set_classname(format!("requirements.{}", one.id.family()));
    case.add_property(Property::new("level", one.level.to_string()));
    case.add_property(Property::new("spec", one.spec.join(" ")));
    case.add_property(Property::new("checks", one.checks.to_string()));
    case
}

fn played(result: &RunResult, group: &str, one: &Case) -> TestCase {
    let counted: Vec<&Found> = result.counted(one).collect();
    let reason = line(one.reason.as_deref().unwrap_or_default());
    let mut status = if counted.is_empty() {
        match one.end {
            End::Complete => TestCaseStatus::success(),
            End::CutShort | End::Blocked | End::OutOfReach | End::NotApplicable => TestCaseStatus::skipped(),
        }
    } else {
        TestCaseStatus::non_success(NonSuccessKind::Failure)
    };
    if let Some(first) = counted.first() {
        status.set_type(first.requirement.as_str());
        status.set_message(format!(
            "{}: expected {}, observed {}",
            line(&first.call),
            line(&first.expected),
            line(&first.observed)
        ));
        status.set_description(counted.iter().map(|found| told(found)).collect::<Vec<_>>().join("\n\n"));
    } else if one.end != End::Complete {
        status.set_message(if reason.is_empty() {
            "what it found is waived, or only a SHOULD".to_owned()
        } else {
            reason
        });
    }
    let name = match &one.scenario {
        Some(scenario) => format!("{} (line {})", scenario.name, scenario.line),
        None => one.place.clone(),
    };
    let mut case = TestCase::new(line(&name), status);
    case.set_classname(line(group));
    case.set_time(seconds(one.seconds));
    let ids: Vec<&str> = one.requirements.iter().map(|id| id.as_str()).collect();
    case.add_property(Property::new("requirements", ids.join(" ")));
    case
}

fn told(found: &Found) -> String {
    format!(
        "{} ({})\ncall      {}\nexpected  {}\nobserved  {}",
        found.requirement,
        found.level,
        line(&found.call),
        line(&found.expected),
        line(&found.observed)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_report_reads_well() {
        insta::assert_snapshot!(render(&sample::result()).unwrap());
    }

    #[test]
    fn hostile_text_stays_text() {
        let xml = render(&sample::hostile()).unwrap();
        let again = Report::deserialize_from_str(&xml).expect("well-formed");
        assert!(again.failures + again.errors > 0);
        assert!(!xml.contains("<script>"), "{xml}");
        let control = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        assert!(!xml.contains(control));
    }
}
