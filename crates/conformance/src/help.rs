//! The definition of the options, with the help that commands of other crates lack: exit codes and an example for each.

use clap::{Command, CommandFactory as _};

use crate::Program;

/// For a command of `contract`: what its exit codes say, and an example.
const CONTRACT: [(&str, &str); 6] = [
    (
        "check",
        "\
Exit status:
  0  unchanged, editorial, or covered by a valid change record
  1  refused
  2  could not run: bad usage, no such file, no libclang

Example:
  worker-conformance contract check --base main --format github",
    ),
    (
        "explain",
        "\
Exit status:
  0  explained
  2  there is no such rule

Example:
  worker-conformance contract explain parameter-renamed",
    ),
    (
        "propose",
        "\
Exit status:
  0  the draft is written
  2  could not run: nothing differs, no such file, no libclang

Example:
  worker-conformance contract propose --title \"longer prompts\"",
    ),
    (
        "lock",
        "\
Exit status:
  0  the new lock is written
  1  no whole change record covers what is different
  2  could not run: bad usage, no such file, no libclang

Example:
  worker-conformance contract lock",
    ),
    (
        "verify-headers",
        "\
Exit status:
  0  every compiler takes the headers
  1  one does not
  2  could not run: no such compiler or file

Example:
  worker-conformance contract verify-headers --cc gcc --cc clang --library ./libmine.so",
    ),
    (
        "check-library",
        "\
Exit status:
  0  as the contract asks
  1  a symbol, a signature or the SONAME is not
  2  could not run: no such file, no library

Example:
  worker-conformance contract check-library ./libmine.so",
    ),
];

/// Exit codes of the program as a whole.
const PROGRAM: &str = "\
Exit status:
  0  done; of `run`: conformant
  1  something is broken
  2  could not run: bad usage, no such file
  3  of `run`: incomplete

Example:
  worker-conformance run --library ./libmy_backend.so";

const GUARD: &str = "\
Exit status:
  0  nothing to refuse
  1  refused
  2  could not run

Example:
  worker-conformance contract check";

/// The whole definition.
pub fn command() -> Command {
    let command = Program::command().after_help(PROGRAM);
    command.mut_subcommand("contract", |contract| {
        CONTRACT.into_iter().fold(contract.after_help(GUARD), |all, (name, help)| {
            all.mut_subcommand(name, |one| one.after_help(help))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command, with the words that call it.
    fn all(command: &Command, words: &str, found: &mut Vec<(String, String)>) {
        let help = command.clone().bin_name(words).term_width(100).render_long_help().to_string();
        // What a variable is set to here is nobody's business.
        let help: String = help.lines().map(|line| format!("{}\n", without_value(line).trim_end())).collect();
        found.push((words.to_owned(), help));
        for inner in command.get_subcommands() {
            all(inner, &format!("{words} {}", inner.get_name()), found);
        }
    }

    fn without_value(line: &str) -> String {
        match line.split_once("[env: ").map(|(before, rest)| (before, rest.split('=').next().unwrap_or(rest)))
        {
            Some((before, name)) => format!("{before}[env: {name}]"),
            None => line.to_owned(),
        }
    }

    fn helps() -> Vec<(String, String)> {
        let mut found = Vec::new();
        all(&command(), "worker-conformance", &mut found);
        found
    }

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_help_of_every_command_tells_exit_codes_and_an_example() {
        for (words, help) in helps() {
            assert!(help.contains("Exit status:\n  0  "), "{words}:\n{help}");
            assert!(help.contains("Example"), "{words}:\n{help}");
            assert!(help.contains(&format!("\n  {words}")), "{words} has no example of its own:\n{help}");
        }
    }

    #[test]
    fn the_help_reads_well() {
        let text: String =
            helps().into_iter().map(|(words, help)| format!("$ {words} --help\n{help}\n\n")).collect();
        insta::assert_snapshot!("help", text);
    }
}
