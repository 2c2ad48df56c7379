//! Takes files apart into statements, arranged as a tree by what they speak of.

use std::collections::BTreeMap;

use super::condition::{self, Stratum};
use super::order::Scope;
use super::path;
use super::{Facts, File, Saying};
use crate::document::{self, Annotation, Entry, Node, Value};
use crate::problem::{Code, Problem, Problems};
use crate::schema::annotation::{self, Action, Priority};
use crate::schema::{self, Merge, NodeRule};
use crate::source::{Layer, Span};

/// One thing that one file says of one slot.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) saying: Saying,
    pub(super) priority: Priority,
    /// The scope that says it, by index.
    pub(super) scope: usize,
    /// Where in a list it wants to stand, if it says so.
    pub(super) order: Option<i32>,
    /// The how-many-th statement of its file it is.
    pub(super) position: usize,
    pub(super) span: Span,
    /// The whole node that a presence was stated by.
    pub(super) node_span: Span,
    /// Whether it follows from another statement: nobody is told that it had no effect.
    pub(super) implied: bool,
    /// Whether it was written with `(replace)`.
    pub(super) replacing: bool,
}

/// All statements of one block.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// The things in it, by node name and key.
    pub(super) entities: BTreeMap<(String, Option<String>), Entity>,
    /// Removals and replacements of all nodes of a name.
    pub(super) collections: BTreeMap<String, Vec<Statement>>,
}

/// All statements of one node.
#[derive(Debug)]
pub(super) struct Entity {
    pub(super) rule: &'static NodeRule,
    /// That it exists, or is removed or replaced.
    pub(super) marks: Vec<Statement>,
    /// Its arguments: one value, apart from those that are its key.
    pub(super) arguments: Vec<Statement>,
    /// Its properties, by name.
    pub(super) properties: BTreeMap<String, Vec<Statement>>,
    pub(super) block: Block,
}

/// The most conditions that may hold at a time.
const MAX_CONDITIONS: usize = 1000;

/// Takes all files apart, as far as their conditions hold.
pub(super) fn decompose(files: &[File], facts: &Facts, stratum: Stratum, problems: &mut Problems) -> (Block, Vec<Scope>) {
    let mut root = Block::default();
    let mut scopes = Vec::new();
    for (index, file) in files.iter().enumerate() {
        scopes.push(Scope { layer: file.layer, file: index, around: Vec::new(), specificity: 0, heading: None, holds: true });
        let mut reader = Reader { file, facts, stratum, scope: scopes.len() - 1, scopes, position: 0, full: None };
        for node in &file.document.nodes {
            reader.top(&mut root, node, Context { priority: Priority::Plain, replaced: false, order: None });
        }
        if let Some(span) = reader.full {
            problems.push(
                Problem::new(Code::TooManyConditions, format!("more than {MAX_CONDITIONS} conditions hold at once"))
                    .at(span, "silo reads no further than this")
                    .help("put nodes with the same condition into one block"),
            );
            scopes = reader.scopes;
            break;
        }
        scopes = reader.scopes;
    }
    (root, scopes)
}

/// What the nodes around say of a node.
#[derive(Clone, Copy)]
struct Context {
    priority: Priority,
    /// Inside a `(replace)`, whose contents are never weaker than it is.
    replaced: bool,
    /// Where the node itself stands in its list.
    order: Option<i32>,
}

impl Context {
    fn within(self, annotation: Option<&Annotation>) -> Context {
        let mut context = self;
        let operations = operations(annotation);
        context.order = operations.order.or(self.order);
        match operations.priority {
            Some(priority) if self.replaced => context.priority = self.priority.max(priority),
            Some(Priority::Default) if operations.action == Some(Action::Replace) => {}
            Some(priority) => context.priority = priority,
            None => {}
        }
        if operations.action == Some(Action::Replace) {
            context.replaced = true;
            context.priority = context.priority.max(Priority::Plain);
        }
        context
    }

    /// What holds for the nodes of its block.
    fn inside(self) -> Context {
        Context { order: None, ..self }
    }
}

fn operations(annotation: Option<&Annotation>) -> annotation::Operations {
    annotation.map(|annotation| annotation::parse(&annotation.text).0).unwrap_or_default()
}

fn action(annotation: Option<&Annotation>) -> Option<Action> {
    operations(annotation).action
}

struct Reader<'a> {
    file: &'a File,
    facts: &'a Facts,
    stratum: Stratum,
    scopes: Vec<Scope>,
    /// The scope that is being read.
    scope: usize,
    position: usize,
    /// The condition that is one too many.
    full: Option<Span>,
}

impl Reader<'_> {
    /// A node of the file's top, or of the block of a condition.
    fn top(&mut self, root: &mut Block, node: &Node, context: Context) {
        // A node that the table does not know was reported by the check.
        let Some(rule) = schema::find(schema::table::TOP, &node.name) else { return };
        if rule.merge != Merge::Condition {
            return self.node(root, node, rule, context);
        }
        let holds = condition::holds(node, self.facts, &self.file.existing, self.stratum);
        if !holds && self.stratum != Stratum::Asking {
            return;
        }
        if self.scopes.iter().rev().take(MAX_CONDITIONS + 1).filter(|scope| !scope.around.is_empty()).count() >= MAX_CONDITIONS {
            self.full.get_or_insert(node.name_span);
            return;
        }
        let outer = self.scope;
        let Scope { layer, file, around, specificity, heading: _, holds: around_holds } = &self.scopes[outer];
        let end = node.entries.last().map_or(node.name_span.end, |entry| entry.span.end);
        let mut inner = Scope {
            layer: *layer,
            file: *file,
            around: around.clone(),
            specificity: *specificity,
            heading: Some(Span { end, ..node.name_span }),
            holds: holds && *around_holds,
        };
        inner.around.push(outer);
        if let Some(pattern) = node.text(0) {
            inner.specificity = inner.specificity.max(condition::specificity(pattern));
            if matches!(inner.layer, Layer::System | Layer::User | Layer::Above(_)) {
                inner.layer = Layer::Repository;
            }
        }
        self.scopes.push(inner);
        self.scope = self.scopes.len() - 1;
        let context = context.within(node.annotation.as_ref()).inside();
        for child in node.children() {
            self.top(root, child, context);
        }
        self.scope = outer;
    }

    fn statement(&mut self, saying: Saying, context: Context, span: Span, node_span: Span) -> Statement {
        self.position += 1;
        Statement {
            saying,
            priority: context.priority,
            scope: self.scope,
            order: context.order,
            position: self.position,
            span,
            node_span,
            implied: false,
            replacing: context.replaced,
        }
    }

    fn node(&mut self, block: &mut Block, node: &Node, rule: &'static NodeRule, outer: Context) {
        let context = outer.within(node.annotation.as_ref());
        let operation = action(node.annotation.as_ref());
        match rule.merge {
            Merge::FileLocal | Merge::Condition => {}
            Merge::Accumulating => self.accumulating(block, node, rule, context),
            Merge::Closed => self.closed(block, node, rule, context),
            Merge::Variables => self.variables(block, node, rule, context, operation),
            Merge::Record => {
                let arguments: Vec<&Entry> = node.arguments().collect();
                self.entity(block, node, rule, None, &arguments, context, operation);
            }
            Merge::Keyed if rule.rest.is_some() => {
                for entry in node.arguments() {
                    self.entity(
                        block,
                        node,
                        rule,
                        Some(path::text(&entry.value)),
                        &[entry],
                        context.within(entry.annotation.as_ref()),
                        operation,
                    );
                }
            }
            Merge::Keyed => {
                let Some(key) = node.arguments().next() else { return };
                let arguments: Vec<&Entry> = node.arguments().collect();
                self.entity(block, node, rule, Some(path::text(&key.value)), &arguments, context, operation);
            }
            Merge::KeyedByTarget => {
                let target = node.property("to").map(|entry| path::text(&entry.value));
                for entry in node.arguments() {
                    let key = target.clone().unwrap_or_else(|| path::text(&entry.value));
                    self.entity(block, node, rule, Some(key), &[entry], context.within(entry.annotation.as_ref()), operation);
                }
            }
            Merge::List => self.item(block, node, rule, context, operation),
            Merge::Words => self.words(block, node, rule, context, operation),
        }
    }

    /// A statement on all nodes of a name.
    fn collection(&mut self, block: &mut Block, node: &Node, saying: Saying, context: Context) {
        let statement = self.statement(saying, context, node.name_span, node.span);
        block.collections.entry(node.name.clone()).or_default().push(statement);
    }

    fn item(&mut self, block: &mut Block, node: &Node, rule: &'static NodeRule, context: Context, operation: Option<Action>) {
        let id = node.property("id").map(|entry| path::text(&entry.value));
        let arguments: Vec<&Entry> = node.arguments().collect();
        if operation == Some(Action::Remove) && id.is_none() && arguments.is_empty() {
            return self.collection(block, node, Saying::Remove, context);
        }
        if operation == Some(Action::Replace) {
            self.collection(block, node, Saying::Replace, context);
        }
        let key = id.unwrap_or_else(|| path::content_key(arguments.iter().copied()));
        self.entity(block, node, rule, Some(key), &arguments, context, operation.filter(|operation| *operation == Action::Remove));
    }

    fn words(&mut self, block: &mut Block, node: &Node, rule: &'static NodeRule, context: Context, operation: Option<Action>) {
        if operation == Some(Action::Remove) && node.arguments().next().is_none() {
            return self.collection(block, node, Saying::Remove, context);
        }
        if operation == Some(Action::Replace) {
            self.collection(block, node, Saying::Replace, context);
        }
        for entry in node.arguments() {
            let removed = operation == Some(Action::Remove) || action(entry.annotation.as_ref()) == Some(Action::Remove);
            let key = path::text(&entry.value);
            let within = context.within(entry.annotation.as_ref());
            self.entity(block, node, rule, Some(key), &[entry], within, removed.then_some(Action::Remove));
        }
    }

    fn closed(&mut self, block: &mut Block, node: &Node, rule: &'static NodeRule, context: Context) {
        let key = node.arguments().map(|entry| path::text(&entry.value)).collect::<Vec<_>>().join(".");
        let saying = match action(node.annotation.as_ref()) {
            Some(Action::Remove) => Saying::Remove,
            Some(Action::Replace) | None => Saying::Whole(node.clone()),
        };
        let statement = self.statement(saying, context, node.name_span, node.span);
        entity_of(block, &node.name, Some(key), rule).marks.push(statement);
    }

    /// A contract stands for itself: the same one said twice is one.
    fn accumulating(&mut self, block: &mut Block, node: &Node, rule: &'static NodeRule, context: Context) {
        let key = document::print(std::slice::from_ref(node));
        let statement = self.statement(Saying::Whole(node.clone()), context, node.name_span, node.span);
        entity_of(block, &node.name, Some(key), rule).marks.push(statement);
    }

    #[expect(clippy::too_many_arguments, reason = "a node, what it is, and what is said of it")]
    fn entity(
        &mut self,
        block: &mut Block,
        node: &Node,
        rule: &'static NodeRule,
        key: Option<String>,
        arguments: &[&Entry],
        context: Context,
        operation: Option<Action>,
    ) {
        let entity = entity_of(block, &node.name, key, rule);
        // The place of a word or of one of several names is the argument; of anything else, the node's name.
        let span = match (rule.rest, arguments) {
            (Some(_), [only]) => only.span,
            (Some(_) | None, _) => node.name_span,
        };
        match operation {
            Some(Action::Remove) => return entity.marks.push(self.statement(Saying::Remove, context, span, node.span)),
            Some(Action::Replace) => entity.marks.push(self.statement(Saying::Replace, context, span, node.span)),
            None => {}
        }
        entity.marks.push(self.statement(Saying::Present, context, span, node.span));
        if let Some(first) = arguments.first() {
            let weighed = arguments.get(rule.value_argument()).unwrap_or(first);
            let context = context.within(weighed.annotation.as_ref());
            let values = arguments.iter().map(|entry| entry.value.clone()).collect();
            let last = arguments.last().map_or(first.span.end, |entry| entry.span.end);
            let span = Span { end: last, ..first.span };
            entity.arguments.push(self.statement(Saying::Values(values), context, span, node.span));
        }
        for entry in &node.entries {
            let Some(name) = &entry.name else { continue };
            let statement = self.value(entry, context, node.span);
            entity.properties.entry(name.clone()).or_default().push(statement);
        }
        for child in node.children() {
            if let Some(child_rule) = rule.child(&child.name) {
                self.node(&mut entity.block, child, child_rule, context.inside());
            }
        }
    }

    /// The statement of a property; `#null` takes it away.
    fn value(&mut self, entry: &Entry, context: Context, node_span: Span) -> Statement {
        let context = context.within(entry.annotation.as_ref());
        if entry.value == Value::Null {
            let mut statement = self.statement(Saying::Remove, context, entry.span, node_span);
            statement.implied = true;
            return statement;
        }
        self.statement(Saying::Values(vec![entry.value.clone()]), context, entry.span, node_span)
    }

    /// `env A B X="v" { NAME "value" phase=run }`: every variable becomes a node of the block.
    fn variables(&mut self, block: &mut Block, node: &Node, rule: &'static NodeRule, context: Context, operation: Option<Action>) {
        let empty = node.entries.is_empty() && node.children().is_empty();
        let variable = rule.other_children.unwrap_or(&schema::table::PATTERN);
        let whole = entity_of(block, &node.name, None, rule);
        if operation == Some(Action::Remove) && empty {
            return whole.marks.push(self.statement(Saying::Remove, context, node.name_span, node.span));
        }
        if operation == Some(Action::Replace) {
            whole.marks.push(self.statement(Saying::Replace, context, node.name_span, node.span));
        }
        // The block itself is there whenever a variable is, so that a removal of it never argues with its contents.
        whole.marks.push(self.statement(Saying::Present, context, node.name_span, node.span));
        for entry in &node.entries {
            let within = context.within(entry.annotation.as_ref());
            let name = entry.name.clone().unwrap_or_else(|| path::text(&entry.value));
            let entity = entity_of(&mut whole.block, &name, None, variable);
            let annotated = action(entry.annotation.as_ref()) == Some(Action::Remove);
            if operation == Some(Action::Remove) || annotated || entry.value == Value::Null {
                entity.marks.push(self.statement(Saying::Remove, within, entry.span, node.span));
                continue;
            }
            entity.marks.push(self.statement(Saying::Present, within, entry.span, node.span));
            if entry.name.is_some() {
                entity.arguments.push(self.statement(Saying::Values(vec![entry.value.clone()]), within, entry.span, node.span));
                self.implied_removal(entity.properties.entry("from".into()).or_default(), within, entry.span, node.span);
            } else {
                self.implied_removal(&mut entity.arguments, within, entry.span, node.span);
            }
        }
        for child in node.children() {
            let name = &child.name;
            let within = context.within(child.annotation.as_ref());
            let removed = action(child.annotation.as_ref()) == Some(Action::Remove);
            if operation == Some(Action::Remove) || removed {
                let statement = self.statement(Saying::Remove, within, child.name_span, child.span);
                entity_of(&mut whole.block, name, None, variable).marks.push(statement);
                continue;
            }
            let arguments: Vec<&Entry> = child.arguments().collect();
            let replace = action(child.annotation.as_ref());
            self.entity(&mut whole.block, child, variable, None, &arguments, within, replace);
            let entity = entity_of(&mut whole.block, name, None, variable);
            match (arguments.is_empty(), child.property("from").is_none()) {
                (false, true) => {
                    self.implied_removal(entity.properties.entry("from".into()).or_default(), within, child.name_span, child.span)
                }
                (true, false) => self.implied_removal(&mut entity.arguments, within, child.name_span, child.span),
                (true, true) | (false, false) => {}
            }
        }
    }

    /// A variable has one origin: whoever gives it another takes the old one away.
    fn implied_removal(&mut self, slot: &mut Vec<Statement>, context: Context, span: Span, node_span: Span) {
        let mut statement = self.statement(Saying::Remove, context, span, node_span);
        statement.implied = true;
        slot.push(statement);
    }
}

fn entity_of<'a>(block: &'a mut Block, name: &str, key: Option<String>, rule: &'static NodeRule) -> &'a mut Entity {
    block.entities.entry((name.to_string(), key)).or_insert_with(|| Entity {
        rule,
        marks: Vec::new(),
        arguments: Vec::new(),
        properties: BTreeMap::new(),
        block: Block::default(),
    })
}
