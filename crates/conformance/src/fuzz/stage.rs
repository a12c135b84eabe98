//! Opens a library for generated programs, as a run of the suite does.

use std::path::PathBuf;
use std::sync::Arc;

use super::judge::Player;
use crate::executor::{Config, Executor};
use crate::generate::Menu;
use crate::models::Store;
use crate::profile::Profile;
use crate::scratch::Scratch;
use crate::setting::Setting;
use crate::suite::SuiteError;

/// What to open.
#[derive(Debug, Clone)]
pub struct Request {
    /// The library.
    pub library: PathBuf,
    /// What its owner says about it.
    pub profile: Profile,
    /// Programs at a time.
    pub jobs: usize,
    /// The program that serves sessions.
    pub program: PathBuf,
    /// Where generated models are kept.
    pub models: PathBuf,
}

/// An open library. The folder of its sessions goes with it.
pub struct Stage {
    /// Plays programs on it.
    pub player: Player,
    /// Models and facts.
    pub setting: Setting,
    _scratch: Scratch,
}

impl Stage {
    /// Looks at the library and prepares what programs need.
    ///
    /// # Errors
    /// When the library cannot be read, or the suite cannot work.
    pub fn open(request: Request) -> Result<Self, SuiteError> {
        let unreadable = |source| SuiteError::Library { path: request.library.clone(), source };
        let library = std::fs::canonicalize(&request.library).map_err(unreadable)?;
        let scratch = Scratch::new("worker-conformance-").map_err(SuiteError::Scratch)?;
        let environment = request.profile.environment.iter();
        let executor = Executor::new(Config {
            program: request.program,
            library,
            environment: environment.map(|(key, value)| (key.clone(), value.clone())).collect(),
            folder: scratch.path().to_owned(),
            limits: crate::suite::limits(&request.profile),
            jobs: request.jobs,
            instrument: Default::default(),
        });
        let store = Store::new(&request.models);
        let (setting, _) = Setting::prepare(executor, store, request.profile, scratch.path().to_owned())?;
        let player = player(&setting)?;
        Ok(Self { player, setting, _scratch: scratch })
    }
}

/// Plays programs in a setting.
///
/// # Errors
/// When a fixture cannot be made.
pub fn player(setting: &Setting) -> Result<Player, SuiteError> {
    let menu = Menu::of(setting).map_err(crate::setting::SettingError::from)?;
    let tolerance = setting.profile.tolerance.vram_bytes;
    Ok(Player::new(Arc::clone(&setting.executor), setting.facts.clone(), Arc::new(menu), tolerance))
}
