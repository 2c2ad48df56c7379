//! The base and the user's own layers.

use crate::document::Node;
use crate::problem::{Code, Edit, Problem};
use crate::schema::{nearest, surely};
use crate::source::Span;
use crate::spec::{Base, BaseFrom, Distribution, ImageLayer, Name, UpdateSuite};

use super::Decoder;
use super::text::{Options, Scope, heading, list, suggestion};

/// What an image is called whose distribution no catalog entry describes: it gets no packages of its own, only those that a step names.
const UNDESCRIBED: &str = "undescribed";

/// More bytes than any name of an image has: 255 of the name, 128 of the tag and a digest (the distribution project's `reference` package).
const LONGEST_REFERENCE: usize = 512;

impl Decoder<'_> {
    /// The image's base and that of the stages which download and unpack.
    pub(super) fn base(&mut self, nodes: &[Node]) -> Option<(Base, Base)> {
        let node = nodes.iter().rev().find(|node| node.name == "base");
        let Some(node) = node else {
            let base = self.default_base(None)?;
            return Some((base.clone(), base));
        };
        let from = match self.property(node, "from") {
            None | Some(("registry", _)) => BaseFrom::Registry,
            Some(("bootstrap", _)) => BaseFrom::Bootstrap,
            Some((other, span)) => {
                let help = suggestion(other, &["registry", "bootstrap"]);
                self.bad(span, format!("a base does not come from `{other}`"), help);
                BaseFrom::Registry
            }
        };
        let steps = self.steps(node.children(), Scope::Step, &Options::new());
        let origin = heading(node);
        let Some(entry) = node.arguments().next() else {
            let default = self.default_base(Some(origin))?;
            let fetch = Base { from, ..default };
            return Some((Base { steps, ..fetch.clone() }, fetch));
        };
        let reference = self.text(entry)?.to_string();
        let odd = |c: char| !(c.is_ascii_alphanumeric() || "._/:@-".contains(c));
        if reference.is_empty()
            || reference.len() > LONGEST_REFERENCE
            || reference.contains(odd)
            || reference.starts_with(['-', '/', ':', '@'])
        {
            self.bad(entry.span, format!("`{reference}` is not the name of an image"), "write `name:tag` or `host/name:tag`");
            return None;
        }
        if let Some(distribution) = self.distribution(&reference) {
            let fetch = Base { reference, from, steps: Vec::new(), distribution, origin };
            return Some((Base { steps, ..fetch.clone() }, fetch));
        }
        if from == BaseFrom::Bootstrap {
            let known = self.releases();
            let words: Vec<&str> = known.iter().map(String::as_str).collect();
            let help = match nearest(&reference, words.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the catalog knows {}; without `from=bootstrap` any image of a registry will do", list(&words)),
            };
            self.problem(
                Problem::new(Code::UnknownDefinition, format!("silo cannot make `{reference}` itself")).at(entry.span, "").help(help),
            );
            return None;
        }
        let fetch = self.default_base(Some(origin))?;
        let distribution = Distribution {
            name: UNDESCRIBED.to_string(),
            suite: String::new(),
            sections: Vec::new(),
            updates: Vec::new(),
            fetch_packages: Vec::new(),
            packages: Vec::new(),
        };
        Some((Base { reference, from, steps, distribution, origin }, fetch))
    }

    /// The distribution of a reference, by the last part of its name and its tag: a mirror of a known image is a known image.
    fn distribution(&mut self, reference: &str) -> Option<Distribution> {
        let plain = reference.split('@').next().unwrap_or(reference);
        let last = plain.rsplit('/').next().unwrap_or(plain);
        let (name, tag) = last.split_once(':')?;
        let definition = self.lookup_kind("base", name)?;
        let tag = tag.strip_suffix("-slim").unwrap_or(tag);
        let suite = definition.node.named("suite").find(|suite| suite.arguments().any(|entry| entry.value.as_str() == Some(tag)))?.clone();
        Some(self.describe(name, &definition.node, &suite))
    }

    fn describe(&mut self, name: &str, definition: &Node, suite: &Node) -> Distribution {
        let mut words = |word: &str| -> Vec<String> {
            let nodes: Vec<&Node> = definition.named(word).chain(suite.named(word)).collect();
            nodes.into_iter().flat_map(|node| self.arguments(node)).map(|(text, _)| text.to_string()).collect()
        };
        let release = suite.text(0).unwrap_or("").to_string();
        let updates = definition.named("updates").chain(suite.named("updates")).flat_map(|node| {
            let beside = node.property("beside").and_then(|entry| entry.value.as_str()).map(str::to_string);
            let names = node.arguments().filter_map(|entry| entry.value.as_str());
            names.map(move |name| (name.to_string(), beside.clone()))
        });
        let updates = updates.map(|(name, beside)| UpdateSuite { suite: name.replace("%{suite}", &release), beside }).collect();
        Distribution {
            name: name.to_string(),
            sections: words("sections"),
            updates,
            fetch_packages: words("fetch_packages"),
            packages: words("packages"),
            suite: release,
        }
    }

    /// Every `name:suite` of the catalog.
    fn releases(&mut self) -> Vec<String> {
        let names: Vec<String> = self.catalog.names("base").into_iter().map(str::to_string).collect();
        let mut releases = Vec::new();
        for name in names {
            let Some(definition) = self.lookup_kind("base", &name) else { continue };
            for suite in definition.node.named("suite") {
                releases.extend(suite.arguments().filter_map(|entry| entry.value.as_str()).map(|tag| format!("{name}:{tag}")));
            }
        }
        releases
    }

    /// The base of the catalog that says `default`.
    fn default_base(&mut self, origin: Option<Span>) -> Option<Base> {
        let names: Vec<String> = self.catalog.names("base").into_iter().map(str::to_string).collect();
        for name in names {
            let Some(definition) = self.lookup_kind("base", &name) else { continue };
            let Some(default) = definition.node.named("default").next().and_then(|node| node.text(0)) else { continue };
            let reference = format!("{name}:{default}");
            let distribution = self.distribution(&reference)?;
            let origin = origin.unwrap_or(definition.span);
            return Some(Base { reference, from: BaseFrom::Registry, steps: Vec::new(), distribution, origin });
        }
        None
    }

    /// The `layer` blocks: each after the one that it names, otherwise as written.
    pub(super) fn layers(&mut self, nodes: &[Node]) -> Vec<ImageLayer> {
        struct Waiting {
            layer: ImageLayer,
            after: Option<(Name, Span)>,
        }
        let mut waiting = Vec::new();
        for node in nodes.iter().filter(|node| node.name == "layer") {
            let steps = self.steps(node.children(), Scope::Step, &Options::new());
            let after = self.property(node, "after").and_then(|(text, span)| Some((self.name(text, span)?, span)));
            let Some(name) = self.argument(node, 0).and_then(|(text, span)| self.name(text, span)) else { continue };
            waiting.push(Waiting { layer: ImageLayer { name, steps, origin: heading(node) }, after });
        }
        let names: Vec<String> = waiting.iter().map(|layer| layer.layer.name.to_string()).collect();
        for layer in &mut waiting {
            let Some((after, span)) = &layer.after else { continue };
            if !names.iter().any(|name| name == after.as_str()) {
                let others: Vec<&str> = names.iter().map(String::as_str).filter(|name| *name != layer.layer.name.as_str()).collect();
                self.problem(
                    Problem::new(Code::UnknownDefinition, format!("there is no layer `{after}`"))
                        .at(*span, "")
                        .help(suggestion(after.as_str(), &others))
                        .fix_if(surely(after.as_str(), others.iter().copied()).map(|near| Edit::words(*span, after.as_str(), near))),
                );
                layer.after = None;
            }
        }
        let mut ordered: Vec<ImageLayer> = Vec::new();
        while !waiting.is_empty() {
            let ready = waiting.iter().position(|layer| match &layer.after {
                None => true,
                Some((after, _)) => ordered.iter().any(|done| done.name == *after),
            });
            match ready {
                Some(index) => ordered.push(waiting.remove(index).layer),
                None => {
                    let mut problem = Problem::new(Code::LayerCycle, "these layers wait for each other");
                    for layer in &waiting {
                        let after = layer.after.as_ref().map_or("", |(name, _)| name.as_str());
                        problem = problem.at(layer.layer.origin, format!("`{}` waits for `{after}`", layer.layer.name));
                    }
                    self.problem(problem.help("take one `after=` out"));
                    break;
                }
            }
        }
        ordered
    }
}
