//! The language's merge, written down again in the plainest way: every definition in one list, every question answered by looking at all of
//! them. It shares nothing with the evaluator but the table that says how a node merges.

use std::collections::{BTreeMap, BTreeSet};

use silo::document::{self, Node, Value};
use silo::schema::{self, Merge, NodeRule, table};

use silo::source::Layer;

use super::written::{Files, Line, Word};

/// Names and keys. Values of a node stand behind `=`.
pub type Path = Vec<String>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Present,
    Value(String),
    Remove,
    Replace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Default,
    Plain,
    Level(u32),
    Force,
}

/// A part of a file that speaks with one voice.
struct Scope {
    layer: Layer,
    file: usize,
    /// The scopes around it, up to the file's top.
    around: Vec<usize>,
    /// How many segments of the repository it names.
    segments: usize,
}

/// One thing that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub path: Path,
    pub what: What,
    pub class: Class,
    pub file: usize,
    /// The part of the file, among all of them.
    pub scope: usize,
    /// Where it wants to stand in its list.
    pub order: Option<i32>,
    /// The line of its file, from 1.
    pub line: usize,
    /// The how-many-th definition of its file.
    pub position: usize,
    /// The top-level node it is part of, by its index in the file.
    pub top: usize,
    /// The property of the top-level node that says it, by its index among the words.
    pub word: Option<usize>,
}

/// What is said, and of what.
#[derive(Default)]
pub struct Model {
    pub definitions: Vec<Definition>,
    /// Every thing that is mentioned, with the thing it stands in.
    pub entities: BTreeMap<Path, Option<Path>>,
    /// The values of each thing.
    pub values: BTreeMap<Path, BTreeSet<Path>>,
    scopes: Vec<Scope>,
    /// `[a][b]`: file a imports file b, directly or not.
    imports: Vec<Vec<bool>>,
    file_layers: Vec<Layer>,
    places: Vec<usize>,
}

/// What all of it comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Result {
    /// Things that are there (`present`), and the values that hold.
    pub holds: BTreeMap<Path, String>,
    /// Paths that are in conflict, each with the places of every strongest definition: file and line.
    pub conflicts: BTreeMap<String, BTreeSet<(usize, usize)>>,
    /// Things by where they stand, in their order.
    pub order: BTreeMap<Path, Vec<Path>>,
}

impl Result {
    /// What holds, but for the values that are in conflict.
    pub fn settled(&self, conflicts: &BTreeSet<String>) -> BTreeMap<String, String> {
        let spelled = self.holds.iter().map(|(path, value)| (spelled(path), value.clone()));
        spelled.filter(|(path, _)| !conflicts.contains(path)).collect()
    }

    /// Notes what stands in a place, if there is anything.
    fn ordered(&mut self, at: Path, things: Vec<Path>) {
        if !things.is_empty() {
            self.order.insert(at, things);
        }
    }
}

/// A path as problems write it.
pub fn spelled(path: &Path) -> String {
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "_-*@/+".contains(c));
    let part = |part: &str| if plain(part) { part.to_string() } else { document::quote(part) };
    path.iter().map(|name| part(name.trim_start_matches('='))).collect::<Vec<_>>().join(".")
}

/// Takes files apart.
pub fn model(files: &Files) -> Model {
    let file_layers = files.0.iter().map(|text| text.layer).collect();
    let mut model = Model { imports: imports(files), places: places(files), file_layers, ..Model::default() };
    for (file, text) in files.0.iter().enumerate() {
        model.scopes.push(Scope { layer: text.layer, file, around: Vec::new(), segments: 0 });
        let scope = model.scopes.len() - 1;
        let mut reader = Reader { model: &mut model, file, scope, line: 0, position: 0, top: 0, inside: false };
        for (index, line) in text.lines.iter().enumerate() {
            reader.top = index;
            reader.statement(line, Around { class: Class::Plain, replaced: false, order: None });
        }
    }
    model
}

/// `[a][b]`: file a imports file b, directly or not.
fn imports(files: &Files) -> Vec<Vec<bool>> {
    fn reaches(files: &Files, from: usize, to: usize) -> bool {
        files.0[from].imports.iter().any(|next| *next == to || reaches(files, *next, to))
    }
    let all = 0..files.0.len();
    all.clone().map(|a| all.clone().map(|b| reaches(files, a, b)).collect()).collect()
}

/// The place of each file among all: by layer, then what is imported before what imports it.
fn places(files: &Files) -> Vec<usize> {
    fn visit(files: &Files, file: usize, told: &mut Vec<usize>) {
        for import in &files.0[file].imports {
            visit(files, *import, told);
        }
        if !told.contains(&file) {
            told.push(file);
        }
    }
    let mut told = Vec::new();
    for root in 0..files.0.len() {
        if !files.0.iter().any(|file| file.imports.contains(&root)) {
            visit(files, root, &mut told);
        }
    }
    told.sort_by_key(|file| files.0[*file].layer);
    (0..files.0.len()).map(|file| told.iter().position(|other| *other == file).unwrap()).collect()
}

#[derive(Clone, Copy)]
struct Around {
    class: Class,
    replaced: bool,
    order: Option<i32>,
}

impl Around {
    fn within(self, annotation: Option<&str>) -> Around {
        let mut around = self;
        let words: Vec<&str> = annotation.into_iter().flat_map(|text| text.split(',')).collect();
        let replaced = self.replaced || words.contains(&"replace");
        for word in words {
            match word.split_once(':').unwrap_or((word, "")) {
                ("default", _) if !replaced => around.class = Class::Default,
                ("priority", level) => around.class = Class::Level(level.parse().unwrap()),
                ("force", _) => around.class = Class::Force,
                ("prepend", _) => around.order = Some(-1),
                ("append", _) => around.order = Some(1),
                ("order", number) => around.order = Some(number.parse().unwrap()),
                _ => {}
            }
        }
        // What stands in a replacement is never weaker than that.
        around.class = match (self.replaced, replaced) {
            (true, _) => around.class.max(self.class),
            (false, true) => around.class.max(Class::Plain),
            (false, false) => around.class,
        };
        Around { replaced, ..around }
    }
}

/// Whether an annotation says a word.
fn says(annotation: Option<&str>, word: &str) -> bool {
    annotation.is_some_and(|text| text.split(',').any(|other| other == word))
}

struct Reader<'a> {
    model: &'a mut Model,
    file: usize,
    scope: usize,
    line: usize,
    position: usize,
    /// The top-level node that is read, and whether its block is.
    top: usize,
    inside: bool,
}

fn text_of(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_string(),
        None => printed(value),
    }
}

fn printed(value: &Value) -> String {
    let mut out = String::new();
    document::print_value(&mut out, value);
    out
}

fn below(path: &Path, parts: &[&str]) -> Path {
    path.iter().cloned().chain(parts.iter().map(|part| part.to_string())).collect()
}

impl Reader<'_> {
    fn say(&mut self, path: &Path, what: What, around: Around, word: Option<usize>) {
        self.position += 1;
        let Reader { file, scope, line, position, top, inside, .. } = *self;
        let word = word.filter(|_| !inside);
        let Around { class, order, .. } = around;
        self.model.definitions.push(Definition { path: path.clone(), what, class, file, scope, order, line, position, top, word });
    }

    fn mention(&mut self, path: &Path, parent: Option<&Path>) {
        self.model.entities.insert(path.clone(), parent.cloned());
    }

    fn value(&mut self, entity: &Path, name: &str, what: What, around: Around, word: Option<usize>) {
        let path = below(entity, &[&format!("={name}")]);
        self.model.values.entry(entity.clone()).or_default().insert(path.clone());
        self.say(&path, what, around, word);
    }

    /// A node of the file's top, or in a condition.
    fn statement(&mut self, line: &Line, around: Around) {
        let rule = schema::find(table::TOP, &line.name).unwrap();
        if rule.merge != Merge::Condition {
            return self.line(&Vec::new(), None, line, rule, around);
        }
        let first = line.line_count();
        if !holds(line) {
            self.line += first;
            return;
        }
        let Scope { layer, file, around: outer, segments } = &self.model.scopes[self.scope];
        let mut scope = Scope { layer: *layer, file: *file, around: outer.clone(), segments: *segments };
        scope.around.push(self.scope);
        if line.name == "repo" {
            scope.segments =
                scope.segments.max(line.words[0].value.as_str().unwrap().split('/').take_while(|part| !part.contains('*')).count());
            if matches!(scope.layer, Layer::System | Layer::User | Layer::Above(_)) {
                scope.layer = Layer::Repository;
            }
        }
        let (outer, inside) = (self.scope, std::mem::replace(&mut self.inside, true));
        self.model.scopes.push(scope);
        self.scope = self.model.scopes.len() - 1;
        self.line += 1;
        let around = Around { order: None, ..around.within(line.annotation.as_deref()) };
        line.children.iter().for_each(|child| self.statement(child, around));
        self.line += 1;
        (self.scope, self.inside) = (outer, inside);
    }

    /// A node, in the block of `parent`, whose path is `at`.
    fn line(&mut self, at: &Path, parent: Option<&Path>, line: &Line, rule: &'static NodeRule, outer: Around) {
        self.line += 1;
        let written = self.line;
        let mark = line.annotation.as_deref();
        let around = outer.within(mark);
        let arguments: Vec<&Word> = line.words.iter().filter(|word| word.name.is_none()).collect();
        let property = |name: &str| line.words.iter().find(|word| word.name.as_deref() == Some(name)).map(|word| text_of(&word.value));
        let all = below(at, &[&line.name]);
        match rule.merge {
            Merge::FileLocal | Merge::Accumulating | Merge::Condition => {}
            Merge::Closed => {
                let keys: Vec<String> = arguments.iter().map(|word| text_of(&word.value)).collect();
                let path = below(&all, &[&keys.join(".")]);
                self.mention(&path, parent);
                let whole = What::Value(super::written::print(&line.children));
                self.say(&path, if says(mark, "remove") { What::Remove } else { whole }, around, None);
                self.line += line.line_count() - 1;
            }
            Merge::Record => self.entity(&all, parent, line, &arguments, rule, around),
            Merge::Keyed if rule.rest.is_none() => {
                let path = below(&all, &[&text_of(&arguments[0].value)]);
                self.entity(&path, parent, line, &arguments, rule, around);
            }
            Merge::Keyed => {
                for word in &arguments {
                    self.line = written;
                    let path = below(&all, &[&text_of(&word.value)]);
                    self.entity(&path, parent, line, &[word], rule, around.within(word.annotation.as_deref()));
                }
            }
            Merge::KeyedByTarget => {
                for word in &arguments {
                    self.line = written;
                    let path = below(&all, &[&property("to").unwrap_or_else(|| text_of(&word.value))]);
                    self.entity(&path, parent, line, &[word], rule, around.within(word.annotation.as_deref()));
                }
            }
            Merge::List | Merge::Words if says(mark, "remove") && arguments.is_empty() && property("id").is_none() => {
                self.say(&all, What::Remove, around, None);
            }
            Merge::List => {
                if says(mark, "replace") {
                    self.say(&all, What::Replace, around, None);
                }
                let content = || arguments.iter().map(|word| text_of(&word.value)).collect::<Vec<_>>().join(" ");
                let path = below(&all, &[&property("id").unwrap_or_else(content)]);
                let item = if says(mark, "remove") { line.clone() } else { line.clone().marked(None) };
                self.entity(&path, parent, &item, &arguments, rule, around);
            }
            Merge::Words => {
                if says(mark, "replace") {
                    self.say(&all, What::Replace, around, None);
                }
                for word in &arguments {
                    let removed = says(mark, "remove") || says(word.annotation.as_deref(), "remove");
                    let item = Line { words: vec![(*word).clone()], ..Line::new(&line.name) }.marked(removed.then_some("remove"));
                    let path = below(&all, &[&text_of(&word.value)]);
                    self.entity(&path, parent, &item, &[word], rule, around.within(word.annotation.as_deref()));
                }
            }
            Merge::Variables => self.variables(&all, parent, line, rule, around),
        }
    }

    fn entity(&mut self, path: &Path, parent: Option<&Path>, line: &Line, arguments: &[&Word], rule: &'static NodeRule, around: Around) {
        self.mention(path, parent);
        if says(line.annotation.as_deref(), "remove") {
            return self.say(path, What::Remove, around, None);
        }
        if says(line.annotation.as_deref(), "replace") {
            self.say(path, What::Replace, around, None);
        }
        self.say(path, What::Present, around, None);
        if let [first, ..] = arguments {
            let name = rule.arguments.iter().chain(rule.rest.as_ref()).map(|argument| argument.name).next().unwrap_or("arguments");
            let value = arguments.iter().map(|word| printed(&word.value)).collect::<Vec<_>>().join(" ");
            self.value(path, name, What::Value(value), around.within(first.annotation.as_deref()), None);
        }
        for (index, word) in line.words.iter().enumerate() {
            let Some(name) = &word.name else { continue };
            let what = if word.value == Value::Null { What::Remove } else { What::Value(printed(&word.value)) };
            self.value(path, name, what, around.within(word.annotation.as_deref()), Some(index));
        }
        let inside = std::mem::replace(&mut self.inside, true);
        let around = Around { order: None, ..around };
        for child in &line.children {
            let rule = rule.child(&child.name).unwrap();
            self.line(path, Some(path), child, rule, around);
        }
        // The brace stands on a line of its own.
        self.line += usize::from(!line.children.is_empty());
        self.inside = inside;
    }

    fn variables(&mut self, path: &Path, parent: Option<&Path>, line: &Line, rule: &'static NodeRule, around: Around) {
        let mark = line.annotation.as_deref();
        if says(mark, "remove") && line.words.is_empty() && line.children.is_empty() {
            return self.say(path, What::Remove, around, None);
        }
        self.mention(path, parent);
        if says(mark, "replace") {
            self.say(path, What::Replace, around, None);
        }
        self.say(path, What::Present, around, None);
        for word in &line.words {
            let name = word.name.clone().unwrap_or_else(|| text_of(&word.value));
            let variable = below(path, &[&name]);
            let around = around.within(word.annotation.as_deref());
            self.mention(&variable, Some(path));
            if says(mark, "remove") || says(word.annotation.as_deref(), "remove") || word.value == Value::Null {
                self.say(&variable, What::Remove, around, None);
                continue;
            }
            self.say(&variable, What::Present, around, None);
            // A variable has one origin: a value, or the host.
            if word.name.is_some() {
                self.value(&variable, "value", What::Value(printed(&word.value)), around, None);
                self.value(&variable, "from", What::Remove, around, None);
            } else {
                self.value(&variable, "value", What::Remove, around, None);
            }
        }
        for child in &line.children {
            self.line += 1;
            let variable = below(path, &[&child.name]);
            let around = around.within(child.annotation.as_deref());
            let arguments: Vec<&Word> = child.words.iter().filter(|word| word.name.is_none()).collect();
            let inside = std::mem::replace(&mut self.inside, true);
            let child = if says(mark, "remove") { child.clone().marked(Some("remove")) } else { child.clone() };
            self.entity(&variable, Some(path), &child, &arguments, rule.other_children.unwrap_or(&table::PATTERN), around);
            self.inside = inside;
            let from_host = child.words.iter().any(|word| word.name.as_deref() == Some("from"));
            if says(child.annotation.as_deref(), "remove") {
                continue;
            }
            match (arguments.is_empty(), from_host) {
                (false, false) => self.value(&variable, "from", What::Remove, around, None),
                (true, true) => self.value(&variable, "value", What::Remove, around, None),
                (true, false) | (false, true) => {}
            }
        }
        self.line += usize::from(!line.children.is_empty());
    }
}

/// Where an item of a list stands: its number, then its file, then its line.
type Rank = (i32, (Layer, usize, usize));

impl Model {
    /// Whether `a` is strictly stronger than `b`.
    pub fn beats(&self, a: &Definition, b: &Definition) -> bool {
        if a.class != b.class {
            return a.class > b.class;
        }
        if a.scope == b.scope {
            return b.what == What::Replace && a.what != What::Replace;
        }
        match a.class {
            Class::Force => self.stronger(b.scope, a.scope),
            Class::Default | Class::Plain | Class::Level(_) => self.stronger(a.scope, b.scope),
        }
    }

    /// Whether one part of a file is stronger than another.
    fn stronger(&self, a: usize, b: usize) -> bool {
        let (one, other) = (&self.scopes[a], &self.scopes[b]);
        let layer = |scope: &Scope| self.file_layers[scope.file];
        if one.layer != other.layer {
            one.layer > other.layer
        } else if one.layer == Layer::Repository && (one.segments != other.segments || layer(one) != layer(other)) {
            (one.segments, layer(one)) > (other.segments, layer(other))
        } else if one.file != other.file {
            self.imports[one.file][other.file]
        } else if one.segments != other.segments {
            one.segments > other.segments
        } else {
            one.around.contains(&b)
        }
    }

    /// Where a definition stands in a list that nobody gave numbers.
    fn place(&self, definition: &Definition) -> (Layer, usize, usize) {
        (self.scopes[definition.scope].layer, self.places[definition.file], definition.position)
    }

    /// What is said of a path: its own definitions, and removals and replacements of what is around it.
    pub fn said<'m>(&'m self, path: &'m Path) -> impl Iterator<Item = &'m Definition> {
        let takes = |definition: &Definition| matches!(definition.what, What::Remove | What::Replace);
        self.definitions
            .iter()
            .filter(move |definition| definition.path == *path || takes(definition) && path.starts_with(&definition.path))
    }

    /// The strongest definitions of a path.
    pub fn strongest<'m>(&'m self, path: &'m Path) -> Vec<&'m Definition> {
        let mut strongest: Vec<&Definition> =
            self.said(path).filter(|definition| !self.said(path).any(|other| self.beats(other, definition))).collect();
        // Of removals around the path that are alike in everything but their line, the first stands for all.
        let mut seen = Vec::new();
        strongest.retain(|definition| {
            let alike = (&definition.path, definition.class, definition.scope, matches!(definition.what, What::Replace));
            let known = definition.path != *path && seen.contains(&alike);
            seen.push(alike);
            !known
        });
        strongest
    }

    pub fn evaluate(&self) -> Result {
        let mut result = Result::default();
        self.block(None, &mut result);
        result
    }

    fn block(&self, parent: Option<&Path>, result: &mut Result) {
        let mut order: Vec<(Rank, Path)> = Vec::new();
        for path in self.entities.iter().filter(|(_, of)| of.as_ref() == parent).map(|(path, _)| path) {
            if !self.decide(path, result) {
                continue;
            }
            let removed = |mention: &Definition| {
                self.said(path).any(|other| matches!(other.what, What::Remove | What::Replace) && self.beats(other, mention))
            };
            let mentions = self
                .definitions
                .iter()
                .filter(|definition| definition.path == *path && matches!(definition.what, What::Present | What::Value(_)));
            let surviving: Vec<&Definition> = mentions.filter(|mention| !removed(mention)).collect();
            let numbered: Vec<&Definition> = surviving.iter().copied().filter(|mention| mention.order.is_some()).collect();
            let number = numbered
                .iter()
                .filter(|one| !numbered.iter().any(|other| self.beats(other, one)))
                .filter_map(|mention| mention.order)
                .min();
            let first = surviving.iter().map(|mention| self.place(mention)).min().unwrap();
            order.push(((number.unwrap_or(0), first), path.clone()));
            for value in self.values.get(path).into_iter().flatten() {
                self.decide(value, result);
            }
            self.block(Some(path), result);
        }
        order.sort();
        // Of an `env` nothing is said but its variables, which stand in no order.
        let is_env = |path: &Path| path.last().is_some_and(|name| name == "env");
        order.retain(|(_, path)| {
            let empty = is_env(path) && result.order.get(path).is_none_or(Vec::is_empty);
            if empty {
                result.holds.remove(path);
            }
            !empty
        });
        if parent.is_some_and(is_env) {
            order.sort_by(|(_, a), (_, b)| a.cmp(b));
        }
        result.ordered(parent.cloned().unwrap_or_default(), order.into_iter().map(|(_, path)| path).collect());
    }

    /// Decides a slot; whether something is there.
    fn decide(&self, path: &Path, result: &mut Result) -> bool {
        let strongest = self.strongest(path);
        let sayings: BTreeSet<&What> =
            strongest.iter().map(|definition| if definition.what == What::Replace { &What::Remove } else { &definition.what }).collect();
        match sayings.into_iter().collect::<Vec<_>>().as_slice() {
            [] | [What::Remove | What::Replace] => false,
            [What::Present] => result.holds.insert(path.clone(), "present".into()).is_none(),
            [What::Value(value)] => result.holds.insert(path.clone(), value.clone()).is_none(),
            [_, _, ..] => {
                result.conflicts.insert(spelled(path), strongest.iter().map(|definition| (definition.file, definition.line)).collect());
                false
            }
        }
    }
}

/// Whether a condition of the generator's holds on the machine of [`super::written::facts`].
pub fn holds(condition: &Line) -> bool {
    !condition.words.iter().any(|word| matches!(word.value.as_str(), Some("macos" | "github.com/other")))
}

/// What is in merged nodes, in the words of the model.
pub fn flat(nodes: &[Node]) -> Result {
    let mut result = Result::default();
    flat_block(&Vec::new(), nodes, table::TOP, None, &mut result);
    result
}

fn flat_block(at: &Path, nodes: &[Node], rules: &'static [&'static NodeRule], others: Option<&'static NodeRule>, result: &mut Result) {
    let mut order = Vec::new();
    for node in nodes {
        let rule = schema::find(rules, &node.name).or(others).unwrap();
        let all = below(at, &[&node.name]);
        let arguments: Vec<String> = node.arguments().map(|entry| text_of(&entry.value)).collect();
        let property = |name: &str| node.property(name).map(|entry| text_of(&entry.value));
        let paths: Vec<Path> = match rule.merge {
            Merge::FileLocal | Merge::Accumulating | Merge::Condition => continue,
            Merge::Closed => {
                let path = below(&all, &[&arguments.join(".")]);
                result.holds.insert(path.clone(), document::print(node.children()));
                order.push(path);
                continue;
            }
            Merge::Variables => {
                let mut variables: Vec<Path> = Vec::new();
                for entry in &node.entries {
                    let path = below(&all, &[&entry.name.clone().unwrap_or_else(|| text_of(&entry.value))]);
                    result.holds.insert(path.clone(), "present".into());
                    if entry.name.is_some() {
                        result.holds.insert(below(&path, &["=value"]), printed(&entry.value));
                    }
                    variables.push(path);
                }
                result.holds.insert(all.clone(), "present".into());
                flat_block(&all, node.children(), &[], Some(rule.other_children.unwrap_or(&table::PATTERN)), result);
                variables.extend(result.order.remove(&all).unwrap_or_default());
                variables.sort();
                result.ordered(all.clone(), variables);
                order.push(all);
                continue;
            }
            Merge::Record => vec![all],
            Merge::Keyed => vec![below(&all, &[&arguments[0]])],
            Merge::KeyedByTarget => vec![below(&all, &[&property("to").unwrap_or_else(|| arguments[0].clone())])],
            Merge::List => {
                let content = || node.arguments().map(|entry| text_of(&entry.value)).collect::<Vec<_>>().join(" ");
                vec![below(&all, &[&property("id").unwrap_or_else(content)])]
            }
            Merge::Words => arguments.iter().map(|word| below(&all, &[word])).collect(),
        };
        let name = rule.arguments.iter().chain(rule.rest.as_ref()).map(|argument| argument.name).next().unwrap_or("arguments");
        for path in &paths {
            result.holds.insert(path.clone(), "present".into());
            for entry in node.entries.iter().filter(|entry| entry.name.is_some()) {
                result.holds.insert(below(path, &[&format!("={}", entry.name.as_ref().unwrap())]), printed(&entry.value));
            }
            flat_block(path, node.children(), rule.children, rule.other_children, result);
        }
        if rule.merge == Merge::Words {
            for (path, entry) in paths.iter().zip(node.arguments()) {
                result.holds.insert(below(path, &[&format!("={name}")]), printed(&entry.value));
            }
        } else if !arguments.is_empty() {
            let value = node.arguments().map(|entry| printed(&entry.value)).collect::<Vec<_>>().join(" ");
            result.holds.insert(below(&paths[0], &[&format!("={name}")]), value);
        }
        order.extend(paths);
    }
    result.ordered(at.clone(), order);
}
