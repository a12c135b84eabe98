//! The options of `run` that say what to keep of its result, and which part of the suite to play.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::outputs::Outputs;
use super::{draft_waivers, package, write};
use crate::verdict::{RunResult, Shard};

/// What to keep of a run.
#[derive(Args, Debug, Clone, Default)]
pub struct AfterRun {
    /// Play one part of several, such as 2/5; `report merge` joins the JSON reports of all.
    #[arg(long, value_name = "K/N", conflicts_with_all = ["only", "scenario", "feature"])]
    shard: Option<Shard>,
    /// Write reports, profile, waivers, environment, log and reproducers into one archive, with a manifest of hashes.
    #[arg(long, value_name = "ZIP", help_heading = "Reports")]
    package: Option<PathBuf>,
    /// Draft waivers for what is broken or not verified; they hold once a person has filled them in.
    #[arg(long, value_name = "FILE")]
    write_waivers: Option<PathBuf>,
    #[command(flatten)]
    outputs: Outputs,
}

impl AfterRun {
    /// The part to play.
    pub fn shard(&self) -> Option<Shard> {
        self.shard
    }

    /// Whether a report is written that shows C programs of what fails.
    pub fn wants_reproducers(&self) -> bool {
        self.package.is_some() || !self.outputs.files().is_empty()
    }

    /// Looks whether all that was asked for can be written, before the run is made.
    ///
    /// # Errors
    /// With the first file that cannot be written, or that is named twice.
    pub fn prepare(&self) -> anyhow::Result<()> {
        let reports = self.outputs.files().into_iter().map(|(_, path)| path);
        let mut seen = BTreeSet::new();
        for path in reports.chain(self.package.clone()).chain(self.write_waivers.clone()) {
            write::possible(&path)
                .map_err(|error| anyhow!("cannot write `{}`: {error}; name another file", path.display()))?;
            if !seen.insert(std::path::absolute(&path)?) {
                return Err(anyhow!(
                    "`{}` is asked for twice; name another file for one of them",
                    path.display()
                ));
            }
        }
        Ok(())
    }

    /// Writes what was asked for.
    ///
    /// # Errors
    /// With the file that cannot be written.
    pub fn write(&self, result: &RunResult) -> anyhow::Result<()> {
        for path in self.outputs.write(result)? {
            println!("report    {}", path.display());
        }
        if let Some(path) = &self.package {
            package::write(path, result)?;
            println!("package   {}", path.display());
        }
        if let Some(path) = &self.write_waivers {
            write::whole(path, draft_waivers::render(result).as_bytes())
                .map_err(|error| anyhow!("cannot write `{}`: {error}", path.display()))?;
            println!("waivers   {}, to be filled in", path.display());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        after: AfterRun,
        /// Options of `run` that a shard excludes.
        #[arg(long)]
        only: bool,
        #[arg(long)]
        scenario: bool,
        #[arg(long)]
        feature: bool,
    }

    #[test]
    fn what_cannot_be_written_is_said_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let said = |options: &str| {
            let options = options.replace("AT", &folder.path().display().to_string());
            let words = std::iter::once("run").chain(options.split(' '));
            let text = Options::parse_from(words).after.prepare().map_err(|error| error.to_string());
            text.map_err(|text| text.replace(&folder.path().display().to_string(), "AT"))
        };
        assert_eq!(said("--json AT/a/b/r.json --html AT/r.html --package AT/p.zip"), Ok(()));
        let told = [
            "--json AT",
            "--html AT/a/b",
            "--package AT/file/p.zip",
            "--write-waivers AT/..",
            "--json AT/r --report tap=AT/r",
        ]
        .map(|options| said(options).unwrap_err());
        insta::assert_snapshot!(told.join("\n"));
        let left = std::fs::read_dir(folder.path().join("a/b")).unwrap().count();
        assert_eq!(left, 0, "a look leaves nothing behind");
    }
}
