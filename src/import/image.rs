//! Images that another tool starts from: a base, and the language that is in it.

use super::component::{self, Asked};
use super::draft::{Draft, Line, Section};
use crate::catalog::Names;
use crate::source::Span;

/// The image of a distribution alone, as development containers publish it; its tag names the distribution.
const TEMPLATE: &str = "devcontainers/base";

/// Adds what an image stands for.
pub(super) fn add(draft: &mut Draft, names: &Names, image: &str, span: Span, what: &str) {
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "._/:@-".contains(c));
    if image.is_empty() || image.len() > 512 || image.contains(odd) || image.starts_with(['-', '/', ':', '@']) {
        draft.missing(span, what, "it is no image's name, or has variables in it; the default base is used");
        return;
    }
    // A digest says exactly which image is meant, and nothing else is it.
    let exact = image.contains('@');
    let (repository, tag) = split(image);
    let parts: Vec<&str> = tag.split('-').filter(|part| !part.is_empty()).collect();
    let found = names.image(&repository);
    let last = repository.rsplit('/').next().unwrap_or("");
    if exact || (found.is_none() && repository != TEMPLATE && !parts.is_empty()) {
        draft.add(Section::Base, Line::new("base", span).argument(image));
        // The decoder knows a distribution by the last part of the name, wherever it comes from.
        if release(names, last, &parts).is_none() {
            draft.changed(span, what, "silo knows nothing about this image: what comes from packages of its distribution may not work; a base of the catalog and `language` are better");
        }
        return;
    }
    let plain = release(names, &repository, &parts);
    if plain.is_none() && found.is_none() && repository != TEMPLATE {
        draft.add(Section::Base, Line::new("base", span).argument(image));
        draft.changed(span, what, "silo knows nothing about this image: what comes from packages of its distribution may not work; a base of the catalog and `language` are better");
        return;
    }
    match plain {
        Some(base) => draft.add(Section::Base, Line::new("base", span).argument(base)),
        None => draft.changed(
            span,
            what,
            format!("the tag `{tag}` names no release of a distribution that the catalog knows; the default base is used"),
        ),
    }
    let Some((kind, name)) = found else { return };
    // `1-22-bookworm`: the version of the image, where it has one, stands before that of the language.
    let numbers: Vec<&str> = parts.iter().copied().filter(|part| part.starts_with(|c: char| c.is_ascii_digit())).collect();
    let version = numbers.iter().rev().find(|number| names.base(number).is_none()).copied();
    component::add(draft, Asked { kind, name, version, span, what }, Vec::new());
    draft.changed(
        span,
        what,
        format!("the image is put together anew, from a base and {kind} `{name}`: other things that it holds are not there"),
    );
}

/// Name without registry, and tag.
fn split(image: &str) -> (String, String) {
    let plain = image.split('@').next().unwrap_or(image);
    let start = plain.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match plain[start..].find(':') {
        Some(at) => (&plain[..start + at], &plain[start + at + 1..]),
        None => (plain, ""),
    };
    let registry = |part: &str| part.contains(['.', ':']) || part == "localhost";
    let path = match path.split_once('/') {
        Some((first, rest)) if registry(first) => rest,
        Some((_, _)) | None => path,
    };
    (path.strip_prefix("library/").unwrap_or(path).to_string(), tag.to_string())
}

/// The base that a tag names: by `bookworm`, `debian-12`, `ubuntu-24.04`, `ubuntu`. Without a tag, a distribution's own name stands for it.
fn release(names: &Names, repository: &str, parts: &[&str]) -> Option<String> {
    let named = |text: &str| names.base(text).map(str::to_string);
    for (index, part) in parts.iter().enumerate() {
        if let Some(next) = parts.get(index + 1)
            && let Some(base) = named(&format!("{part}-{next}"))
        {
            return Some(base);
        }
        let qualified = format!("{repository}-{part}");
        if let Some(base) = named(&qualified) {
            return Some(base);
        }
        // A bare number is a version of something else.
        if !part.starts_with(|c: char| c.is_ascii_digit())
            && let Some(base) = named(part)
        {
            return Some(base);
        }
    }
    let whole = parts.is_empty() || parts == ["latest"];
    if whole { named(repository) } else { None }
}
