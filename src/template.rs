//! The one reading of `%{…}`: what a text with placeholders consists of.

/// A part of a text with placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Text that stands for itself.
    Text(&'a str),
    /// `%{NAME}`: the name.
    Placeholder(&'a str),
}

/// Takes a text apart. `%%{` is the text `%{`; a `%` that begins no placeholder, and a `%{` that nothing closes, stand for themselves.
pub fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    // From `start` on nothing is in a part yet; from `at` on nothing has been looked at.
    let (mut start, mut at) = (0, 0);
    while let Some(next) = text[at..].find('%').map(|offset| at + offset) {
        let rest = &text[next..];
        let (part, end) = if rest.starts_with("%%{") {
            (Part::Text("%{"), next + "%%{".len())
        } else if let Some((name, _)) = rest.strip_prefix("%{").and_then(|body| body.split_once('}')) {
            (Part::Placeholder(name), next + "%{}".len() + name.len())
        } else {
            at = next + 1;
            continue;
        };
        if start < next {
            parts.push(Part::Text(&text[start..next]));
        }
        parts.push(part);
        (start, at) = (end, end);
    }
    if start < text.len() {
        parts.push(Part::Text(&text[start..]));
    }
    parts
}

/// Whether a text holds `%{`, and not just its escape.
pub fn has_placeholder(text: &str) -> bool {
    text.replace("%%{", "").contains("%{")
}

/// Whether a `%{` has no `}`.
pub fn unclosed(text: &str) -> bool {
    let rest = text.replace("%%{", "");
    rest.rfind("%{").is_some_and(|at| !rest[at..].contains('}'))
}

/// Puts values in place of placeholders. One without a value is the error: its name.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    parts(text)
        .into_iter()
        .map(|part| match part {
            Part::Text(text) => Ok(text.to_string()),
            Part::Placeholder(name) => value(name).ok_or_else(|| name.to_string()),
        })
        .collect()
}
