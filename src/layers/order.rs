//! Which part of which file is stronger than which, and in which order they are told.
//!
//! A [`Scope`] is a part of a file that speaks with one voice: its top, or the block of a condition that holds.

use super::File;
use crate::source::{Layer, SourceId};

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
    ///
    /// A later layer overrides an earlier one. Within a layer: among settings for repositories the longer pattern, then the nearer file; else
    /// the file that imports the other; within a file the longer pattern, then the inner block. This is a strict partial order.
    pub(super) fn stronger(&self, a: usize, b: usize) -> bool {
        if a == b {
            return false;
        }
        let (one, other) = (&self.scopes[a], &self.scopes[b]);
        if one.layer != other.layer {
            return one.layer > other.layer;
        }
        if one.layer == Layer::Repository {
            let strength = |scope: &Scope| (scope.specificity, self.file_layers[scope.file]);
            if strength(one) != strength(other) {
                return strength(one) > strength(other);
            }
        }
        if one.file != other.file {
            return self.reaches[one.file][other.file] && !self.reaches[other.file][one.file];
        }
        if one.specificity != other.specificity {
            return one.specificity > other.specificity;
        }
        one.around.contains(&b)
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
        let Scope { layer, file: _, around, specificity } = &self.scopes[scope];
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
