//! The report as a page that needs no network: everything in it is text, but for its own style and script.

mod base64;
mod view;

use std::sync::OnceLock;

use minijinja::{AutoEscape, Environment, context};
use sha2::{Digest, Sha256};

use crate::verdict::RunResult;

const PAGE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The report.
///
/// # Errors
/// When the page's template is wrong.
pub fn render(result: &RunResult) -> Result<String, minijinja::Error> {
    let view = view::of(result);
    let own = context! {
        style => STYLE,
        script => SCRIPT,
        style_hash => hash(STYLE),
        script_hash => hash(SCRIPT),
    };
    environment().get_template("page.html")?.render(context! { ..own, ..view })
}

/// A page of another template that shares the style: the support matrix.
///
/// # Errors
/// When the template is wrong.
pub fn render_matrix(view: minijinja::Value) -> Result<String, minijinja::Error> {
    let own = context! { style => STYLE, style_hash => hash(STYLE) };
    environment().get_template("matrix.html")?.render(context! { ..own, ..view })
}

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        for (name, source) in [("page.html", PAGE), ("matrix.html", include_str!("html/matrix.html"))] {
            // The templates are part of the program, and tests render them.
            environment
                .add_template(name, source)
                .unwrap_or_else(|error| unreachable!("the embedded template is sound: {error}"));
        }
        environment
    })
}

/// What a page's security policy names its own style and script by; nothing else runs in it.
fn hash(text: &str) -> String {
    format!("sha256-{}", base64::encode(&Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_page_has_every_part_and_asks_for_nothing_from_elsewhere() {
        let page = render(&sample::result()).unwrap();
        for id in [
            "tested",
            "requirements",
            "traceability",
            "scenarios",
            "time",
            "latency",
            "states",
            "waivers",
            "NULL-03",
        ] {
            assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
        }
        for part in [
            "NVIDIA H100",
            "550.54.15",
            "GCC: (GNU) 12.2.0",
            "4e1f58d51406c170",
            "M0-W-1052",
            "← found here",
            "int main(void)",
            "20251004",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains(" src=") && !page.contains("url(") && !page.contains("@import"));
        assert_eq!(page.matches("<script").count(), 1);
    }

    #[test]
    fn ids_are_unique_and_links_within_the_page_lead_somewhere() {
        let page = render(&sample::result()).unwrap();
        let values = |start: &str| -> Vec<String> {
            page.split(start).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
        };
        let ids = values(" id=\"");
        let unique: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert_eq!(ids.len(), unique.len());
        for link in values("href=\"#").iter().chain(&values("data-copy=\"")) {
            assert!(ids.contains(link), "{link}");
        }
    }

    #[test]
    fn hostile_text_is_only_ever_text() {
        let page = render(&sample::hostile()).unwrap();
        assert_eq!(page.matches("<script").count(), 1);
        assert_eq!(page.matches("</script").count(), 1);
        assert!(!page.contains("href=\"javascript"));
        assert!(page.contains("{{7*7}}"), "no template runs in text");
        assert!(!page.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')));
        assert!(!page.contains('\u{202e}'));
    }

    #[test]
    fn the_page_of_a_sample_reads_well() {
        let page = render(&sample::result()).unwrap();
        let from = page.find("<header>").unwrap();
        let to = page.find("<form id=\"filters\"").unwrap();
        insta::assert_snapshot!(&page[from..to]);
        let from = page.find("<details class=\"fail\" id=\"NULL-03\"").unwrap();
        let to = page[from..].find("</details>").unwrap();
        insta::assert_snapshot!(&page[from..from + to]);
    }
}
