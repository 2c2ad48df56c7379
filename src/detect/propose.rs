//! Looks for what the rules say in the files that were seen.

use super::read::{Hit, Opened, Reader};
use super::rule::{Listing, Read, Rule, Rules, Sign};
use super::{Found, Proposal, Reason, Seen};
use crate::import::{Format, Wanted, wanted};
use crate::source::{Layer, Source, SourceId, Sources};

/// What the files come to.
pub fn propose(rules: &Rules, files: &[Seen]) -> Proposal {
    // The shallowest file speaks first.
    let mut files: Vec<&Seen> = files.iter().collect();
    files.sort_by_key(|file| (file.path.matches('/').count(), file.path.as_str()));
    let mut survey = Survey { sources: Sources::default(), reader: Reader::default() };
    let mut proposal = Proposal::default();
    for rule in &rules.0 {
        let Some(found) = look(rule, &files, &mut survey) else { continue };
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
    proposal.unread = survey.unread();
    let unread = files.iter().filter(|file| file.text.is_none() && rules.reads(&file.path));
    proposal.unread.extend(unread.map(|file| (file.path.clone(), "it is no text, or longer than silo reads".to_string())));
    proposal
}

fn look(rule: &Rule, files: &[&Seen], survey: &mut Survey) -> Option<Found> {
    // What is said further out counts for what lies further in; in one folder the first sign decides.
    let mut hits: Vec<(usize, usize, &str, Hit)> = Vec::new();
    for (index, sign) in rule.signs.iter().enumerate() {
        for file in files.iter().filter(|file| sign.fits(&file.path)) {
            if let Some(hit) = survey.hit(sign, file) {
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
                reasons.insert(0, Reason::File(path.to_string(), Some(survey.sources.position(hit.span).line)));
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

/// The files of a repository, each read once.
struct Survey {
    sources: Sources,
    reader: Reader,
}

impl Survey {
    fn hit(&mut self, sign: &Sign, file: &Seen) -> Option<Hit> {
        let text = match &sign.read {
            // That the file is there says enough.
            Read::Nothing => "",
            Read::Lines | Read::Json(_) | Read::Toml(_) => file.text.as_deref()?,
        };
        let id = self.id(&file.path, text);
        self.reader.hit(sign, Opened { id, text })
    }

    fn id(&mut self, path: &str, text: &str) -> SourceId {
        let known = self.sources.iter().find(|(_, source)| source.name == path && source.text == text).map(|(id, _)| id);
        known.unwrap_or_else(|| self.sources.add(Source { name: path.to_string(), text: text.to_string(), layer: Layer::CommandLine }))
    }

    /// Files that are not of the format that their ending says; one without an ending may be in either of two.
    fn unread(&self) -> Vec<(String, String)> {
        let mut unread = Vec::new();
        for (id, problem) in self.reader.unread() {
            let name = &self.sources.get(id).name;
            if name.ends_with(".json") || name.ends_with(".toml") {
                let line = problem.place().map_or(1, |span| self.sources.position(span).line);
                unread.push((format!("{name}:{line}"), problem.message.clone()));
            }
        }
        unread
    }
}
