//! `silo config show --why PATH`.

use std::path::Path;

use silo::layers::{self, Explanation, Fate, Told};
use silo::source::Sources;

use crate::shell::failure::Failure;
use crate::shell::merged::Merged;
use crate::shell::ui::Ui;
use crate::shell::ui::page::{Page, excerpt, style};

/// Prints what was said of a path and why it is what it is. A configuration with mistakes is explained as far as it goes, since the mistake
/// may be what the caller asks about.
pub fn why(ui: &Ui, directory: Option<&Path>, wanted: &str, json: bool) -> Result<u8, Failure> {
    let path = layers::Path::parse(wanted).map_err(|wrong| Failure::Usage {
        message: format!("`{wanted}` is not a path: {wrong}"),
        help: Some("write it as in `language.node.version`; what holds dots is quoted: `mount.\"~/.npmrc\".mode`".to_string()),
    })?;
    let merged = Merged::load(directory)?;
    let sleeping = merged.dormant();
    let explanations = layers::why(&merged.layered, &sleeping, &merged.sources, &path);
    if explanations.is_empty() {
        ui.problems(&merged.problems, &merged.sources);
        let help = match layers::nearest_path(&merged.layered, &sleeping, &path) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`silo config show` prints all there is, `silo doc` what there could be".to_string(),
        };
        return Err(Failure::Refused { message: format!("no file says anything of `{path}`"), help: Some(help) });
    }
    if json {
        ui.json(&layers::why_json(&explanations, &merged.sources));
    } else {
        let mut page = ui.page();
        for explanation in &explanations {
            explain(&mut page, explanation, &merged.sources);
        }
        ui.data(&page.finish());
    }
    if merged.problems.has_errors() {
        ui.problems(&merged.problems, &merged.sources);
        return Ok(crate::shell::failure::code::CONFIGURATION);
    }
    Ok(0)
}

fn explain(page: &mut Page, explanation: &Explanation, sources: &Sources) {
    let Explanation { path, value, told, slots } = explanation;
    page.gap();
    let path = path.to_string();
    match value {
        // The value that won says the same in its line, unless it has placeholders.
        Some(value) => page.line(&[(style::TITLE, &path), ("", " = "), (style::CODE, &shortened(value, page.width(), path.len()))]),
        None if told.iter().any(|told| told.fate == Fate::Conflicts) => page.line(&[(style::TITLE, &path), ("", " is in conflict")]),
        None if slots.is_empty() && !told.iter().any(|told| told.fate == Fate::Holds) => {
            page.line(&[(style::TITLE, &path), ("", " is not set")]);
        }
        None => page.line(&[(style::TITLE, &path)]),
    }
    for told in told {
        tell(page, told, sources);
    }
    if !slots.is_empty() {
        page.gap();
        let rows: Vec<(String, String)> = slots
            .iter()
            .map(|slot| {
                let value = slot.value.as_deref().map_or_else(|| "is not set".to_string(), |value| shortened(value, page.width() / 2, 0));
                let place = slot.span.map(|span| format!("  {}", sources.place(span))).unwrap_or_default();
                let others = match slot.others {
                    0 => String::new(),
                    1 => ", and 1 other".to_string(),
                    more => format!(", and {more} others"),
                };
                (slot.path.to_string(), format!("{value}{place}{others}"))
            })
            .collect();
        page.rows(&rows);
    }
}

fn tell(page: &mut Page, told: &Told, sources: &Sources) {
    let Told { fate, span, layer, says: _, weight, conditions, reason, decided_at: _ } = told;
    let sgr = match fate {
        Fate::Holds | Fate::Removes => style::GOOD,
        Fate::Agrees | Fate::Sleeps => style::FAINT,
        Fate::Loses => style::WEAK,
        Fate::Conflicts => style::BAD,
    };
    let mut origin = format!("  {}", layers::layer_words(*layer));
    if !weight.is_empty() {
        origin.push_str(&format!(", ({weight})"));
    }
    page.gap();
    page.line(&[("", "  "), (sgr, &format!("{:<8}", fate.as_str())), ("", "  "), ("", &sources.place(*span)), (style::FAINT, &origin)]);
    if *fate != Fate::Sleeps {
        for condition in conditions {
            page.line(&[("", "            "), (style::FAINT, &format!("under {}", sources.slice(*condition)))]);
        }
    }
    let text = &sources.get(span.source).text;
    let start = text.get(..span.start as usize).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or("");
    let line = excerpt(line, (span.start as usize).saturating_sub(start), page.width().saturating_sub(12));
    page.line(&[("", "            "), (style::CODE, &line)]);
    if !reason.is_empty() {
        page.paragraph(12, reason);
    }
}

/// A value on one line, its end left out when it is long.
fn shortened(value: &str, width: usize, before: usize) -> String {
    let limit = width.saturating_sub(before + 3).max(20);
    match value.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value.to_string(),
    }
}
