//! The model file: copies that a scenario may harm, and what happens to them after the load.

use std::path::Path;

use cucumber::{given, then, when};

use super::checks::named;
use super::report;
use crate::conversation::{Conversation, Step, Stop};
use crate::program::{FileAction, Op};
use crate::setting::bytes;
use crate::trace::Outcome;

#[given(regex = r#"^a model file of its own(?:, of a model of "([\w-]+)")?$"#)]
async fn own_file(conversation: &mut Conversation, architecture: String) -> Result<(), String> {
    let step = copy_of(conversation, &architecture);
    report(conversation, step)
}

#[given(regex = r#"^a model file called ("[^"]*")$"#)]
async fn called(conversation: &mut Conversation, name: String) -> Result<(), String> {
    let step = copy(conversation).and_then(|()| rename(conversation, &name));
    report(conversation, step)
}

#[given(
    regex = r"^a model file reached by (a relative path|a path with dots in it|a path with two slashes in a row|a symbolic link|a path of more than (?:255|1,000) bytes)$"
)]
async fn reached_by(conversation: &mut Conversation, way: String) -> Result<(), String> {
    let step = copy(conversation).and_then(|()| reach(conversation, &way));
    report(conversation, step)
}

#[given(regex = r"^an unreadable model file$")]
async fn unreadable(conversation: &mut Conversation) -> Result<(), String> {
    let step = copy(conversation).and_then(|()| lock_away(conversation));
    report(conversation, step)
}

#[when(
    regex = r"^the model file is (overwritten|overwritten with another model|replaced by another model|truncated|deleted)$"
)]
async fn harm(conversation: &mut Conversation, how: String) -> Result<(), String> {
    let step = change(conversation, &how).await;
    report(conversation, step)
}

#[when("the host looks at the open descriptors")]
async fn look(conversation: &mut Conversation) -> Result<(), String> {
    let step = conversation.run(vec![Op::Measure]).await.map(drop);
    report(conversation, step)
}

#[then(regex = r"^the model file is not held open(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn not_held(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let step = judge_held(conversation, named(&requirement));
    report(conversation, step)
}

#[then(regex = r"^the model file is unchanged(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn unchanged(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let step = judge_unchanged(conversation, named(&requirement));
    report(conversation, step)
}

fn copy(conversation: &mut Conversation) -> Step {
    copy_of(conversation, "")
}

/// A copy of the model of an architecture, or of the default one.
fn copy_of(conversation: &mut Conversation, architecture: &str) -> Step {
    let setting = conversation.setting()?;
    let model = match architecture {
        "" => setting.model().ok_or_else(|| Stop::Blocked("there is no model".to_owned()))?,
        _ => setting.model_of(architecture).ok_or_else(|| {
            Stop::NotApplicable(format!("no {architecture} model is named that the library runs"))
        })?,
    };
    let folder = tempfile::Builder::new()
        .prefix("model-")
        .tempdir_in(&setting.scratch)
        .map_err(|error| Stop::Broken(format!("no folder in `{}`: {error}", setting.scratch.display())))?;
    let path = folder.path().join("model.gguf");
    write_copy(&model.path, &path).map_err(|error| {
        let why = format!("no copy of `{}`: {error}", model.path.display());
        // A library that deletes models may have done so just now.
        if error.kind() == std::io::ErrorKind::NotFound { Stop::Blocked(why) } else { Stop::Broken(why) }
    })?;
    conversation.adopt_model(bytes(&path), model.facts.clone());
    conversation.model_file = Some(path);
    conversation.own_folder = Some(folder);
    Ok(())
}

/// A copy that its scenario may harm: the store's models are protected against writing, and `std::fs::copy` keeps that.
fn write_copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut copy = std::fs::File::create_new(to)?;
    std::io::copy(&mut std::fs::File::open(from)?, &mut copy)?;
    copy.set_modified(last_change())
}

/// When the copies of models were last written, as far as their metadata tell: long ago, so that a write shows.
fn last_change() -> std::time::SystemTime {
    std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)
}

fn rename(conversation: &mut Conversation, name: &str) -> Step {
    use std::os::unix::ffi::OsStringExt;
    let Some((super::arguments::Value::Text(name), _)) = super::arguments::value(name) else {
        return Err(Stop::Broken(format!("{name} is no file name")));
    };
    let Some(old) = conversation.model_file.clone() else { return Ok(()) };
    let new = old.with_file_name(std::ffi::OsString::from_vec(name));
    std::fs::rename(&old, &new).map_err(|error| Stop::Broken(error.to_string()))?;
    if let Some(facts) = conversation.private_models.remove(&bytes(&old)) {
        conversation.adopt_model(bytes(&new), facts);
    }
    conversation.model_file = Some(new);
    Ok(())
}

/// Another path to the scenario's own model file.
fn reach(conversation: &mut Conversation, way: &str) -> Step {
    let broken = |error: std::io::Error| Stop::Broken(error.to_string());
    let Some(old) = conversation.model_file.clone() else { return Ok(()) };
    let folder = old.parent().unwrap_or(&old).to_owned();
    let new = match way {
        // Sessions work in the folder that scratch files lie in.
        "a relative path" => {
            let base = conversation.setting()?.scratch.clone();
            let inside = old.strip_prefix(base).map_err(|error| Stop::Broken(error.to_string()))?;
            inside.to_owned()
        }
        "a path with dots in it" => {
            folder.join(".").join("..").join(folder.file_name().unwrap_or_default()).join("model.gguf")
        }
        "a path with two slashes in a row" => {
            let mut path = folder.into_os_string();
            path.push("//model.gguf");
            path.into()
        }
        "a symbolic link" => {
            let link = folder.join("link.gguf");
            std::os::unix::fs::symlink(&old, &link).map_err(broken)?;
            link
        }
        _ => {
            let folders = if way.contains("1,000") { 9 } else { 3 };
            let deep = (0..folders).fold(folder, |deep, at| deep.join(format!("{at}").repeat(120)));
            std::fs::create_dir_all(&deep).map_err(broken)?;
            let long = deep.join("model.gguf");
            std::fs::rename(&old, &long).map_err(broken)?;
            long
        }
    };
    if let Some(facts) = conversation.private_models.remove(&bytes(&old)) {
        conversation.adopt_model(bytes(&new), facts);
    }
    conversation.model_file = Some(new);
    Ok(())
}

fn lock_away(conversation: &mut Conversation) -> Step {
    use std::os::unix::fs::PermissionsExt;
    let Some(path) = conversation.model_file.clone() else { return Ok(()) };
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o0))
        .map_err(|error| Stop::Broken(error.to_string()))?;
    conversation.options.ordinary_user = true;
    conversation.private_models.remove(&bytes(&path));
    Ok(())
}

async fn change(conversation: &mut Conversation, how: &str) -> Step {
    let path = conversation.model_file.clone().map(|path| bytes(&path));
    let path = path.ok_or_else(|| Stop::Broken("the scenario has no model file of its own".to_owned()))?;
    conversation.forget_file(&path);
    let action = match how {
        "overwritten" => FileAction::Overwrite { path },
        "overwritten with another model" => FileAction::Copy { path, from: another_model(conversation)? },
        "replaced by another model" => FileAction::Replace { path, from: another_model(conversation)? },
        "truncated" => FileAction::Truncate { path, length: 64 },
        _ => FileAction::Delete { path },
    };
    conversation.run(vec![Op::File(action)]).await.map(drop)
}

/// A valid model with a vocabulary that no default model has.
fn another_model(conversation: &Conversation) -> Result<Vec<u8>, Stop> {
    let path = conversation.setting()?.store.path("tiny-llama-spm");
    path.map(|path| bytes(&path)).map_err(|error| Stop::Broken(error.to_string()))
}

fn judge_held(conversation: &mut Conversation, requirement: Option<&str>) -> Step {
    let path = conversation.model_file.clone().unwrap_or_default();
    // Descriptors and mappings are shown by the path without links.
    let path = path.canonicalize().unwrap_or(path).to_string_lossy().into_owned();
    let Some(measured) = conversation.measured.last().cloned() else {
        return Err(Stop::Blocked("the process could not be looked at".to_owned()));
    };
    let held = measured.descriptors.iter().find(|(_, target)| *target == path);
    let mapped = measured.mapped.contains(&path);
    conversation.judge(requirement, held.is_none() && !mapped, || {
        let how =
            held.map_or("it is mapped".to_owned(), |held| format!("descriptor {} refers to it", held.0));
        ("after the load".to_owned(), "the file is neither open nor mapped".to_owned(), how)
    })
}

fn judge_unchanged(conversation: &mut Conversation, requirement: Option<&str>) -> Step {
    let setting = conversation.setting()?;
    let read = |path: Option<&std::path::Path>| path.and_then(|path| std::fs::read(path).ok());
    let original = read(setting.model().map(|model| model.path.as_path()));
    let now = read(conversation.model_file.as_deref());
    let time = conversation.model_file.as_ref().and_then(|path| path.metadata().ok()?.modified().ok());
    let written = time.is_some_and(|time| time != last_change());
    conversation.judge(requirement, now.is_some() && now == original && !written, || {
        let observed = match now {
            Some(now) if Some(&now) == original.as_ref() => "it was written to",
            Some(_) => "its content is another",
            None => "it is gone",
        };
        ("after the load".to_owned(), "the file is as it was".to_owned(), observed.to_owned())
    })
}

/// A thread that used the library, and that ends when the library is gone.
#[when(regex = r"^a thread uses the library, the host unloads it, and the thread ends$")]
async fn outlived(conversation: &mut Conversation) -> Result<(), String> {
    let step = outlive(conversation).await;
    report(conversation, step)
}

async fn outlive(conversation: &mut Conversation) -> Step {
    let setting = conversation.setting()?;
    let Some(model) = setting.model() else { return Err(Stop::Blocked("there is no model".to_owned())) };
    let life =
        super::threads::body(conversation, "open a context, load and generate", 0, &bytes(&model.path))?;
    let trace = conversation.run(vec![Op::CloseBeside(life)]).await?;
    conversation.library_event = trace.into_iter().rfind(|observation| observation.call().is_none());
    Ok(())
}

/// The library as a whole: opened, closed, and left by `exit`.
#[when(
    regex = r"^the host (unloads the library and loads it again|leaves the process by exit|unloads the library and leaves the process by exit)$"
)]
async fn library(conversation: &mut Conversation, what: String) -> Result<(), String> {
    let program = match what.as_str() {
        "unloads the library and loads it again" => vec![Op::Close, Op::Open],
        "leaves the process by exit" => vec![Op::ExitProcess],
        _ => vec![Op::Close, Op::ExitProcess],
    };
    let step = conversation.run(program).await.map(|trace| {
        let end = trace.into_iter().rfind(|observation| observation.call().is_none());
        conversation.library_event = end;
    });
    report(conversation, step)
}

#[then(
    regex = r"^the library (is unloaded|is loaded again|loads|lets the process end)(?: \[([A-Z0-9]+-\d+)\])?$"
)]
async fn library_fine(
    conversation: &mut Conversation,
    what: String,
    requirement: String,
) -> Result<(), String> {
    let step = judge_library(conversation, &what, named(&requirement));
    report(conversation, step)
}

fn judge_library(conversation: &mut Conversation, what: &str, requirement: Option<&str>) -> Step {
    let Some(event) = conversation.library_event.take() else {
        return Err(Stop::Blocked("the process is gone".to_owned()));
    };
    let good = match &event.outcome {
        Outcome::Done => true,
        Outcome::Died(death) => what.starts_with("lets") && death.cause == crate::trace::Cause::Exited(0),
        _ => false,
    };
    conversation.judge(requirement, good, || {
        (event.event.to_string(), format!("the library {what}"), event.outcome.to_string())
    })
}
