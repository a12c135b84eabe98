//! Drafts waivers after a run: complete but for what only a person can say, and refused until that is said.

use std::fmt::Write;

use super::plain::line;
use crate::verdict::{RunResult, Status};

/// Words that no reading of waivers accepts.
const WHY: &str = "TODO why this is excused";
const WHERE: &str = "TODO where it is tracked";
const WHEN: &str = "TODO YYYY-MM-DD";

/// The waivers that would excuse everything that counts and is broken or not verified.
pub fn render(result: &RunResult) -> String {
    let mut text = String::from(
        "# Drafted by `worker-conformance run --write-waivers`. Fill in every TODO; until then no run accepts the file.\n\
         # Put the list under `waivers` of the profile, or the file beside the library as <library>.conformance.yaml.\n\
         # Narrow a waiver by `scenario`, or `device`, and drop what you can mend instead.\n",
    );
    let open = |status: Status| matches!(status, Status::Fail | Status::NotVerified);
    let mut all = result
        .requirements
        .iter()
        .filter(|one| open(one.status) && result.counts(one))
        .filter(|one| one.status == Status::Fail || result.is_asked(one))
        .peekable();
    if all.peek().is_none() {
        text.push_str("waivers: []\n");
        return text;
    }
    text.push_str("waivers:\n");
    for one in all {
        let _ = writeln!(text, "# {}", line(&one.text));
        match one.failures.first() {
            Some(failure) => {
                let _ = writeln!(text, "# {}", line(&failure.scenario));
                let _ = writeln!(
                    text,
                    "# {}: expected {}, observed {}",
                    line(&failure.call),
                    line(&failure.expected),
                    line(&failure.observed)
                );
            }
            None => {
                let _ = writeln!(text, "# not verified: {}", line(one.reason.as_deref().unwrap_or_default()));
            }
        }
        let _ = writeln!(text, "- requirement: {}", one.id);
        let _ = writeln!(text, "  reason: {WHY}\n  link: {WHERE}\n  expires: {WHEN}");
        let _ = writeln!(text, "  library: {{sha256: {}}}", result.library.sha256);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::waiver;

    #[test]
    fn a_draft_is_refused_until_it_is_filled_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("waivers.yaml");
        for result in [sample::result(), sample::hostile()] {
            let text = render(&result);
            std::fs::write(&path, &text).unwrap();
            assert!(waiver::read(&path).unwrap_err().to_string().contains("is no day"));
            let filled = text
                .replace(WHY, "known")
                .replace(WHERE, "https://example.com/1")
                .replace(WHEN, "2030-01-01");
            std::fs::write(&path, filled).unwrap();
            let waivers = waiver::read(&path).unwrap();
            assert!(waivers.iter().any(|one| one.requirement.is_some_and(|id| id.as_str() == "NULL-03")));
        }
    }

    #[test]
    fn the_draft_reads_well() {
        let text = render(&sample::result());
        // The sample judges few requirements, so most of the draft is alike.
        let part = |id: &str| {
            text.split("\n# ").filter(|part| part.contains(id)).last().unwrap_or_default().to_owned()
        };
        let head = text.split("waivers:").next().unwrap_or_default();
        insta::assert_snapshot!(
            [head.to_owned(), part("requirement: NULL-03"), part("requirement: ERR-01")].join("...\n")
        );
    }
}
