//! Mounts, as texts and as objects.

use crate::document;
use crate::import::draft::{Draft, Line, Section};
use crate::import::place::{Places, container_folder, is_inside, wrong};
use crate::import::tree::{Field, Kind, Value};
use crate::import::{Audience, fits_line, grant};
use crate::source::Span;
use crate::spec::Name;

/// A mount, as either form says it.
#[derive(Default)]
struct Mount {
    kind: Option<String>,
    source: Option<String>,
    target: Option<String>,
    readonly: bool,
    others: Vec<String>,
}

/// Every mount of the list.
pub(super) fn read(field: &Field, places: &Places, audience: Audience, draft: &mut Draft) {
    for item in field.value.items() {
        match &item.kind {
            Kind::Text(text) => one(of_text(text), item.span, places, audience, draft),
            Kind::Table(_) => one(of_object(item), item.span, places, audience, draft),
            Kind::Number(_) | Kind::Bool(_) | Kind::Date(_) | Kind::Null | Kind::List(_) => {
                draft.missing(item.span, "mounts", format!("it is {}, and should be a text or an object", item.describe()));
            }
        }
    }
}

/// `source=…,target=…,type=bind`: what an engine's `--mount` takes.
fn of_text(text: &str) -> Mount {
    let mut mount = Mount::default();
    for part in text.split(',') {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        put(&mut mount, key.trim(), value);
    }
    mount
}

fn of_object(item: &Value) -> Mount {
    let mut mount = Mount::default();
    for field in item.table().unwrap_or(&[]) {
        put(&mut mount, &field.name, &field.value.scalar().unwrap_or_default());
    }
    mount
}

fn put(mount: &mut Mount, key: &str, value: &str) {
    match key {
        "type" => mount.kind = Some(value.to_string()),
        "source" | "src" => mount.source = Some(value.to_string()),
        "target" | "destination" | "dst" => mount.target = Some(value.to_string()),
        "readonly" | "ro" => mount.readonly = value != "false" && value != "0",
        // On Linux it says nothing.
        "consistency" => {}
        "" => {}
        other => mount.others.push(other.to_string()),
    }
}

fn one(mount: Mount, span: Span, places: &Places, audience: Audience, draft: &mut Draft) {
    let Mount { kind, source, target, readonly, others } = mount;
    let what = "mounts";
    let unknown = |draft: &mut Draft, variable: String| {
        draft.missing(span, what, format!("`{}` stands for something that silo does not know", document::one_line(&variable)));
    };
    let target = match places.container(&target.unwrap_or_default()) {
        Ok(target) => target,
        Err(variable) => return unknown(draft, variable),
    };
    if let Some(why) = container_folder(&target).filter(|_| fits_line(&target)) {
        return draft.missing(span, what, why);
    }
    let line = match kind.as_deref() {
        // An engine takes a mount without a type for a volume; those who write one mean a path when it is one.
        Some("bind") | None if kind.is_some() || source.as_deref().is_some_and(|source| source.starts_with(['/', '.', '$', '~'])) => {
            let source = match places.host(&source.unwrap_or_default()) {
                Ok(source) => source,
                Err(variable) => return unknown(draft, variable),
            };
            if let Some(why) = wrong(&source, Some(&target)) {
                return draft.missing(span, what, why);
            }
            let mut line = Line::new("mount", span).argument(source.clone());
            if source != target {
                line = line.text("to", target.clone());
            }
            let line = line.text("mode", if readonly { "ro" } else { "rw" });
            if !(fits_line(&source) && fits_line(&target)) {
                return draft.missing(span, what, "it holds a character that no path of silo.kdl can");
            }
            if is_inside(&source) {
                (Section::Files, line)
            } else {
                let why = format!("mounts `{}`", document::one_line(&source));
                grant(draft, Section::Files, line, span, what, &why, audience)
            }
        }
        Some("volume") | None => {
            if !fits_line(&target) {
                return draft.missing(span, what, "it holds a character that no path of silo.kdl can");
            }
            if readonly {
                draft.changed(span, what, "a cache can be written to");
            }
            (
                Section::Files,
                Line::new("cache", span).argument(cache_name(source.as_deref().unwrap_or(""), &target)).text("to", target.clone()),
            )
        }
        Some("tmpfs") => {
            return draft.missing(
                span,
                what,
                format!("silo has no `tmpfs`; `{}` lies in the container, which is thrown away", document::one_line(&target)),
            );
        }
        Some(other) => return draft.missing(span, what, format!("silo knows no mount of the type `{}`", document::one_line(other))),
    };
    for other in others {
        draft.missing(span, format!("{what}.{}", document::one_line(&other)), "silo has nothing like it");
    }
    let (section, line) = line;
    draft.add(section, line);
}

/// A name for a volume: its own without the parts that make it one of this project, since a cache is one anyway; else its folder's.
fn cache_name(source: &str, target: &str) -> String {
    let mut own = source.to_string();
    while let (Some(start), Some(length)) = (own.find("${"), own.find("${").and_then(|start| own[start..].find('}'))) {
        own.replace_range(start..=start + length, "");
    }
    let fitting = |text: &str| {
        let text: String =
            text.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
        let text: String = text.trim_matches(['-', '.', '_']).chars().take(63).collect();
        Name::new(&text).map(|name| name.to_string())
    };
    fitting(&own).or_else(|| fitting(target.rsplit('/').next().unwrap_or(""))).unwrap_or_else(|| "cache".to_string())
}
