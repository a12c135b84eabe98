//! The options of `run` that say what to keep of its result, and which part of the suite to play.

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
