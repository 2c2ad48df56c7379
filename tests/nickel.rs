//! The merge held against Nickel's own. `tests/nickel/cases.jsonl` holds some thousand generated configurations, each with what Nickel made
//! of the same definitions as records with numeric priorities; `scripts/nickel-fixtures.sh` writes it anew with a real Nickel.
//!
//! What Nickel has no notion of is not in them: removal, lists that add up, the order of anything.

mod generate;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use silo::document;
use silo::layers::{self, Facts, File};
use silo::problem::Code;
use silo::schema::{self, FileKind};
use silo::source::{Layer, Source, Sources};

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nickel/cases.jsonl")
}

/// The layers that a case's files are of, as the fixtures write them: a file is a layer, a text, and the files that it imports.
pub const LAYERS: [(&str, Layer); 4] =
    [("user", Layer::User), ("project", Layer::Project(0)), ("deeper", Layer::Project(1)), ("command-line", Layer::CommandLine)];

/// What silo makes of a case: the values by path, and the paths that are in conflict.
fn evaluated(case: &Value) -> (BTreeMap<String, Value>, BTreeSet<String>) {
    let mut sources = Sources::default();
    let mut files = Vec::new();
    for (index, file) in case["files"].as_array().unwrap().iter().enumerate() {
        let layer = LAYERS.iter().find(|(name, _)| file[0] == *name).unwrap().1;
        let text = file[1].as_str().unwrap();
        let id = sources.add(Source { name: format!("{index}.kdl"), text: text.into(), layer });
        let (document, problems) = document::parse(id, text);
        assert!(problems.is_empty(), "{text}\n{problems:#?}");
        let document = document.unwrap();
        let problems = schema::check(&document, FileKind::Configuration);
        assert!(problems.is_empty(), "{text}\n{problems:#?}");
        let imports = file[2].as_array().into_iter().flatten().map(|import| import.as_u64().unwrap() as usize).collect();
        files.push(File { imports, ..File::new(layer, document) });
    }
    let (layered, problems) = layers::merge(&files, &Facts::default());
    let conflicts = problems.iter().filter(|problem| problem.code == Code::Conflict);
    let conflicts = conflicts.map(|problem| problem.message.split('`').nth(1).unwrap().to_string()).collect();
    let mut values = BTreeMap::new();
    for definition in layered.all_definitions().iter().filter(|definition| definition.holds) {
        if let layers::Saying::Values(found) = &definition.saying {
            let json = |value: &document::Value| match value {
                document::Value::String(text) => Value::from(text.clone()),
                document::Value::Integer(number) => Value::from(*number as f64),
                document::Value::Decimal(number) => Value::from(number.parse::<f64>().unwrap()),
                document::Value::Bool(value) => Value::from(*value),
                document::Value::Null => Value::Null,
            };
            let value = if let [only] = found.as_slice() { json(only) } else { found.iter().map(json).collect() };
            values.insert(definition.path.to_string(), value);
        }
    }
    (values, conflicts)
}

#[test]
fn silo_merges_as_nickel_does() {
    let text = std::fs::read_to_string(fixtures()).unwrap();
    let (mut cases, mut in_conflict, mut wrong) = (0, 0, Vec::new());
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let (values, conflicts) = evaluated(&case);
        let nickel: BTreeSet<String> =
            case["conflicts"].as_array().into_iter().flatten().map(|path| path.as_str().unwrap().to_string()).collect();
        cases += 1;
        in_conflict += usize::from(!nickel.is_empty());
        let expected = case["values"].as_object().unwrap();
        // Nickel has no keys: what a node is called is not among its fields.
        let differs = |path: &String, value: &Value| match (values.get(path), value.as_f64()) {
            (Some(found), Some(number)) => found.as_f64() != Some(number),
            (found, _) => found != Some(value),
        };
        let different: Vec<&String> = expected.iter().filter(|(path, value)| differs(path, value)).map(|(path, _)| path).collect();
        if conflicts != nickel || !different.is_empty() {
            let files: String = case["files"]
                .as_array()
                .unwrap()
                .iter()
                .map(|file| format!("// {} {}\n{}", file[0], file[2], file[1].as_str().unwrap()))
                .collect();
            wrong.push(format!("{files}in conflict for Nickel: {nickel:?}\nin conflict for silo: {conflicts:?}\ndifferent: {different:?}\nNickel: {expected:?}\nsilo: {values:?}\n"));
        }
    }
    assert!(cases >= 2_000 && in_conflict >= 300, "{cases} cases, {in_conflict} with conflicts");
    assert!(wrong.is_empty(), "{} of {cases} differ:\n{}", wrong.len(), wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n"));
}
