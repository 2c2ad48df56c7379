//! JSON with comments and trailing commas, as editors' configuration files have it.

use jsonc_parser::ast;
use jsonc_parser::errors::ParseErrorKind;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::tree::{Field, Kind, Value};
use crate::problem::{Code, Problem};
use crate::source::{SourceId, Span};

/// Reads a text. The parser stops at 512 levels of nesting by itself.
pub fn parse(id: SourceId, text: &str) -> Result<Value, Problem> {
    // An editor's byte order mark is no part of the text.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let place = Place { id, offset: text.len() - body.len(), length: text.len() };
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = parse_to_ast(body, &CollectOptions::default(), &options).map_err(|error| {
        let range = error.range();
        let span = place.span(range.start, range.end);
        if matches!(error.kind(), ParseErrorKind::NestingDepthExceeded) {
            return Problem::new(Code::TooDeep, "this JSON is nested deeper than silo reads")
                .at(span, "")
                .help("no configuration is that deep");
        }
        Problem::new(Code::ForeignSyntax, format!("this is not JSON: {}", lower(&error.kind().to_string())))
            .at(span, "")
            .help(help(error.kind()))
    })?;
    match parsed.value {
        Some(value) => Ok(place.value(&value)),
        None => Err(Problem::new(Code::ForeignSyntax, "this file holds no JSON").at(place.span(0, 0), "").help("it starts with `{`")),
    }
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn help(kind: &ParseErrorKind) -> &'static str {
    match kind {
        ParseErrorKind::ExpectedComma => "put a `,` between two values",
        ParseErrorKind::SingleQuotedStringsNotAllowed => "put texts between `\"`",
        ParseErrorKind::UnterminatedObject | ParseErrorKind::UnexpectedCloseBracket => "close the object with `}`",
        ParseErrorKind::UnterminatedArray | ParseErrorKind::UnexpectedCloseBrace => "close the list with `]`",
        ParseErrorKind::UnterminatedCommentBlock => "end the comment with `*/`",
        ParseErrorKind::ExpectedColonAfterObjectKey => "write `\"name\": value`",
        ParseErrorKind::UnexpectedWord | ParseErrorKind::ExpectedStringObjectProperty => "put names and texts between `\"`",
        _ => "mend it there; comments and trailing commas are fine, everything else is JSON",
    }
}

struct Place {
    id: SourceId,
    offset: usize,
    length: usize,
}

impl Place {
    fn span(&self, start: usize, end: usize) -> Span {
        let at = |offset: usize| u32::try_from((offset + self.offset).min(self.length)).unwrap_or(u32::MAX);
        Span { source: self.id, start: at(start), end: at(end.max(start)) }
    }

    fn value(&self, value: &ast::Value) -> Value {
        let (kind, range) = match value {
            ast::Value::StringLit(text) => (Kind::Text(text.value.to_string()), text.range),
            ast::Value::NumberLit(number) => (Kind::Number(number.value.to_string()), number.range),
            ast::Value::BooleanLit(value) => (Kind::Bool(value.value), value.range),
            ast::Value::NullKeyword(null) => (Kind::Null, null.range),
            ast::Value::Array(list) => (Kind::List(list.elements.iter().map(|value| self.value(value)).collect()), list.range),
            ast::Value::Object(object) => (Kind::Table(object.properties.iter().map(|field| self.field(field)).collect()), object.range),
        };
        Value { kind, span: self.span(range.start, range.end) }
    }

    fn field(&self, field: &ast::ObjectProp) -> Field {
        let range = match &field.name {
            ast::ObjectPropName::String(text) => text.range,
            ast::ObjectPropName::Word(word) => word.range,
        };
        Field { name: field.name.as_str().to_string(), name_span: self.span(range.start, range.end), value: self.value(&field.value) }
    }
}
