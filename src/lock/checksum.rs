//! Files of checksums, in the forms in which they are published.

/// The SHA-256 of a file: from `hash  name`, `hash *name` and `SHA256 (name) = hash` lines, or from a text that is just one hash.
/// Names may carry folders before them. Lower case; `None` when the text has none.
pub fn find(text: &str, name: &str) -> Option<String> {
    let named = text.lines().find_map(|line| {
        let (hash, file) = entry(line.trim())?;
        let file = file.trim_start_matches('*').trim_start_matches("./");
        (is_sha256(hash) && (file == name || file.rsplit(['/', '\\']).next() == Some(name))).then(|| hash.to_lowercase())
    });
    named.or_else(|| {
        let only = text.trim();
        is_sha256(only).then(|| only.to_lowercase())
    })
}

fn entry(line: &str) -> Option<(&str, &str)> {
    if let Some(rest) = line.strip_prefix("SHA256 (").or_else(|| line.strip_prefix("SHA2-256 (")) {
        let (file, hash) = rest.rsplit_once(')')?;
        return Some((hash.trim_start().strip_prefix('=')?.trim(), file));
    }
    let (hash, file) = line.split_once(char::is_whitespace)?;
    Some((hash, file.trim()))
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
