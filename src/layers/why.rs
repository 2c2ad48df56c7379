//! Why a value is what it is: everything that was said of a path, who won, and by which rule.

use std::collections::BTreeSet;

use super::path::{self, Path};
use super::{Definition, Layered, Loss, Rule, Saying, walk};
use crate::document::{self, Value};
use crate::schema::annotation::Priority;
use crate::schema::nearest;
use crate::source::{Layer, Sources, Span};

/// Everything there is to say of one path.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The path.
    pub path: Path,
    /// What it is in the end, as KDL; `None` when it is nothing, or a node.
    pub value: Option<String>,
    /// What was said of it, strongest first.
    pub told: Vec<Told>,
    /// What lies below it.
    pub slots: Vec<Slot>,
}

/// One thing that was said.
#[derive(Clone, Debug)]
pub struct Told {
    /// What became of it.
    pub fate: Fate,
    /// Where it stands.
    pub span: Span,
    /// The layer of its file.
    pub layer: Layer,
    /// What it says: KDL of the value, or a word.
    pub says: String,
    /// The weight that its writer gave to it, in the words of an annotation; empty when it has none.
    pub weight: String,
    /// The conditions that it stands under.
    pub conditions: Vec<Span>,
    /// Why it became of it what it did, in a sentence without a full stop; empty where there is nothing to explain.
    pub reason: String,
    /// The place that decided, when there is one.
    pub decided_at: Option<Span>,
}

/// What became of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is part of the result.
    Holds,
    /// It takes away what weaker files say.
    Removes,
    /// Something else says the same.
    Agrees,
    /// Something stronger says otherwise.
    Loses,
    /// Something as strong says otherwise.
    Conflicts,
    /// It stands under a condition that does not hold.
    Sleeps,
}

impl Fate {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Fate::Holds => "holds",
            Fate::Removes => "removes",
            Fate::Agrees => "agrees",
            Fate::Loses => "loses",
            Fate::Conflicts => "conflict",
            Fate::Sleeps => "sleeps",
        }
    }
}

/// A value below a path.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Its path.
    pub path: Path,
    /// What it is, as KDL; `None` when it was taken away.
    pub value: Option<String>,
    /// Where it was set, or taken away.
    pub span: Option<Span>,
    /// How many other definitions there are.
    pub others: usize,
}

/// Explains the paths that a path or a pattern means. `sleeping` are the definitions that [`super::dormant`] found. When nobody says anything
/// of it, there is nothing in the list.
pub fn why(layered: &Layered, sleeping: &[Definition], sources: &Sources, wanted: &Path) -> Vec<Explanation> {
    let all = Everything::of(layered, sleeping);
    if !wanted.is_pattern() {
        return all.knows(wanted).then(|| all.explain(wanted, sources)).into_iter().collect();
    }
    let mut explained: Vec<Explanation> = Vec::new();
    for path in all.paths.iter().filter(|path| wanted.matches(path)) {
        let explanation = all.explain(path, sources);
        // Of a node that was only mentioned, its values say all there is to say.
        if !explanation.told.is_empty() || !explanation.slots.is_empty() {
            explained.push(explanation);
        }
    }
    explained
}

/// The path that was probably meant, when one is near enough.
pub fn nearest_path(layered: &Layered, sleeping: &[Definition], wanted: &Path) -> Option<String> {
    let all = Everything::of(layered, sleeping);
    let known: Vec<String> = all.paths.iter().map(Path::to_string).collect();
    nearest(&wanted.to_string(), known.iter().map(String::as_str)).map(str::to_string)
}

struct Everything<'a> {
    definitions: Vec<&'a Definition>,
    /// The values of the result.
    values: Vec<(Path, &'a Value)>,
    /// Every path that anything was said of, nodes and values.
    paths: BTreeSet<Path>,
}

impl<'a> Everything<'a> {
    fn of(layered: &'a Layered, sleeping: &'a [Definition]) -> Everything<'a> {
        let definitions: Vec<&Definition> = layered.all_definitions().iter().chain(sleeping).collect();
        let mut values = Vec::new();
        for found in walk(&layered.nodes) {
            if let Some(entry) = found.entry {
                values.push((found.path, &entry.value));
            }
        }
        let mut paths: BTreeSet<Path> = definitions.iter().map(|definition| definition.path.clone()).collect();
        paths.extend(values.iter().map(|(path, _)| path.clone()));
        Everything { definitions, values, paths }
    }

    fn knows(&self, path: &Path) -> bool {
        self.paths.iter().any(|known| known.is_within(path))
    }

    /// The value of a path in the result, as KDL. Several arguments of a node are one value.
    fn value(&self, path: &Path) -> Option<String> {
        let mut text = String::new();
        for (_, value) in self.values.iter().filter(|(known, _)| known == path) {
            if !text.is_empty() {
                text.push(' ');
            }
            document::print_value(&mut text, value);
        }
        (!text.is_empty()).then_some(text)
    }

    fn explain(&self, path: &Path, sources: &Sources) -> Explanation {
        let own: Vec<&Definition> = self.definitions.iter().copied().filter(|definition| definition.path == *path).collect();
        let told = own.iter().map(|definition| tell(definition, sources)).collect();
        let below = self.paths.iter().filter(|known| *known != path && known.is_within(path));
        let slots = below.filter_map(|below| self.slot(below)).collect();
        Explanation { path: path.clone(), value: self.value(path), told, slots }
    }

    fn slot(&self, path: &Path) -> Option<Slot> {
        let said: Vec<&&Definition> = self.definitions.iter().filter(|definition| definition.path == *path).collect();
        let value = self.value(path);
        // A node that is there says nothing that its values do not say.
        let is_node = said.iter().all(|definition| matches!(definition.saying, Saying::Present | Saying::Remove | Saying::Replace));
        if is_node && value.is_none() {
            return None;
        }
        let first = said.iter().find(|definition| definition.holds).or(said.first());
        Some(Slot { path: path.clone(), value, span: first.map(|definition| definition.span), others: said.len().saturating_sub(1) })
    }
}

fn tell(definition: &Definition, sources: &Sources) -> Told {
    let Definition { path: _, saying, span, layer, holds, priority, conditions, dormant, loss } = definition;
    let (says, removes) = match saying {
        Saying::Present => ("is there".to_string(), false),
        Saying::Values(values) => (values.iter().map(printed).collect::<Vec<_>>().join(" "), false),
        Saying::Whole(node) => (format!("{} {}", node.name, path::segment(&keys(node))).trim_end().to_string(), false),
        Saying::Remove => ("taken away".to_string(), true),
        Saying::Replace => ("started anew".to_string(), true),
    };
    let (fate, reason, decided_at) = match loss {
        _ if *dormant => (Fate::Sleeps, asleep(conditions, sources), None),
        None if *holds => (Fate::Holds, String::new(), None),
        None if removes => (Fate::Removes, "what weaker files say is gone".to_string(), None),
        None => (Fate::Loses, "what it belongs to is gone".to_string(), None),
        Some(Loss::Weaker { than, layer: other, priority: weight, removes, rule }) => {
            let place = sources.place(*than);
            let verb = if *removes { "takes it away" } else { "is stronger" };
            (Fate::Loses, format!("{place} {verb}: {}", rule_words(*rule, (*weight, *other), (*priority, *layer))), Some(*than))
        }
        Some(Loss::Same { as_at }) => {
            let verb = if *saying == Saying::Present { "names it too" } else { "says the same" };
            (Fate::Agrees, format!("{} {verb}", sources.place(*as_at)), Some(*as_at))
        }
        Some(Loss::Conflict { with }) => {
            (Fate::Conflicts, format!("{} disagrees, and neither is stronger", sources.place(*with)), Some(*with))
        }
        Some(Loss::Gone) => (Fate::Loses, "what it belongs to is gone".to_string(), None),
    };
    let weight = weight_words(*priority);
    Told { fate, span: *span, layer: *layer, says, weight, conditions: conditions.clone(), reason, decided_at }
}

fn keys(node: &document::Node) -> String {
    node.arguments().map(|entry| path::text(&entry.value)).collect::<Vec<_>>().join(".")
}

fn printed(value: &Value) -> String {
    let mut text = String::new();
    document::print_value(&mut text, value);
    text
}

fn asleep(conditions: &[Span], sources: &Sources) -> String {
    let list: Vec<String> = conditions.iter().map(|span| format!("`{}`", sources.slice(*span))).collect();
    match list.as_slice() {
        [only] => format!("{only} does not hold here"),
        several => format!("not all of {} hold here", several.join(" and ")),
    }
}

fn weight_words(priority: Priority) -> String {
    match priority {
        Priority::Default => "default".to_string(),
        Priority::Plain => String::new(),
        Priority::Level(level) => format!("priority:{level}"),
        Priority::Force => "force".to_string(),
    }
}

/// Why the first is stronger than the second.
fn rule_words(rule: Rule, (weight, layer): (Priority, Layer), (own_weight, own_layer): (Priority, Layer)) -> String {
    match rule {
        Rule::Priority => match (weight, own_weight) {
            (_, Priority::Default) => "`(default)` yields to everything else".to_string(),
            (Priority::Force, _) => "it is marked `(force)`".to_string(),
            (Priority::Level(more), Priority::Level(less)) => format!("its priority is {more}, and {less} is less"),
            (Priority::Level(more), _) => format!("it is marked `(priority:{more})`"),
            (Priority::Default | Priority::Plain, _) => "its priority is higher".to_string(),
        },
        Rule::Layer if layer_words(layer) == layer_words(own_layer) => "its file lies nearer".to_string(),
        Rule::Layer => format!("{} outranks {}", layer_words(layer), layer_words(own_layer)),
        Rule::Pattern => "the pattern around it says more of the repository".to_string(),
        Rule::Import => "its file imports this one".to_string(),
        Rule::Inner => "it stands in a block inside of this one's".to_string(),
        Rule::Replacement => "a `(replace)` keeps what is written beside it".to_string(),
        Rule::Outermost => "of several `(force)`, the outermost file's wins".to_string(),
    }
}

/// A layer, as people speak of it.
pub fn layer_words(layer: Layer) -> &'static str {
    match layer {
        Layer::Catalog => "the catalog",
        Layer::System => "the machine's file",
        Layer::User => "your own file",
        Layer::Above(_) => "a file above the repository",
        Layer::Project(_) => "the project's file",
        Layer::Local(_) => "this checkout's file",
        Layer::Repository => "your `repo` block",
        Layer::Environment => "the environment",
        Layer::CommandLine => "the command line",
    }
}

/// The explanations, as JSON.
pub fn why_json(explanations: &[Explanation], sources: &Sources) -> serde_json::Value {
    let told = |told: &Told| {
        let Told { fate, span, layer, says, weight, conditions, reason, decided_at } = told;
        let conditions: Vec<&str> = conditions.iter().map(|span| sources.slice(*span)).collect();
        serde_json::json!({
            "fate": fate.as_str(),
            "at": sources.place(*span),
            "column": sources.position(*span).column,
            "layer": layer_words(*layer),
            "says": says,
            "priority": if weight.is_empty() { "plain" } else { weight },
            "conditions": conditions,
            "reason": reason,
            "decided_at": decided_at.map(|span| sources.place(span)),
        })
    };
    let slot = |slot: &Slot| {
        let Slot { path, value, span, others } = slot;
        serde_json::json!({ "path": path.to_string(), "value": value, "at": span.map(|span| sources.place(span)), "others": others })
    };
    let explained = |explanation: &Explanation| {
        let Explanation { path, value, told: list, slots } = explanation;
        serde_json::json!({
            "path": path.to_string(),
            "value": value,
            "definitions": list.iter().map(told).collect::<Vec<_>>(),
            "below": slots.iter().map(slot).collect::<Vec<_>>(),
        })
    };
    serde_json::json!({ "paths": explanations.iter().map(explained).collect::<Vec<_>>() })
}
