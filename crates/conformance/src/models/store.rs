//! Models as files: made when first asked for, under a name that holds a hash of the content.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use nix::sys::resource::{Resource, getrlimit};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use thiserror::Error;

use super::gguf::Gguf;
use super::malformed::{self, MalformedError};
use super::recipe::{Recipe, RecipeError};
use super::sparse::Likeness;
use super::{model, sparse};

/// Why a model could not be made.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The recipe cannot be used.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The malformed model cannot be made.
    #[error(transparent)]
    Malformed(#[from] MalformedError),
    /// More than a file of this form may hold.
    #[error("cannot describe a model of {bytes} bytes: at most {most} are possible")]
    TooLarge {
        /// What was asked for.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// The file system refused.
    #[error("cannot {action} `{path}`: {cause}", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// A folder of models. Any number of threads and processes may share one.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// Files made or compared by this process, with what a look at them showed.
    known: Mutex<HashMap<String, (PathBuf, Look)>>,
    /// What malformed models are made from, built once.
    bases: Mutex<HashMap<String, Arc<Gguf>>>,
}

/// What tells cheaply that a file was not touched: its length and the time of its last change.
type Look = (u64, SystemTime);

impl Store {
    /// Models go to `folder`, which is made when the first one is.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), known: Mutex::default(), bases: Mutex::default() }
    }

    /// The path of the good model called `name` (see [`Recipe::names`]).
    pub fn path(&self, name: &str) -> Result<PathBuf, ModelError> {
        self.keep(name, || Ok(model::build(name, &Recipe::named(name)?).write().bytes))
    }

    /// The path of the malformed model called `name` (see [`malformed::corpus`]).
    pub fn malformed_path(&self, name: &str) -> Result<PathBuf, ModelError> {
        self.keep(&format!("malformed-{name}"), || {
            let entry = malformed::named(name)?;
            let base = self.base(&entry.base)?;
            Ok(malformed::bytes(entry, Gguf::clone(&base))?)
        })
    }

    pub(super) fn base(&self, name: &str) -> Result<Arc<Gguf>, ModelError> {
        let mut bases = self.bases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(base) = bases.get(name) {
            return Ok(Arc::clone(base));
        }
        let base = Arc::new(model::build(name, &Recipe::named(name)?));
        bases.insert(name.to_string(), Arc::clone(&base));
        Ok(base)
    }

    /// The path of a sound file whose tensors have at least `bytes` bytes (LOAD-04).
    /// The header is honest and all data lie inside the file, but as holes: it takes under 100 KiB of disk.
    /// Ask for more than the device has; [`super::BEYOND_ANY_DEVICE`] serves everywhere.
    pub fn sparse_huge(&self, bytes: u64, like: Likeness) -> Result<PathBuf, ModelError> {
        let (front, length) = sparse::front(bytes, like)?;
        let path = self.place(&format!("huge-{}-{length}", like.architecture.name()), &front);
        let whole = |file: &Path| fs::metadata(file).is_ok_and(|facts| facts.len() == length);
        if !(whole(&path) && begins_with(&path, &front)) {
            self.put(&path, |file| {
                // Beyond the limit of the process a signal comes instead of an error.
                let (limit, _) = getrlimit(Resource::RLIMIT_FSIZE)?;
                if length > limit {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                file.write_all(&front)?;
                file.set_len(length)
            })?;
        }
        Ok(path)
    }

    fn place(&self, name: &str, content: &[u8]) -> PathBuf {
        let digest = Sha256::digest(content);
        let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("{name}-{short}.gguf"))
    }

    /// The file called `name`: the one there, if it is the very content, or a new one. What a library did
    /// to it in between (LOAD-10, LOAD-11) is thereby undone.
    fn keep(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<Vec<u8>, ModelError>,
    ) -> Result<PathBuf, ModelError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some((path, look)) = known
            && look_at(&path).is_ok_and(|now| now == look)
        {
            return Ok(path);
        }
        let content = make()?;
        let path = self.place(name, &content);
        if !holds(&path, &content) {
            self.put(&path, |file| file.write_all(&content))?;
        }
        let look = look_at(&path).map_err(|cause| ModelError::File {
            action: "look at",
            path: path.clone(),
            cause,
        })?;
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_string(), (path.clone(), look));
        Ok(path)
    }

    /// Writes beside `path` and renames, so that nobody ever sees a part of a file.
    fn put(&self, path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), ModelError> {
        let fail = |action| move |cause| ModelError::File { action, path: path.to_path_buf(), cause };
        fs::create_dir_all(&self.folder).map_err(fail("make the folder of"))?;
        let mut file = NamedTempFile::new_in(&self.folder).map_err(fail("begin"))?;
        fill(file.as_file_mut()).map_err(fail("write"))?;
        let mut permissions = file.as_file().metadata().map_err(fail("look at"))?.permissions();
        permissions_for_all_to_read(&mut permissions);
        file.as_file().set_permissions(permissions).map_err(fail("protect"))?;
        file.persist(path).map_err(|error| fail("name")(error.error))?;
        Ok(())
    }
}

/// Readable by all, writable by none: a library has no business in there.
fn permissions_for_all_to_read(permissions: &mut fs::Permissions) {
    use std::os::unix::fs::PermissionsExt;
    permissions.set_mode(0o444);
}

fn look_at(path: &Path) -> io::Result<Look> {
    let facts = fs::metadata(path)?;
    Ok((facts.len(), facts.modified()?))
}

fn begins_with(path: &Path, front: &[u8]) -> bool {
    let mut there = vec![0; front.len().min(CHUNK)];
    File::open(path).is_ok_and(|mut file| {
        front.chunks(CHUNK).all(|wanted| {
            let there = &mut there[..wanted.len()];
            io::Read::read_exact(&mut file, there).is_ok() && there == wanted
        })
    })
}

/// Whether the file has this content and no more.
fn holds(path: &Path, content: &[u8]) -> bool {
    fs::metadata(path).is_ok_and(|facts| facts.len() == content.len() as u64) && begins_with(path, content)
}

/// What is compared at a time: little enough to stay in a cache.
const CHUNK: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::super::Architecture;
    use super::super::BEYOND_ANY_DEVICE;
    use super::super::inspect::inspect;
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("models"));
        (folder, store)
    }

    /// The bytes of every good model, by hash: a change here is a change of every golden text.
    #[test]
    fn the_same_recipes_give_the_same_bytes_on_every_machine() {
        let (_folder, store) = store();
        let lines: String = Recipe::names()
            .map(|name| {
                let path = store.path(name).unwrap();
                format!("{} {}\n", path.file_name().unwrap().display(), fs::metadata(&path).unwrap().len())
            })
            .collect();
        insta::assert_snapshot!(lines);
    }

    #[test]
    fn default_models_are_well_under_two_megabytes() {
        let (_folder, store) = store();
        for name in Recipe::names() {
            assert!(fs::metadata(store.path(name).unwrap()).unwrap().len() < 1_500_000, "{name}");
        }
    }

    #[test]
    fn a_second_call_makes_nothing() {
        let (_folder, store) = store();
        let first = store.path("tiny-llama").unwrap();
        let inode = fs::metadata(&first).unwrap().ino();
        assert_eq!(store.path("tiny-llama").unwrap(), first);
        let fresh = Store::new(first.parent().unwrap());
        assert_eq!(fresh.path("tiny-llama").unwrap(), first);
        assert_eq!(fs::metadata(&first).unwrap().ino(), inode);
    }

    #[test]
    fn a_damaged_file_is_made_again() {
        let (_folder, store) = store();
        let path = store.path("tiny-llama").unwrap();
        let sound = fs::read(&path).unwrap();
        for damage in [&sound[..100], b"".as_slice()] {
            fs::remove_file(&path).unwrap();
            fs::write(&path, damage).unwrap();
            assert_eq!(fs::read(store.path("tiny-llama").unwrap()).unwrap(), sound);
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(fs::read(store.path("tiny-llama").unwrap()).unwrap(), sound);
    }

    #[test]
    fn many_threads_and_stores_at_once_get_whole_files() {
        let (_folder, store) = store();
        let whole = model::build("tiny-llama", &Recipe::named("tiny-llama").unwrap()).write().bytes;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let other = Store::new(&store.folder);
                    for store in [&store, &other] {
                        assert_eq!(fs::read(store.path("tiny-llama").unwrap()).unwrap(), whole);
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(&store.folder).unwrap().count(), 1, "no unfinished file is left");
    }

    #[test]
    fn unknown_names_are_errors() {
        let (_folder, store) = store();
        assert_eq!(store.path("nobody").unwrap_err().to_string(), "no model recipe is called `nobody`");
        let error = store.malformed_path("nobody").unwrap_err();
        assert_eq!(error.to_string(), "no malformed model is called `nobody`");
    }

    #[test]
    fn the_huge_model_is_honest_and_takes_no_disk() {
        let (_folder, store) = store();
        let plain = Likeness::default();
        let all = [
            plain,
            Likeness { matrices: 12, ..plain },
            Likeness { sentence_piece: true, ..plain },
            Likeness { architecture: Architecture::Gpt2, ..plain },
            Likeness { architecture: Architecture::Qwen2, ..plain },
            Likeness { architecture: Architecture::Phi3, matrices: 8, ..plain },
        ];
        for like in all {
            let path = store.sparse_huge(BEYOND_ANY_DEVICE, like).unwrap();
            assert_eq!(store.sparse_huge(BEYOND_ANY_DEVICE, like).unwrap(), path);
            let file = fs::metadata(&path).unwrap();
            let facts = inspect(&path).unwrap();
            assert_eq!(facts.architecture, like.architecture.name());
            assert_eq!((facts.matrices, facts.sentence_piece), (like.matrices, like.sentence_piece));
            assert!(
                facts.tensor_bytes >= BEYOND_ANY_DEVICE
                    && file.len() >= facts.data_offset + facts.tensor_bytes
            );
            assert!(file.blocks() * 512 < 1 << 20, "{} blocks", file.blocks());
        }
        let error = store.sparse_huge(u64::MAX, Likeness::default()).unwrap_err();
        assert!(matches!(error, ModelError::TooLarge { .. }));
    }
}
