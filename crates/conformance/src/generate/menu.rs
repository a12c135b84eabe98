//! The files that generated programs load: good models, and files that every library must refuse.

use std::collections::HashMap;

use crate::models::ModelError;
use crate::models::malformed::{Expect, corpus};
use crate::oracle::reference::Refusal;
use crate::program::{Call, Device, Op, Text};
use crate::setting::{Setting, bytes};

use super::sketch::{MODEL, REFUSED, Refused};

/// A file with the name that it has in programs that people keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `fixture:tiny-llama`, `malformed:wrong-magic-ggml`, `missing`, or the path of a model of the profile.
    pub name: String,
    /// Where it lies.
    pub path: Vec<u8>,
}

/// What programs draw from.
#[derive(Debug, Clone, Default)]
pub struct Menu {
    /// Models that load, the default one first.
    pub models: Vec<Entry>,
    /// Files that are refused.
    pub refused: Vec<(Entry, Refusal)>,
    /// Devices.
    pub devices: i32,
    /// Models that may be live at a time: few, if they are large.
    pub live: usize,
}

/// Bytes of tensors from which on a model is large.
const LARGE: u64 = 256 << 20;

/// Malformed models that a reader gives up at different points of its work.
const MALFORMED: [&str; 7] = [
    "wrong-magic-ggml",
    "ends-in-the-metadata",
    "ends-in-the-tensors",
    "ends-half-way",
    "without-output-norm",
    "metadata-count-2-to-63",
    "ends-one-byte-early",
];

impl Menu {
    /// The menu of a setting.
    ///
    /// # Errors
    /// When a fixture cannot be made.
    pub fn of(setting: &Setting) -> Result<Self, ModelError> {
        let large = setting.models.iter().any(|model| model.facts.tensor_bytes >= LARGE);
        let live = if large { 2 } else { usize::MAX };
        let mut menu = Self { devices: setting.facts.devices.unwrap_or(0), live, ..Self::default() };
        let known: Vec<(String, Vec<u8>)> = crate::setting::FIXTURES
            .iter()
            .map(|name| Ok(((*name).to_owned(), bytes(&setting.store.path(name)?))))
            .collect::<Result<_, ModelError>>()?;
        for model in &setting.models {
            let path = bytes(&model.path);
            let name = match known.iter().find(|(_, fixture)| *fixture == path) {
                Some((name, _)) => format!("fixture:{name}"),
                None => model.path.display().to_string(),
            };
            menu.models.push(Entry { name, path });
        }
        let mut refuse = |name: &str, path: Vec<u8>, requirement, codes: &[i32]| {
            let refusal = Refusal { requirement, codes: codes.to_vec() };
            menu.refused.push((Entry { name: name.to_owned(), path }, refusal));
        };
        refuse("missing", b"/there/is/no/such/model.gguf".to_vec(), "LOAD-02", &[3]);
        refuse("directory", b"/".to_vec(), "LOAD-02", &[3]);
        refuse("empty", Vec::new(), "LOAD-02", &[3, 5]);
        let runs = |base: &str| setting.runs_fixture(base).unwrap_or(false);
        let wanted = MALFORMED.iter().filter_map(|name| corpus().iter().find(|one| one.name == *name));
        for entry in wanted.filter(|entry| entry.expect == Expect::Refused && runs(&entry.base)) {
            let path = bytes(&setting.store.malformed_path(&entry.name)?);
            refuse(&format!("malformed:{}", entry.name), path, "LOAD-03", &[3]);
        }
        if let Some(huge) = setting.huge()? {
            // See `Conversation::is_made_like_a_foreign_model`.
            let ours = setting.models.iter().any(|model| model.ours);
            refuse("huge", bytes(&huge), "LOAD-04", if ours { &[2] } else { &[2, 3] });
        }
        Ok(menu)
    }

    /// A menu without files behind it.
    #[cfg(test)]
    pub fn for_tests() -> Self {
        let entry =
            |name: &str| Entry { name: name.to_owned(), path: format!("/models/{name}").into_bytes() };
        let refusal = Refusal { requirement: "LOAD-02", codes: vec![3] };
        Self {
            models: vec![entry("fixture:tiny-llama"), entry("fixture:tiny-gpt2")],
            refused: vec![(entry("missing"), refusal)],
            devices: 1,
            live: usize::MAX,
        }
    }

    /// The step with the files that its placeholders stand for.
    pub fn fill_in(&self, op: Op) -> Op {
        match op {
            Op::Call(Call::LoadModel { bind, ctx, path: Text::Bytes(path), vram, code }) => {
                let path = Text::Bytes(self.file(&path).unwrap_or(path));
                Op::Call(Call::LoadModel { bind, ctx, path, vram, code })
            }
            Op::Call(Call::Init { bind, device: Device::Count(by), code }) => {
                Op::Call(Call::Init { bind, device: Device::Id(self.devices.saturating_add(by)), code })
            }
            Op::Threads(bodies) => {
                let fill = |body: Vec<Op>| body.into_iter().map(|op| self.fill_in(op)).collect();
                Op::Threads(bodies.into_iter().map(fill).collect())
            }
            other => other,
        }
    }

    fn file(&self, placeholder: &[u8]) -> Option<Vec<u8>> {
        let number = |prefix: &[u8]| {
            let digits = placeholder.strip_prefix(prefix)?;
            std::str::from_utf8(digits).ok()?.parse::<usize>().ok()
        };
        if let Some(at) = number(MODEL).filter(|_| !self.models.is_empty()) {
            return Some(self.models[at % self.models.len()].path.clone());
        }
        let at = number(REFUSED).filter(|_| !self.refused.is_empty())?;
        Some(self.refused[at % self.refused.len()].0.path.clone())
    }

    /// The name of a path in programs that people keep.
    pub fn name(&self, path: &[u8]) -> Option<&str> {
        let entries = self.models.iter().chain(self.refused.iter().map(|(entry, _)| entry));
        entries.into_iter().find(|entry| entry.path == path).map(|entry| entry.name.as_str())
    }

    /// The path behind such a name.
    pub fn path(&self, name: &str) -> Option<&[u8]> {
        let entries = self.models.iter().chain(self.refused.iter().map(|(entry, _)| entry));
        entries.into_iter().find(|entry| entry.name == name).map(|entry| entry.path.as_slice())
    }

    /// The files that are refused.
    pub fn refused(&self) -> Refused {
        Refused::new(self.refused.iter().map(|(entry, _)| entry.path.clone()).collect())
    }

    /// What the oracle must know of the files that are refused.
    pub fn refusals(&self) -> HashMap<Vec<u8>, Refusal> {
        self.refused.iter().map(|(entry, refusal)| (entry.path.clone(), refusal.clone())).collect()
    }
}
