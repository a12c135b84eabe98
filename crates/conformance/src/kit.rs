//! The command `new`: writes a backend to start from, that builds and keeps the first families of the contract.

mod name;
mod template;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

pub use name::{Name, NameError};

use crate::exit_code::ExitCode;

/// Help behind the options.
pub const HELP: &str = "\
Exit status:
  0  the backend is written
  2  it is not: a bad name, a folder that is not empty, no right to write

Example:
  worker-conformance new --lang c --name my_backend ./my_backend";

/// Options of `new`.
#[derive(Args, Debug)]
pub struct New {
    /// Language of the backend.
    #[arg(long, value_enum)]
    lang: Language,
    /// Its name: a lower-case letter, then lower-case letters, digits and `_`; the library becomes libNAME.so.
    #[arg(long, value_name = "NAME")]
    name: Name,
    /// Where to write it: a folder that is empty or not there yet.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// A language that there is a kit for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// C11, built by CMake.
    C,
    /// C++17, built by CMake.
    Cpp,
    /// Rust, built by Cargo, without any dependency.
    Rust,
}

/// A backend cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// Something is there already.
    #[error("`{}` is not empty; name a folder that is, or that is not there yet", .0.display())]
    NotEmpty(PathBuf),
    /// It is a file.
    #[error("`{}` is no folder; name one that is empty, or that is not there yet", .0.display())]
    NoFolder(PathBuf),
    /// The system refuses.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Writes a backend; gives the files, relative to the folder.
///
/// # Errors
/// When the folder is not empty, or cannot be written.
pub fn write(language: Language, name: &Name, folder: &Path) -> Result<Vec<PathBuf>, KitError> {
    let refused = |path: &Path, source| KitError::Write { path: path.to_owned(), source };
    match std::fs::read_dir(folder) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(KitError::NotEmpty(folder.to_owned()));
            }
        }
        Err(_) if folder.is_file() => return Err(KitError::NoFolder(folder.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(refused(folder, error)),
    }
    let files = template::files(language, name);
    for (path, content) in &files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(|error| refused(parent, error))?;
        std::fs::write(&path, content).map_err(|error| refused(&path, error))?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// Runs the command.
///
/// # Errors
/// When the backend cannot be written.
pub fn execute(new: &New) -> anyhow::Result<ExitCode> {
    let files = write(new.lang, &new.name, &new.folder)?;
    let folder = new.folder.display();
    println!("written   {} files under {folder}", files.len());
    for line in template::next_steps(new.lang, &new.name, &new.folder) {
        println!("{line}");
    }
    Ok(ExitCode::Conformant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_folder_that_holds_anything_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mine.txt"), "mine").unwrap();
        let error = write(Language::C, &name("a"), folder.path()).unwrap_err();
        assert!(error.to_string().contains("is not empty"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let file = folder.path().join("mine.txt");
        assert!(matches!(write(Language::C, &name("a"), &file), Err(KitError::NoFolder(_))));
    }

    #[test]
    fn an_empty_folder_and_one_that_is_not_there_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!write(Language::C, &name("a"), folder.path()).unwrap().is_empty());
        let deep = folder.path().join("x/y");
        write(Language::Cpp, &name("b"), &deep).unwrap();
        assert!(deep.join("CMakeLists.txt").is_file());
    }
}
