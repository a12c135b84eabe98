//! How the program says that it could not do its work: what, where, and what to do.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode, SourceOffset,
};
use worker_conformance::features::FeatureError;
use worker_conformance::profile::ProfileError;
use worker_conformance::report::progress;
use worker_conformance::suite::SuiteError;

/// An error as people read it.
#[derive(Debug)]
pub struct Problem {
    what: String,
    place: Option<Place>,
    todo: Option<String>,
}

/// A line of a file.
#[derive(Debug)]
struct Place {
    source: NamedSource<String>,
    text: String,
    line: usize,
    column: usize,
}

impl Place {
    fn read(file: &std::path::Path, line: usize, column: usize) -> Option<Self> {
        let text = std::fs::read_to_string(file).ok()?;
        let source = NamedSource::new(file.display().to_string(), text.clone());
        Some(Self { source, text, line, column: column.max(1) })
    }

    fn offset(&self) -> usize {
        SourceOffset::from_location(&self.text, self.line, self.column)
            .offset()
            .min(self.text.len().saturating_sub(1))
    }
}

impl From<&anyhow::Error> for Problem {
    fn from(error: &anyhow::Error) -> Self {
        let (mut place, mut todo, mut what) = (None, None, error.to_string());
        for cause in error.chain() {
            match cause.downcast_ref::<ProfileError>() {
                Some(ProfileError::Parse { path, source }) => {
                    place = source.location().and_then(|at| Place::read(path, at.line(), at.column()));
                    todo = Some("the keys are listed in README.md under `Profile and waivers`".to_owned());
                }
                Some(ProfileError::Read { .. }) => {
                    todo = Some("give the path of a profile (YAML), or leave --profile out".to_owned());
                }
                _ => {}
            }
            let feature = match cause.downcast_ref::<SuiteError>() {
                Some(SuiteError::Feature(feature)) => Some(feature),
                _ => cause.downcast_ref::<FeatureError>(),
            };
            if let Some((file, line, column)) = feature.and_then(FeatureError::place) {
                place = Place::read(file, line, column);
                todo = Some("features are written in Gherkin: compare with those that `worker-conformance list --tree` names".to_owned());
            }
        }
        // By the custom of this program what to do stands behind a semicolon.
        if todo.is_none()
            && let Some((before, after)) = what.rsplit_once("; ").filter(|(_, after)| !after.contains('\n'))
        {
            todo = Some(after.to_owned());
            what = before.to_owned();
        }
        Self { what, place, todo }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.todo.as_ref().map(|todo| Box::new(todo) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|place| &place.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::new(Some("here".to_owned()), place.offset(), 1))))
    }
}

impl Problem {
    /// For logs and pipes: one fact a line, nothing wrapped, no colour.
    pub fn plain(&self) -> String {
        let mut text = format!("error: {}\n", self.what);
        if let Some(place) = &self.place {
            let line = place.text.lines().nth(place.line.saturating_sub(1)).unwrap_or_default();
            text += &format!(
                "  at    {}:{}:{}: {}\n",
                place.source.name(),
                place.line,
                place.column,
                line.trim_end()
            );
        }
        if let Some(todo) = &self.todo {
            text += &format!("  help  {todo}\n");
        }
        text
    }

    /// For terminals.
    fn drawn(&self, colour: bool, width: usize) -> Option<String> {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let mut text = String::new();
        // IDs and commands are to be copied, so nothing is cut at its hyphens.
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(width)
            .with_word_splitter(textwrap::WordSplitter::NoHyphenation);
        handler.render_report(&mut text, self).ok()?;
        Some(text)
    }

    /// Writes it to stderr: drawn on a terminal that can, in colour unless NO_COLOR is set.
    pub fn tell(&self) {
        let drawn = progress::width().filter(|_| !progress::is_dumb());
        let drawn = drawn.and_then(|width| self.drawn(!set("NO_COLOR"), width));
        eprint!("{}", drawn.unwrap_or_else(|| self.plain()));
    }
}

fn set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use worker_conformance::profile::Profile;

    use super::*;

    fn of(text: &str) -> (tempfile::TempDir, Problem) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.yaml");
        std::fs::write(&path, text).unwrap();
        let error = anyhow::Error::from(Profile::read(&path).unwrap_err());
        let problem = Problem::from(&error);
        (folder, problem)
    }

    fn without_folder(text: &str, folder: &tempfile::TempDir) -> String {
        text.replace(&folder.path().display().to_string(), "FOLDER")
    }

    #[test]
    fn a_wrong_key_is_shown_with_its_line() {
        let (folder, problem) = of("name: mine\nlimits:\n  call_secs: 60\n");
        insta::assert_snapshot!("problem_plain", without_folder(&problem.plain(), &folder));
        let drawn = problem.drawn(false, 80).unwrap();
        assert!(drawn.contains("call_secs: 60") && drawn.contains("here"), "{drawn}");
        assert!(problem.drawn(true, 80).unwrap().contains("\x1b["));
    }

    #[test]
    fn words_are_not_cut_at_the_edge_of_a_narrow_terminal() {
        let problem = Problem::from(&anyhow::anyhow!(
            "there is no requirement `LAOD-10`; did you mean LOAD-10, LOAD-01 or LOAD-11? `worker-conformance list` shows all"
        ));
        for width in [40, 80] {
            let drawn = problem.drawn(false, width).unwrap();
            assert!(drawn.lines().all(|line| line.chars().count() <= width), "{drawn}");
            for word in ["requirement", "LOAD-11?", "`worker-conformance", "shows"] {
                assert!(drawn.contains(word), "{drawn}");
            }
        }
    }

    #[test]
    fn a_line_is_drawn_with_what_is_wrong_in_it() {
        let text = "name: mine\nlimits:\n  call_secs: 60\n".to_owned();
        let place = Place { source: NamedSource::new("mine.yaml", text.clone()), text, line: 3, column: 3 };
        let problem = Problem {
            what: "the profile `mine.yaml` is wrong: limits: unknown field `call_secs`, expected one of \
                   `call_seconds`, `load_seconds` at line 3 column 3"
                .to_owned(),
            place: Some(place),
            todo: Some("the keys are listed in README.md under `Profile and waivers`".to_owned()),
        };
        let drawn = [80, 40].map(|width| problem.drawn(false, width).unwrap());
        insta::assert_snapshot!("problem_drawn", drawn.join("\n"));
    }

    #[test]
    fn an_error_at_the_end_of_a_file_has_a_place_too() {
        let (_folder, problem) = of("models:\n  llama: {fixture: tiny-llama");
        assert!(problem.drawn(false, 80).is_some());
        assert!(problem.plain().starts_with("error: the profile `"));
    }

    #[test]
    fn what_to_do_stands_behind_a_semicolon() {
        let problem = Problem::from(&anyhow::anyhow!("`x` is not empty; name another folder"));
        assert_eq!(problem.plain(), "error: `x` is not empty\n  help  name another folder\n");
    }
}
