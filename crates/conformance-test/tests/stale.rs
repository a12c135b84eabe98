//! What the cases say of a library that is none, and of waivers that must not stay: this program runs itself as such a suite.

use std::path::Path;
use std::process::{Command, ExitCode, Output};

use libtest_mimic::{Arguments, Failed, Trial};
use worker_conformance_test::{Suite, built, serve};

/// Names the profile of the suite that this program is then.
const PROFILE: &str = "STALE_TEST_PROFILE";
const WAIVERS: &str = "waivers::each_still_excuses_something";
const LIBRARY: &str = "library::the_file_and_a_first_look";
const MESSAGES: &str = "messages::many_threads_ask_for_messages_at_once";

fn main() -> ExitCode {
    serve();
    if let Some(profile) = std::env::var_os(PROFILE) {
        return Suite::new(env!("CARGO_MANIFEST_DIR"), built("worker_mock")).profile(profile).main();
    }
    let trials = vec![
        Trial::test("a_needless_waiver_fails", || {
            says(&[("requirement: MSG-01, expires: 2999-01-01", WAIVERS, Some("MSG-01,"), "it passes now")])
        }),
        Trial::test("a_waiver_that_has_expired_fails", || {
            says(&[(
                "requirement: MSG-01, expires: 2020-01-01",
                WAIVERS,
                Some("MSG-01,"),
                "expired on 2020-01-01",
            )])
        }),
        Trial::test("a_waiver_of_no_scenario_fails_every_case", || {
            let waiver = "scenario: no such thing, expires: 2999-01-01";
            let text = "names no scenario of the suite";
            says(&[WAIVERS, LIBRARY, MESSAGES].map(|case| (waiver, case, None, text)))
        }),
        Trial::test("a_waiver_for_another_device_is_none", || {
            let output =
                run("requirement: MSG-01, expires: 2020-01-01, device: no such device", MESSAGES, None);
            if output.status.success() { Ok(()) } else { Err(text(&output).into()) }
        }),
        Trial::test("a_file_that_is_no_library_fails_every_case_with_the_reason", || {
            for case in [LIBRARY, MESSAGES] {
                let output = run("", case, Some(&Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")));
                fails(&output, "ABI-03 (MUST)")?;
            }
            Ok(())
        }),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A waiver, a case, and what the case has to say about it.
fn says(all: &[(&str, &str, Option<&str>, &str)]) -> Result<(), Failed> {
    for (waiver, case, name, wanted) in all {
        let output = run(waiver, case, None);
        fails(&output, wanted)?;
        name.map_or(Ok(()), |name| fails(&output, name))?;
    }
    Ok(())
}

fn fails(output: &Output, wanted: &str) -> Result<(), Failed> {
    let told = text(output);
    let failed = output.status.code() == Some(101) && told.contains("1 failed");
    if failed && told.contains(wanted) { Ok(()) } else { Err(format!("no `{wanted}` in\n{told}").into()) }
}

/// One case of the suite with a profile that has this waiver.
fn run(waiver: &str, case: &str, library: Option<&Path>) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let profile = folder.path().join("profile.yaml");
    let waivers =
        if waiver.is_empty() { "[]".to_owned() } else { format!("[{{reason: r, link: l, {waiver}}}]") };
    std::fs::write(&profile, format!("waivers: {waivers}\n")).expect("a profile is written");
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    command.args(["--exact", case]).env(PROFILE, &profile).env_remove("WORKER_LIBRARY");
    command.envs(library.map(|path| ("WORKER_LIBRARY", path)));
    command.output().expect("the program starts")
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}
