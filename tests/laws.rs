//! The laws of merging, held against the evaluator with random files: ten thousand of them each. A law that is broken shows the smallest
//! files that break it.

mod naive;
mod written;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use silo::contract;
use silo::document::{self, Node, Value};
use silo::layers;
use silo::problem::{Code, Severity};
use silo::source::{Layer, Source, Sources};

use naive::{Path, Result, What, flat, model};
use written::{
    DEEPER, Files, Line, Merged, PROJECT, Text, USER, any_files, any_lines, conditional, files_made_of, files_of, parse, script,
};

fn config() -> ProptestConfig {
    let cases = std::env::var("SILO_LAW_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000);
    ProptestConfig { cases, max_global_rejects: cases * 20, failure_persistence: None, ..ProptestConfig::default() }
}

/// The conflicts that were reported: paths, and the places that each labels, as file and line.
fn conflicts(merged: &Merged) -> BTreeMap<String, BTreeSet<(usize, usize)>> {
    let mut found = BTreeMap::new();
    for problem in merged.problems.iter().filter(|problem| problem.code == Code::Conflict) {
        let path = problem.message.split('`').nth(1).unwrap().to_string();
        let place = |label: &silo::problem::Label| {
            let name = &merged.sources.get(label.span.source).name;
            (name.trim_end_matches(".kdl").parse().unwrap(), merged.sources.position(label.span).line)
        };
        found.insert(path, problem.labels.iter().map(place).collect());
    }
    found
}

/// What a configuration comes to, without places.
#[derive(Debug, PartialEq)]
struct Meaning {
    holds: BTreeMap<String, String>,
    order: BTreeMap<Path, Vec<Path>>,
    conflicts: BTreeSet<String>,
}

fn meaning(merged: &Merged) -> Meaning {
    let conflicts: BTreeSet<String> = conflicts(merged).into_keys().collect();
    let Result { order, .. } = flat(&merged.layered.nodes);
    Meaning { holds: flat(&merged.layered.nodes).settled(&conflicts), order, conflicts }
}

impl Meaning {
    /// What is not at or below a path.
    fn outside(mut self, path: &str) -> Meaning {
        let inside = |other: &str| other == path || other.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        self.holds.retain(|other, _| !inside(other));
        self.conflicts.retain(|other| !inside(other));
        self.order.values_mut().for_each(|paths| paths.retain(|other| !inside(&naive::spelled(other))));
        self.order.retain(|other, paths| !inside(&naive::spelled(other)) && !paths.is_empty());
        self
    }

    /// What is at or below a path.
    fn inside(mut self, path: &str) -> Meaning {
        let inside = |other: &str| other == path || other.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        self.holds.retain(|other, _| inside(other));
        self.conflicts.retain(|other| inside(other));
        self.order.values_mut().for_each(|paths| paths.retain(|other| inside(&naive::spelled(other))));
        self.order.retain(|_, paths| !paths.is_empty());
        self
    }

    /// Without regard to any order.
    fn unordered(mut self) -> Meaning {
        self.order.values_mut().for_each(|paths| paths.sort());
        self
    }
}

fn has_errors(merged: &Merged) -> bool {
    merged.problems.iter().any(|problem| problem.severity() == Severity::Error)
}

/// A node that says one thing, the path it is said of, and how it comes out.
fn slot(which: usize) -> (Line, &'static str, &'static str) {
    match which {
        0 => (Line::new("use").property("agent", "z"), "use.agent", "\"z\""),
        1 => (Line::new("language").argument("a").property("version", "9"), "language.a.version", "\"9\""),
        2 => (Line::new("resources").property("memory", "9GiB"), "resources.memory", "\"9GiB\""),
        3 => (Line::new("env").property("A", "9"), "env.A.value", "\"9\""),
        4 => (Line::new("mount").argument("./z").property("to", "/a"), "mount./a.source", "\"./z\""),
        5 => (Line::new("base").argument("z"), "base.image", "\"z\""),
        6 => (Line::new("cache").argument("a").property("to", "/z"), "cache.a.to", "\"/z\""),
        7 => (Line::new("agent").argument("a").child(Line::new("command").argument("z")), "agent.a.command.program", "\"z\""),
        8 => (Line::new("lsp").argument("a").property("version", "9"), "lsp.a.version", "\"9\""),
        9 => (Line::new("agent").argument("a").child(Line::new("env").property("A", "9")), "agent.a.env.A.value", "\"9\""),
        10 => (Line::new("post_build").argument("z").property("id", "a"), "post_build.a.script", "\"z\""),
        _ => (
            Line::new("layer").argument("a").child(Line::new("npm").argument("a").property("version", "9")),
            "layer.a.npm.a.version",
            "\"9\"",
        ),
    }
}

const SLOTS: usize = 12;

/// A node that removes something, and the path of what it removes.
fn removal(which: usize) -> (Line, &'static str) {
    let (line, path) = match which {
        0 => (Line::new("language").argument("a"), "language.a"),
        1 => (Line::new("agent").argument("a"), "agent.a"),
        2 => (Line::new("use"), "use"),
        3 => (Line::new("base"), "base"),
        4 => (Line::new("env"), "env"),
        5 => (Line::new("pre_run"), "pre_run"),
        6 => (Line::new("post_build").property("id", "a"), "post_build.a"),
        7 => (Line::new("mount").argument("./z").property("to", "/a"), "mount./a"),
        _ => (Line::new("define").argument("tool").argument("a"), "define.tool.a"),
    };
    (line.marked(Some("remove")), path)
}

const REMOVALS: usize = 9;

/// What a contract asks.
fn predicate(which: usize) -> Line {
    let line = |text: &str| Line::new(text);
    match which {
        0 => line("present"),
        1 => line("absent"),
        2 => line("enum").argument("a").argument("1"),
        3 => line("matches").argument("^[a-z]"),
        4 => line("min").word(None, None, Value::Integer(2)),
        5 => line("max").argument("1GiB"),
        6 => line("satisfies").argument(">=2"),
        7 => line("length").word(Some("max"), None, Value::Integer(1)),
        8 => line("under").argument("/a"),
        9 => line("starts-with").argument("/"),
        10 => line("type").argument("version"),
        11 => line("each").child(predicate(2)),
        12 => line("any-of").child(predicate(3)).child(predicate(9)),
        _ => line("not").child(predicate(3)),
    }
}

const PREDICATES: usize = 14;

fn is_condition(line: &Line) -> bool {
    matches!(line.name.as_str(), "when" | "repo")
}

/// The list in another order.
fn permuted<T: Clone>(list: &[T], seed: u64) -> Vec<T> {
    let mut list = list.to_vec();
    let mut seed = seed;
    for last in (1..list.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        list.swap(last, (seed >> 33) as usize % (last + 1));
    }
    list
}

/// Every entry of the nodes stands in a text, and says there what it says here.
fn written_where_it_says(nodes: &[Node], sources: &Sources, texts: usize) -> TestCaseResult {
    for node in nodes {
        prop_assert!(sources.slice(node.name_span).contains(node.name.as_str()) || !sources.slice(node.name_span).is_empty());
        for entry in &node.entries {
            let slice = sources.slice(entry.span);
            prop_assert!(sources.iter().take(texts).any(|(id, _)| id == entry.span.source));
            let mut scratch = Sources::default();
            let text = format!("x {slice}\n");
            let id = scratch.add(Source { name: String::new(), text: text.clone(), layer: PROJECT });
            let read = document::parse(id, &text).0.unwrap();
            let says = read.nodes[0].entries.iter().any(|other| other.value == entry.value) || entry.value.as_str() == Some(slice);
            prop_assert!(says, "{:?} is not what {slice:?} says", entry.value);
        }
        written_where_it_says(node.children(), sources, texts)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    /// All that holds, all that disagrees, who disagrees, and every order, is what the plainest reading of the language says.
    #[test]
    fn the_evaluator_does_what_the_language_says(files in any_files(4)) {
        let merged = files.merge();
        let expected = model(&files).evaluate();
        let found = meaning(&merged);
        prop_assert_eq!(conflicts(&merged), expected.conflicts.clone());
        prop_assert_eq!(found.holds, expected.settled(&found.conflicts));
        prop_assert_eq!(found.order, expected.order);
    }

    #[test]
    fn commutative(files in any_files(4), seed in any::<u64>()) {
        let merged = files.merge();
        let order = permuted(&(0..files.0.len()).collect::<Vec<_>>(), seed);
        let place = |import: &usize| order.iter().position(|other| other == import).unwrap();
        let shuffled: Vec<layers::File> = order
            .iter()
            .map(|from| layers::File { imports: merged.files[*from].imports.iter().map(place).collect(), ..merged.files[*from].clone() })
            .collect();
        let (again, problems) = written::merge(&shuffled);
        let again = Merged { sources: merged.sources.clone(), files: shuffled, layered: again, problems };
        prop_assert_eq!(&again.layered.nodes, &merged.layered.nodes);
        prop_assert_eq!(again.told(), merged.told());
    }

    /// Merging the weaker files first, and the rest with what came out, is merging all at once. What came out is plain, so nothing may be
    /// said more or less than plainly where that would tell.
    #[test]
    fn associative(weak in files_of(&[Layer::System, USER], 3), strong in files_of(&[PROJECT, DEEPER], 3)) {
        let weak = weak.without(&["default", "force", "priority", "prepend", "append", "order"]);
        let strong = strong.without(&["default"]);
        // What a repository's settings say is stronger than the repository.
        let weak = Files(weak.0.iter().map(|text| Text { lines: text.lines.iter().filter(|line| !is_condition(line)).cloned().collect(), ..text.clone() }).collect());
        let lower = weak.merge();
        prop_assume!(!has_errors(&lower));
        let mut whole = weak.clone();
        let shift = whole.0.len();
        whole.0.extend(strong.0.iter().map(|text| Text { imports: text.imports.iter().map(|import| import + shift).collect(), ..text.clone() }));
        let folded = strong.with(USER, Vec::new());
        let (mut sources, mut files) = folded.read();
        files.last_mut().unwrap().document = parse(&mut sources, "folded.kdl", USER, &lower.printed());
        let (layered, problems) = written::merge(&files);
        let folded = Merged { sources, files, layered, problems };
        let whole = whole.merge();
        prop_assert_eq!(meaning_of_errors(&folded), meaning_of_errors(&whole));
        // Where an `env` stands means nothing, and one that only took something away is not there to be read again.
        let listed = |merged: &Merged| {
            let mut meaning = meaning(merged);
            meaning.order.values_mut().for_each(|paths| paths.retain(|path| path.last().is_none_or(|name| name != "env")));
            meaning.order.retain(|_, paths| !paths.is_empty());
            meaning
        };
        prop_assert_eq!(listed(&folded), listed(&whole));
    }

    /// A file that two others import is one file, however often it is read.
    #[test]
    fn idempotent(files in any_files(4), which in any::<prop::sample::Index>()) {
        let which = which.index(files.0.len());
        let merged = files.merge();
        let mut twice = merged.files.clone();
        for file in &mut twice {
            if file.imports.contains(&which) {
                file.imports.push(merged.files.len());
            }
        }
        twice.push(merged.files[which].clone());
        let (layered, _) = written::merge(&twice);
        prop_assert_eq!(document::print(&layered.nodes), merged.printed());
    }

    #[test]
    fn a_file_that_says_nothing_changes_nothing(files in any_files(3), importer in any::<prop::sample::Index>(), root in 0usize..3) {
        let merged = files.merge();
        let mut with = files.with(files.0[importer.index(files.0.len())].layer, Vec::new());
        let added = files.0.len();
        with.0[importer.index(added)].imports.push(added);
        let with = with.with([Layer::System, Layer::Above(1), Layer::CommandLine][root], Vec::new()).merge();
        prop_assert_eq!(with.printed(), merged.printed());
        prop_assert_eq!(meaning_of_errors(&with), meaning_of_errors(&merged));
    }

    /// What is beaten may be deleted.
    #[test]
    fn pruning_is_sound(files in any_files(4), which in 0..SLOTS) {
        let stronger = [slot(1).0, slot(2).0, slot(4).0.property("mode", "rw"), slot(6).0, slot(8).0, slot(which).0];
        let files = files.with(Layer::CommandLine, stronger.into());
        let model = model(&files);
        let beaten = |definition: &naive::Definition| model.said(&definition.path).any(|other| model.beats(other, definition));
        let mut pruned = files.clone();
        let mut words: Vec<(usize, usize, usize)> =
            model.definitions.iter().filter_map(|d| Some((d.file, d.top, d.word?))).collect();
        let all_beaten = |place: &(usize, usize, usize)| {
            model.definitions.iter().filter(|d| d.word.is_some_and(|word| (d.file, d.top, word) == *place)).all(beaten)
        };
        words.retain(all_beaten);
        words.sort();
        words.dedup();
        // These say which node is meant.
        words.retain(|(file, top, word)| !matches!(files.0[*file].lines[*top].words[*word].name.as_deref(), Some("id" | "to")));
        prop_assume!(!words.is_empty());
        for (file, top, word) in words.into_iter().rev() {
            pruned.0[file].lines[top].words.remove(word);
        }
        prop_assert_eq!(meaning(&pruned.merge()), meaning(&files.merge()));
    }

    /// What a stronger file removes leaves no trace: not in values, and not in the order.
    #[test]
    fn pruning_what_is_removed_is_sound(files in any_files(4), kept in 0..REMOVALS) {
        let removals = (0..REMOVALS).filter(|which| *which != kept).map(|which| removal(which).0);
        let files = files.with(Layer::Local(1), removals.collect());
        let model = model(&files);
        let removed = |definition: &naive::Definition| {
            model.said(&definition.path).any(|other| other.what == What::Remove && model.beats(other, definition))
        };
        let mut pruned = files.clone();
        let mut changed = false;
        for (file, text) in pruned.0.iter_mut().enumerate() {
            for top in (0..text.lines.len()).rev() {
                let mut said = model.definitions.iter().filter(|d| d.file == file && d.top == top).peekable();
                if said.peek().is_some() && said.all(|d| matches!(d.what, What::Present | What::Value(_)) && removed(d)) {
                    text.lines.remove(top);
                    changed = true;
                }
            }
        }
        prop_assume!(changed);
        prop_assert_eq!(meaning(&pruned.merge()), meaning(&files.merge()));
    }

    /// Being stronger is a strict partial order, which alone decides.
    #[test]
    fn strength_is_a_strict_partial_order(files in any_files(4), at in prop::array::uniform3(any::<prop::sample::Index>()), classes in prop::array::uniform3(0usize..3)) {
        let empty = Files(files.0.iter().map(|text| Text { lines: Vec::new(), ..text.clone() }).collect());
        let names = ["x", "y", "z"];
        let result = |chosen: &[usize]| {
            let mut files = empty.clone();
            for index in chosen {
                let word = Value::String(names[*index].into());
                let line = Line::new("use").word(Some("agent"), [None, Some("default"), Some("force")][classes[*index]], word);
                files.0[at[*index].index(empty.0.len())].lines.push(line);
            }
            let merged = files.merge();
            let value = merged.layered.nodes[0].property("agent").unwrap().value.as_str().unwrap().to_string();
            (!has_errors(&merged)).then(|| names.iter().position(|name| *name == value).unwrap())
        };
        let beats = |a: usize, b: usize| result(&[a, b]) == Some(a);
        let pairs = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)];
        for (a, b, c) in pairs {
            prop_assert!(!(beats(a, b) && beats(b, a)));
            prop_assert!(!(beats(a, b) && beats(b, c)) || beats(a, c), "{} > {} > {}", names[a], names[b], names[c]);
        }
        let unbeaten: Vec<usize> = (0..3).filter(|a| !(0..3).any(|b| a != &b && beats(b, *a))).collect();
        prop_assert_eq!(result(&[0, 1, 2]), if let [only] = unbeaten.as_slice() { Some(*only) } else { None });
    }

    /// Whatever the other files say, and however they disagree, a stronger file settles it in plain words.
    #[test]
    fn a_stronger_plain_definition_decides_and_repairs(files in any_files(4), which in 0..SLOTS) {
        let (line, path, value) = slot(which);
        let merged = files.without(&["force", "priority"]).with(Layer::CommandLine, vec![line]).merge();
        let found = meaning(&merged);
        prop_assert_eq!(found.holds.get(path).map(String::as_str), Some(value));
        prop_assert!(!found.conflicts.iter().any(|other| path.starts_with(other.as_str())), "{:?}", found.conflicts);
    }

    /// No repository can take back what its user forces.
    #[test]
    fn an_outer_force_is_final(files in files_of(&[PROJECT, DEEPER, Layer::Local(1)], 4), which in 0..SLOTS) {
        let (line, path, value) = slot(which);
        let found = meaning(&files.with(USER, vec![line.marked(Some("force"))]).merge());
        prop_assert_eq!(found.holds.get(path).map(String::as_str), Some(value));
        prop_assert!(!found.conflicts.iter().any(|other| path.starts_with(other.as_str())), "{:?}", found.conflicts);
    }

    /// A definition changes nothing outside the thing it speaks of.
    #[test]
    fn locality(files in any_files(4), which in 0..SLOTS, file in any::<prop::sample::Index>(), mark in 0usize..4) {
        let (line, path, _) = slot(which);
        let thing: Vec<&str> = path.split('.').take(if path.starts_with("use") || path.starts_with("base") { 1 } else { 2 }).collect();
        let thing = match thing[0] {
            "env" | "resources" => thing[0].to_string(),
            _ => thing.join("."),
        };
        let mut with = files.clone();
        let index = file.index(files.0.len());
        with.0[index].lines.push(line.marked([None, Some("default"), Some("force"), Some("default")][mark]));
        prop_assert_eq!(meaning(&with.merge()).outside(&thing), meaning(&files.merge()).outside(&thing));
    }

    #[test]
    fn after_a_removal_nothing_weaker_is_visible(files in any_files(4), which in 0..REMOVALS) {
        let (line, path) = removal(which);
        let files = files.without(&["force", "priority"]).with(Layer::CommandLine, vec![line]);
        prop_assert_eq!(meaning(&files.merge()).inside(path), Meaning { holds: BTreeMap::new(), order: BTreeMap::new(), conflicts: BTreeSet::new() });
    }

    /// What is removed and said again starts from nothing.
    #[test]
    fn what_comes_again_comes_fresh(files in any_files(3), again in any_lines(), which in 0..REMOVALS) {
        let (line, path) = removal(which);
        let again = Files(vec![Text { layer: Layer::CommandLine, imports: Vec::new(), lines: again }]).without(&["default"]);
        let mut all = files.without(&["force", "priority"]).with(Layer::Environment, vec![line]);
        all.0.extend(again.0.clone());
        prop_assert_eq!(meaning(&all.merge()).inside(path), meaning(&again.merge()).inside(path));
    }

    /// Who overrides an item of a list leaves it where it is.
    #[test]
    fn an_overridden_item_keeps_its_place(files in files_made_of(&[PROJECT, USER, DEEPER], 4, script)) {
        let files = files.without(&["force", "priority"]);
        let before = meaning(&files.merge());
        let items: Vec<Path> = before.order.get(&Vec::new()).cloned().unwrap_or_default();
        let named = |path: &&Path| ["a", "b"].contains(&path[1].as_str());
        prop_assume!(items.iter().any(|path| named(&path)));
        let lines = items.iter().filter(named).map(|path| Line::new(&path[0]).argument("z").property("id", &path[1]));
        let after = meaning(&files.with(Layer::CommandLine, lines.collect()).merge());
        prop_assert_eq!(after.order.get(&Vec::new()), Some(&items));
    }

    /// `config show` prints a configuration that means the same.
    #[test]
    fn what_is_shown_means_the_same(files in any_files(4)) {
        let merged = files.merge();
        prop_assume!(!has_errors(&merged));
        let printed = merged.printed();
        for text in [printed.clone(), layers::print_with_sources(&merged.layered, &merged.sources)] {
            let mut sources = Sources::default();
            let document = parse(&mut sources, "shown.kdl", PROJECT, &text);
            let (again, problems) = written::merge(&[layers::File::new(PROJECT, document)]);
            prop_assert!(problems.is_empty(), "{text}\n{problems:?}");
            prop_assert_eq!(document::print(&again.nodes), printed.as_str());
        }
    }

    /// A file may be cut in two that it imports, unless they disagree; in one file they would disagree as well, but for a replacement.
    #[test]
    fn splitting_a_file_is_invisible(files in any_files(3), which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        // What a condition guards is stronger than the rest of its own file only.
        let mut files = files;
        files.0.iter_mut().for_each(|text| text.lines.retain(|line| !is_condition(line)));
        let which = which.index(files.0.len());
        let mut split = files.clone();
        let Text { layer, imports, lines } = files.0[which].clone();
        let (first, second) = lines.split_at(at.index(lines.len() + 1));
        for lines in [first, second] {
            split.0.push(Text { layer, imports: imports.clone(), lines: lines.to_vec() });
        }
        let parts = [files.0.len(), files.0.len() + 1];
        split.0[which].lines.clear();
        split.0[which].imports.extend(parts);
        let (whole, split) = (meaning(&files.merge()), meaning(&split.merge()));
        prop_assert!(whole.conflicts.is_empty() || !split.conflicts.is_empty());
        if split.conflicts.is_empty() || !written::print(&lines).contains("replace") {
            prop_assert_eq!(split, whole);
        }
    }

    /// The order of a file's nodes decides nothing but the order of lists.
    #[test]
    fn permuting_nodes_is_invisible(files in any_files(4), seed in any::<u64>()) {
        let mut shuffled = files.clone();
        shuffled.0.iter_mut().for_each(|text| text.lines = permuted(&text.lines, seed));
        prop_assert_eq!(meaning(&shuffled.merge()).unordered(), meaning(&files.merge()).unordered());
    }

    /// A condition that does not hold is as good as deleted.
    #[test]
    fn a_condition_that_does_not_hold_says_nothing(files in files_made_of(&[PROJECT, USER, DEEPER], 3, conditional)) {
        fn deleted(lines: &[Line]) -> Vec<Line> {
            let kept = lines.iter().filter(|line| !is_condition(line) || naive::holds(line));
            // One that has lost all there was under it guards a file-local node, which is none of the configuration's.
            let inner = |line: &Line| match is_condition(line) {
                true => Line { children: deleted(&line.children).into_iter().chain([Line::new("vars")]).collect(), ..line.clone() },
                false => line.clone(),
            };
            kept.map(inner).collect()
        }
        let plain = Files(files.0.iter().map(|text| Text { lines: deleted(&text.lines), ..text.clone() }).collect());
        let mut with = files.clone();
        with.0.iter_mut().for_each(|text| text.lines.iter_mut().for_each(|line| line.each(&mut |line| {
            if is_condition(line) {
                line.children.push(Line::new("vars"));
            }
        })));
        let outside = |files: &Files| meaning(&files.merge()).outside("vars");
        prop_assert_eq!(outside(&with), outside(&plain));
    }

    /// A condition that holds is a file of its own, which imports what stands around it.
    #[test]
    fn a_condition_that_holds_is_its_body_one_rank_up(files in any_files(3), body in any_lines(), which in any::<prop::sample::Index>()) {
        let which = which.index(files.0.len());
        let mut files = files;
        files.0[which].lines.retain(|line| !is_condition(line));
        let body: Vec<Line> = body.into_iter().filter(|line| !is_condition(line)).chain([Line::new("vars")]).collect();
        let mut guarded = files.clone();
        let condition = Line { children: body.clone(), ..Line::new("when").property("os", "linux") };
        guarded.0[which].lines.push(condition);
        let mut ranked = files.with(files.0[which].layer, body);
        let added = files.0.len();
        for text in &mut ranked.0 {
            text.imports.iter_mut().filter(|import| **import == which).for_each(|import| *import = added);
        }
        ranked.0[added].imports.push(which);
        prop_assert_eq!(meaning(&guarded.merge()), meaning(&ranked.merge()));
    }

    /// A contract judges values; it never makes one, and mends nothing of what is wrong already.
    #[test]
    fn a_contract_changes_no_value(files in any_files(3), at in prop::array::uniform2(any::<prop::sample::Index>()), on in prop::array::uniform2(0..SLOTS), asks in prop::array::uniform2(0..PREDICATES)) {
        let with = |files: &Files, which: usize| {
            let contract = Line::new("contract").property("on", slot(on[which]).1).child(Line::new("doc").argument("why")).child(predicate(asks[which]));
            let mut with = files.clone();
            with.0[at[which].index(files.0.len())].lines.push(contract);
            with
        };
        let broken = |merged: &Merged| {
            let told = contract::check(&merged.layered.nodes);
            told.iter().map(|problem| (problem.code, problem.message.clone())).collect::<BTreeSet<_>>()
        };
        let held = |merged: &Merged| {
            let nodes: Vec<Node> = merged.layered.nodes.iter().filter(|node| node.name != "contract").cloned().collect();
            document::print(&nodes)
        };
        let (none, one) = (files.merge(), with(&files, 0));
        let (one, two) = (one.merge(), with(&one, 1).merge());
        for merged in [&one, &two] {
            prop_assert_eq!(meaning(merged), meaning(&none));
            prop_assert_eq!(held(merged), held(&none));
            prop_assert_eq!(meaning_of_errors(merged), meaning_of_errors(&none));
        }
        prop_assert!(broken(&none).is_empty());
        prop_assert!(broken(&one).is_subset(&broken(&two)), "{:?} and then {:?}", broken(&one), broken(&two));
    }

    /// However a file is written, formatting it changes nothing that it says and no comment; and a file that is formatted stays as it is.
    #[test]
    fn formatting_is_invisible(files in any_files(3), seed in any::<u64>()) {
        let texts: Vec<String> = files.0.iter().map(|text| written::scruffy(&text.lines, seed)).collect();
        let mut formatted = Vec::new();
        for (text, file) in texts.iter().zip(&files.0) {
            let mut sources = Sources::default();
            let id = sources.add(Source { name: "x.kdl".into(), text: text.clone(), layer: file.layer });
            let once = document::format(id, text).map_err(|error| TestCaseError::fail(format!("{error:?}\n{text}")))?;
            let again = document::format(id, &once);
            prop_assert_eq!(again.as_ref(), Ok(&once), "{}", text);
            for comment in ["/* gap */", "/-", "// end", "/* between */", "// start", "/* last */"] {
                prop_assert_eq!(once.matches(comment).count(), text.matches(comment).count(), "{}\n{}", text, &once);
            }
            formatted.push(once);
        }
        let plain = files.merge();
        for merged in [files.read_as(&texts), files.read_as(&formatted)] {
            prop_assert_eq!(merged.printed(), plain.printed());
            prop_assert_eq!(meaning_of_errors(&merged), meaning_of_errors(&plain));
        }
    }

    /// Whoever overrides a variable changes every text that speaks of it, and nothing else: as if all had written its value.
    #[test]
    fn what_speaks_of_a_variable_follows_it(files in any_files(3), at in any::<prop::sample::Index>(), stronger in 0usize..4) {
        let speaking = |instead: &str| {
            let change = |value: &mut Value| if let Value::String(text) = value { *text = text.replace('1', instead) };
            // The text of a script without an `id` is its name, which is the text as it was written.
            let named_by_text = |line: &Line| matches!(line.name.as_str(), "pre_run" | "post_build" | "run") && line.words.iter().all(|word| word.name.is_none());
            files.clone().each(|line| if !named_by_text(line) { line.words.iter_mut().for_each(|word| change(&mut word.value)) })
        };
        let said = |files: Files, by: Option<&str>| {
            let variable = |value: &str| Line::new("vars").child(Line::new("v").argument(value));
            let mut with = files;
            let first = at.index(with.0.len());
            with.0[first].lines.push(variable("7"));
            if let Some(value) = by {
                let layer = [Layer::Environment, Layer::CommandLine, Layer::Local(9), Layer::Project(9)][stronger];
                with = with.with(layer, vec![variable("%{vars.w}"), Line::new("vars").child(Line::new("w").argument(value))]);
            }
            with.merge()
        };
        for by in [None, Some("8")] {
            let (follows, written) = (said(speaking("%{vars.v}"), by), said(speaking(by.unwrap_or("7")), by));
            prop_assert_eq!(meaning(&follows), meaning(&written));
            prop_assert_eq!(follows.printed(), written.printed());
            prop_assert_eq!(has_errors(&follows), has_errors(&written));
        }
    }

    #[test]
    fn every_value_says_where_it_was_written(files in any_files(4)) {
        let merged = files.merge();
        written_where_it_says(&merged.layered.nodes, &merged.sources, files.0.len())?;
        // What holds is among what was said, and each is said to be told by the file that tells it.
        for (path, value) in meaning(&merged).holds.iter().filter(|(_, value)| *value != "present") {
            let told = merged.layered.definitions(&layers::Path::parse(path).unwrap());
            prop_assert!(told.iter().any(|definition| definition.holds) || path.starts_with("define"), "nobody says {path} {value}");
            prop_assert!(told.iter().filter(|definition| definition.holds).count() <= 1);
        }
    }
}

/// Codes and sentences of the errors, without their places.
fn meaning_of_errors(merged: &Merged) -> Vec<String> {
    let errors = merged.problems.iter().filter(|problem| problem.severity() == Severity::Error);
    let mut told: Vec<String> = errors.map(|problem| format!("{} {}", problem.code.as_str(), problem.message)).collect();
    told.sort();
    told
}
