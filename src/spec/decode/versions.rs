//! Where versions are listed: `versions` of an `install` block.

use crate::document::Node;
use crate::problem::{Code, Problem};
use crate::schema::surely;
use crate::schema::types::{self, Pattern};
use crate::source::Span;
use crate::spec::{IndexForm, IndexPlace, JsonIndex, Versions};

use super::Decoder;
use super::text::{Options, Scope, heading};

impl Decoder<'_> {
    /// The list of versions of an `install` block, if it has one.
    pub(super) fn versions(&mut self, block: &Node, options: &Options) -> Option<Versions> {
        let node = block.named("versions").next()?;
        let prefix = self.property(node, "prefix").map(|(text, span)| self.exact(text, span, options)).unwrap_or_default();
        let channels = self.channels(node);
        if let Some((repository, span)) = self.property(node, "github_releases") {
            for entry in &node.entries {
                if !matches!(entry.name.as_deref(), Some("github_releases" | "prefix")) {
                    self.bad(
                        entry.span,
                        "releases of GitHub are read in one way only",
                        "leave this out, or write the list's URL instead of `github_releases=`",
                    );
                }
            }
            for only in node.named("only") {
                self.needs_json(only.name_span, "only");
            }
            let name = |part: &str| {
                !part.is_empty() && !part.starts_with('.') && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
            };
            if !repository.split_once('/').is_some_and(|(owner, repository)| name(owner) && name(repository)) {
                self.bad(span, format!("`{repository}` is not a repository"), "write `owner/name`");
                return None;
            }
            return Some(Versions { place: IndexPlace::Github(repository.to_string()), form: IndexForm::Lines(None), prefix, channels });
        }
        let Some((text, span)) = node.arguments().next().and_then(|entry| self.text(entry).map(|text| (text, entry.span))) else {
            self.problem(
                Problem::new(Code::MissingArgument, "`versions` needs a place")
                    .at(heading(node), "")
                    .help("write the list's URL, or `github_releases=\"owner/name\"`"),
            );
            return None;
        };
        let url = self.url(text, span, Scope::Install, options)?;
        if url.0.contains("%{version") {
            self.bad(span, "a list of versions cannot lie where only one version says", "take `%{version}` out");
            return None;
        }
        let form = match self.property(node, "json") {
            Some((version, _)) => IndexForm::Json(self.json_index(node, version)),
            None => IndexForm::Lines(self.line_pattern(node)),
        };
        Some(Versions { place: IndexPlace::Url(url), form, prefix, channels })
    }

    /// `channel "lts" "21" "25"`
    fn channels(&mut self, node: &Node) -> Vec<(String, Vec<String>)> {
        let mut channels = Vec::new();
        for channel in node.named("channel") {
            let mut words = self.arguments(channel).into_iter();
            let Some((word, span)) = words.next() else { continue };
            if word.starts_with(|c: char| c.is_ascii_digit()) {
                self.bad(
                    span,
                    format!("`{word}` is no word for a channel"),
                    "write the channel first, then the versions: `channel \"lts\" \"21\"`",
                );
                continue;
            }
            channels.push((word.to_lowercase(), words.map(|(version, _)| version.to_string()).collect()));
        }
        channels
    }

    fn line_pattern(&mut self, node: &Node) -> Option<Pattern> {
        // One that was meant as `json` was reported by the check of the file.
        let misspelt = node
            .entries
            .iter()
            .filter_map(|entry| entry.name.as_deref())
            .any(|name| name != "json" && surely(name, ["json"].into_iter()).is_some());
        if misspelt {
            return None;
        }
        for name in ["date", "lts", "channel"] {
            if let Some(entry) = node.property(name) {
                self.needs_json(entry.span, name);
            }
        }
        for only in node.named("only") {
            self.needs_json(only.name_span, "only");
        }
        self.written(node)
    }

    /// One that cannot be compiled was reported by the check of the file.
    fn written(&mut self, node: &Node) -> Option<Pattern> {
        Pattern::parse(self.property(node, "match")?.0).ok()
    }

    fn needs_json(&mut self, span: Span, name: &str) {
        self.bad(span, format!("`{name}` is a path of a JSON document"), "add `json=` with the path of the versions");
    }

    fn json_index(&mut self, node: &Node, version: &str) -> JsonIndex {
        let path = |decoder: &mut Self, name: &str| decoder.property(node, name).map(|(text, _)| text.to_string());
        let only = node
            .named("only")
            .filter_map(|only| {
                let (path, _) = self.argument(only, 0)?;
                let values: Vec<String> = only.arguments().skip(1).map(|entry| types::text(&entry.value)).collect();
                Some((path.to_string(), values))
            })
            .collect();
        let (date, lts, channel) = (path(self, "date"), path(self, "lts"), path(self, "channel"));
        JsonIndex { version: version.to_string(), pattern: self.written(node), date, lts, channel, only }
    }
}
