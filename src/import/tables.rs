//! TOML.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::tree::{Field, Kind, Value};
use crate::problem::{Code, Problem};
use crate::source::{SourceId, Span};

/// Reads a text. The parser stops at 80 levels of nesting by itself.
pub fn parse(id: SourceId, text: &str) -> Result<Value, Problem> {
    let place = Place { id, text };
    match DeTable::parse(text) {
        Ok(table) => Ok(Value { kind: place.table(table.get_ref()), span: place.span(&table.span()) }),
        Err(error) => {
            let span = place.span(&error.span().unwrap_or(0..0));
            let message = error.message().lines().next().unwrap_or("it cannot be read").to_string();
            let help = "mend it there: texts stand between quotes, each name once, one value a line";
            Err(Problem::new(Code::ForeignSyntax, format!("this is not TOML: {message}")).at(span, "").help(help))
        }
    }
}

struct Place<'a> {
    id: SourceId,
    text: &'a str,
}

impl Place<'_> {
    fn span(&self, range: &std::ops::Range<usize>) -> Span {
        let at = |offset: usize| u32::try_from(offset.min(self.text.len())).unwrap_or(u32::MAX);
        Span { source: self.id, start: at(range.start), end: at(range.end.max(range.start)) }
    }

    fn table(&self, table: &DeTable) -> Kind {
        let mut fields: Vec<Field> = table
            .iter()
            .map(|(name, value)| Field { name: name.get_ref().to_string(), name_span: self.span(&name.span()), value: self.value(value) })
            .collect();
        // In written order, whatever order the parser keeps.
        fields.sort_by_key(|field| field.name_span);
        Kind::Table(fields)
    }

    fn value(&self, value: &Spanned<DeValue>) -> Value {
        let range = value.span();
        let written = || self.text.get(range.clone()).unwrap_or("").to_string();
        let kind = match value.get_ref() {
            DeValue::String(text) => Kind::Text(text.to_string()),
            DeValue::Integer(_) | DeValue::Float(_) => Kind::Number(written()),
            DeValue::Boolean(value) => Kind::Bool(*value),
            DeValue::Datetime(_) => Kind::Date(written()),
            DeValue::Array(values) => Kind::List(values.iter().map(|value| self.value(value)).collect()),
            DeValue::Table(table) => self.table(table),
        };
        Value { kind, span: self.span(&range) }
    }
}
