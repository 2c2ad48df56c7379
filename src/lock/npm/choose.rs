//! The version of a component whose packages of npm carry it in their own versions: `%{version}`, `%{version}-linux-%{arch}`.

use std::collections::BTreeSet;

use nodejs_semver::{Range, Version};

use super::Packument;
use crate::lock::version::{Request, nearest, newest};
use crate::spec::Template;

/// A package whose versions follow the component's: what stands around `%{version}`.
#[derive(Clone, Debug)]
pub struct Track<'a> {
    /// The package's document.
    pub document: &'a Packument,
    /// Before the version.
    pub prefix: String,
    /// After it.
    pub suffix: String,
}

/// What stands around `%{version}` in an expanded version template; `None` when it does not occur.
pub fn track(template: &Template) -> Option<(Template, Template)> {
    let (before, after) = template.0.split_once("%{version}")?;
    Some((Template(before.to_string()), Template(after.to_string())))
}

impl Track<'_> {
    fn strip<'v>(&self, version: &'v str) -> Option<&'v str> {
        version.strip_prefix(&self.prefix)?.strip_suffix(&self.suffix).filter(|rest| !rest.is_empty())
    }

    /// Versions of the component for which this package exists.
    fn versions(&self) -> BTreeSet<&str> {
        self.document.versions.iter().filter(|(_, manifest)| !manifest.deprecated).filter_map(|(version, _)| self.strip(version)).collect()
    }

    fn with_deprecated(&self) -> BTreeSet<&str> {
        self.document.versions.keys().filter_map(|version| self.strip(version)).collect()
    }

    fn tagged<'t>(&'t self, tag: &str) -> Option<&'t str> {
        let version = self.document.dist_tags.get(tag)?;
        Some(self.strip(version).filter(|_| !self.suffix.is_empty()).unwrap_or(version))
    }
}

/// What there is when nothing fits a request: the nearest and the newest version, or the tags.
pub fn instead(request: &Request, tracks: &[Track]) -> String {
    let sets: Vec<BTreeSet<&str>> = tracks.iter().map(Track::versions).collect();
    let common: Vec<&str> =
        sets.first().into_iter().flatten().filter(|version| sets.iter().all(|set| set.contains(*version))).copied().collect();
    let tags: BTreeSet<&str> = tracks.iter().flat_map(|track| track.document.dist_tags.keys().map(String::as_str)).collect();
    nearest(request.text(), &common, &tags.into_iter().collect::<Vec<_>>())
}

/// The newest version that fits a request and exists in every package; one that is written out in full however young it is.
pub fn choose(request: &Request, tracks: &[Track]) -> Option<String> {
    let common = |sets: Vec<BTreeSet<&str>>| -> BTreeSet<String> {
        let mut sets = sets.into_iter();
        let first = sets.next().unwrap_or_default();
        sets.fold(first, |all, set| all.intersection(&set).copied().collect()).into_iter().map(str::to_string).collect()
    };
    let sound = common(tracks.iter().map(Track::versions).collect());
    let all = common(tracks.iter().map(Track::with_deprecated).collect());
    let word = request.text();
    let written = |track: &Track| track.document.manifest(&format!("{}{word}{}", track.prefix, track.suffix)).is_some();
    if !word.is_empty() && tracks.iter().all(written) {
        return Some(word.to_string());
    }
    let tags: Vec<&str> = tracks.iter().filter_map(|track| track.tagged(word)).collect();
    if tags.len() == tracks.len() && !tags.is_empty() {
        // While a release is being published its packages disagree for a while: then the newest that all of them have.
        let agreed = tags.iter().all(|tag| *tag == tags[0]) && all.contains(tags[0]);
        let limit = tags.iter().filter_map(|tag| Version::parse(tag).ok()).max();
        return if agreed {
            Some(tags[0].to_string())
        } else {
            newest(sound.iter().filter(|version| match (Version::parse(version), &limit) {
                (Ok(version), Some(limit)) => !version.is_prerelease() && version <= *limit,
                (Ok(version), None) => !version.is_prerelease(),
                (Err(_), _) => false,
            }))
        };
    }
    match request {
        Request::Latest(_) => newest(sound.iter().filter(|version| Version::parse(version).is_ok_and(|version| !version.is_prerelease()))),
        Request::Version(text) | Request::Range(text) => {
            let range = Range::parse(text).ok()?;
            let fits = |version: &&String| Version::parse(version).is_ok_and(|version| range.satisfies(&version));
            newest(sound.iter().filter(fits)).or_else(|| newest(all.iter().filter(fits)))
        }
        Request::Word(_) => None,
    }
}

/// Why there is no version that fits: the one that would be chosen is too young.
pub fn refusal(request: &Request, tracks: &[Track]) -> Option<String> {
    let wholes: Vec<Packument> = tracks.iter().map(|track| track.document.whole()).collect();
    let all: Vec<Track> = tracks
        .iter()
        .zip(&wholes)
        .map(|(track, document)| Track { document, prefix: track.prefix.clone(), suffix: track.suffix.clone() })
        .collect();
    let version = choose(request, &all)?;
    tracks
        .iter()
        .filter_map(|track| {
            let key = format!("{}{version}{}", track.prefix, track.suffix);
            let Packument { name, young, time, .. } = track.document;
            young.versions.get(&key)?;
            let released = *time.get(&key)?;
            Some((released, young.cutoff.refusal(name, &key, released)))
        })
        .max()
        .map(|(_, reason)| reason)
}
