//! From the KDL crate's tree to silo's, and from its complaints to problems.

use kdl::{KdlDocument, KdlEntry, KdlError, KdlIdentifier, KdlNode, KdlValue};

use super::scan::{Fault, Gravity, scan};
use super::{Annotation, Document, Entry, MAX_BYTES, MAX_GENERATED_BYTES, MAX_PROBLEMS, Node, Value, canonical, plain};
use crate::problem::{Code, Problem, Problems};
use crate::source::{SourceId, Span};

pub(super) fn parse(id: SourceId, text: &str) -> (Option<Document>, Problems) {
    let mut problems = Problems::default();
    if text.len() > MAX_BYTES {
        problems.push(too_large(id, text, MAX_BYTES));
        return (None, problems);
    }
    let faults = scan(id, text);
    if faults.iter().any(|fault| fault.gravity == Gravity::Fatal) {
        report(&mut problems, faults.into_iter().map(|fault| fault.problem));
        return (None, problems);
    }
    if let Some(nodes) = plain::read(id, text) {
        let misread = faults.into_iter().filter(|fault| fault.gravity == Gravity::Misread);
        report(&mut problems, misread.map(|fault| fault.problem));
        return (Some(without_schema(nodes)), problems);
    }
    full(id, text, faults)
}

pub(super) fn parse_generated(id: SourceId, text: &str) -> (Option<Document>, Problems) {
    if text.len() <= MAX_BYTES {
        return parse(id, text);
    }
    let mut problems = Problems::default();
    if text.len() > MAX_GENERATED_BYTES {
        problems.push(too_large(id, text, MAX_GENERATED_BYTES));
        return (None, problems);
    }
    let mut faults = scan(id, text);
    if faults.is_empty() {
        if let Some(nodes) = plain::read(id, text) {
            return (Some(without_schema(nodes)), problems);
        }
        let problem = Problem::new(Code::Syntax, "this is not as silo writes it").at(Span { source: id, start: 0, end: 0 }, "");
        problems.push(problem);
    }
    faults.truncate(MAX_PROBLEMS);
    report(&mut problems, faults.into_iter().map(|fault| fault.problem));
    (None, problems)
}

fn too_large(id: SourceId, text: &str, limit: usize) -> Problem {
    Problem::new(Code::TooLarge, format!("the file has {} bytes and silo reads at most {limit}", text.len()))
        .at(Span { source: id, start: 0, end: 0 }, "")
        .help("split it with `import`, and keep data that is not configuration elsewhere")
}

/// The document without the node that names a schema for editors.
fn without_schema(mut nodes: Vec<Node>) -> Document {
    nodes.retain(|node| node.name != "@kdl:schema");
    Document { nodes }
}

/// Reads with the KDL crate, whatever the text holds.
pub(super) fn full(id: SourceId, text: &str, faults: Vec<Fault>) -> (Option<Document>, Problems) {
    let mut problems = Problems::default();
    let reader = Reader { id, text };
    match KdlDocument::parse_v2(text) {
        Ok(parsed) => {
            let misread = faults.into_iter().filter(|fault| fault.gravity == Gravity::Misread);
            report(&mut problems, misread.map(|fault| fault.problem));
            (Some(without_schema(reader.nodes(&parsed))), problems)
        }
        Err(error) => {
            report(&mut problems, reader.refusal(&error, faults).into_iter());
            (None, problems)
        }
    }
}

/// Adds problems up to the limit.
fn report(problems: &mut Problems, found: impl Iterator<Item = Problem>) {
    for problem in found.take(MAX_PROBLEMS) {
        problems.push(problem);
    }
}

struct Reader<'a> {
    id: SourceId,
    text: &'a str,
}

impl Reader<'_> {
    fn nodes(&self, document: &KdlDocument) -> Vec<Node> {
        document.nodes().iter().map(|node| self.node(node)).collect()
    }

    fn node(&self, node: &KdlNode) -> Node {
        Node {
            name: canonical(node.name().value()),
            name_span: self.identifier(node.name()),
            annotation: node.ty().map(|ty| self.annotation(ty)),
            entries: node.entries().iter().map(|entry| self.entry(entry)).collect(),
            children: node.children().map(|children| self.nodes(children)),
            span: self.trimmed(node.span().offset(), node.span().len()),
        }
    }

    fn entry(&self, entry: &KdlEntry) -> Entry {
        let value = match entry.value() {
            KdlValue::String(text) => Value::String(text.clone()),
            KdlValue::Integer(number) => Value::Integer(*number),
            KdlValue::Float(number) => {
                let written = entry.format().map(|format| format.value_repr.clone());
                Value::Decimal(written.unwrap_or_else(|| number.to_string()))
            }
            KdlValue::Bool(value) => Value::Bool(*value),
            KdlValue::Null => Value::Null,
        };
        Entry {
            name: entry.name().map(|name| canonical(name.value())),
            annotation: entry.ty().map(|ty| self.annotation(ty)),
            value,
            span: self.trimmed(entry.span().offset(), entry.span().len()),
        }
    }

    fn annotation(&self, ty: &KdlIdentifier) -> Annotation {
        Annotation { text: ty.value().to_string(), span: self.identifier(ty) }
    }

    fn identifier(&self, identifier: &KdlIdentifier) -> Span {
        self.trimmed(identifier.span().offset(), identifier.span().len())
    }

    /// A range without the space around it: the crate's spans reach up to the next token.
    fn trimmed(&self, offset: usize, length: usize) -> Span {
        let end = (offset + length).min(self.text.len());
        let written = self.text.get(offset..end).unwrap_or("");
        let start = offset + (written.len() - written.trim_start().len());
        let end = start + written.trim().len();
        Span { source: self.id, start: start as u32, end: end as u32 }
    }

    /// What to say about a text that the crate refuses: the scan's words where it has some, the crate's own elsewhere.
    fn refusal(&self, error: &KdlError, faults: Vec<Fault>) -> Vec<Problem> {
        let line = |at: usize| self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count();
        let start = |problem: &Problem| problem.labels.first().map_or(0, |label| label.span.start as usize);
        let mut found: Vec<Problem> = faults.into_iter().map(|fault| fault.problem).collect();
        let explained = !found.is_empty();
        let places: Vec<usize> = found.iter().map(start).collect();
        let mut lines: Vec<usize> = found.iter().map(|problem| line(start(problem))).collect();
        for diagnostic in &error.diagnostics {
            // The crate's recovery leaves several complaints about one mistake, and a last one for the whole document.
            let at = line(diagnostic.span.offset());
            let whole = diagnostic.span.is_empty() && diagnostic.message.is_none();
            // The scan has seen that every brace has its other one, so a complaint about a brace follows from what it has explained.
            let span = diagnostic.span.offset()..diagnostic.span.offset() + diagnostic.span.len();
            // One about a longer text that an explained mistake lies in says no more than that it is there.
            let around = places.iter().any(|place| span.contains(place));
            let brace = matches!(self.text.get(span), Some("{" | "}"));
            if lines.contains(&at) || around || (explained && (whole || brace)) || lines.len() >= MAX_PROBLEMS {
                continue;
            }
            lines.push(at);
            let message = diagnostic.message.as_deref().map_or_else(|| "this is not KDL".to_string(), lower);
            let mut problem = Problem::new(Code::Syntax, message)
                .at(self.trimmed(diagnostic.span.offset(), diagnostic.span.len()), diagnostic.label.clone().unwrap_or_default());
            problem.help = diagnostic.help.as_deref().map(lower);
            found.push(problem);
        }
        found.sort_by_key(start);
        found
    }
}

/// A sentence of the crate's in the style of silo's: lower case, without a full stop.
fn lower(sentence: &str) -> String {
    let sentence = sentence.trim_end_matches('.');
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::{Layer, Source, Sources};

    fn id() -> SourceId {
        Sources::default().add(Source { name: String::new(), text: String::new(), layer: Layer::User })
    }

    #[test]
    fn what_people_write_is_plain() {
        let text = "// c\n@kdl:schema \"x\"\nbase \"d\" from=(default)bootstrap { // c\n  apt a \"b=1\"; run #\"x\\y\"# -5 1.20 #true\n\n  (remove)x\n}\npre-build \"\"\"\n  a\n\n    \"b\"\n  \"\"\" id=x\r\ny\n";
        let nodes = plain::read(id(), text).expect("it is plain");
        let (document, problems) = full(id(), text, Vec::new());
        assert!(problems.is_empty());
        assert_eq!(without_schema(nodes), document.expect("it is KDL"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_plain_reader_agrees_with_the_crate(pieces in proptest::collection::vec(prop_oneof![
            4 => prop_oneof![Just("a"), Just("b-c"), Just("-x"), Just("pre-run"), Just("1"), Just("-2"), Just("1.50"), Just("#true"), Just("#null"), Just("\"q\""), Just("\"\\n\\\"\"")],
            4 => prop_oneof![Just(" "), Just(" "), Just("\n"), Just("\r\n"), Just("\t")],
            2 => prop_oneof![Just("="), Just(";"), Just(" {"), Just("}"), Just("("), Just(")"), Just("(d)"), Just(" // c\n"), Just(" {\n x\n}\n")],
            1 => prop_oneof![Just("/-"), Just("\\\n"), Just("/* */"), Just("é"), Just("#\"r\\\"#"), Just("\"\"\"\n  m\n\n   n\n  \"\"\""), Just("\"\"\"\n\"\"\""), Just("\"\"\"\n \u{a0}\n\"\"\""), Just("."), Just("true"), Just("\u{a0}"), Just("\u{85}"), Just("\"\""), Just("#"), Just("+")],
        ], 0..14)) {
            let text = pieces.concat();
            let faults = scan(id(), &text);
            if faults.iter().all(|fault| fault.gravity != Gravity::Fatal) && let Some(nodes) = plain::read(id(), &text) {
                let (document, _) = full(id(), &text, Vec::new());
                prop_assert_eq!(Some(without_schema(nodes)), document, "{:?}", text);
            }
        }
    }
}
