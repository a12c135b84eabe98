//! The support matrix: several backends side by side, requirement by requirement.

use std::fmt::Write;

use minijinja::{Value, context};
use worker_contract::catalogue;

use super::html;
use super::markdown::escape;
use super::plain::line;
use crate::verdict::{RequirementResult, RunResult, Status, Verdict};

/// Symbol, word and class of a cell.
fn cell(one: Option<&RequirementResult>) -> (&'static str, &'static str, &'static str) {
    match one.map(|one| (one.status, one.applies)) {
        None => ("·", "not run", "none"),
        Some((Status::Pass, _)) => ("✔", "pass", "pass"),
        Some((Status::Fail, _)) => ("✘", "fail", "fail"),
        Some((Status::NotVerified, false)) => ("–", "does not apply", "none"),
        Some((Status::NotVerified, true)) => ("?", "not verified", "open"),
        Some((Status::Waived, _)) => ("~", "waived", "waived"),
    }
}

fn name(result: &RunResult) -> String {
    let profile = result.profile.as_ref().and_then(|profile| profile.name.clone());
    profile.unwrap_or_else(|| result.library.file.clone())
}

/// One row: the requirement's ID, level and text, and what each backend has.
struct Row<'r> {
    id: &'static str,
    level: String,
    text: &'static str,
    cells: Vec<Option<&'r RequirementResult>>,
}

fn rows(results: &[RunResult]) -> Vec<Row<'_>> {
    catalogue()
        .iter()
        .map(|requirement| Row {
            id: requirement.id.as_str(),
            level: requirement.level.to_string(),
            text: &requirement.text,
            cells: results
                .iter()
                .map(|result| result.requirements.iter().find(|one| one.id == requirement.id))
                .collect(),
        })
        .filter(|row| row.cells.iter().any(Option::is_some))
        .collect()
}

/// The matrix as Markdown.
pub fn markdown(results: &[RunResult]) -> String {
    let mut text =
        String::from("# Support matrix\n\n| backend | verdict | library | SHA-256 | contract | date |\n");
    text.push_str("|---|---|---|---|---|---|\n");
    for result in results {
        let _ = writeln!(
            text,
            "| {} | {}, level {} | {} | {} | {} | {} |",
            escape(&name(result)),
            result.verdict.word(),
            result.level.word(),
            escape(&result.library.file),
            escape(result.library.sha256.get(..12).unwrap_or(&result.library.sha256)),
            escape(&result.contract.version),
            escape(&result.started)
        );
    }
    let names: Vec<String> = results.iter().map(|result| escape(&name(result))).collect();
    let _ = writeln!(text, "\n| requirement | level | {} | says |", names.join(" | "));
    let _ = writeln!(text, "|---|---|{}---|", "---|".repeat(results.len()));
    for row in rows(results) {
        let cells: Vec<String> = row
            .cells
            .iter()
            .map(|one| {
                let (symbol, word, _) = cell(*one);
                format!("{symbol} {word}")
            })
            .collect();
        let _ =
            writeln!(text, "| {} | {} | {} | {} |", row.id, row.level, cells.join(" | "), escape(row.text));
    }
    text
}

/// The matrix as a page that needs no network.
///
/// # Errors
/// When the page's template is wrong.
pub fn page(results: &[RunResult]) -> Result<String, minijinja::Error> {
    let backend = |result: &RunResult| {
        let class = match result.verdict {
            Verdict::Conformant => "pass",
            Verdict::NonConformant => "fail",
            Verdict::Incomplete => "open",
        };
        let devices = if result.machine.devices.is_empty() {
            "-".to_owned()
        } else {
            result.machine.devices.join(", ")
        };
        context! {
            name => line(&name(result)),
            class,
            verdict => format!("{}, level {}", result.verdict.word(), result.level.word()),
            file => line(&result.library.file),
            sha256 => line(&result.library.sha256),
            contract => line(&result.contract.version),
            devices => line(&devices),
            date => line(&result.started),
        }
    };
    let rows: Vec<Value> = rows(results)
        .iter()
        .map(|row| {
            let cells: Vec<Value> = row
                .cells
                .iter()
                .map(|one| {
                    let (symbol, word, class) = cell(*one);
                    let reason = one.and_then(|one| one.reason.as_deref()).map(line);
                    context! { class, word => format!("{symbol} {word}"), reason }
                })
                .collect();
            context! { id => row.id, level => row.level.as_str(), text => row.text, cells }
        })
        .collect();
    html::render_matrix(context! { backends => results.iter().map(backend).collect::<Vec<_>>(), rows })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn backends_stand_side_by_side() {
        let mut other = sample::result();
        other.profile = None;
        other.cases.retain(|case| !case.place.contains("null_safety"));
        other.selection.only = vec![crate::oracle::id("NULL-03"), crate::oracle::id("DEV-01")];
        other.sum_up();
        let text = markdown(&[sample::result(), other]);
        let some = text.lines().filter(|line| {
            !line.starts_with("| ")
                || ["backend", "my", "libmine", "requirement", "DEV-", "NULL-", "UTF8-02"]
                    .iter()
                    .any(|start| line.starts_with(&format!("| {start}")))
        });
        insta::assert_snapshot!(some.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn hostile_names_stay_text() {
        let all = [sample::hostile(), sample::result()];
        let page = page(&all).unwrap();
        assert!(!page.contains("<script"));
        let text = markdown(&all);
        assert!(!text.contains("<script"));
        assert!(text.lines().filter(|line| line.starts_with("| NULL-03")).count() == 1);
    }
}
