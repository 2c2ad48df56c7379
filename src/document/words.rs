//! Words that people write by habit from other languages, and what they mean here.

use super::scan::Gravity;

/// Whether a character is a quote that only looks like one.
pub(super) fn is_typographic(c: char) -> bool {
    "\u{201c}\u{201d}\u{201e}\u{2018}\u{2019}\u{00ab}\u{00bb}".contains(c)
}

/// What to write instead of a word that [`judge`] complains of, when there is no doubt.
pub(super) fn mend(word: &str, name: bool) -> Option<String> {
    let quoted = |text: &str| Some(super::quote(text));
    let inner = word.trim_matches(is_typographic);
    if word.contains(is_typographic) {
        let around = word.starts_with(is_typographic) && word.ends_with(is_typographic) && word.chars().count() > 1;
        return if around && !inner.contains(is_typographic) { quoted(inner) } else { None };
    }
    let single = |word: &str| word.len() > 1 && word.starts_with('\'') && word.ends_with('\'');
    if word.starts_with('\'') || word.ends_with('\'') {
        let inner = word.trim_matches('\'');
        return if single(word) && !inner.contains('\'') { quoted(inner) } else { None };
    }
    if word.ends_with(',') || word.starts_with(',') {
        let bare = word.trim_matches(',');
        return if bare.is_empty() || judge(bare, false).is_none() { Some(bare.to_string()) } else { mend(bare, false) };
    }
    if name || word.ends_with('\\') || word.contains("/-") || matches!(word, "inf" | "-inf" | "nan") {
        return None;
    }
    if let "true" | "false" | "null" = word {
        return Some(format!("#{word}"));
    }
    quoted(word)
}

/// The items of a list in brackets, as arguments; `None` when they are more than words and texts.
pub(super) fn items(list: &str) -> Option<String> {
    let inner = list.strip_prefix('[')?.strip_suffix(']')?;
    let mut items = Vec::new();
    let mut rest = inner.trim();
    while !rest.is_empty() {
        let length = match rest.strip_prefix('"') {
            Some(body) => body.find('"')? + 2,
            None => rest.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(rest.len()),
        };
        let item = &rest[..length];
        if item.is_empty() || item.contains(['\\', '[', '{', '(', '=', ';', '\'']) || !item.starts_with('"') && item.contains('"') {
            return None;
        }
        items.push(item);
        rest = rest[length..].trim_start();
        rest = match rest.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    (!items.is_empty()).then(|| items.join(" "))
}

/// What is wrong with an unquoted word; `name` says that it stands where a node's name stands.
pub(super) fn judge(word: &str, name: bool) -> Option<(Gravity, String, String)> {
    let quoted = super::quote(word);
    if word.contains(['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}', '\u{00ab}', '\u{00bb}']) {
        let plain: String = word.chars().filter(|c| !"\u{201c}\u{201d}\u{201e}\u{2018}\u{2019}\u{00ab}\u{00bb}".contains(*c)).collect();
        let help = format!("use the plain quote of the keyboard: `{}`", super::quote(&plain));
        return Some((Gravity::Misread, format!("`{word}` has typographic quotes, which quote nothing"), help));
    }
    if word.starts_with('\'') || word.ends_with('\'') {
        let help = format!("use double quotes: `{}`", super::quote(word.trim_matches('\'')));
        return Some((Gravity::Misread, format!("`{word}` has single quotes, which quote nothing"), help));
    }
    if word != "," && word.ends_with(',') || word.starts_with(',') {
        let bare = word.trim_matches(',');
        let help = match (bare.is_empty(), judge(bare, false)) {
            (true, _) => "remove the comma; values are separated by spaces".to_string(),
            (false, None) => format!("write `{bare}` without the comma; values are separated by spaces"),
            (false, Some(_)) => format!("write `{}` without the comma; values are separated by spaces", super::quote(bare)),
        };
        return Some((Gravity::Misread, format!("the comma would become part of the word `{word}`"), help));
    }
    if word.contains("://") {
        return Some((
            Gravity::Misread,
            "a URL without quotes ends at its `//`, which begins a comment".to_string(),
            format!("quote it: `{quoted}`"),
        ));
    }
    if let "true" | "false" | "null" | "inf" | "-inf" | "nan" = word {
        let help = format!("write `#{word}`, or `{quoted}` if you mean the text");
        return Some((Gravity::Refused, format!("`{word}` needs a `#` before it"), help));
    }
    let digits = word.trim_start_matches(['+', '-']);
    if digits.starts_with(|c: char| c.is_ascii_digit()) || digits.starts_with('.') && digits[1..].starts_with(|c: char| c.is_ascii_digit())
    {
        return (!is_number(word)).then(|| {
            let message = format!("`{word}` begins like a number and is none");
            (Gravity::Refused, message, format!("quote it: `{quoted}`"))
        });
    }
    if word.contains(['/', '\\', '#']) {
        let message = if name { format!("`{word}` cannot be the name of a node") } else { format!("`{word}` needs quotes") };
        let help = if name {
            "a line begins with the name of a node, such as `env` or `mount`".to_string()
        } else {
            format!("quote it: `{quoted}`")
        };
        return Some((Gravity::Refused, message, help));
    }
    None
}

/// Whether KDL 2 reads a word as a number.
fn is_number(word: &str) -> bool {
    let digits =
        |text: &str, radix: u32| text.starts_with(|c: char| c.is_digit(radix)) && text.chars().all(|c| c.is_digit(radix) || c == '_');
    let word = word.strip_prefix(['+', '-']).unwrap_or(word);
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(rest) = word.strip_prefix(prefix) {
            return digits(rest, radix);
        }
    }
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (word, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole, 10)
        && fraction.is_none_or(|fraction| digits(fraction, 10))
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent), 10))
}
