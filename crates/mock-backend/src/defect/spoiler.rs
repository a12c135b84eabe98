//! Defects that show in the tokens of a job: by how much each token is shifted away from the right one.

use crate::model::Model;

/// What a job was asked for.
#[derive(Clone, Copy)]
pub struct Request<'m> {
    /// The model.
    pub model: &'m Model,
    /// As given.
    pub max_tokens: i32,
    /// As given.
    pub temperature: f32,
    /// As given.
    pub seed: u64,
}

#[cfg(not(feature = "defects"))]
pub use plain::Spoiler;
#[cfg(feature = "defects")]
pub use spoiling::Spoiler;

/// Without the feature: nothing at all.
#[cfg(not(feature = "defects"))]
mod plain {
    use super::Request;

    /// Spoils nothing.
    #[derive(Debug)]
    pub struct Spoiler;

    impl Spoiler {
        /// Of a job.
        #[inline(always)]
        pub const fn new(_request: &Request) -> Self {
            Self
        }

        /// 0: every token is the right one.
        #[inline(always)]
        pub const fn shift(&mut self, _index: i32) -> u32 {
            0
        }
    }
}

#[cfg(feature = "defects")]
mod spoiling {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    use super::Request;
    use crate::defect::{Defect, count, counted, keep, kept, mark, marked, on, thread, unmark};
    use crate::hyper_parameters::Architecture;

    /// Open jobs.
    static OPEN: AtomicU64 = AtomicU64::new(0);
    /// Something whose address is the library's.
    static PLACE: u8 = 0;
    /// The file of the last load, and its beginning.
    static FILE: Mutex<Option<(std::path::PathBuf, Option<Vec<u8>>)>> = Mutex::new(None);

    /// Shifts tokens as the defect that is on wants it.
    #[derive(Debug)]
    pub struct Spoiler {
        number: u64,
        model: u64,
        max_tokens: i32,
        temperature: f32,
        seed: u64,
        qwen2: bool,
        spoilt: bool,
        last: Option<Instant>,
    }

    /// Remembers the file of a load.
    pub fn remember(path: &std::path::Path) {
        if let Ok(mut file) = FILE.lock() {
            *file = Some((path.to_owned(), std::fs::read(path).ok()));
        }
    }

    fn file_changed(gone: bool) -> bool {
        let Ok(file) = FILE.lock() else { return false };
        let Some((path, before)) = file.as_ref() else { return false };
        let now = std::fs::read(path).ok();
        if gone { now.is_none() } else { now != *before }
    }

    impl Spoiler {
        /// Of a job that begins.
        pub fn new(request: &Request) -> Self {
            let jobs = on(Defect::ThirdJobDiffers)
                || on(Defect::FarTokenDiffers)
                || (request.temperature > 0.0 && on(Defect::SampledDiffers))
                || on(Defect::WarmSampledDiffers)
                || (request.temperature > 0.0 && on(Defect::HighSeedDiffers));
            let number = if jobs { count() } else { counted() };
            let after = on(Defect::AbandonedJobStays) || on(Defect::LongJobStays);
            let file = on(Defect::FileReadAgain) && file_changed(false)
                || on(Defect::FileMissed) && file_changed(true);
            let model = std::ptr::from_ref(request.model) as u64;
            if on(Defect::ContextDiffers) && kept() == 0 {
                keep(model);
            }
            let second = on(Defect::ContextDiffers) && kept() != model;
            if on(Defect::LargestJobUsage) && request.max_tokens == 2048 {
                mark();
            }
            OPEN.fetch_add(1, Ordering::SeqCst);
            Self {
                number,
                model,
                max_tokens: request.max_tokens,
                temperature: request.temperature,
                seed: request.seed,
                qwen2: request.model.parameters.architecture == Architecture::Qwen2,
                spoilt: file || second || after && unmark(),
                last: None,
            }
        }

        /// How far token `index` is moved; 0 for the right one.
        pub fn shift(&mut self, index: i32) -> u32 {
            let now = Instant::now();
            let idle = self.last.replace(now).map_or(Duration::ZERO, |last| now - last);
            let paused = idle > Duration::from_micros(1800);
            let own = std::ptr::from_ref(self) as u64;
            let open = OPEN.load(Ordering::SeqCst);
            let (sampled, high) = (self.temperature > 0.0, self.seed >> 32 != 0);
            let process = u64::from(std::process::id()) % 251;
            let address = (std::ptr::from_ref(&PLACE) as u64 >> 12) % 251;
            let odd = !self.seed.is_multiple_of(2);
            let warm = (0.65..0.75).contains(&self.temperature);
            let by_check = on(Defect::CheckTurns) || on(Defect::CheckTurnsSampled);
            let turned_by_check = by_check && index > 0 && unmark();
            let spoils = [
                (Defect::ThirdJobDiffers, self.number == 3 && index == 0),
                (Defect::FarTokenDiffers, self.number.is_multiple_of(2) && index == 120),
                (Defect::ReloadDiffers, counted() > 1 && index == 2),
                (Defect::ContextDiffers, self.spoilt && index == 2),
                (Defect::SeedMatters, !sampled && self.seed.is_multiple_of(2) && index == 2),
                (Defect::HighSeedMatters, !sampled && high && index == 2),
                (Defect::Qwen2SeedMatters, !sampled && self.qwen2 && odd && index == 2),
                (Defect::WarmSampledDiffers, warm && self.number.is_multiple_of(2) && index == 2),
                (Defect::LateContextDiffers, sampled && counted() > 5 && index == 2),
                (Defect::RefusedInitHarms, sampled && counted() > self.number),
                (Defect::LargestJobDiffers, !sampled && self.max_tokens > 1024 && index == 7),
                (Defect::SampledDiffers, sampled && self.number.is_multiple_of(2) && index == 2),
                (Defect::HighSeedDiffers, sampled && high && self.number.is_multiple_of(2) && index == 2),
                (Defect::LastTokenDiffers, index + 1 == self.max_tokens),
                (Defect::AbandonedJobStays, self.spoilt && index == 0),
                (Defect::LongJobStays, self.spoilt && index == 0),
                (Defect::FileReadAgain, self.spoilt && index == 1),
                (Defect::FileMissed, self.spoilt && index == 1),
                (Defect::SecondLoadHarms, marked() && index == 1),
                (Defect::SecondUnloadHarms, marked() && index == 1),
                (Defect::SecondJobHarms, open > 1 && index > 4),
                (Defect::ThirdJobHarms, open > 2 && index > 4),
                (Defect::BufferDiffers, index == 5 && marked()),
                (Defect::NullIndexDiffers, index == 5 && marked()),
                (Defect::PauseDiffers, paused && index > 1),
                (Defect::LongPauseDiffers, idle > Duration::from_millis(300) && index > 1),
                (Defect::IdleDiffers, idle > Duration::from_millis(1500) && index > 0),
                (Defect::CheckTurns, turned_by_check),
                (Defect::CheckTurnsSampled, turned_by_check && self.temperature > 1.0),
                (Defect::FaultSticks, marked() && index == 1),
            ];
            let shared = [
                (Defect::BesideDiffers, self.model),
                (Defect::SecondJobInherits, own),
                (Defect::JobRace, thread()),
            ];
            let turned = shared.iter().any(|(defect, who)| on(*defect) && keep(*who) != *who && index > 0);
            let numbers = [
                (Defect::ProcessDiffers, process, index == 3),
                (Defect::AddressDiffers, address, index == 3),
                (Defect::HotProcessDiffers, process, index == 3 && self.temperature == 2.0),
            ];
            let number = numbers.iter().find(|(defect, _, here)| *here && on(*defect));
            let spoilt = turned || spoils.iter().any(|(defect, here)| *here && on(*defect));
            number.map_or(u32::from(spoilt), |(_, number, _)| *number as u32)
        }
    }

    impl Drop for Spoiler {
        fn drop(&mut self) {
            OPEN.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cfg(feature = "defects")]
pub use spoiling::remember;

/// Without the feature: nothing at all.
#[cfg(not(feature = "defects"))]
#[inline(always)]
pub const fn remember(_path: &std::path::Path) {}
