//! Decides, slot by slot, which statements hold, and puts the nodes together again.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::decompose::{Block, Entity, Statement};
use super::order::Order;
use super::path::{self, Path};
use super::{Definition, Loss, Rule, Saying};
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
            for statement in distinct(statements.iter().filter(|statement| statement.saying == Saying::Remove)) {
                let marks = block.entities.iter().filter(|((other, _), _)| other == name).flat_map(|(_, entity)| &entity.marks);
                if alive && !marks.clone().any(|mark| is_set(mark) && self.dominates(statement, mark)) {
                    let kept = self.last_set(marks);
                    self.removes_nothing(statement, kept);
                }
            }
        }
        for ((name, key), entity) in &block.entities {
            let mut above: Vec<&Statement> = removals.to_vec();
            above.extend(distinct(block.collections.get(name).into_iter().flatten()));
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
        let own = distinct(entity.marks.iter().filter(|mark| !is_set(mark)));
        let outcome = self.decide(&entity.marks, above, path, alive);
        if alive && !matches!(outcome, Outcome::Conflict(_)) {
            for mark in distinct(entity.marks.iter().filter(|mark| mark.saying == Saying::Remove && !mark.implied)) {
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
        let arguments = self.decide(&entity.arguments, &removals, &path.join(path::argument_name(rule, rule.value_argument())), alive);
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
        let winner = winner?;
        // Of a thing of which nothing more is said, the strongest mention is what holds.
        let (span, node_span) = if entries.is_empty() && children.is_empty() { (winner.span, winner.node_span) } else { (span, node_span) };
        let name_span = if rule.rest.is_some() { node_span_name(span, node_span) } else { span };
        let children = (!children.is_empty()).then_some(children);
        let node = Node { name: name.to_string(), name_span, annotation: None, entries, children, span: node_span };
        let node = if rule.merge == Merge::Variables { variables(node) } else { node };
        // An `env` whose variables are all gone says nothing.
        (rule.merge != Merge::Variables || !node.entries.is_empty() || node.children.is_some()).then_some((place, node))
    }

    /// Those statements that no other one is stronger than.
    ///
    /// Whatever is stronger is also higher, so from the highest down each has to be compared with the maximal ones above it only; and those of
    /// one scope and priority are alike, so one of them stands for all. A slot that a file sets ten thousand times costs no more than one.
    fn maximal<'s>(&self, statements: &[&'s Statement]) -> Vec<&'s Statement> {
        let mut classes: BTreeMap<(Priority, usize, bool), Vec<&'s Statement>> = BTreeMap::new();
        for statement in statements.iter().copied() {
            classes.entry((statement.priority, statement.scope, statement.saying == Saying::Replace)).or_default().push(statement);
        }
        let mut classes: Vec<Vec<&'s Statement>> = classes.into_values().collect();
        classes.sort_by(|a, b| self.descending(a[0], b[0]));
        let mut maximal: Vec<Vec<&'s Statement>> = Vec::new();
        for class in classes {
            if !maximal.iter().any(|stronger| self.dominates(stronger[0], class[0])) {
                maximal.push(class);
            }
        }
        maximal.into_iter().flatten().collect()
    }

    /// From the strongest to the weakest; of those that cannot be compared either may come first.
    fn descending(&self, a: &Statement, b: &Statement) -> Ordering {
        let nearer = self.order.height(b.scope).cmp(&self.order.height(a.scope));
        let stronger = if a.priority == Priority::Force { nearer.reverse() } else { nearer };
        let replaces = (a.saying == Saying::Replace).cmp(&(b.saying == Saying::Replace));
        b.priority.cmp(&a.priority).then(stronger).then(replaces)
    }

    /// Which number of `(order:N)` an item has: the one that its strongest mention with a number gives, of several the smallest.
    fn number(&self, mentions: &[&Statement]) -> i32 {
        let numbered: Vec<&Statement> = mentions.iter().copied().filter(|mark| mark.order.is_some()).collect();
        self.maximal(&numbered).into_iter().filter_map(|mark| mark.order).min().unwrap_or(0)
    }

    /// Which statement of a slot holds; `above` are the removals of what is around it.
    fn decide<'s>(&mut self, statements: &'s [Statement], above: &[&'s Statement], path: &Path, alive: bool) -> Outcome<'s> {
        let candidates: Vec<&'s Statement> = statements.iter().chain(above.iter().copied()).collect();
        let mut strongest = self.maximal(&candidates);
        // The list is in the order of the files' strength, which does not depend on the order in which they were given.
        strongest.sort_by_key(|statement| (self.order.place(statement.scope), statement.position));
        let outcome = match strongest.iter().copied().find(|statement| is_set(statement)) {
            None => Outcome::Absent,
            Some(first) if strongest.iter().all(|other| agree(first, other)) => Outcome::Holds(first),
            Some(first) => {
                if alive {
                    let problem = self.conflict(path, first, &strongest);
                    self.problems.push(problem);
                }
                Outcome::Conflict(first)
            }
        };
        if alive && let Outcome::Holds(winner) = &outcome {
            self.warn_of_losers(path, winner, statements);
        }
        // Statements of one strength are alike for whoever asks what they lost to, so one of each is enough; and of those that disagree, two.
        let heads = distinct(strongest.iter().copied());
        let first = strongest.first();
        let other = strongest.iter().find(|other| first.is_some_and(|first| !agree(first, other)));
        let witnesses: Vec<&Statement> = first.into_iter().chain(other).copied().collect();
        self.record(statements, path, &outcome, (&heads, &witnesses), alive);
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
        }
        self.warn_of_redefinition(path, winner, statements);
    }

    /// However often a thing was defined before, it is one definition too many: the weakest is told, if nothing took it away.
    fn warn_of_redefinition(&mut self, path: &Path, winner: &Statement, statements: &[Statement]) {
        if winner.replacing || !matches!(winner.saying, Saying::Whole(_)) {
            return;
        }
        let removals = distinct(statements.iter().filter(|statement| statement.saying == Saying::Remove));
        let first = statements
            .iter()
            .filter(|loser| matches!(loser.saying, Saying::Whole(_)) && !agree(winner, loser) && self.dominates(winner, loser))
            .filter(|loser| !removals.iter().any(|removal| self.dominates(removal, loser)))
            .min_by_key(|loser| (self.order.place(loser.scope), loser.position));
        if let Some(first) = first {
            let problem = Problem::new(Code::Redefinition, format!("`{path}` is defined already"))
                .at(winner.span, "the second definition")
                .at(first.span, "the first one")
                .help("write `(replace)define …` if it is meant to take the other's place, or give it a name of its own");
            self.problems.push(problem);
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
    fn record(
        &mut self,
        statements: &[Statement],
        path: &Path,
        outcome: &Outcome<'_>,
        strongest: (&[&Statement], &[&Statement]),
        alive: bool,
    ) {
        let mut sorted: Vec<&Statement> =
            statements.iter().filter(|statement| !statement.implied || statement.saying != Saying::Remove).collect();
        sorted.sort_by(|a, b| self.descending(a, b).then(a.position.cmp(&b.position)));
        for statement in sorted {
            let holds = alive && matches!(outcome, Outcome::Holds(winner) if std::ptr::eq(*winner, statement));
            let loss = if holds { None } else { self.loss(statement, outcome, strongest, alive) };
            self.definitions.push(Definition {
                path: path.clone(),
                saying: statement.saying.clone(),
                span: statement.span,
                layer: self.layer(statement),
                holds,
                priority: statement.priority,
                conditions: self.order.conditions(statement.scope),
                dormant: !self.order.scope(statement.scope).holds,
                loss,
            });
        }
    }

    /// Why a statement has no effect; `None` for a removal that has.
    ///
    /// `heads` are the strongest statements of the slot, one of each strength, and `witnesses` two of them that disagree, if any do.
    fn loss(
        &self,
        loser: &Statement,
        outcome: &Outcome<'_>,
        (heads, witnesses): (&[&Statement], &[&Statement]),
        alive: bool,
    ) -> Option<Loss> {
        if let Outcome::Holds(winner) = outcome
            && is_set(loser)
            && agree(winner, loser)
        {
            return Some(Loss::Same { as_at: winner.span });
        }
        let winner = outcome.shown().filter(|winner| self.dominates(winner, loser));
        let strongest = winner.or_else(|| heads.iter().copied().find(|other| self.dominates(other, loser)));
        if let Some(winner) = strongest {
            let rule = self.rule(winner, loser).unwrap_or(Rule::Layer);
            let (than, layer, priority) = (winner.span, self.layer(winner), winner.priority);
            return Some(Loss::Weaker { than, layer, priority, removes: !is_set(winner), rule });
        }
        match outcome {
            Outcome::Conflict(first) if is_set(loser) || !std::ptr::eq(*first, loser) => {
                let mut other = witnesses.iter().filter(|other| !agree(other, loser));
                Some(Loss::Conflict { with: other.next().map_or(first.span, |other| other.span) })
            }
            Outcome::Holds(_) | Outcome::Absent | Outcome::Conflict(_) => (!alive && is_set(loser)).then_some(Loss::Gone),
        }
    }

    /// Whether `a` is strictly stronger than `b`.
    fn dominates(&self, a: &Statement, b: &Statement) -> bool {
        self.rule(a, b).is_some()
    }

    /// The rule by which `a` is strictly stronger than `b`, if it is.
    fn rule(&self, a: &Statement, b: &Statement) -> Option<Rule> {
        if a.priority != b.priority {
            return (a.priority > b.priority).then_some(Rule::Priority);
        }
        if a.scope == b.scope {
            // A replacement is just below what is said beside it.
            return (b.saying == Saying::Replace && a.saying != Saying::Replace).then_some(Rule::Replacement);
        }
        match a.priority {
            Priority::Default | Priority::Plain | Priority::Level(_) => self.order.rule(a.scope, b.scope),
            Priority::Force => self.order.stronger(b.scope, a.scope).then_some(Rule::Outermost),
        }
    }

    /// A conflict among the strongest statements of a slot, every one of which is labelled.
    fn conflict(&self, path: &Path, first: &Statement, strongest: &[&Statement]) -> Problem {
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
        let mut values: Vec<&Statement> = Vec::new();
        let mut places: Vec<&Statement> = vec![first];
        for statement in strongest.iter().copied() {
            if is_set(statement) && values.len() <= MAX_PLACES && !values.iter().any(|other| agree(other, statement)) {
                values.push(statement);
            }
            if places.len() < MAX_PLACES && !places.iter().any(|other| other.span == statement.span) {
                places.push(statement);
            }
        }
        let message = if strongest.iter().any(|statement| !is_set(statement)) {
            format!("`{path}` is both wanted and removed, and neither is stronger")
        } else {
            match values.len() {
                2 => format!("`{path}` is given two values, and neither is stronger"),
                count if count <= MAX_PLACES => format!("`{path}` is given {count} values, and none is stronger"),
                _ => format!("`{path}` is given more than {MAX_PLACES} values, and none is stronger"),
            }
        };
        let file = |statement: &Statement| self.order.scope(statement.scope).file;
        let help = if strongest.iter().all(|other| first.scope == other.scope) {
            "keep one of them; in one file the order of lines means nothing"
        } else if strongest.iter().all(|other| file(first) == file(other)) {
            "say it in a block inside of both, or mark one of them `(default)` or `(force)`"
        } else {
            "say it in the file that imports both, or mark one of them `(default)` or `(force)`"
        };
        let problem = Problem::new(Code::Conflict, message).help(help);
        places.into_iter().fold(problem, |problem, place| problem.at(place.span, says(place)))
    }

    /// The layer that a statement speaks for.
    fn layer(&self, statement: &Statement) -> Layer {
        self.order.scope(statement.scope).layer
    }
}

/// The most places that one conflict labels.
const MAX_PLACES: usize = 8;

/// One removal or replacement of each strength, which stands for all of that strength.
fn distinct<'s>(removals: impl Iterator<Item = &'s Statement>) -> Vec<&'s Statement> {
    let mut seen = BTreeSet::new();
    removals.filter(|removal| seen.insert((removal.priority, removal.scope, removal.saying == Saying::Replace))).collect()
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
    let words: BTreeSet<&str> =
        block.entities.iter().filter(|(_, entity)| entity.rule.merge == Merge::Words).map(|((name, _), _)| name.as_str()).collect();
    let mut joined: Vec<Node> = Vec::new();
    for node in nodes {
        match joined.last_mut() {
            Some(last) if last.name == node.name && words.contains(node.name.as_str()) => last.entries.extend(node.entries),
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
