//! Libraries that crash, hang, exit or are no libraries: each gets a clear verdict in bounded time.

mod libraries;

use libraries::{Run, build, run};

/// What the report says of a requirement.
fn status<'a>(report: &'a serde_json::Value, id: &str) -> &'a str {
    let all = report["requirements"].as_array().expect("a list of requirements");
    all.iter().find(|one| one["id"] == id).and_then(|one| one["status"].as_str()).unwrap_or("absent")
}

/// All that the report observed for a requirement, in one text.
fn told(report: &serde_json::Value, id: &str) -> String {
    let all = report["requirements"].as_array().expect("a list of requirements");
    let one = all.iter().find(|one| one["id"] == id).expect("the requirement is reported");
    one["failures"].to_string()
}

#[test]
fn a_sound_library_is_not_blamed() {
    let Run { code, report, text } =
        run(&build("plain"), &["--only", "ERR-01,NULL-02,LOAD-02,DET-01,THR-01"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(report["verdict"], "conformant", "{text}");
    assert_eq!(status(&report, "ERR-01"), "pass");
}

#[test]
fn what_only_looks_like_a_leak_or_a_refusal_is_not_blamed() {
    for (name, only) in [
        ("given-back-by-the-clock", "VRAM-04,INF-12,LOAD-09"),
        ("pool-touched-page-by-page", "MEM-05"),
        ("eight-contexts-then-99", "DEV-03,DEV-05,DEV-06"),
    ] {
        let run = run(&build(name), &["--level", "strict", "--only", only]);
        assert_eq!(run.code, 0, "{name}: {}", run.text);
    }
}

#[test]
fn a_crash_on_null_names_the_call_and_the_rest_is_still_judged() {
    let run = run(&build("hostile-segv-in-load-of-null"), &["--only", "NULL-02,NULL-07,MSG-01"]);
    assert_eq!(run.code, 1, "{}", run.text);
    assert_eq!(status(&run.report, "ERR-08"), "fail");
    assert_eq!(status(&run.report, "NULL-02"), "fail");
    assert!(told(&run.report, "NULL-02").contains("SIGSEGV"), "{}", run.text);
    assert!(told(&run.report, "NULL-02").contains("cuda_load_model(#0, NULL"), "{}", run.text);
    assert_eq!(status(&run.report, "NULL-07"), "pass");
    assert_eq!(status(&run.report, "MSG-01"), "pass");
}

#[test]
fn a_library_that_fills_the_disk_is_stopped() {
    // A gigabyte with each load, in a file without a name.
    let run = run(&build("hostile-file-without-end"), &["--only", "LOAD-12", "--programs", "0"]);
    assert_eq!(run.code, 1, "{}", run.text);
    let told = told(&run.report, "ERR-08");
    assert!(told.contains("MiB written and held in open files"), "{told}");
}

#[test]
fn a_hang_in_next_token_ends_by_its_deadline() {
    let profile = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(profile.path(), "limits: {call_seconds: 2}\n").expect("a profile");
    let path = profile.path().to_str().expect("a path in UTF-8");
    let run = run(&build("hostile-loops-in-next"), &["--only", "INF-07,MSG-02", "--profile", path]);
    assert_eq!(run.code, 1, "{}", run.text);
    assert!(told(&run.report, "ERR-08").contains("no return within"), "{}", run.text);
    assert!(told(&run.report, "ERR-08").contains("cuda_inference_next_token"), "{}", run.text);
    assert_eq!(status(&run.report, "MSG-02"), "pass");
}

#[test]
fn an_exit_in_init_is_a_finding_not_the_end() {
    let run = run(&build("hostile-exit-0-in-init"), &["--only", "DEV-02,MSG-01"]);
    assert_eq!(run.code, 1, "{}", run.text);
    assert!(told(&run.report, "ERR-08").contains("exited with status 0"), "{}", run.text);
    assert!(told(&run.report, "ERR-08").contains("cuda_init"), "{}", run.text);
    assert_eq!(status(&run.report, "MSG-01"), "pass");
}

#[test]
fn a_missing_symbol_is_named() {
    let run = run(&build("abi-01-health-missing"), &["--only", "ABI-01,MSG-01"]);
    assert_eq!(run.code, 1, "{}", run.text);
    assert!(told(&run.report, "ABI-01").contains("cuda_check_device_health"), "{}", run.text);
    assert_eq!(status(&run.report, "MSG-01"), "pass");
}

#[test]
fn a_text_file_is_no_library_and_a_missing_file_is_no_verdict() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("libtext.so");
    std::fs::write(&path, "this is no library\n").expect("a file");
    let run = run(&path, &[]);
    assert_eq!(run.code, 1, "{}", run.text);
    assert_eq!(status(&run.report, "ABI-03"), "fail");
    assert_eq!(run.report["verdict"], "non-conformant");

    let missing = libraries::run(&folder.path().join("none.so"), &[]);
    assert_eq!(missing.code, 2, "{}", missing.text);
    assert!(missing.text.contains("cannot read the library"), "{}", missing.text);
}

#[test]
fn a_library_that_crashes_or_hangs_while_it_is_loaded_gets_a_verdict() {
    let profile = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(profile.path(), "limits: {load_seconds: 2}\n").expect("a profile");
    let path = profile.path().to_str().expect("a path in UTF-8");
    for (name, sign) in [
        ("abi-03-load-crashes", "SIG"),
        ("abi-03-load-hangs", "no return within"),
        ("abi-03-load-exits", "exited with status 0"),
    ] {
        let run = run(&build(name), &["--profile", path]);
        assert_eq!(run.code, 1, "{name}: {}", run.text);
        assert!(told(&run.report, "ABI-03").contains(sign), "{name}: {}", run.text);
    }
}

#[test]
fn no_process_outlives_a_run() {
    let run = run(&build("hostile-leaves-daemon"), &["--only", "HEALTH-01"]);
    assert!(told(&run.report, "PROC-02").contains("left behind"), "{}", run.text);
    let left: Vec<_> = std::fs::read_dir("/proc")
        .expect("the process table")
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("maps")).ok())
        .filter(|maps| maps.contains("hostile-leaves-daemon"))
        .collect();
    assert!(left.is_empty());
}

#[test]
fn without_a_device_nothing_passes_for_conformant() {
    let run = run(&build("zero-devices"), &[]);
    assert_eq!(run.code, 3, "{}", run.text);
    assert_eq!(run.report["verdict"], "incomplete");
    assert_eq!(status(&run.report, "DEV-04"), "pass");
    assert_eq!(status(&run.report, "LOAD-01"), "not-verified");
}

#[test]
fn a_selection_that_matches_nothing_is_an_error() {
    let library = build("plain");
    for (arguments, sign) in [
        (["--only", "XYZ-01"], "XYZ-01"),
        (["--scenario", "no such scenario"], "nothing to run"),
        (["--level", "lenient"], "lenient"),
        (["--profile", "/nonexistent.yaml"], "cannot read the profile"),
    ] {
        let run = run(&library, &arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.text);
        assert!(run.text.contains(sign), "{arguments:?}: {}", run.text);
    }
}
