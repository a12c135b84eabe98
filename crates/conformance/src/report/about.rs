//! What was tested, with what and where, as pairs of a name and a text for people.

use crate::verdict::RunResult;

/// Name and text of everything that identifies a run.
pub fn facts(result: &RunResult) -> Vec<(&'static str, String)> {
    let library = &result.library;
    let none = || "none".to_owned();
    let mut facts = vec![
        ("library", library.path.clone()),
        ("SHA-256", library.sha256.clone()),
        ("build ID", library.build_id.clone().unwrap_or_else(none)),
    ];
    if let Some(soname) = &library.soname {
        facts.push(("SONAME", soname.clone()));
    }
    let compilers = if library.compilers.is_empty() { none() } else { library.compilers.join("; ") };
    facts.push(("compiler", compilers));
    facts.push(("contract", result.contract.version.clone()));
    facts.push(("suite", format!("{}, questions {}", result.suite.version, short(&result.suite.sha256))));
    facts.push(("level", result.level.word().to_owned()));
    facts.push((
        "profile",
        match &result.profile {
            Some(profile) => {
                let name = profile.name.as_deref().map_or(String::new(), |name| format!("{name}, "));
                let path = profile.path.as_deref().map_or(String::new(), |path| format!("{path}, "));
                format!("{name}{path}SHA-256 {}", short(&profile.sha256))
            }
            None => none(),
        },
    ));
    let machine = &result.machine;
    let count = machine.device_count.map(|count| format!("the library counts {count}"));
    let named = (!machine.devices.is_empty()).then(|| machine.devices.join(", "));
    let devices: Vec<String> = named.into_iter().chain(count).collect();
    facts.push(("devices", if devices.is_empty() { "not known".to_owned() } else { devices.join("; ") }));
    facts.push(("driver", machine.driver.clone().unwrap_or_else(|| "no GPU driver found".to_owned())));
    let processor = machine.processor.as_deref().map_or(String::new(), |name| format!(", {name}"));
    facts.push((
        "machine",
        format!("{}, {}, {} cores{processor}", machine.system, machine.architecture, machine.cores),
    ));
    facts.push(("date", result.started.clone()));
    facts.push((
        "generated programs",
        match &result.generated {
            Some(generated) => {
                let reason = generated.reason.as_deref().map_or(String::new(), |why| format!(", as {why}"));
                format!("{}, seed {}{reason}", generated.programs, generated.seed)
            }
            None => none(),
        },
    ));
    let selection = &result.selection;
    let mut asked = Vec::new();
    if !selection.only.is_empty() {
        let ids: Vec<&str> = selection.only.iter().map(|id| id.as_str()).collect();
        asked.push(format!("only {}", ids.join(", ")));
    }
    asked.extend(selection.scenario.as_ref().map(|name| format!("only scenarios with `{name}`")));
    asked.extend(selection.feature.as_ref().map(|file| format!("only {file}")));
    asked.extend(selection.shard.map(|shard| format!("shard {shard}")));
    if !asked.is_empty() {
        facts.push(("part of the suite", asked.join("; ")));
    }
    facts
}

/// The beginning of a hash.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
