//! `mirror FROM TO`.

use crate::document::Node;
use crate::problem::{Code, Edit, Problem};
use crate::schema::surely;
use crate::source::Span;
use crate::spec::{Mirror, Mirrored, Mirrors, Registry};

use super::Decoder;
use super::text::{Options, Scope, list};

impl Decoder<'_> {
    /// Everything that has a mirror.
    pub(super) fn mirrors(&mut self, nodes: &[Node]) -> Mirrors {
        let mut found = Vec::new();
        for node in nodes.iter().filter(|node| node.name == "mirror") {
            let (from, to) = (self.argument(node, 0), self.argument(node, 1));
            let from = from.and_then(|(text, span)| self.mirrored(text, span));
            let to = to.and_then(|(text, span)| {
                // As Cargo writes it.
                let text = text.strip_prefix("sparse+").filter(|_| from == Some(Mirrored::Registry(Registry::Crates))).unwrap_or(text);
                Some((self.public(text, span)?, span))
            });
            if let (Some(of), Some((to, origin))) = (from, to) {
                found.push(Mirror { of, to: format!("{}/", to.trim_end_matches('/')), origin });
            }
        }
        Mirrors::new(found)
    }

    fn mirrored(&mut self, text: &str, span: Span) -> Option<Mirrored> {
        if text.contains("://") {
            let url = self.public(text, span)?;
            if !url.ends_with('/') {
                let message = format!("`{url}` is the beginning of other addresses too");
                let help = format!("end it with a slash, for all below it: `{url}/`");
                let edit = Edit::words(span, text, format!("{text}/"));
                self.problem(Problem::new(Code::BadValue, message).at(span, "").help(help).fix_if(Some(edit)));
                return None;
            }
            return Some(Mirrored::Url(url));
        }
        let found = Registry::ALL.into_iter().find(|registry| registry.as_str() == text);
        if found.is_none() {
            let words = Registry::ALL.map(Registry::as_str);
            let help = match surely(text, words.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}; or write `https://host/`", list(&words)),
            };
            self.bad(span, format!("`{text}` is neither a registry nor the beginning of a URL"), help);
        }
        found.map(Mirrored::Registry)
    }

    /// A URL that others are made of, and that everybody may see.
    fn public(&mut self, text: &str, span: Span) -> Option<String> {
        let url = self.url(text, span, Scope::Plain, &Options::new())?.0;
        let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        if authority.contains('@') {
            self.bad(
                span,
                "a login does not belong into a configuration",
                "take it out, and write it into ~/.netrc, ~/.npmrc, pip.conf or Cargo's credentials.toml",
            );
            return None;
        }
        if url.contains(['?', '#']) {
            self.bad(span, format!("`{url}` cannot be the beginning of a URL"), "take out what begins with `?` or `#`");
            return None;
        }
        Some(url)
    }
}
