//! Which file is stronger than which, and in which order the files are told.

use super::File;
use crate::source::{Layer, SourceId};

/// The relation of the files to each other.
pub(super) struct Order {
    layers: Vec<Layer>,
    /// `reaches[a][b]`: a imports b, directly or not.
    reaches: Vec<Vec<bool>>,
    /// The place of each file in the order in which lists are told: weaker layers first, imported files before those that import them.
    places: Vec<usize>,
}

impl Order {
    pub(super) fn of(files: &[File]) -> Order {
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
        let mut order = Order { layers: files.iter().map(|file| file.layer).collect(), reaches, places: vec![0; count] };
        let mut told: Vec<usize> = Vec::with_capacity(count);
        let mut roots: Vec<usize> = (0..count).collect();
        // Files that nothing imports come first as roots; the text they were read from decides among equals, not their index.
        roots.sort_by_key(|file| (files[*file].layer, order.reaches.iter().any(|row| row[*file]), source(&files[*file]), *file));
        for root in roots {
            visit(files, root, &mut told);
        }
        told.sort_by_key(|file| files[*file].layer);
        for (place, file) in told.iter().enumerate() {
            order.places[*file] = place;
        }
        order
    }

    /// Whether `a` overrides `b`.
    pub(super) fn stronger(&self, a: usize, b: usize) -> bool {
        if a == b {
            return false;
        }
        if self.layers[a] != self.layers[b] {
            return self.layers[a] > self.layers[b];
        }
        self.reaches[a][b] && !self.reaches[b][a]
    }

    /// The place of a file in the order in which lists are told.
    pub(super) fn place(&self, file: usize) -> usize {
        self.places[file]
    }
}

/// The text a file was read from; `None` when it says nothing.
fn source(file: &File) -> Option<SourceId> {
    file.document.nodes.first().map(|node| node.span.source)
}

/// Puts a file after those it imports.
fn visit(files: &[File], root: usize, told: &mut Vec<usize>) {
    // Each entry: a file, and how many of its imports were looked at.
    let mut stack = vec![(root, 0usize)];
    let mut on_stack = vec![root];
    if told.contains(&root) {
        return;
    }
    while let Some((file, looked)) = stack.pop() {
        match files[file].imports.get(looked) {
            Some(next) => {
                stack.push((file, looked + 1));
                if *next < files.len() && !told.contains(next) && !on_stack.contains(next) {
                    stack.push((*next, 0));
                    on_stack.push(*next);
                }
            }
            None => {
                told.push(file);
                on_stack.retain(|other| *other != file);
            }
        }
    }
}
