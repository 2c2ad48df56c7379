//! Decides, slot by slot, which statements hold, and puts the nodes together again.

use super::decompose::{Block, Entity, Statement};
use super::order::Order;
use super::path::{self, Path};
use super::{Definition, Saying};
use crate::document::{self, Entry, Node, Value};
use crate::problem::{Code, Problem, Problems};
use crate::schema::Merge;
use crate::schema::annotation::Priority;
use crate::source::Layer;

pub(super) fn evaluate(order: &Order, root: Block, problems: &mut Problems) -> (Vec<Node>, Vec<Definition>) {
    let mut evaluation = Evaluation { order, problems, definitions: Vec::new() };
    let nodes = evaluation.block(&root, &[], &Path::default(), true);
    (nodes, evaluation.definitions)
}

struct Evaluation<'a> {
    order: &'a Order,
    problems: &'a mut Problems,
    definitions: Vec<Definition>,
}

/// What became of a slot.
enum Outcome<'s> {
    Holds(&'s Statement),
    Absent,
    /// Reported. The first of those that disagree stands for both, so that nothing else is reported because of it.
    Conflict(&'s Statement),
}

impl<'s> Outcome<'s> {
    /// The statement whose value later stages see.
    fn shown(&self) -> Option<&'s Statement> {
        match self {
            Outcome::Holds(statement) | Outcome::Conflict(statement) => Some(statement),
            Outcome::Absent => None,
        }
    }
}

/// The place of a node in its block: the number it was given, then the file's, then the statement's.
type Place = (i32, usize, usize);

impl Evaluation<'_> {
    fn block(&mut self, block: &Block, removals: &[&Statement], path: &Path, alive: bool) -> Vec<Node> {
        let mut found: Vec<(Place, Node)> = Vec::new();
        for (name, statements) in &block.collections {
            for statement in statements.iter().filter(|statement| statement.saying == Saying::Remove) {
                let marks = block.entities.iter().filter(|((other, _), _)| other == name).flat_map(|(_, entity)| &entity.marks);
                if alive && !marks.clone().any(|mark| is_set(mark) && self.dominates(statement, mark)) {
                    let kept = self.last_set(marks);
                    self.removes_nothing(statement, kept);
                }
            }
        }
        for ((name, key), entity) in &block.entities {
            let mut above: Vec<&Statement> = removals.to_vec();
            above.extend(block.collections.get(name).into_iter().flatten());
            let mut path = path.join(name);
            if let Some(key) = key {
                path = path.join(path::segment(key));
            }
            found.extend(self.entity(name, entity, &above, &path, alive));
        }
        found.sort_by_key(|(place, _)| *place);
        join_words(found.into_iter().map(|(_, node)| node).collect(), block)
    }

    fn entity(&mut self, name: &str, entity: &Entity, above: &[&Statement], path: &Path, alive: bool) -> Option<(Place, Node)> {
        let own: Vec<&Statement> = entity.marks.iter().filter(|mark| !is_set(mark)).collect();
        let outcome = self.decide(&entity.marks, above, path, alive);
        if alive && !matches!(outcome, Outcome::Conflict(_)) {
            for mark in own.iter().filter(|mark| mark.saying == Saying::Remove && !mark.implied) {
                if !entity.marks.iter().any(|other| is_set(other) && self.dominates(mark, other)) {
                    self.removes_nothing(mark, self.last_set(entity.marks.iter()));
                }
            }
        }
        let (winner, alive) = match outcome {
            Outcome::Holds(winner) => (Some(winner), alive),
            Outcome::Absent | Outcome::Conflict(_) => (None, false),
        };
        let removals: Vec<&Statement> = above.iter().copied().chain(own).collect();
        let survives = |mark: &&Statement| is_set(mark) && !removals.iter().any(|removal| self.dominates(removal, mark));
        let surviving: Vec<&Statement> = entity.marks.iter().filter(survives).collect();
        let number = self.number(&surviving);
        let place = |statement: &Statement| (number, self.order.place(statement.scope), statement.position);
        let first = surviving.iter().min_by_key(|mark| place(mark));
        let first = first.map(|mark| (place(mark), mark.span, mark.node_span));
        if let (Some(Statement { saying: Saying::Whole(node), .. }), Some((place, _, _))) = (winner, first) {
            return Some((place, node.clone()));
        }

        let rule = entity.rule;
        // The key of a node is its first argument, and a value of its own may follow.
        let value = usize::from(matches!(rule.merge, Merge::Keyed) && rule.rest.is_none() && rule.arguments.len() > 1);
        let arguments = self.decide(&entity.arguments, &removals, &path.join(path::argument_name(rule, value)), alive);
        let mut entries: Vec<Entry> = Vec::new();
        let plain = |name: Option<String>, value: &Value, statement: &Statement| Entry {
            name,
            annotation: None,
            value: value.clone(),
            span: statement.span,
        };
        if let Some(statement) = arguments.shown()
            && let Saying::Values(values) = &statement.saying
        {
            entries.extend(values.iter().map(|value| plain(None, value, statement)));
        }
        for (property, statements) in &entity.properties {
            let outcome = self.decide(statements, &removals, &path.join(property), alive);
            if let Some(statement) = outcome.shown()
                && let Saying::Values(values) = &statement.saying
            {
                entries.extend(values.iter().map(|value| plain(Some(property.clone()), value, statement)));
            }
        }
        let children = self.block(&entity.block, &removals, path, alive);
        let (place, span, node_span) = first?;
        winner?;
        let name_span = if rule.rest.is_some() { node_span_name(span, node_span) } else { span };
        let children = (!children.is_empty()).then_some(children);
        let node = Node { name: name.to_string(), name_span, annotation: None, entries, children, span: node_span };
        let node = if rule.merge == Merge::Variables { variables(node) } else { node };
        // An `env` whose variables are all gone says nothing.
        (rule.merge != Merge::Variables || !node.entries.is_empty() || node.children.is_some()).then_some((place, node))
    }

    /// Which number of `(order:N)` an item has: the one that its strongest mention with a number gives, of several the smallest.
    fn number(&self, mentions: &[&Statement]) -> i32 {
        let numbered: Vec<&Statement> = mentions.iter().copied().filter(|mark| mark.order.is_some()).collect();
        let strongest = numbered.iter().filter(|mark| !numbered.iter().any(|other| self.dominates(other, mark)));
        strongest.filter_map(|mark| mark.order).min().unwrap_or(0)
    }

    /// Which statement of a slot holds; `above` are the removals of what is around it.
    fn decide<'s>(&mut self, statements: &'s [Statement], above: &[&'s Statement], path: &Path, alive: bool) -> Outcome<'s> {
        let mut candidates: Vec<&'s Statement> = statements.iter().chain(above.iter().copied()).collect();
        // The list of candidates is in the order of the files' strength, which does not depend on the order in which they were given.
        candidates.sort_by_key(|statement| (self.order.place(statement.scope), statement.position));
        let dominated = |statement: &Statement| candidates.iter().any(|other| self.dominates(other, statement));
        let strongest: Vec<&'s Statement> = candidates.iter().copied().filter(|statement| !dominated(statement)).collect();
        let outcome = match strongest.iter().copied().find(|statement| is_set(statement)) {
            None => Outcome::Absent,
            Some(first) => match strongest.iter().copied().find(|other| !agree(first, other)) {
                None => Outcome::Holds(first),
                Some(other) => {
                    if alive {
                        let problem = self.conflict(path, first, other);
                        self.problems.push(problem);
                    }
                    Outcome::Conflict(first)
                }
            },
        };
        if alive && let Outcome::Holds(winner) = &outcome {
            self.warn_of_losers(path, winner, statements);
        }
        self.record(statements, path, &outcome, alive);
        outcome
    }

    fn warn_of_losers(&mut self, path: &Path, winner: &Statement, statements: &[Statement]) {
        for loser in statements {
            if agree(winner, loser) || !self.dominates(winner, loser) {
                continue;
            }
            if winner.priority == Priority::Force && loser.priority == Priority::Force {
                let problem = Problem::new(Code::ForceShadowed, format!("`{path}` is forced twice, and the file further out wins"))
                    .at(loser.span, "this has no effect")
                    .at(winner.span, "this holds")
                    .help("take the `(force)` away here; only the outermost one counts");
                self.problems.push(problem);
            }
            if let (Saying::Whole(_), Saying::Whole(_), false) = (&winner.saying, &loser.saying, winner.replacing) {
                let problem = Problem::new(Code::Redefinition, format!("`{path}` is defined already"))
                    .at(winner.span, "the second definition")
                    .at(loser.span, "the first one")
                    .help("write `(replace)define …` if it is meant to take the other's place, or give it a name of its own");
                self.problems.push(problem);
            }
        }
    }

    /// Of several statements that a thing exists, the one of the nearest file.
    fn last_set<'s>(&self, statements: impl Iterator<Item = &'s Statement>) -> Option<&'s Statement> {
        statements.filter(|mark| is_set(mark)).max_by_key(|mark| (mark.priority, self.order.height(mark.scope), mark.position))
    }

    /// `kept` is what the removal is too weak for.
    fn removes_nothing(&mut self, statement: &Statement, kept: Option<&Statement>) {
        let problem = Problem::new(Code::RemovesNothing, "this removal matches nothing").at(statement.span, "no weaker file says this");
        let problem = match kept {
            Some(kept) => {
                problem.at(kept.span, "this is stronger").help("remove it in a file that is stronger still, such as `silo.local.kdl`")
            }
            None => problem.help("remove the line, or compare the name or `id` with the output of `silo config show`"),
        };
        self.problems.push(problem);
    }

    /// Keeps what was said of a slot for those who ask why.
    fn record(&mut self, statements: &[Statement], path: &Path, outcome: &Outcome<'_>, alive: bool) {
        let mut sorted: Vec<&Statement> =
            statements.iter().filter(|statement| !statement.implied || statement.saying != Saying::Remove).collect();
        sorted.sort_by(|a, b| {
            let nearer = self.order.height(b.scope).cmp(&self.order.height(a.scope));
            let stronger = if a.priority == Priority::Force { nearer.reverse() } else { nearer };
            b.priority.cmp(&a.priority).then(stronger).then(a.position.cmp(&b.position))
        });
        for statement in sorted {
            let holds = alive && matches!(outcome, Outcome::Holds(winner) if std::ptr::eq(*winner, statement));
            self.definitions.push(Definition {
                path: path.clone(),
                saying: statement.saying.clone(),
                span: statement.span,
                layer: self.layer(statement),
                holds,
            });
        }
    }

    /// Whether `a` is strictly stronger than `b`.
    fn dominates(&self, a: &Statement, b: &Statement) -> bool {
        if a.priority != b.priority {
            return a.priority > b.priority;
        }
        if a.scope == b.scope {
            // A replacement is just below what is said beside it.
            return b.saying == Saying::Replace && a.saying != Saying::Replace;
        }
        match a.priority {
            Priority::Default | Priority::Plain | Priority::Level(_) => self.order.stronger(a.scope, b.scope),
            Priority::Force => self.order.stronger(b.scope, a.scope),
        }
    }

    /// Two statements that disagree.
    fn conflict(&self, path: &Path, first: &Statement, other: &Statement) -> Problem {
        let says = |statement: &Statement| match &statement.saying {
            Saying::Values(values) => {
                let mut text = String::new();
                for value in values {
                    text.push_str(if text.is_empty() { "" } else { " " });
                    document::print_value(&mut text, value);
                }
                if text.chars().count() > 40 { "here".to_string() } else { format!("here it is `{text}`") }
            }
            Saying::Present => "here it is wanted".to_string(),
            Saying::Whole(_) => "here it is defined".to_string(),
            Saying::Remove => "here it is removed".to_string(),
            Saying::Replace => "here it is replaced".to_string(),
        };
        let message = if is_set(other) {
            format!("`{path}` is given two values, and neither is stronger")
        } else {
            format!("`{path}` is both wanted and removed, and neither is stronger")
        };
        let help = if first.scope == other.scope {
            "keep one of them; in one file the order of lines means nothing"
        } else if self.order.scope(first.scope).file == self.order.scope(other.scope).file {
            "say it in a block inside of both, or mark one of them `(default)` or `(force)`"
        } else {
            "say it in the file that imports both, or mark one of them `(default)` or `(force)`"
        };
        Problem::new(Code::Conflict, message).at(first.span, says(first)).at(other.span, says(other)).help(help)
    }

    /// The layer that a statement speaks for.
    fn layer(&self, statement: &Statement) -> Layer {
        self.order.scope(statement.scope).layer
    }
}

/// Whether a statement says that something is there.
fn is_set(statement: &Statement) -> bool {
    match statement.saying {
        Saying::Present | Saying::Values(_) | Saying::Whole(_) => true,
        Saying::Remove | Saying::Replace => false,
    }
}

/// Whether two statements say the same.
fn agree(a: &Statement, b: &Statement) -> bool {
    match (&a.saying, &b.saying) {
        (Saying::Whole(a), Saying::Whole(b)) => text(a) == text(b),
        (a, b) => a == b,
    }
}

/// A definition's text without its annotation and places.
fn text(node: &Node) -> String {
    let bare = Node { annotation: None, ..node.clone() };
    document::print(std::slice::from_ref(&bare))
}

/// The name's place of a node that is told by one of its arguments.
fn node_span_name(argument: crate::source::Span, node: crate::source::Span) -> crate::source::Span {
    if node.start <= argument.start { crate::source::Span { end: argument.end, ..argument } } else { node }
}

/// Words of one name that follow each other become one node again.
fn join_words(nodes: Vec<Node>, block: &Block) -> Vec<Node> {
    let is_words = |name: &str| block.entities.iter().any(|((other, _), entity)| other == name && entity.rule.merge == Merge::Words);
    let mut joined: Vec<Node> = Vec::new();
    for node in nodes {
        match joined.last_mut() {
            Some(last) if last.name == node.name && is_words(&node.name) => last.entries.extend(node.entries),
            Some(_) | None => joined.push(node),
        }
    }
    joined
}

/// Writes variables the short way where there is one: `A` for a value passed through, `X="v"` for a plain one.
fn variables(node: Node) -> Node {
    let mut entries: Vec<Entry> = Vec::new();
    let mut long: Vec<Node> = Vec::new();
    for child in node.children.unwrap_or_default() {
        match child.entries.as_slice() {
            [] => {
                let value = Value::String(child.name.clone());
                entries.push(Entry { name: None, annotation: None, value, span: child.name_span });
            }
            [Entry { name: None, annotation: _, value, span }] => {
                entries.push(Entry { name: Some(child.name.clone()), annotation: None, value: value.clone(), span: *span });
            }
            [_, ..] => long.push(child),
        }
    }
    entries.sort_by_key(|entry| entry.name.is_some());
    Node { entries, children: (!long.is_empty()).then_some(long), ..node }
}
