//! The feature files, compiled into the program, and the parser that hands them to cucumber.

use std::sync::OnceLock;

use futures::stream;
use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};

static FEATURES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../features");

/// A feature file cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the feature `{file}` cannot be read: {reason}")]
pub struct FeatureError {
    file: String,
    reason: String,
    at: Option<(usize, usize)>,
}

impl FeatureError {
    /// File, line and column, where the text of a file is wrong.
    pub fn place(&self) -> Option<(&std::path::Path, usize, usize)> {
        self.at.map(|(line, column)| (std::path::Path::new(&self.file), line, column))
    }
}

/// Line and column in the parser's text, `error at 3:5: ...`.
fn at(reason: &str) -> Option<(usize, usize)> {
    reason.split_whitespace().find_map(|word| {
        let (line, column) = word.trim_end_matches(':').split_once(':')?;
        Some((line.parse().ok()?, column.parse().ok()?))
    })
}

/// All features, by file name.
///
/// # Errors
/// With the file that cannot be read.
pub fn all() -> Result<Vec<gherkin::Feature>, FeatureError> {
    static ALL: OnceLock<Result<Vec<gherkin::Feature>, FeatureError>> = OnceLock::new();
    ALL.get_or_init(parse).clone()
}

fn parse() -> Result<Vec<gherkin::Feature>, FeatureError> {
    let mut files: Vec<_> =
        FEATURES.files().filter(|file| file.path().extension().is_some_and(|e| e == "feature")).collect();
    files.sort_by_key(|file| file.path());
    files
        .into_iter()
        .map(|file| {
            let name = file.path().to_string_lossy().into_owned();
            let wrong = |reason: String| FeatureError { file: name.clone(), at: at(&reason), reason };
            let text = file.contents_utf8().ok_or_else(|| wrong("it is not UTF-8".to_owned()))?;
            let mut feature = gherkin::Feature::parse(text, gherkin::GherkinEnv::default())
                .map_err(|error| wrong(error.to_string()))?;
            feature.path = Some(file.path().to_owned());
            Ok(feature)
        })
        .collect()
}

/// SHA-256 over the feature files and the catalogue, in hexadecimal.
pub fn digest() -> String {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(work_out).clone()
}

fn work_out() -> String {
    let mut files: Vec<_> = FEATURES.files().collect();
    files.sort_by_key(|file| file.path());
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.path().to_string_lossy().as_bytes());
        hash.update([0]);
        hash.update((file.contents().len() as u64).to_le_bytes());
        hash.update(file.contents());
    }
    for requirement in worker_contract::catalogue() {
        hash.update(format!("{} {} {}\n", requirement.id, requirement.level, requirement.text));
    }
    crate::verdict::hex(&hash.finalize())
}

/// The scenarios of a feature, each with the rule that it is of.
pub fn scenarios<'f>(
    feature: &'f gherkin::Feature,
) -> impl Iterator<Item = (Option<&'f gherkin::Rule>, &'f gherkin::Scenario)> {
    let plain = feature.scenarios.iter().map(|scenario| (None, scenario));
    let ruled = |rule: &'f gherkin::Rule| rule.scenarios.iter().map(move |scenario| (Some(rule), scenario));
    plain.chain(feature.rules.iter().flat_map(ruled))
}

/// A scenario as people look it up: outlines are one, with the number of their examples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The file below `features/`.
    pub file: String,
    /// The line of its keyword.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// Rows of its examples; 0 if it is no outline.
    pub examples: usize,
    /// Its requirements, those of its examples among them.
    pub tags: Vec<String>,
}

/// All scenarios, by file and line.
///
/// # Errors
/// With the file that cannot be read.
pub fn listed() -> Result<Vec<Listed>, FeatureError> {
    let mut all = Vec::new();
    for feature in self::all()? {
        let file = feature.path.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        let mut scenarios: Vec<Listed> = scenarios(&feature)
            .map(|(rule, scenario)| {
                let examples = &scenario.examples;
                let rows = examples.iter().filter_map(|one| one.table.as_ref());
                let own = examples.iter().flat_map(|one| &one.tags).map(String::as_str);
                Listed {
                    file: file.clone(),
                    line: scenario.position.line,
                    name: scenario.name.clone(),
                    // The first row of a table names its columns.
                    examples: rows.map(|table| table.rows.len().saturating_sub(1)).sum(),
                    tags: tags(&feature, rule, scenario).chain(own).map(str::to_owned).collect(),
                }
            })
            .collect();
        scenarios.sort_by_key(|one| one.line);
        all.append(&mut scenarios);
    }
    Ok(all)
}

/// A feature of one's own, such as `fuzz` writes.
///
/// # Errors
/// When the file cannot be read.
pub fn file(path: &std::path::Path) -> Result<gherkin::Feature, FeatureError> {
    let wrong = |reason: String| FeatureError { file: path.display().to_string(), at: at(&reason), reason };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let mut feature = gherkin::Feature::parse(text, gherkin::GherkinEnv::default())
        .map_err(|error| wrong(error.to_string()))?;
    feature.path = path.file_name().map(Into::into);
    Ok(feature)
}

/// Gives features that are parsed already, their outlines expanded.
pub struct Parsed(pub Vec<gherkin::Feature>);

impl cucumber::Parser<()> for Parsed {
    type Cli = cucumber::cli::Empty;
    type Output = stream::Iter<std::vec::IntoIter<cucumber::parser::Result<gherkin::Feature>>>;

    fn parse(self, (): (), _: Self::Cli) -> Self::Output {
        stream::iter(self.0.into_iter().map(Ok).collect::<Vec<_>>())
    }
}

/// The requirements in tags: those of the scenario, of its rule and of its feature.
pub fn tags<'a>(
    feature: &'a gherkin::Feature,
    rule: Option<&'a gherkin::Rule>,
    scenario: &'a gherkin::Scenario,
) -> impl Iterator<Item = &'a str> {
    let rule = rule.into_iter().flat_map(|rule| rule.tags.iter());
    feature.tags.iter().chain(rule).chain(&scenario.tags).map(String::as_str)
}
