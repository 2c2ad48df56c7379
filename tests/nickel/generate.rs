//! Writes `tests/nickel/cases.jsonl`: random configurations, and what Nickel says of them. Runs only when asked, since it needs a Nickel.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::process::Command;

use serde_json::{Value, json};

use super::{LAYERS, fixtures};

/// How many cases there are.
const CASES: u64 = 2_100;

/// A sequence of numbers that is the same everywhere: SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.roll(list.len())]
    }
}

/// How strongly something is said. Files of one rank say it equally strongly.
#[derive(Clone, Copy, PartialEq)]
enum Weight {
    Default,
    Plain,
    Priority(u32),
    Force,
}

impl Weight {
    fn kdl(self) -> String {
        match self {
            Weight::Default => "(default)".into(),
            Weight::Plain => String::new(),
            Weight::Priority(level) => format!("(\"priority:{level}\")"),
            Weight::Force => "(force)".into(),
        }
    }

    /// The same as Nickel says it: one number for what silo compares in two steps, first the weight, then the rank; among forces the
    /// outermost file is the strongest. Nickel's own words are used where they mean just that.
    fn nickel(self, rank: usize) -> String {
        match (self, rank) {
            (Weight::Default, 0) => "| default ".into(),
            (Weight::Default, _) => format!("| priority {} ", rank as i64 - 1_000),
            (Weight::Plain, 0) => String::new(),
            (Weight::Plain, _) => format!("| priority {rank} "),
            (Weight::Priority(level), _) => format!("| priority {} ", level as usize * 100 + rank),
            (Weight::Force, 0) => "| force ".into(),
            (Weight::Force, _) => format!("| priority {} ", 1_000_000 - rank),
        }
    }
}

/// A value that is said of a path.
struct Said {
    path: String,
    weight: Weight,
    rank: usize,
    /// As Nickel writes it.
    value: String,
}

/// A configuration: its files as the fixtures hold them, and all that they say.
struct Case {
    files: Vec<Value>,
    said: Vec<Said>,
}

/// The weight of a value inside a node of another: the inner one is the one that counts.
fn inner(dice: &mut Dice, outer: Weight) -> (String, Weight) {
    let own = weight(dice);
    (own.kdl(), if own == Weight::Plain { outer } else { own })
}

fn weight(dice: &mut Dice) -> Weight {
    match dice.roll(12) {
        0 | 1 => Weight::Default,
        2 => Weight::Force,
        3 => Weight::Priority(1),
        4 => Weight::Priority(2),
        _ => Weight::Plain,
    }
}

/// A number as KDL and Nickel write it, in one of several ways.
fn number(dice: &mut Dice) -> &'static str {
    dice.of(&["1", "2", "1.5", "2", "4"])
}

/// A node, and what it says.
fn node(dice: &mut Dice, rank: usize, said: &mut Vec<Said>) -> String {
    let outer = weight(dice);
    let mark = outer.kdl();
    let mut say = |path: String, weight: Weight, value: String| said.push(Said { path, weight, rank, value });
    let name = dice.of(&["go", "rust"]);
    let digit = dice.of(&["1", "2", "3"]);
    match dice.roll(11) {
        0 => {
            let (own, weight) = inner(dice, outer);
            say("use.agent".into(), weight, format!("\"{name}\""));
            format!("{mark}use agent={own}{name}\n")
        }
        1 => {
            let (own, weight) = inner(dice, outer);
            let (other, second) = inner(dice, outer);
            let source = dice.of(&["a", "b"]);
            say(format!("language.{name}.version"), weight, format!("\"{digit}\""));
            say(format!("language.{name}.source"), second, format!("\"{source}\""));
            format!("{mark}language {name} version={own}\"{digit}\" source={other}{source}\n")
        }
        2 => {
            let (own, weight) = inner(dice, outer);
            let switch = dice.one_in(2);
            say(format!("language.{name}.checks"), weight, switch.to_string());
            format!("{mark}language {name} checks={own}#{switch}\n")
        }
        3 => {
            let (own, weight) = inner(dice, outer);
            let cpus = number(dice);
            say("resources.cpus".into(), weight, cpus.into());
            format!("{mark}resources cpus={own}{cpus}\n")
        }
        4 => {
            let (own, weight) = inner(dice, outer);
            say("resources.memory".into(), weight, format!("\"{digit}GiB\""));
            format!("{mark}resources memory={own}\"{digit}GiB\"\n")
        }
        5 => {
            let (own, weight) = inner(dice, outer);
            let variable = dice.of(&["A", "B"]);
            say(format!("env.{variable}.value"), weight, format!("\"{digit}\""));
            format!("{mark}env {variable}={own}\"{digit}\"\n")
        }
        6 => {
            let (own, weight) = inner(dice, outer);
            let second = dice.of(&["x", "y"]);
            // The arguments of a node are one value.
            say(format!("agent.{name}.command.program"), weight, format!("[\"p\", \"{second}\"]"));
            format!("{mark}agent {name} {{ command {own}p {second}; }}\n")
        }
        7 => {
            let (own, weight) = inner(dice, outer);
            let block = self::weight(dice);
            let weight = if own.is_empty() && block != Weight::Plain { block } else { weight };
            say(format!("agent.{name}.env.A.value"), weight, format!("\"{digit}\""));
            format!("{mark}agent {name} {{ {}env A={own}\"{digit}\"; }}\n", block.kdl())
        }
        8 => {
            let (own, weight) = inner(dice, outer);
            say(format!("cache.{name}.to"), weight, format!("\"/{digit}\""));
            format!("{mark}cache {name} to={own}\"/{digit}\"\n")
        }
        9 => {
            let (own, weight) = inner(dice, outer);
            say("base.image".into(), weight, format!("\"{name}\""));
            format!("{mark}base {own}{name}\n")
        }
        _ => {
            let (own, weight) = inner(dice, outer);
            // What stands before the name of a thing is said of the whole thing.
            let (other, second) = inner(dice, weight);
            let mode = dice.of(&["ro", "rw"]);
            say("mount./x.source".into(), weight, format!("\"./{name}\""));
            say("mount./x.mode".into(), second, format!("\"{mode}\""));
            format!("{mark}mount {own}\"./{name}\" to=\"/x\" mode={other}{mode}\n")
        }
    }
}

/// Layers, and in each up to two levels of files: siblings, and one that imports them all. So of any two files one is stronger, or both are
/// equally strong with regard to every other file, which is all that numbers can say.
fn case(seed: u64) -> Case {
    let mut dice = Dice(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
    let mut case = Case { files: Vec::new(), said: Vec::new() };
    let mut rank = 0;
    for (layer, _) in LAYERS {
        if !dice.one_in(2) && layer != "project" {
            continue;
        }
        let siblings = if dice.one_in(2) { 2 + dice.roll(2) } else { 0 };
        let first = case.files.len();
        for index in 0..=siblings {
            let root = index == siblings;
            rank += usize::from(root && siblings > 0);
            let count = if root && siblings > 0 { dice.roll(2) } else { 1 + dice.roll(4) };
            let kdl: String = (0..count).map(|_| node(&mut dice, rank, &mut case.said)).collect();
            let imports: Vec<usize> = if root { (first..first + siblings).collect() } else { Vec::new() };
            case.files.push(if imports.is_empty() { json!([layer, kdl]) } else { json!([layer, kdl, imports]) });
        }
        rank += 1;
    }
    case
}

/// A path's fields, which Nickel must read as they are.
fn field(path: &str) -> String {
    path.split('.').map(|part| format!("\"{part}\"")).collect::<Vec<_>>().join(".")
}

/// The Nickel record of a case: merged of one record for each thing that is said.
fn record(said: &[Said]) -> String {
    let records: Vec<String> =
        said.iter().map(|Said { path, weight, rank, value }| format!("{{ {} {}= {value} }}", field(path), weight.nickel(*rank))).collect();
    records.join(" & ")
}

/// The paths that a case speaks of.
fn paths(case: &Case) -> Vec<&str> {
    let mut paths: Vec<&str> = case.said.iter().map(|said| said.path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// Asks Nickel for every path of some cases. One session answers all: a path that is in conflict is an error, and the next is asked.
fn answers(cases: &[Case]) -> Vec<Value> {
    let mut questions = String::new();
    for (number, case) in cases.iter().enumerate() {
        let record = record(&case.said);
        for (index, path) in paths(case).into_iter().enumerate() {
            writeln!(questions, "\"# {number} {index}\"\n({record}).{}", field(path)).unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("questions.txt");
    std::fs::write(&input, questions).unwrap();
    let program = std::env::var_os("NICKEL").unwrap_or_else(|| "nickel".into());
    let session = Command::new(program).arg("repl").stdin(File::open(input).unwrap()).output().expect("nickel runs");
    let (told, errors) = (String::from_utf8(session.stdout).unwrap(), String::from_utf8(session.stderr).unwrap());
    let mut said: BTreeMap<(usize, usize), String> = BTreeMap::new();
    let mut at = None;
    for line in told.lines() {
        if let Some(mark) = line.strip_prefix("\"# ") {
            let mut numbers = mark.trim_end_matches('"').split(' ').map(|number| number.parse().unwrap());
            at = numbers.next().zip(numbers.next());
            said.insert(at.unwrap(), String::new());
        } else if let Some(text) = at.and_then(|at| said.get_mut(&at))
            && !line.contains("Exiting")
        {
            text.push_str(line);
        }
    }
    let mut unanswered = 0;
    let mut all = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let mut values: BTreeMap<&str, Value> = BTreeMap::new();
        let mut conflicts: Vec<&str> = Vec::new();
        for (index, path) in paths(case).into_iter().enumerate() {
            match said[&(number, index)].as_str() {
                "" => conflicts.push(path),
                // Nickel writes these values as JSON does.
                text => drop(values.insert(path, serde_json::from_str(text).unwrap())),
            }
        }
        unanswered += conflicts.len();
        let mut answer = json!({ "files": case.files, "values": values });
        if !conflicts.is_empty() {
            answer["conflicts"] = json!(conflicts);
        }
        all.push(answer);
    }
    let about_merging = |error: &&str| error.contains("non mergeable terms") || error.contains("cannot merge unequal arrays");
    let found: Vec<&str> = errors.split("error: ").skip(1).collect();
    assert!(found.iter().all(about_merging), "Nickel stops for another reason:\n{errors}");
    assert_eq!(found.len(), unanswered, "an error for each path without an answer:\n{errors}");
    all
}

#[test]
fn nickel_answers_when_it_is_asked() {
    if std::env::var_os("SILO_BLESS_NICKEL").is_none() {
        return;
    }
    let cases: Vec<Case> = (0..CASES).map(case).collect();
    let ask = |cases: &[Case]| cases.chunks(50).flat_map(answers).map(|answer| format!("{answer}\n")).collect::<String>();
    let text: String = std::thread::scope(|scope| {
        let sessions: Vec<_> = cases.chunks(250).map(|cases| scope.spawn(move || ask(cases))).collect();
        sessions.into_iter().map(|session| session.join().unwrap()).collect()
    });
    std::fs::write(fixtures(), text).unwrap();
}
