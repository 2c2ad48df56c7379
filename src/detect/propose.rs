//! Looks for what the rules say in the files that were seen.

use super::rule::{Listing, Read, Rule, Rules, Sign};
use super::{Found, Proposal, Reason, Seen};
use crate::import::tree::Value;
use crate::import::{Format, Wanted, read_json, read_toml, wanted};
use crate::source::{Layer, Source, SourceId, Sources};

/// The most lines of a file that are looked at, and the most bytes of one: a version stands near the top.
const LINES: (usize, usize) = (2_000, 1_000);

/// What the files come to.
pub fn propose(rules: &Rules, files: &[Seen]) -> Proposal {
    // The shallowest file speaks first.
    let mut files: Vec<&Seen> = files.iter().collect();
    files.sort_by_key(|file| (file.path.matches('/').count(), file.path.as_str()));
    let mut reader = Reader { sources: Sources::default(), parsed: Vec::new(), unread: Vec::new() };
    let mut proposal = Proposal::default();
    for rule in &rules.0 {
        let Some(found) = look(rule, &files, &mut reader) else { continue };
        match &rule.listing {
            Listing::Entry => proposal.found.push(found),
            Listing::Packages(packages) => {
                let path = found.reasons.first().map_or_else(String::new, Reason::text);
                if packages.is_empty() {
                    proposal.unknown.push((found.kind, found.name, path));
                    continue;
                }
                for package in packages {
                    if !proposal.packages.iter().any(|(known, _)| known == package) {
                        proposal.packages.push((package.clone(), path.clone()));
                    }
                }
            }
        }
    }
    // What comes with a language, behind all that was found by its files.
    for rule in rules.0.iter().filter(|rule| rule.listing == Listing::Entry) {
        let languages = rule.signs.iter().filter_map(|sign| sign.language.as_ref());
        let language = languages
            .into_iter()
            .find(|language| proposal.found.iter().any(|found| found.kind == "language" && found.name == language.as_str()));
        let known = proposal.found.iter().any(|found| (&found.kind, &found.name) == (&rule.kind, &rule.name));
        if let (Some(language), false) = (language, known) {
            let reasons = vec![Reason::Language(language.clone())];
            let found = Found { kind: rule.kind.clone(), name: rule.name.clone(), version: None, reasons, others: Vec::new() };
            proposal.found.push(found);
        }
    }
    let order = |found: &Found| rules.0.iter().position(|rule| (&rule.kind, &rule.name) == (&found.kind, &found.name));
    proposal.found.sort_by_key(order);
    proposal.foreign = files.iter().filter_map(|file| Some((file.path.clone(), Format::of_path(&file.path)?))).collect();
    let unread = files.iter().filter(|file| file.text.is_none() && rules.reads(&file.path));
    reader.unread.extend(unread.map(|file| (file.path.clone(), "it is no text, or longer than silo reads".to_string())));
    proposal.unread = reader.unread;
    proposal
}

fn look(rule: &Rule, files: &[&Seen], reader: &mut Reader) -> Option<Found> {
    // What is said further out counts for what lies further in; in one folder the first sign decides.
    let mut hits: Vec<(usize, usize, &str, Hit)> = Vec::new();
    for (index, sign) in rule.signs.iter().enumerate() {
        for file in files.iter().filter(|file| sign.fits(&file.path)) {
            if let Some(hit) = reader.hit(sign, file) {
                hits.push((file.path.matches('/').count(), index, &file.path, hit));
            }
        }
    }
    hits.sort_by_key(|(depth, index, path, _)| (*depth, *index, *path));
    let mut version: Option<(String, &str)> = None;
    let (mut reasons, mut others): (Vec<Reason>, Vec<(String, String)>) = (Vec::new(), Vec::new());
    for (_, _, path, hit) in hits {
        let asked = hit.version.and_then(|text| match wanted(&text) {
            Wanted::Version(version) => Some(version),
            Wanted::Newest(_) | Wanted::Nothing => None,
        });
        match (&version, asked) {
            (None, Some(asked)) => {
                version = Some((asked, path));
                reasons.retain(|reason| !reason.is_of(path));
                reasons.insert(0, Reason::File(path.to_string(), Some(hit.line)));
            }
            (Some((first, known)), Some(asked)) if *known != path && differ(first, &asked) => {
                if !others.iter().any(|(other, _)| other == path) {
                    others.push((path.to_string(), asked));
                }
            }
            (Some(_) | None, Some(_) | None) if !reasons.iter().any(|reason| reason.is_of(path)) => {
                reasons.push(Reason::File(path.to_string(), None));
            }
            (Some(_) | None, Some(_) | None) => {}
        }
    }
    // A file that is named for what it says otherwise is not named twice.
    reasons.retain(|reason| !others.iter().any(|(path, _)| reason.is_of(path)));
    let version = version.map(|(version, _)| version);
    (!reasons.is_empty()).then(|| Found { kind: rule.kind.clone(), name: rule.name.clone(), version, reasons, others })
}

/// Whether two plain versions cannot both be meant; of a range nobody can say so here.
fn differ(a: &str, b: &str) -> bool {
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let begins = |long: &str, short: &str| long == short || long.strip_prefix(short).is_some_and(|rest| rest.starts_with('.'));
    plain(a) && plain(b) && !begins(a, b) && !begins(b, a)
}

/// What a file says.
struct Hit {
    version: Option<String>,
    line: usize,
}

/// A file that was read in a format; no value when it is not of that format.
struct Parsed {
    path: String,
    json: bool,
    value: Option<(Value, SourceId)>,
}

/// Files that were parsed, each once.
struct Reader {
    sources: Sources,
    parsed: Vec<Parsed>,
    unread: Vec<(String, String)>,
}

impl Reader {
    fn hit(&mut self, sign: &Sign, file: &Seen) -> Option<Hit> {
        match &sign.read {
            Read::Nothing => Some(Hit { version: None, line: 1 }),
            Read::Lines => {
                let pattern = sign.pattern.as_ref()?;
                let lines = file.text.as_deref()?.lines().take(LINES.0).enumerate().filter(|(_, line)| line.len() <= LINES.1);
                let found = lines.map(|(index, line)| (index, pattern.first_group(line))).find_map(|(index, found)| Some((index, found?)));
                found.map(|(index, version)| Hit { version, line: index + 1 })
            }
            Read::Json(at) => self.value(sign, file, at, true),
            Read::Toml(at) => self.value(sign, file, at, false),
        }
    }

    fn value(&mut self, sign: &Sign, file: &Seen, at: &str, json: bool) -> Option<Hit> {
        let (text, line) = {
            let (root, id) = self.parse(file, json)?;
            let value = root.at(at)?;
            debug_assert_eq!(value.span.source, id);
            (value.scalar()?, value.span)
        };
        let line = self.sources.position(line).line;
        match &sign.pattern {
            None => Some(Hit { version: Some(text), line }),
            Some(_) if text.len() > LINES.1 => None,
            Some(pattern) => pattern.first_group(&text).map(|version| Hit { version, line }),
        }
    }

    fn parse(&mut self, file: &Seen, json: bool) -> Option<(Value, SourceId)> {
        if let Some(known) = self.parsed.iter().find(|known| known.path == file.path && known.json == json) {
            return known.value.clone();
        }
        let text = file.text.as_deref()?;
        let id = self.sources.add(Source { name: file.path.clone(), text: text.to_string(), layer: Layer::CommandLine });
        let read = if json { read_json(id, text) } else { read_toml(id, text) };
        let value = match read {
            Ok(value) => Some((value, id)),
            Err(problem) => {
                // A file without an ending may be in either of two formats.
                if file.path.ends_with(".json") || file.path.ends_with(".toml") {
                    let line = problem.place().map_or(1, |span| self.sources.position(span).line);
                    self.unread.push((format!("{}:{line}", file.path), problem.message));
                }
                None
            }
        };
        self.parsed.push(Parsed { path: file.path.clone(), json, value: value.clone() });
        value
    }
}
