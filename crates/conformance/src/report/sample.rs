//! Results for the tests of reports: one as usual, and one of a library that writes what it likes.

use std::collections::BTreeMap;

use worker_contract::{Function, Level, RequirementId};

use crate::fuzz::share::Generated;
use crate::oracle::id;
use crate::verdict::latency::Histogram;
use crate::verdict::{
    Case, CaseKind, Choice, CodeCount, Conformance, Contract, End, Found, Machine, ProfileFacts, Reproducer,
    RunResult, SCHEMA_VERSION, ScenarioText, Selection, StateRow, StepResult, StepStatus, Suite,
    TestedLibrary, Verdict,
};
use crate::waiver::{GivenWaiver, Holds};

fn step(keyword: &str, text: &str, line: usize, status: StepStatus) -> StepResult {
    let keyword = keyword.to_owned();
    StepResult {
        keyword,
        text: text.to_owned(),
        line,
        docstring: None,
        table: Vec::new(),
        status,
        seconds: 0.001,
    }
}

/// A scenario of two steps.
pub fn scenario(file: &str, line: usize, name: &str, ids: &[&str], end: End) -> Case {
    let last = match end {
        End::Complete => StepStatus::Passed,
        End::CutShort => StepStatus::Failed,
        End::Blocked | End::OutOfReach | End::NotApplicable => StepStatus::Stopped,
    };
    let ids: Vec<RequirementId> = ids.iter().map(|one| id(one)).collect();
    Case {
        place: format!("features/{file}:{line}: {name}"),
        kind: CaseKind::Scenario,
        checks: ids.iter().map(|id| (*id, 7)).collect(),
        requirements: ids,
        end,
        reason: None,
        seconds: 0.25,
        scenario: Some(ScenarioText {
            file: file.to_owned(),
            feature: format!("What {file} is about"),
            rule: None,
            name: name.to_owned(),
            line,
            steps: vec![
                step("Given", "a context", line + 1, StepStatus::Passed),
                step("Then", "the call returns NULL", line + 2, last),
            ],
        }),
        findings: Vec::new(),
        choices: Vec::new(),
        codes: vec![CodeCount { function: Function::Init, code: 0, calls: 3 }],
    }
}

/// Something found in the second step.
pub fn found(requirement: &str, call: &str, expected: &str, observed: &str) -> Found {
    Found {
        requirement: id(requirement),
        level: id(requirement).requirement().level,
        call: call.to_owned(),
        expected: expected.to_owned(),
        observed: observed.to_owned(),
        step: Some(1),
    }
}

/// A result as usual: one requirement broken, one SHOULD, one waived, one that does not apply, the rest open.
pub fn result() -> RunResult {
    let mut null = scenario(
        "null_safety.feature",
        48,
        "a start without model or prompt is refused",
        &["NULL-03"],
        End::CutShort,
    );
    null.findings.push(found(
        "NULL-03",
        "cuda_inference_start(#1, NULL, 16, 0.0, 1, out)",
        "NULL with CUDA_ERROR_INVALID_PARAMETER (5)",
        "SIGSEGV (write through a NULL pointer, address 0x8)",
    ));
    let mut noise = scenario("process.feature", 9, "nothing is printed", &["PROC-01"], End::Complete);
    noise.findings.push(found(
        "PROC-01",
        "cuda_init(0, out)",
        "nothing on stdout or stderr",
        "14 bytes: \"loading model\"",
    ));
    let mut waived = scenario("utf8.feature", 20, "a code point arrives whole", &["UTF8-02"], End::CutShort);
    waived.findings.push(found(
        "UTF8-02",
        "cuda_inference_next_token(#2, out, 64, out, out)",
        "valid text",
        "half of it",
    ));
    let mut none =
        scenario("devices.feature", 30, "a machine without devices", &["DEV-04"], End::NotApplicable);
    none.reason = Some("the library reports 1 device(s), not 0".to_owned());
    let mut good =
        scenario("devices.feature", 12, "the count is the same at every call", &["DEV-01"], End::Complete);
    good.choices.push(Choice { requirement: id("DEV-01"), text: "one device is reported".to_owned() });
    let file = Case {
        place: "the library file".to_owned(),
        kind: CaseKind::Check,
        scenario: None,
        seconds: 0.0,
        ..scenario("x", 1, "x", &["ABI-01", "ABI-02"], End::Complete)
    };
    let mut histogram = Histogram::default();
    [900, 1_100, 1_400, 250_000].into_iter().for_each(|nanos| histogram.record(nanos));
    let row = |state: &str, outcomes: &[(&str, u64)]| StateRow {
        function: Function::Init,
        state: state.to_owned(),
        outcomes: outcomes
            .iter()
            .map(|(outcome, calls)| ((*outcome).to_owned(), *calls))
            .collect::<BTreeMap<_, _>>(),
    };
    let mut result = RunResult {
        schema_version: SCHEMA_VERSION.to_owned(),
        contract: Contract { version: "1.0".to_owned() },
        library: TestedLibrary {
            path: "/home/you/libmine.so".to_owned(),
            sha256: "ef6b0c6cbb0d908dd39e3c411acd6469fc738246df35114bdb37ad69f34b6b8e".to_owned(),
            file: "libmine.so".to_owned(),
            bytes: 123_456,
            build_id: Some("4e1f58d51406c170".to_owned()),
            soname: Some("libmine.so.1".to_owned()),
            compilers: vec!["GCC: (GNU) 12.2.0".to_owned()],
        },
        level: Conformance::Core,
        verdict: Verdict::Incomplete,
        requirements: Vec::new(),
        codes: Vec::new(),
        scenarios: 0,
        seconds: 4.5,
        generated: Some(Generated { programs: 100, seed: 20_251_004, reason: None }),
        suite: Suite { version: "0.1.0".to_owned(), sha256: "0123456789abcdef".repeat(4) },
        selection: Selection { library: "./libmine.so".to_owned(), programs: 100, ..Selection::default() },
        started: "2026-01-02T03:04:05Z".to_owned(),
        machine: Machine {
            system: "linux 6.1.0".to_owned(),
            architecture: "x86_64".to_owned(),
            processor: Some("A Processor".to_owned()),
            cores: 8,
            devices: vec!["NVIDIA H100".to_owned()],
            driver: Some("550.54.15".to_owned()),
            device_count: Some(1),
        },
        profile: Some(ProfileFacts {
            name: Some("my backend".to_owned()),
            path: Some("mine.yaml".to_owned()),
            sha256: "fedcba9876543210".repeat(4),
            faults: Vec::new(),
        }),
        waivers: vec![GivenWaiver {
            requirement: Some(id("UTF8-02")),
            scenario: None,
            reason: "split code points arrive as replacement characters".to_owned(),
            link: "https://example.com/issues/17".to_owned(),
            expires: "2027-03-31".to_owned(),
            from: "mine.yaml".to_owned(),
            holds: Holds::Yes,
        }],
        waiver_problems: Vec::new(),
        blocked: None,
        latency: vec![histogram.tell(Function::Init)],
        coverage: vec![
            row("no context", &[("handle/0", 12), ("NULL/1", 3)]),
            row("beside another context", &[]),
        ],
        reproducers: vec![Reproducer {
            requirement: id("NULL-03"),
            place: null.place.clone(),
            c: "/* NULL-03 */\nint main(void) { return 1; }\n".to_owned(),
            yaml: "version: 1\n".to_owned(),
        }],
        cases: vec![file, good, none, null, noise, waived],
    };
    result.sum_up();
    result
}

/// Text that means something to a browser, a terminal, a parser or a spreadsheet.
pub const HOSTILE: &str = "</script><script>alert(1)</script>\u{1b}[31m\u{0}\u{202e}]]>--> \"'`*|\r\n::error::x\n# not ok {{7*7}} ${7} @all";

/// A result in which everything that a library or its owner has a hand in is hostile.
pub fn hostile() -> RunResult {
    let mut result = result();
    let long = format!("{HOSTILE}{}", "A".repeat(100_000));
    result.library.path = format!("/tmp/{HOSTILE}.so");
    result.library.file = format!("{HOSTILE}.so");
    result.library.compilers = vec![HOSTILE.to_owned()];
    result.library.soname = Some(HOSTILE.to_owned());
    result.selection.library = result.library.path.clone();
    result.machine.devices = vec![HOSTILE.to_owned()];
    if let Some(profile) = &mut result.profile {
        profile.name = Some(HOSTILE.to_owned());
        profile.path = Some(HOSTILE.to_owned());
    }
    for waiver in &mut result.waivers {
        waiver.reason = HOSTILE.to_owned();
        waiver.link = format!("javascript:alert(1)//{HOSTILE}");
    }
    for case in &mut result.cases {
        if let Some(scenario) = &mut case.scenario {
            scenario.name = format!("{} {HOSTILE}", scenario.name);
            scenario.steps[0].docstring = Some(HOSTILE.to_owned());
            scenario.steps[0].table = vec![vec![HOSTILE.to_owned()]];
        }
        case.reason = case.reason.as_ref().map(|_| HOSTILE.to_owned());
        for found in &mut case.findings {
            (found.call, found.expected, found.observed) =
                (HOSTILE.to_owned(), HOSTILE.to_owned(), long.clone());
        }
        for choice in &mut case.choices {
            choice.text = HOSTILE.to_owned();
        }
    }
    for reproducer in &mut result.reproducers {
        reproducer.c = format!("/* {HOSTILE} */\n");
    }
    for row in &mut result.coverage {
        row.state = HOSTILE.to_owned();
        row.outcomes.insert(HOSTILE.to_owned(), 1);
    }
    result.sum_up();
    result.waiver_problems = vec![HOSTILE.to_owned()];
    result
}

#[test]
fn the_samples_have_what_reports_must_show() {
    let status = |result: &RunResult, wanted: &str| {
        result
            .requirements
            .iter()
            .find(|one| one.id.as_str() == wanted)
            .map(|one| (one.status.word(), one.applies))
    };
    let result = result();
    let all = ["NULL-03", "PROC-01", "UTF8-02", "DEV-04", "DEV-01", "ERR-01"];
    let all = all.map(|id| status(&result, id).unwrap());
    assert_eq!(
        all,
        [
            ("fail", true),
            ("fail", true),
            ("waived", true),
            ("not verified", false),
            ("pass", true),
            ("not verified", true)
        ]
    );
    assert_eq!(result.verdict, Verdict::NonConformant);
    assert_eq!(id("PROC-01").requirement().level, Level::Should);
}
