//! Faults that the profile knows how to bring about (FAULT).

use std::collections::BTreeMap;

use cucumber::{given, when};
use worker_contract::RequirementId;

use super::report;
use crate::conversation::{Conversation, Step, Stop};
use crate::program::{FileAction, Op};
use crate::setting::bytes;

#[given(regex = r"^a profile that can inject (FAULT-\d+)$")]
async fn injectable(conversation: &mut Conversation, fault: String) -> Result<(), String> {
    let step = arrange(conversation, &fault);
    report(conversation, step)
}

#[when(regex = r"^the fault is (injected|cleared)$")]
async fn switch(conversation: &mut Conversation, how: String) -> Result<(), String> {
    let step = write(conversation, how == "injected").await;
    report(conversation, step)
}

fn arrange(conversation: &mut Conversation, fault: &str) -> Step {
    let setting = conversation.setting()?;
    let id: RequirementId = fault
        .parse()
        .map_err(|error: worker_contract::UnknownRequirement| Stop::Broken(error.to_string()))?;
    let Some(known) = setting.profile.faults.get(&id) else {
        let how = "name a variable or a file under `faults` in the profile";
        return Err(Stop::Blocked(format!("the profile has no injection for {id}; {how}")));
    };
    let mut environment: BTreeMap<String, String> = known.environment.clone();
    if let Some(file) = &known.file {
        let path = tempfile::Builder::new()
            .prefix("fault-")
            .tempfile_in(&setting.scratch)
            .and_then(|file| file.into_temp_path().keep().map_err(|error| error.error))
            .map_err(|error| Stop::Broken(error.to_string()))?;
        std::fs::write(&path, &file.clear).map_err(|error| Stop::Broken(error.to_string()))?;
        environment.insert(file.variable.clone(), path.to_string_lossy().into_owned());
        conversation.fault_file = Some((path, file.inject.clone(), file.clear.clone()));
    }
    conversation.options.environment = environment.into_iter().collect();
    conversation.faulty = true;
    Ok(())
}

async fn write(conversation: &mut Conversation, inject: bool) -> Step {
    let Some((path, injection, clear)) = conversation.fault_file.clone() else {
        return if inject {
            // Injected by the environment, from the start.
            Ok(())
        } else {
            Err(Stop::Blocked("the injection cannot be cleared; give it a `file` in the profile".to_owned()))
        };
    };
    let content = if inject { injection } else { clear };
    let action = FileAction::Write { path: bytes(&path), bytes: content.into_bytes() };
    conversation.run(vec![Op::File(action)]).await.map(drop)
}
