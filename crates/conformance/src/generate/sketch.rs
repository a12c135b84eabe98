//! What a conversation has open, as far as its calls alone tell, and what a correct host may call next.

use std::collections::HashSet;
use std::sync::Arc;

use crate::program::{Call, Device, Handle, Op, Out, Program, Slot, Text};

/// The live handles of a conversation whose good calls all succeed.
#[derive(Clone, Debug, Default)]
pub struct Sketch {
    /// Lowest slot that nothing was bound to.
    pub next: u32,
    /// Contexts.
    pub contexts: Vec<Slot>,
    /// Models and their contexts.
    pub models: Vec<(Slot, Slot)>,
    /// Jobs and their models.
    pub jobs: Vec<(Slot, Slot)>,
    /// Files that every library refuses.
    pub refused: Refused,
}

/// Paths of files that every library refuses.
pub type Refused = Arc<HashSet<Vec<u8>>>;

/// Paths that stand for the models of the setting in generated programs: `model:0`, `model:1`.
pub const MODEL: &[u8] = b"model:";
/// Paths that stand for files that are to be refused: `refused:0` and so on, counted round.
pub const REFUSED: &[u8] = b"refused:";

impl Sketch {
    /// Nothing is open, and these files are refused.
    pub fn new(refused: &Refused) -> Self {
        Self { refused: Arc::clone(refused), ..Self::default() }
    }

    /// Whether a call that makes a handle may give one.
    fn may_work(&self, call: &Call) -> bool {
        match call {
            Call::Init { device, .. } => matches!(device, Device::Id(0..=63) | Device::Count(..0)),
            Call::LoadModel { ctx: Handle::Slot(_), path: Text::Bytes(path), vram: Out::Given, .. } => {
                !path.starts_with(REFUSED) && !self.refused.contains(path)
            }
            Call::Start {
                model: Handle::Slot(_), prompt: Text::Bytes(_), max_tokens, temperature, ..
            } => (1..=2048).contains(max_tokens) && (0.0..=2.0).contains(temperature),
            _ => false,
        }
    }

    /// Models of a context.
    pub fn models_of(&self, ctx: Slot) -> usize {
        self.models.iter().filter(|(_, owner)| *owner == ctx).count()
    }

    /// Jobs of a model.
    pub fn jobs_of(&self, model: Slot) -> usize {
        self.jobs.iter().filter(|(_, owner)| *owner == model).count()
    }

    /// Whether a correct host may make this step: live handles of the right kind, children released first.
    pub fn permits(&self, op: &Op) -> bool {
        match op {
            Op::Call(call) => self.permits_call(call),
            Op::Drain { result: Handle::Slot(job), .. } => self.jobs.iter().any(|(known, _)| known == job),
            Op::Threads(bodies) => {
                let mut whole = self.clone();
                bodies.iter().all(|body| {
                    // On its own, a thread touches what it made itself, and reads what there was.
                    let mut own = self.clone();
                    let fine = body.iter().all(|op| {
                        let good = own.permits(op) && (reads(op) || !uses_any_of(op, self));
                        own.apply(op);
                        good
                    });
                    body.iter().for_each(|op| whole.apply(op));
                    fine
                })
            }
            Op::Repeat(_, body) => {
                let mut inner = self.clone();
                let fine = body.iter().all(|op| {
                    let good = inner.permits(op);
                    inner.apply(op);
                    good
                });
                // A round that leaves something open leaks it itself.
                let open = |sketch: &Self| (sketch.contexts.len(), sketch.models.len(), sketch.jobs.len());
                fine && open(&inner) == open(self)
            }
            _ => true,
        }
    }

    fn permits_call(&self, call: &Call) -> bool {
        let Some(Handle::Slot(slot)) = call.handle() else { return true };
        let context = self.contexts.contains(&slot);
        let model = self.models.iter().any(|(known, _)| *known == slot);
        match call {
            Call::Destroy { .. } => context && self.models_of(slot) == 0,
            Call::LoadModel { .. } | Call::ProcessVramUsage { .. } | Call::CheckHealth { .. } => context,
            Call::UnloadModel { .. } => model && self.jobs_of(slot) == 0,
            Call::Start { .. }
            | Call::ModelVramUsage { .. }
            | Call::VramUsage { .. }
            | Call::CheckResidency { .. } => model,
            Call::NextToken { .. } | Call::Free { .. } => self.jobs.iter().any(|(known, _)| *known == slot),
            Call::Init { .. } | Call::DeviceCount | Call::ErrorMessage { .. } => true,
        }
    }

    /// Takes over what a step makes and releases, if it works.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Call(call) => self.apply_call(call),
            Op::Threads(bodies) => bodies.iter().flatten().for_each(|op| self.apply(op)),
            Op::Repeat(_, body) => body.iter().for_each(|op| self.apply(op)),
            _ => {}
        }
    }

    fn apply_call(&mut self, call: &Call) {
        if let Some(bind) = call.bind() {
            self.next = self.next.max(bind.0 + 1);
        }
        match call {
            Call::Init { bind, .. } if self.may_work(call) => self.contexts.push(*bind),
            Call::LoadModel { bind, ctx: Handle::Slot(ctx), .. } if self.may_work(call) => {
                self.models.push((*bind, *ctx));
            }
            Call::Start { bind, model: Handle::Slot(model), .. } if self.may_work(call) => {
                self.jobs.push((*bind, *model));
            }
            Call::Destroy { ctx: Handle::Slot(slot) } => self.contexts.retain(|known| known != slot),
            Call::UnloadModel { model: Handle::Slot(slot) } => self.models.retain(|(known, _)| known != slot),
            Call::Free { result: Handle::Slot(slot) } => self.jobs.retain(|(known, _)| known != slot),
            _ => {}
        }
    }

    /// The calls that release everything, children first.
    pub fn release(&self) -> Program {
        let free = self.jobs.iter().map(|(job, _)| Call::Free { result: Handle::Slot(*job) });
        let unload = self.models.iter().map(|(model, _)| Call::UnloadModel { model: Handle::Slot(*model) });
        let destroy = self.contexts.iter().map(|ctx| Call::Destroy { ctx: Handle::Slot(*ctx) });
        free.chain(unload).chain(destroy).map(Op::Call).collect()
    }
}

/// Whether a step only asks: several threads may at once (THR-02).
fn reads(op: &Op) -> bool {
    matches!(
        op,
        Op::Call(
            Call::DeviceCount
                | Call::ErrorMessage { .. }
                | Call::ModelVramUsage { .. }
                | Call::VramUsage { .. }
                | Call::ProcessVramUsage { .. }
                | Call::CheckHealth { .. }
                | Call::CheckResidency { .. }
        )
    )
}

fn uses_any_of(op: &Op, sketch: &Sketch) -> bool {
    let handle = match op {
        Op::Call(call) => call.handle(),
        Op::Drain { result, .. } => Some(*result),
        _ => None,
    };
    let Some(Handle::Slot(slot)) = handle else { return false };
    sketch.contexts.contains(&slot)
        || sketch.models.iter().chain(&sketch.jobs).any(|(known, _)| *known == slot)
}

/// The program without the steps that a correct host could not make any more, and without handles bound twice.
pub fn legalise(program: &[Op], refused: &Refused) -> Program {
    legal(program, &mut Sketch::new(refused))
}

fn legal(program: &[Op], sketch: &mut Sketch) -> Program {
    let mut kept = Program::new();
    for op in program {
        let op = match op {
            Op::Threads(bodies) => {
                let bodies: Vec<Program> =
                    bodies.iter().map(|body| legal(body, &mut sketch.clone())).collect();
                let bodies: Vec<Program> = bodies.into_iter().filter(|body| !body.is_empty()).collect();
                if bodies.is_empty() {
                    continue;
                }
                Op::Threads(bodies)
            }
            Op::Repeat(times, body) => {
                let body = legal(body, &mut sketch.clone());
                if body.is_empty() {
                    continue;
                }
                Op::Repeat(*times, body)
            }
            other => other.clone(),
        };
        if sketch.permits(&op) {
            sketch.apply(&op);
            kept.push(op);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Device;

    fn init(slot: u32) -> Op {
        Op::Call(Call::Init { bind: Slot(slot), device: Device::Id(0), code: Out::Given })
    }

    fn load(slot: u32, ctx: u32) -> Op {
        let ctx = Handle::Slot(Slot(ctx));
        Op::Call(Call::LoadModel {
            bind: Slot(slot),
            ctx,
            path: Text::new("m"),
            vram: Out::Given,
            code: Out::Given,
        })
    }

    #[test]
    fn a_context_with_a_model_is_not_destroyed() {
        let destroy = Op::Call(Call::Destroy { ctx: Handle::Slot(Slot(0)) });
        let unload = Op::Call(Call::UnloadModel { model: Handle::Slot(Slot(1)) });
        let program = [init(0), load(1, 0), destroy.clone()];
        assert_eq!(legalise(&program, &Refused::default()), program[..2]);
        let program = [init(0), load(1, 0), unload, destroy];
        assert_eq!(legalise(&program, &Refused::default()), program);
    }

    #[test]
    fn what_depends_on_a_missing_handle_goes_with_it() {
        assert_eq!(legalise(&[load(1, 0), init(0)], &Refused::default()), [init(0)]);
    }

    #[test]
    fn a_round_that_leaves_something_open_is_no_round() {
        let destroy = Op::Call(Call::Destroy { ctx: Handle::Slot(Slot(0)) });
        let leaves = [Op::Repeat(3, vec![init(0)])];
        assert_eq!(legalise(&leaves, &Refused::default()), []);
        let closed = [Op::Repeat(3, vec![init(0), destroy])];
        assert_eq!(legalise(&closed, &Refused::default()), closed);
    }

    #[test]
    fn threads_do_not_share_what_they_change() {
        let free = |slot| Op::Call(Call::Destroy { ctx: Handle::Slot(Slot(slot)) });
        let health = Op::Call(Call::CheckHealth { ctx: Handle::Slot(Slot(0)), code: Out::Given });
        let shared = [init(0), Op::Threads(vec![vec![free(0)], vec![health.clone()]])];
        assert_eq!(legalise(&shared, &Refused::default()), [init(0)]);
        let reads = [init(0), Op::Threads(vec![vec![health.clone()], vec![health]])];
        assert_eq!(legalise(&reads, &Refused::default()), reads);
        let own = [Op::Threads(vec![vec![init(1), free(1)], vec![init(2), free(2)]])];
        assert_eq!(legalise(&own, &Refused::default()), own);
    }
}
