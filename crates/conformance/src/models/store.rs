//! Models as files: made when first asked for, under a name that holds a hash of the content.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use thiserror::Error;

use super::malformed::{self, MalformedError};
use super::recipe::{Architecture, Recipe, RecipeError};
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
    #[error("cannot {action} `{path}`", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A folder of models. Any number of threads and processes may share one.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// Files made or compared by this process, with what a look at them showed.
    known: Mutex<HashMap<String, (PathBuf, Look)>>,
}

/// What tells cheaply that a file was not touched: its length and the time of its last change.
type Look = (u64, SystemTime);

impl Store {
    /// Models go to `folder`, which is made when the first one is.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), known: Mutex::default() }
    }

    /// The path of the good model called `name` (see [`Recipe::names`]).
    pub fn path(&self, name: &str) -> Result<PathBuf, ModelError> {
        self.keep(name, || Ok(model::build(name, &Recipe::named(name)?).write().bytes))
    }

    /// The path of the malformed model called `name` (see [`malformed::corpus`]).
    pub fn malformed_path(&self, name: &str) -> Result<PathBuf, ModelError> {
        self.keep(&format!("malformed-{name}"), || {
            let entry = malformed::named(name)?;
            let base = model::build(&entry.base, &Recipe::named(&entry.base)?);
            Ok(malformed::bytes(entry, base)?)
        })
    }

    /// The path of a sound file whose tensors have at least `bytes` bytes (LOAD-04), see [`super::sparse`].
    /// It is sparse: it takes a few hundred KiB of disk. Ask for more than the device has.
    pub fn sparse_huge(&self, bytes: u64, architecture: Architecture) -> Result<PathBuf, ModelError> {
        let (front, length) = sparse::front(bytes, architecture)?;
        let path = self.place(&format!("huge-{}-{length}", architecture.name()), &front);
        let whole = |file: &Path| fs::metadata(file).is_ok_and(|facts| facts.len() == length);
        if !(whole(&path) && begins_with(&path, &front)) {
            self.put(&path, |file| {
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
        if !fs::read(&path).is_ok_and(|there| there == content) {
            self.put(&path, |file| file.write_all(&content))?;
        }
        let look = look_at(&path).map_err(|source| ModelError::File {
            action: "look at",
            path: path.clone(),
            source,
        })?;
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_string(), (path.clone(), look));
        Ok(path)
    }

    /// Writes beside `path` and renames, so that nobody ever sees a part of a file.
    fn put(&self, path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), ModelError> {
        let fail = |action| move |source| ModelError::File { action, path: path.to_path_buf(), source };
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
    let mut there = vec![0; front.len()];
    File::open(path).and_then(|mut file| io::Read::read_exact(&mut file, &mut there)).is_ok()
        && there == front
}
