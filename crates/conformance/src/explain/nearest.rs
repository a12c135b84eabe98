//! Finds the requirement that somebody meant.

use worker_contract::{RequirementId, catalogue};

/// There is no such requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.told())]
pub struct Unknown {
    /// What was asked for.
    pub asked: String,
    /// What is nearest to it.
    pub nearest: Vec<RequirementId>,
}

impl Unknown {
    fn told(&self) -> String {
        let asked = &self.asked;
        let family = asked.to_ascii_uppercase();
        if catalogue().iter().any(|one| one.id.family() == family) {
            return format!(
                "`{asked}` is a family; `worker-conformance list --tree {family}` shows its requirements"
            );
        }
        let nearest = or(&self.nearest);
        format!(
            "there is no requirement `{asked}`; did you mean {nearest}? `worker-conformance list` shows all"
        )
    }
}

/// Suggestions made.
const SUGGESTIONS: usize = 3;

fn or(ids: &[RequirementId]) -> String {
    let words: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.join(""),
    }
}

/// The requirement of that name, upper or lower case.
///
/// # Errors
/// With the nearest ones.
pub fn find(asked: &str) -> Result<RequirementId, Unknown> {
    let upper = asked.trim().to_ascii_uppercase();
    if let Ok(id) = upper.parse() {
        return Ok(id);
    }
    let mut all: Vec<(usize, RequirementId)> = catalogue()
        .iter()
        .map(|one| (strsim::damerau_levenshtein(&spelt(&upper), &spelt(one.id.as_str())), one.id))
        .collect();
    // Stable: among equals, the order of the catalogue.
    all.sort_by_key(|(distance, _)| *distance);
    let nearest = all.into_iter().take(SUGGESTIONS).map(|(_, id)| id).collect();
    // What is no name at all would fill the screen.
    Err(Unknown { asked: asked.chars().take(60).collect(), nearest })
}

/// A name without what people leave out: `load10`, `LOAD 10` and `LOAD_10` are `LOAD-10`.
fn spelt(name: &str) -> String {
    name.chars().take(60).filter(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_are_suggested() {
        assert_eq!(find("load-10").unwrap().as_str(), "LOAD-10");
        let first = |asked: &str| find(asked).unwrap_err().nearest[0].as_str().to_owned();
        assert_eq!(first("load10"), "LOAD-10");
        assert_eq!(first("LAOD-10"), "LOAD-10");
        assert_eq!(first("ERR_04"), "ERR-04");
        assert_eq!(first("UTF-02"), "UTF8-02");
        assert_eq!(find("").unwrap_err().nearest.len(), SUGGESTIONS);
        let error = find("LOAD-99").unwrap_err().to_string();
        assert!(error.contains("there is no requirement `LOAD-99`; did you mean LOAD-0"), "{error}");
        let family = find("load").unwrap_err().to_string();
        assert_eq!(
            family,
            "`load` is a family; `worker-conformance list --tree LOAD` shows its requirements"
        );
    }

    #[test]
    fn what_is_no_name_at_all_is_refused_in_few_words() {
        let long = "ü".repeat(100_000);
        assert!(find(&long).unwrap_err().to_string().len() < 400);
    }
}
