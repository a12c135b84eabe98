//! The commands `completions` and `man`: what shells and `man` want to know, made from the definition of the options.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use crate::exit_code::ExitCode;

/// Name of the program.
const PROGRAM: &str = "worker-conformance";

/// Help behind the options of `completions`.
pub const COMPLETIONS_HELP: &str = "\
Exit status:
  0  printed
  2  no such shell

Example, for bash:
  cd ~/.local/share/bash-completion/completions
  worker-conformance completions bash > worker-conformance";

/// Help behind the options of `man`.
pub const MAN_HELP: &str = "\
Exit status:
  0  printed or written
  2  the folder cannot be written

Examples:
  worker-conformance man | man -l -
  worker-conformance man --dir ~/.local/share/man/man1";

/// Options of `completions`.
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Options of `man`.
#[derive(Args, Debug)]
pub struct Man {
    /// Write a page for the program and one for each command into this folder.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints the completions of a shell.
pub fn completions(completions: &Completions, command: &mut clap::Command) -> ExitCode {
    clap_complete::generate(completions.shell, command, PROGRAM, &mut std::io::stdout());
    ExitCode::Conformant
}

/// Prints the page of the program, or writes all.
///
/// # Errors
/// When they cannot be written.
pub fn man(man: &Man, command: clap::Command) -> anyhow::Result<ExitCode> {
    let Some(folder) = &man.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        // A pager that was left is no error.
        let _ = std::io::stdout().write_all(&page);
        return Ok(ExitCode::Conformant);
    };
    let refused =
        |error: std::io::Error| anyhow::anyhow!("cannot write pages to `{}`: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(refused)?;
    clap_mangen::generate_to(command, folder).map_err(refused)?;
    println!("written   pages under {}", folder.display());
    Ok(ExitCode::Conformant)
}
