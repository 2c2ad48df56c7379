//! Small random configurations: a few files with layers and imports, a few nodes of every way of merging. A gene of bytes stands for each
//! node, so that making and shrinking one is cheap; what a failure prints is the KDL that the genes mean.

use std::fmt;

use proptest::prelude::*;
use silo::document::{self, Document, Value};
use silo::layers::{self, Facts, File, Layered};
use silo::problem::Problems;
use silo::schema::{self, FileKind};
use silo::source::{Layer, Source, Sources};

/// An argument, or a property when it has a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub name: Option<String>,
    pub annotation: Option<String>,
    pub value: Value,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Line {
    pub annotation: Option<String>,
    pub name: String,
    pub words: Vec<Word>,
    pub children: Vec<Line>,
}

/// A file.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    pub layer: Layer,
    pub imports: Vec<usize>,
    pub lines: Vec<Line>,
}

/// The files of a configuration. Shown, it is their KDL.
#[derive(Clone, PartialEq)]
pub struct Files(pub Vec<Text>);

/// What the evaluator makes of them.
pub struct Merged {
    pub sources: Sources,
    pub files: Vec<File>,
    pub layered: Layered,
    pub problems: Problems,
}

impl Line {
    pub fn new(name: &str) -> Line {
        Line { name: name.to_string(), ..Line::default() }
    }

    pub fn argument(self, text: &str) -> Line {
        self.word(None, None, Value::String(text.to_string()))
    }

    pub fn property(self, name: &str, text: &str) -> Line {
        self.word(Some(name), None, Value::String(text.to_string()))
    }

    pub fn word(mut self, name: Option<&str>, annotation: Option<&str>, value: Value) -> Line {
        self.words.push(Word { name: name.map(str::to_string), annotation: annotation.map(str::to_string), value });
        self
    }

    pub fn marked(mut self, annotation: Option<&str>) -> Line {
        self.annotation = annotation.map(str::to_string);
        self
    }

    pub fn child(mut self, child: Line) -> Line {
        self.children.push(child);
        self
    }

    fn print(&self, out: &mut String, depth: usize) {
        out.push_str(&"    ".repeat(depth));
        if let Some(annotation) = &self.annotation {
            out.push_str(&format!("({})", annotated(annotation)));
        }
        out.push_str(&self.name);
        for word in &self.words {
            out.push(' ');
            if let Some(name) = &word.name {
                out.push_str(name);
                out.push('=');
            }
            if let Some(annotation) = &word.annotation {
                out.push_str(&format!("({})", annotated(annotation)));
            }
            document::print_value(out, &word.value);
        }
        if !self.children.is_empty() {
            out.push_str(" {\n");
            self.children.iter().for_each(|child| child.print(out, depth + 1));
            out.push_str(&"    ".repeat(depth));
            out.push('}');
        }
        out.push('\n');
    }

    /// How many lines it takes.
    pub fn line_count(&self) -> usize {
        let inside: usize = self.children.iter().map(Line::line_count).sum();
        1 + inside + usize::from(!self.children.is_empty())
    }

    /// The node and those inside it, changed.
    pub fn each(&mut self, change: &mut impl FnMut(&mut Line)) {
        change(self);
        self.children.iter_mut().for_each(|child| child.each(change));
    }
}

/// An annotation as KDL needs it: one with a colon or a comma is quoted.
fn annotated(text: &str) -> String {
    if text.contains([':', ',']) { document::quote(text) } else { text.to_string() }
}

pub fn print(lines: &[Line]) -> String {
    let mut out = String::new();
    lines.iter().for_each(|line| line.print(&mut out, 0));
    out
}

/// What people put between words, between nodes, and at the end of a node, where it says nothing.
const GAPS: [&str; 6] = [" ", "  ", "\t", " /* gap */ ", " \\\n  ", " /-off "];
const BREAKS: [&str; 8] = ["\n", ";", "\r\n", "\n\n\n", " // end\n", "\n/* between */\n", "\n/-off 1 { x; }\n", " ;\n \t"];

/// The same nodes, as somebody writes them who does not care how they look. The seed chooses.
pub fn scruffy(lines: &[Line], seed: u64) -> String {
    fn choose<'a>(seed: &mut u64, from: &[&'a str]) -> &'a str {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Half of all choices are the plain one.
        from[((*seed >> 33) as usize % (from.len() * 2)).saturating_sub(from.len())]
    }
    fn write(out: &mut String, lines: &[Line], seed: &mut u64) {
        for line in lines {
            out.push_str(choose(seed, &["", "    ", "\t", " "]));
            if let Some(annotation) = &line.annotation {
                out.push_str(&format!("({}){}", annotated(annotation), choose(seed, &["", " "])));
            }
            out.push_str(&if choose(seed, &["", "quoted"]).is_empty() { line.name.clone() } else { document::quote(&line.name) });
            for word in &line.words {
                out.push_str(choose(seed, &GAPS));
                if let Some(name) = &word.name {
                    out.push_str(&format!("{name}{}", choose(seed, &["=", " = "])));
                }
                if let Some(annotation) = &word.annotation {
                    out.push_str(&format!("( {} )", annotated(annotation)));
                }
                match &word.value {
                    Value::String(text) if choose(seed, &["", "raw"]) == "raw" => out.push_str(&format!("#\"{text}\"#")),
                    value => document::print_value(out, value),
                }
            }
            if !line.children.is_empty() {
                out.push_str(choose(seed, &[" {\n", "{", " { // start\n", "  {\n\n"]));
                write(out, &line.children, seed);
                out.push_str(choose(seed, &["}", "\n}", "/* last */}"]));
            }
            out.push_str(choose(seed, &BREAKS));
        }
    }
    let mut out = String::new();
    write(&mut out, lines, &mut seed.clone());
    out
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, text) in self.0.iter().enumerate() {
            writeln!(f, "\n// {index}.kdl: layer {:?}, imports {:?}", text.layer, text.imports)?;
            f.write_str(&print(&text.lines))?;
        }
        Ok(())
    }
}

impl Files {
    /// Reads the texts as silo does. A text that does not pass the check is a mistake of the generator.
    pub fn read(&self) -> (Sources, Vec<File>) {
        let mut sources = Sources::default();
        let mut files = Vec::new();
        for (index, text) in self.0.iter().enumerate() {
            let document = parse(&mut sources, &format!("{index}.kdl"), text.layer, &print(&text.lines));
            files.push(File { imports: text.imports.clone(), ..File::new(text.layer, document) });
        }
        (sources, files)
    }

    /// Reads these texts instead of its own.
    pub fn read_as(&self, texts: &[String]) -> Merged {
        let mut sources = Sources::default();
        let read = |(index, (file, text)): (usize, (&Text, &String))| {
            let document = parse(&mut sources, &format!("{index}.kdl"), file.layer, text);
            File { imports: file.imports.clone(), ..File::new(file.layer, document) }
        };
        let files: Vec<File> = self.0.iter().zip(texts).enumerate().map(read).collect();
        let (layered, problems) = merge(&files);
        Merged { sources, files, layered, problems }
    }

    pub fn merge(&self) -> Merged {
        let (sources, files) = self.read();
        let (layered, problems) = merge(&files);
        Merged { sources, files, layered, problems }
    }

    /// The files with one more, and its index.
    pub fn with(&self, layer: Layer, lines: Vec<Line>) -> Files {
        let mut files = self.clone();
        files.0.push(Text { layer, imports: Vec::new(), lines });
        files
    }

    /// The files with every node changed.
    pub fn each(mut self, mut change: impl FnMut(&mut Line)) -> Files {
        self.0.iter_mut().flat_map(|text| &mut text.lines).for_each(|line| line.each(&mut change));
        self
    }

    /// The files without the words named in annotations.
    pub fn without(self, words: &[&str]) -> Files {
        let strip = |annotation: &mut Option<String>| {
            let Some(text) = annotation else { return };
            let kept: Vec<&str> = text.split(',').filter(|word| !words.contains(&word.split(':').next().unwrap())).collect();
            *annotation = (!kept.is_empty()).then(|| kept.join(","));
        };
        self.each(|line| {
            strip(&mut line.annotation);
            line.words.iter_mut().for_each(|word| strip(&mut word.annotation));
        })
    }
}

impl Merged {
    /// What holds, as KDL.
    pub fn printed(&self) -> String {
        document::print(&self.layered.nodes)
    }

    /// The problems in no order.
    pub fn told(&self) -> Vec<String> {
        let mut told: Vec<String> = self.problems.iter().map(|problem| format!("{problem:?}")).collect();
        told.sort();
        told
    }
}

/// The machine of every law.
pub fn facts() -> Facts {
    Facts { os: "linux".into(), arch: "amd64".into(), repo: Some("github.com/acme/api".into()), ..Facts::default() }
}

/// Merges files on that machine.
pub fn merge(files: &[File]) -> (Layered, Problems) {
    layers::merge(files, &facts())
}

/// Parses and checks a text that must be without problems.
pub fn parse(sources: &mut Sources, name: &str, layer: Layer, text: &str) -> Document {
    let id = sources.add(Source { name: name.into(), text: text.into(), layer });
    let (document, problems) = document::parse(id, text);
    assert!(problems.is_empty(), "{text}\n{problems:#?}");
    let document = document.unwrap();
    let problems = schema::check(&document, FileKind::Configuration);
    assert!(problems.is_empty(), "{text}\n{problems:#?}");
    document
}

/// What one node is made of. Zeros are the plainest node.
type Gene = [u8; 8];

const KEYS: [&str; 2] = ["a", "b"];

/// An annotation of a node: none is the likeliest.
fn mark(byte: u8) -> Option<&'static str> {
    match byte % 16 {
        9 => Some("default"),
        10 => Some("force"),
        11 => Some("replace"),
        12 | 13 => Some("remove"),
        14 => Some("priority:2"),
        15 => [Some("priority:3"), Some("force,remove"), Some("default,remove"), Some("priority:2,replace")][usize::from(byte / 16 % 4)],
        _ => None,
    }
}

fn removes(mark: Option<&str>) -> bool {
    mark.is_some_and(|mark| mark.ends_with("remove"))
}

/// An annotation of an item of a list: now and then a place.
fn place(byte: u8) -> Option<&'static str> {
    match byte % 16 {
        5 => Some("prepend"),
        6 => Some("append"),
        7 => Some("order:2"),
        8 => Some("force,order:-3"),
        _ => mark(byte),
    }
}

/// An annotation of a value.
fn weight(byte: u8) -> Option<&'static str> {
    match byte % 12 {
        8 => Some("default"),
        9 => Some("force"),
        10 => Some("priority:2"),
        11 => Some("priority:3"),
        _ => None,
    }
}

fn number(byte: u8) -> String {
    (byte % 2 + 1).to_string()
}

fn key(byte: u8) -> &'static str {
    KEYS[usize::from(byte % 2)]
}

/// A value, now and then none.
fn nullable(byte: u8, text: &str) -> Value {
    if byte % 16 == 15 { Value::Null } else { Value::String(text.to_string()) }
}

/// A step of a `base` or a `layer`, or a script.
fn step([kind, at, value, marked, ..]: Gene) -> Line {
    let line = match kind % 5 {
        0 => {
            let line = Line::new("apt").argument(key(at));
            match marked / 16 % 12 {
                6 => return line.word(None, Some("remove"), Value::String(key(at ^ 1).into())),
                5 => return line.word(None, Some("default"), Value::String(key(at ^ 1).into())),
                4 => line.argument("c"),
                _ => line,
            }
        }
        1 => Line::new("run").argument(&format!("echo {}", number(value))).property("id", key(at)),
        2 => Line::new("npm").argument(key(at)).word(Some("version"), weight(value / 2), Value::String(number(value))),
        3 if removes(mark(marked)) => Line::new("apt"),
        3 => Line::new("path").argument(&format!("/{}", key(at))),
        _ => Line::new("run").argument(&format!("echo {}", number(value))),
    };
    let line = line.marked(place(marked));
    if removes(line.annotation.as_deref()) && line.words.iter().any(|word| word.name.as_deref() == Some("id")) {
        // A removal by `id` needs no script.
        return Line { words: line.words.into_iter().filter(|word| word.name.is_some()).collect(), ..line };
    }
    line
}

/// Variables.
fn variables([kind, at, value, weighed, marked, ..]: Gene) -> Line {
    let name = key(at).to_uppercase();
    let line = Line::new("env");
    match kind % 6 {
        0 => line
            .word(Some(&name), weight(weighed), nullable(marked, &number(value)))
            .marked(mark(marked).filter(|mark| !mark.ends_with("remove"))),
        1 => line.word(None, weight(weighed), Value::String(name)),
        2 => line.word(None, Some("remove"), Value::String(name)),
        3 => line.child(
            Line::new(&name)
                .argument(&number(value))
                .property("phase", ["run", "build"][usize::from(weighed % 2)])
                .marked(mark(marked).filter(|mark| !mark.ends_with("remove"))),
        ),
        4 => line.child(
            Line::new(&name)
                .property("from", "host")
                .word(Some("secret"), weight(weighed), Value::Bool(value % 2 == 0))
                .marked(mark(marked).filter(|mark| !mark.ends_with("remove"))),
        ),
        _ if marked % 3 == 0 => line.marked(Some("remove")),
        _ => line.child(Line::new(&name).marked(Some("remove"))),
    }
}

/// A node at the top of a file.
pub fn line(gene: Gene) -> Line {
    let [kind, at, value, weighed, marked, more, b, c] = gene;
    let inner: Gene = [c, b, more, weighed, c / 5, value, b / 3, more / 7];
    let text = number(value);
    let mark = mark(marked);
    let removing = removes(mark);
    match kind % 16 {
        14 => {
            let (name, word) = match at % 6 {
                0 => (None, "github.com/acme"),
                1 => (None, "github.com/acme/api"),
                2 => (None, "github.com/other"),
                3 => (Some("os"), "macos"),
                4 => (Some("repo"), "github.com/*/api"),
                _ => (Some("os"), "linux"),
            };
            let line = Line::new(if name.is_none() { "repo" } else { "when" }).word(name, None, Value::String(word.into()));
            let line = line.marked(mark.filter(|mark| !mark.contains("re")));
            // Not deeper than one in the other.
            let other = |kind: u8| if b % 2 == 0 { kind % 14 } else { kind };
            let line = line.child(self::line([other(c), value, weighed, more, b, 0, at, 0]));
            if more % 2 == 0 { line } else { line.child(self::line([c / 16, b, value, at, weighed, 0, 0, 1])) }
        }
        15 => {
            Line::new("vars").child(Line::new(key(at)).word(None, weight(weighed), Value::String(text)).marked(mark.filter(|_| !removing)))
        }
        0 => Line::new("use")
            .word(Some("agent"), weight(weighed), nullable(more, key(value)))
            .marked(mark.filter(|mark| !mark.ends_with("remove"))),
        1 if removing => Line::new("language").argument(key(at)).marked(mark),
        1 => {
            let line = Line::new("language").argument(key(at)).word(Some("version"), weight(weighed), nullable(more, &text)).marked(mark);
            match more % 4 {
                1 => line.word(Some("edition"), weight(b), Value::String(number(c))),
                2 => line.child(Line::new("lsp").argument(key(b)).argument("c").marked(self::mark(c))),
                3 => line.child(Line::new("components").argument(key(b)).argument("c")),
                _ => line,
            }
        }
        2 => Line::new("resources")
            .word(Some("cpus"), weight(weighed), Value::Integer(i128::from(value % 2 + 1)))
            .word(Some("memory"), weight(b), nullable(c, &format!("{}GiB", number(c))))
            .marked(mark.filter(|mark| !mark.ends_with("remove") || more % 4 == 0)),
        3 if removing && c % 2 == 0 => Line::new("base").marked(mark),
        3 => Line::new("base")
            .argument(key(value))
            .child(step(inner))
            .child(step([b, c, more, weighed, at, value, 0, 0]))
            .marked(mark.filter(|_| !removing)),
        4 if removing => Line::new("agent").argument(key(at)).marked(mark),
        4 => {
            let line = Line::new("agent").argument(key(at)).marked(mark);
            let line = match more % 4 {
                0 => line,
                1 => line
                    .child(Line::new("mcp").argument(key(b)).word(None, weight(c), Value::String("c".into())).marked(self::mark(weighed))),
                2 => line.child(Line::new("command").argument(key(b)).argument(&number(c))),
                _ => line.child(Line::new("args").argument(key(b)).marked(self::mark(c))),
            };
            if value % 2 == 0 { line } else { line.child(variables(inner)) }
        }
        5 | 6 => {
            let line = Line::new(["pre_run", "post_build"][usize::from(kind % 2)]);
            match more % 3 {
                0 => line.argument(&text).marked(place(marked)),
                _ if removing && b % 3 == 0 => line.marked(mark),
                _ if removing => line.property("id", key(at)).marked(mark),
                _ => line.argument(&text).property("id", key(at)).marked(place(marked)),
            }
        }
        7 => {
            let line = Line::new("mount").argument(&format!("./{}", key(value)));
            let line = if more % 3 == 0 { line.argument("./c") } else { line.property("to", &format!("/{}", key(at))) };
            line.word(Some("mode"), weight(weighed), Value::String(["ro", "rw"][usize::from(b % 2)].into())).marked(mark)
        }
        8 | 9 => variables([more, at, value, weighed, marked, b, c, 0]),
        10 if removing => Line::new("define").argument("tool").argument(key(at)).marked(mark),
        10 => Line::new("define").argument("tool").argument(key(at)).child(Line::new("doc").argument(&text)).marked(mark),
        11 if removing => Line::new("layer").argument(key(at)).marked(mark),
        11 => Line::new("layer").argument(key(at)).child(step(inner)).marked(mark),
        12 if removing => Line::new("lsp").argument(key(at)).marked(mark),
        12 => {
            let line = Line::new("lsp").argument(key(at)).marked(mark);
            match more % 3 {
                0 => line.word(Some("version"), weight(weighed), Value::String(text)),
                1 => line.child(
                    Line::new("extensions")
                        .word(Some(".x"), weight(weighed), Value::String(text))
                        .marked(self::mark(b).filter(|_| c % 2 == 0)),
                ),
                _ => line.child(variables(inner)),
            }
        }
        _ => Line::new("cache").argument(key(at)).property("to", &format!("/{}", key(value))).marked(mark),
    }
}

/// Some nodes of a file.
pub fn any_lines() -> impl Strategy<Value = Vec<Line>> {
    proptest::collection::vec(any::<Gene>(), 0..4).prop_map(|genes| genes.into_iter().map(line).collect())
}

pub const USER: Layer = Layer::User;
pub const PROJECT: Layer = Layer::Project(0);
pub const DEEPER: Layer = Layer::Project(1);

/// Up to `most` files of three layers. Of each layer one file is the root: it imports, directly or not, all others of it.
pub fn any_files(most: usize) -> impl Strategy<Value = Files> {
    files_of(&[PROJECT, USER, DEEPER], most)
}

/// Likewise, of these layers.
pub fn files_of(layers: &'static [Layer], most: usize) -> impl Strategy<Value = Files> {
    files_made_of(layers, most, line)
}

/// A script with or without an `id`.
pub fn script(gene: Gene) -> Line {
    line([5 + gene[0] % 2, gene[1], gene[2], gene[3], gene[4], gene[5], gene[6], gene[7]])
}

/// Any node, but half of them conditions.
pub fn conditional(gene: Gene) -> Line {
    line([if gene[0].is_multiple_of(2) { 14 } else { gene[0] }, gene[1], gene[2], gene[3], gene[4], gene[5], gene[6], gene[7]])
}

/// Likewise, of nodes that genes are made into by `line`.
pub fn files_made_of(layers: &'static [Layer], most: usize, line: fn(Gene) -> Line) -> impl Strategy<Value = Files> {
    let file = (any::<u8>(), any::<u8>(), proptest::collection::vec(any::<Gene>(), 0..4));
    proptest::collection::vec(file, 1..=most).prop_map(move |genes| {
        let mut files: Vec<Text> = Vec::new();
        for (byte, imports, genes) in genes {
            // Most files are siblings of one layer: there is nothing to settle between layers.
            let layer = *layers.get(usize::from(byte) % (layers.len() * 2)).unwrap_or(&layers[0]);
            let earlier: Vec<usize> = (0..files.len()).filter(|other| files[*other].layer == layer).collect();
            let imports =
                earlier.into_iter().enumerate().filter(|(bit, _)| imports >> (bit % 8) & 1 == 1).map(|(_, other)| other).collect();
            files.push(Text { layer, imports, lines: genes.into_iter().map(line).collect() });
        }
        for index in 0..files.len() {
            let layer = files[index].layer;
            let last = (0..files.len()).rfind(|other| files[*other].layer == layer) == Some(index);
            if last {
                let loose: Vec<usize> = (0..index)
                    .filter(|other| files[*other].layer == layer && !files.iter().any(|file| file.imports.contains(other)))
                    .collect();
                files[index].imports.extend(loose);
            }
        }
        Files(files)
    })
}
