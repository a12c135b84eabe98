//! The model files that scenarios share: whether the library left them alone (LOAD-11), and what it did mended.

use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::models::Store;

/// Model files of a run.
#[derive(Debug, Default)]
pub struct Originals(Mutex<Vec<Original>>);

#[derive(Debug)]
struct Original {
    path: PathBuf,
    /// The suite's own model, which can be made again: its name and content.
    fixture: Option<(String, Vec<u8>)>,
    /// Keeps the content of a file that the suite cannot make, should its name go.
    file: Option<File>,
    look: Look,
}

/// Length and last change; `None` if there is no such file.
type Look = Option<(u64, SystemTime)>;

fn look(path: &Path) -> Look {
    let facts = path.metadata().ok()?;
    Some((facts.len(), facts.modified().ok()?))
}

impl Originals {
    /// From now on, this file is to stay as it is. `fixture` is its name if it is the suite's own.
    pub fn watch(&self, path: PathBuf, fixture: Option<String>) {
        let file = if fixture.is_none() { File::open(&path).ok() } else { None };
        let fixture = fixture.map(|name| (name, std::fs::read(&path).unwrap_or_default()));
        let look = look(&path);
        self.all().push(Original { path, fixture, file, look });
    }

    /// The files that are not as they were, each told once, with what became of it; those that can be are put back.
    pub fn mend(&self, store: &Store) -> Vec<(PathBuf, &'static str)> {
        let mut harmed = Vec::new();
        for original in self.all().iter_mut() {
            let now = look(&original.path);
            if now == original.look {
                continue;
            }
            // Another run with the same folder may have made the file anew.
            let made_anew = original.fixture.as_ref().is_some_and(|(_, content)| {
                std::fs::read(&original.path).is_ok_and(|there| there == *content)
            });
            if !made_anew {
                let what = if now.is_none() { "it was deleted" } else { "it was written to" };
                harmed.push((original.path.clone(), what));
            }
            // Where this fails, scenarios that need the model say so.
            match &original.fixture {
                Some((name, _)) => drop(store.path(name)),
                None if now.is_none() => drop(original.put_back()),
                None => {}
            }
            original.look = look(&original.path);
        }
        harmed
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Original>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Original {
    fn put_back(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.rewind()?;
        let mut again = File::create_new(&self.path)?;
        io::copy(file, &mut again)?;
        again.set_permissions(file.metadata()?.permissions())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_library_does_to_a_model_is_told_once_and_mended() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let own = store.path("tiny-llama").unwrap();
        let given = folder.path().join("given.gguf");
        std::fs::write(&given, "a model of a user").unwrap();
        let originals = Originals::default();
        originals.watch(own.clone(), Some("tiny-llama".to_owned()));
        originals.watch(given.clone(), None);
        assert_eq!(originals.mend(&store), []);

        let content = std::fs::read(&own).unwrap();
        std::fs::remove_file(&own).unwrap();
        std::fs::remove_file(&given).unwrap();
        let deleted = "it was deleted";
        assert_eq!(originals.mend(&store), [(own.clone(), deleted), (given.clone(), deleted)]);
        assert_eq!(std::fs::read(&own).unwrap(), content);
        assert_eq!(std::fs::read_to_string(&given).unwrap(), "a model of a user");
        assert_eq!(originals.mend(&store), []);

        std::fs::remove_file(&own).unwrap();
        std::fs::write(&own, &content).unwrap();
        assert_eq!(originals.mend(&store), [], "another run made it again");

        std::fs::write(&given, "another").unwrap();
        assert_eq!(originals.mend(&store), [(given, "it was written to")]);
        assert_eq!(originals.mend(&store), []);
    }
}
