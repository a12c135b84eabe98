//! The commands `completions` and `man`: what shells and `man` want to know, made from the definition of the options.

use std::io::Write as _;
use std::path::{Path, PathBuf};

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

/// A page. Exit codes and examples keep their lines, which `man` would fill as if they were prose.
fn page(man: &clap_mangen::Man) -> std::io::Result<String> {
    let mut page = Vec::new();
    man.render(&mut page)?;
    let page = String::from_utf8_lossy(&page).into_owned();
    let Some((before, extra)) = page.split_once(".SH EXTRA\n") else { return Ok(page) };
    let (own, rest) = extra.split_at(extra.find("\n.SH ").map_or(extra.len(), |at| at + 1));
    Ok(format!("{before}.SH \"EXIT STATUS AND EXAMPLES\"\n.nf\n{own}.fi\n{rest}"))
}

/// Writes the pages of a command and of those below it.
fn write(command: &clap::Command, folder: &Path) -> std::io::Result<()> {
    for below in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        write(below, folder)?;
    }
    let man = clap_mangen::Man::new(command.clone());
    std::fs::write(folder.join(man.get_filename()), page(&man)?)
}

/// Prints the page of the program, or writes all.
///
/// # Errors
/// When they cannot be written.
pub fn man(man: &Man, command: clap::Command) -> anyhow::Result<ExitCode> {
    let Some(folder) = &man.dir else {
        // A pager that was left is no error.
        let _ = std::io::stdout().write_all(page(&clap_mangen::Man::new(command))?.as_bytes());
        return Ok(ExitCode::Conformant);
    };
    let refused =
        |error: std::io::Error| anyhow::anyhow!("cannot write pages to `{}`: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(refused)?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    write(&command, folder).map_err(refused)?;
    println!("written   pages under {}", folder.display());
    Ok(ExitCode::Conformant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_keep_their_lines_on_a_page() {
        let command = clap::Command::new("program")
            .version("1")
            .after_help("Exit status:\n  0  done\n\nExample:\n  program x");
        let page = page(&clap_mangen::Man::new(command)).unwrap();
        let from = page.find(".SH \"EXIT STATUS").unwrap();
        insta::assert_snapshot!(&page[from..]);
    }

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let mut command =
            clap::Command::new("a").subcommand(clap::Command::new("b").subcommand(clap::Command::new("c")));
        command.build();
        write(&command, folder.path()).unwrap();
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.contains("help"))
            .collect();
        names.sort();
        assert_eq!(names, ["a-b-c.1", "a-b.1", "a.1"]);
    }
}
