//! Which part of which file is stronger than which, and in which order they are told.
//!
//! A [`Scope`] is a part of a file that speaks with one voice: its top, or the block of a condition that holds.

use super::{File, Rule};
use crate::source::{Layer, SourceId, Span};

/// The top of a file, or the block of a condition in it.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// The layer it speaks for: the file's, or that of repository-specific settings.
    pub(super) layer: Layer,
    /// The file, by index.
    pub(super) file: usize,
    /// The scopes around it, from the file's top inwards.
    pub(super) around: Vec<usize>,
    /// How much of the repository the patterns around it say.
    pub(super) specificity: u16,
    /// Where the condition is written; `None` for the top of a file.
    pub(super) heading: Option<Span>,
    /// Whether the condition holds, and all around it do. Only those that ask what is not said have scopes that do not.
    pub(super) holds: bool,
}

/// The relation of the scopes to each other.
pub(super) struct Order {
    scopes: Vec<Scope>,
    file_layers: Vec<Layer>,
    /// `reaches[a][b]`: file a imports file b, directly or not.
    reaches: Vec<Vec<bool>>,
    /// The place of each scope in the order in which lists are told: weaker layers first, imported files before those that import them.
    places: Vec<usize>,
}

impl Order {
    pub(super) fn of(files: &[File], scopes: Vec<Scope>) -> Order {
        let count = files.len();
        let mut reaches = vec![vec![false; count]; count];
        for (start, row) in reaches.iter_mut().enumerate() {
            let mut open: Vec<usize> = files[start].imports.clone();
            while let Some(next) = open.pop() {
                if next < count && !row[next] {
                    row[next] = true;
                    open.extend(&files[next].imports);
                }
            }
        }
        let file_layers: Vec<Layer> = files.iter().map(|file| file.layer).collect();
        let mut told: Vec<usize> = Vec::with_capacity(count);
        let mut seen = vec![false; count];
        let mut imported = vec![false; count];
        for row in &reaches {
            for (file, reached) in row.iter().enumerate() {
                imported[file] |= reached;
            }
        }
        // Files that nothing imports come first as roots; the text they were read from decides among equals, not their index.
        let mut roots: Vec<usize> = (0..count).collect();
        roots.sort_by_key(|file| (file_layers[*file], imported[*file], source(&files[*file]), *file));
        for root in roots {
            visit(files, root, &mut seen, &mut told);
        }
        let mut of_file = vec![0; count];
        for (place, file) in told.iter().enumerate() {
            of_file[*file] = place;
        }
        let mut keys: Vec<(Layer, Layer, usize)> =
            scopes.iter().map(|scope| (scope.layer, file_layers[scope.file], of_file[scope.file])).collect();
        let wanted = keys.clone();
        keys.sort_unstable();
        keys.dedup();
        let places = wanted.iter().map(|key| keys.partition_point(|other| other < key)).collect();
        Order { scopes, file_layers, reaches, places }
    }

    /// Whether scope `a` overrides scope `b`.
    pub(super) fn stronger(&self, a: usize, b: usize) -> bool {
        self.rule(a, b).is_some()
    }

    /// The rule by which scope `a` overrides scope `b`, if it does.
    ///
    /// A later layer overrides an earlier one. Within a layer: among settings for repositories the longer pattern, then the nearer file; else
    /// the file that imports the other; within a file the longer pattern, then the inner block. This is a strict partial order.
    pub(super) fn rule(&self, a: usize, b: usize) -> Option<Rule> {
        if a == b {
            return None;
        }
        let (one, other) = (&self.scopes[a], &self.scopes[b]);
        if one.layer != other.layer {
            return (one.layer > other.layer).then_some(Rule::Layer);
        }
        if one.layer == Layer::Repository {
            if one.specificity != other.specificity {
                return (one.specificity > other.specificity).then_some(Rule::Pattern);
            }
            let (nearer, further) = (self.file_layers[one.file], self.file_layers[other.file]);
            if nearer != further {
                return (nearer > further).then_some(Rule::Layer);
            }
        }
        if one.file != other.file {
            let imports = self.reaches[one.file][other.file] && !self.reaches[other.file][one.file];
            return imports.then_some(Rule::Import);
        }
        if one.specificity != other.specificity {
            return (one.specificity > other.specificity).then_some(Rule::Pattern);
        }
        one.around.contains(&b).then_some(Rule::Inner)
    }

    /// The places of the conditions around a scope, its own included, the outermost first.
    pub(super) fn conditions(&self, scope: usize) -> Vec<Span> {
        let around = self.scopes[scope].around.iter().chain([&scope]);
        around.filter_map(|scope| self.scopes[*scope].heading).collect()
    }

    /// The scope.
    pub(super) fn scope(&self, scope: usize) -> &Scope {
        &self.scopes[scope]
    }

    /// The place of a scope in the order in which lists are told.
    pub(super) fn place(&self, scope: usize) -> usize {
        self.places[scope]
    }

    /// Something that is larger for a stronger scope; between those of which neither is stronger it means nothing.
    pub(super) fn height(&self, scope: usize) -> (Layer, u16, usize, u16, usize) {
        let Scope { layer, file: _, around, specificity, heading: _, holds: _ } = &self.scopes[scope];
        let first = if *layer == Layer::Repository { *specificity } else { 0 };
        (*layer, first, self.places[scope], *specificity, around.len())
    }
}

/// The text a file was read from; `None` when it says nothing.
fn source(file: &File) -> Option<SourceId> {
    file.document.nodes.first().map(|node| node.span.source)
}

/// Puts a file after those it imports.
fn visit(files: &[File], root: usize, seen: &mut [bool], told: &mut Vec<usize>) {
    if std::mem::replace(&mut seen[root], true) {
        return;
    }
    // Each entry: a file, and how many of its imports were looked at.
    let mut stack = vec![(root, 0usize)];
    while let Some((file, looked)) = stack.pop() {
        match files[file].imports.get(looked) {
            Some(next) => {
                stack.push((file, looked + 1));
                if *next < files.len() && !std::mem::replace(&mut seen[*next], true) {
                    stack.push((*next, 0));
                }
            }
            None => told.push(file),
        }
    }
}
