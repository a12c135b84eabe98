//! The command `list`: the requirements, or the tree of families, requirements and scenarios.

use std::fmt::Write as _;
use std::str::FromStr;

use clap::Args;
use worker_contract::{Requirement, RequirementId, catalogue};

use crate::exit_code::ExitCode;
use crate::explain::line;
use crate::features::{self, FeatureError};

/// Help behind the options.
pub const HELP: &str = "\
Exit status:
  0  listed
  2  no requirement or family has that name

Examples:
  worker-conformance list
  worker-conformance list --tree LOAD VRAM-04";

/// Options of `list`.
#[derive(Args, Debug)]
pub struct List {
    /// Families, requirements and the scenarios that verify them, with the place of each.
    #[arg(long)]
    tree: bool,
    /// Only these families or requirements, for example LOAD or ERR-01; all if none is named.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// A name is neither a family nor a requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no requirement or family `{0}`; the families are {families}", families = families().join(", "))]
pub struct UnknownName(String);

/// What one name stands for: a requirement, or all of a family.
#[derive(Debug, Clone)]
pub struct Selection(pub Vec<RequirementId>);

impl FromStr for Selection {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(Self(select(&[name.to_owned()])?.into_iter().map(|one| one.id).collect()))
    }
}

/// The families, in the order of the catalogue.
fn families() -> Vec<&'static str> {
    let mut all: Vec<&'static str> = catalogue().iter().map(|one| one.id.family()).collect();
    all.dedup();
    all
}

/// Runs the command.
///
/// # Errors
/// When a name means nothing.
pub fn execute(list: &List) -> anyhow::Result<ExitCode> {
    let wanted = select(&list.names)?;
    print!("{}", if list.tree { tree(&wanted)? } else { table(&wanted) });
    Ok(ExitCode::Conformant)
}

fn select(names: &[String]) -> Result<Vec<&'static Requirement>, UnknownName> {
    let names: Vec<String> = names.iter().map(|name| name.to_ascii_uppercase()).collect();
    let is = |one: &Requirement, name: &str| one.id.as_str() == name || one.id.family() == name;
    for name in &names {
        if !catalogue().iter().any(|one| is(one, name)) {
            return Err(UnknownName(name.clone()));
        }
    }
    Ok(catalogue().iter().filter(|one| names.is_empty() || names.iter().any(|name| is(one, name))).collect())
}

fn table(wanted: &[&Requirement]) -> String {
    wanted.iter().map(|one| format!("{:<9} {:<6} {}\n", one.id, one.level.to_string(), one.text)).collect()
}

fn tree(wanted: &[&Requirement]) -> Result<String, FeatureError> {
    let scenarios = features::listed()?;
    let mut text = String::new();
    let mut family = "";
    for one in wanted {
        if one.id.family() != family {
            family = one.id.family();
            let _ = writeln!(text, "{family}");
        }
        let _ = writeln!(text, "  {:<9} {:<6} {}", one.id, one.level.to_string(), one.text);
        let own: Vec<_> =
            scenarios.iter().filter(|all| all.tags.iter().any(|tag| tag == one.id.as_str())).collect();
        if own.is_empty() {
            let _ = writeln!(text, "    no scenario; {}", one.verified_by);
        }
        for scenario in own {
            let _ = writeln!(text, "    {}", line(scenario));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_families_or_requirements_in_either_case() {
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            select(&names)
        };
        assert_eq!(names(&[]).unwrap().len(), catalogue().len());
        let some: Vec<&str> = names(&["err-01", "msg"]).unwrap().iter().map(|one| one.id.as_str()).collect();
        assert_eq!(some, ["ERR-01", "MSG-01", "MSG-02", "MSG-03", "MSG-04", "MSG-05", "MSG-06"]);
        assert!(names(&["LOADS"]).unwrap_err().to_string().contains("the families are ABI, ERR, MSG"));
    }

    #[test]
    fn every_requirement_of_the_tree_has_a_scenario_or_says_how_else() {
        let text = tree(&select(&[]).unwrap()).unwrap();
        assert!(text.contains("\nLOAD\n  LOAD-01   MUST   "), "{text}");
        assert!(text.contains("no scenario; static: the dynamic symbol table"), "{text}");
        let lines = |what: &str| text.lines().filter(|line| line.starts_with(what)).count();
        assert!(lines("    features/") > catalogue().len());
    }
}
