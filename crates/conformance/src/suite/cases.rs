//! All scenarios as single cases: an outline is one case a row of its examples.

use std::collections::HashMap;

use worker_contract::RequirementId;

use super::{SuiteError, expand, place};
use crate::features;

/// One scenario, or one row of an outline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The file below `features/`.
    pub file: String,
    /// Where it stands, `features/file.feature:line: name`, as results name it.
    pub place: String,
    /// Its name.
    pub name: String,
    /// The cells of its row, if it is of an outline.
    pub row: Option<Vec<String>>,
    /// The requirements that it verifies.
    pub tags: Vec<RequirementId>,
}

/// All cases, in the order of files and lines.
///
/// # Errors
/// When a feature cannot be read.
pub fn cases() -> Result<Vec<Case>, SuiteError> {
    let mut all = Vec::new();
    for feature in features::all()? {
        let rows = rows(&feature);
        for feature in expand(vec![feature])? {
            let file = feature.path.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
            let mut own: Vec<(usize, Case)> = features::scenarios(&feature)
                .map(|(rule, scenario)| {
                    let line = scenario.position.line;
                    let tags = features::tags(&feature, rule, scenario).filter_map(|tag| tag.parse().ok());
                    let case = Case {
                        file: file.clone(),
                        place: place(&feature, scenario),
                        name: scenario.name.clone(),
                        row: rows.get(&line).cloned(),
                        tags: tags.collect(),
                    };
                    (line, case)
                })
                .collect();
            own.sort_by_key(|(line, _)| *line);
            all.extend(own.into_iter().map(|(_, case)| case));
        }
    }
    Ok(all)
}

/// The rows of all outlines, by the line that an expanded scenario gets from its row.
fn rows(feature: &gherkin::Feature) -> HashMap<usize, Vec<String>> {
    let examples = features::scenarios(feature).flat_map(|(_, scenario)| &scenario.examples);
    let mut all = HashMap::new();
    for one in examples {
        let rows = one.table.iter().flat_map(|table| table.rows.iter().skip(1));
        // The keyword, the names of the columns, and then the rows.
        all.extend(rows.enumerate().map(|(at, row)| (one.position.line + at + 2, row.clone())));
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_scenario_is_a_case_with_a_place_of_its_own() {
        let all = cases().unwrap();
        let places: BTreeSet<&str> = all.iter().map(|case| case.place.as_str()).collect();
        assert_eq!(places.len(), all.len());
        let outlines: usize = features::listed().unwrap().iter().map(|one| one.examples.max(1)).sum();
        assert_eq!(all.len(), outlines);
        let row = all.iter().find(|case| case.name.starts_with("a start without model")).unwrap();
        assert_eq!(row.row.as_deref(), Some(&["model".to_owned()][..]));
        assert_eq!(row.tags, ["NULL-03".parse::<RequirementId>().unwrap()]);
    }
}
