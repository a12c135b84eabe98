//! What a run found, written for machines and for people.

pub mod about;
pub mod after_run;
pub mod command;
pub mod cucumber_json;
pub mod cucumber_messages;
pub mod diff;
pub mod draft_waivers;
pub mod gherkin_view;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod matrix;
pub mod outputs;
pub mod package;
pub mod plain;
pub mod plausible;
pub mod progress;
#[cfg(test)]
pub mod sample;
pub mod sarif;
pub mod tap;
pub mod terminal;
pub mod verify;
pub mod write;
