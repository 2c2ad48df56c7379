//! What a structured file of another tool holds, whatever it is written in: values with their places.

use std::collections::BTreeSet;

use crate::source::Span;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What it is.
    pub kind: Kind,
    /// The whole value, quotes and brackets included.
    pub span: Span,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text(String),
    /// A number, as it was written.
    Number(String),
    /// A truth value.
    Bool(bool),
    /// A date or a time of day, as it was written.
    Date(String),
    /// Nothing.
    Null,
    /// Values in order.
    List(Vec<Value>),
    /// Values by name, in written order; a name may be there twice.
    Table(Vec<Field>),
}

/// A value of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub name_span: Span,
    /// The value.
    pub value: Value,
}

impl Value {
    /// The text, when it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            Kind::Number(_) | Kind::Bool(_) | Kind::Date(_) | Kind::Null | Kind::List(_) | Kind::Table(_) => None,
        }
    }

    /// A text, number, truth value or date as text.
    pub fn scalar(&self) -> Option<String> {
        match &self.kind {
            Kind::Text(text) | Kind::Number(text) | Kind::Date(text) => Some(text.clone()),
            Kind::Bool(value) => Some(value.to_string()),
            Kind::Null | Kind::List(_) | Kind::Table(_) => None,
        }
    }

    /// The fields of a table.
    pub fn table(&self) -> Option<&[Field]> {
        match &self.kind {
            Kind::Table(fields) => Some(fields),
            Kind::Text(_) | Kind::Number(_) | Kind::Bool(_) | Kind::Date(_) | Kind::Null | Kind::List(_) => None,
        }
    }

    /// The values of a list; of anything else, the value itself.
    pub fn items(&self) -> &[Value] {
        match &self.kind {
            Kind::List(values) => values,
            Kind::Text(_) | Kind::Number(_) | Kind::Bool(_) | Kind::Date(_) | Kind::Null | Kind::Table(_) => std::slice::from_ref(self),
        }
    }

    /// A field of a table: the last of that name, as JSON's readers take it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.table()?.iter().rev().find(|field| field.name == name).map(|field| &field.value)
    }

    /// The value at a path of names, split at dots.
    pub fn at(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(self, |value, name| value.get(name))
    }

    /// Takes out the fields of tables that stand there a second time later on, as the readers of JSON do, and returns them.
    pub fn take_doubles(&mut self) -> Vec<Field> {
        let mut doubles = Vec::new();
        match &mut self.kind {
            Kind::Table(fields) => {
                let mut later = BTreeSet::new();
                let mut kept = Vec::new();
                for mut field in std::mem::take(fields).into_iter().rev() {
                    if later.insert(field.name.clone()) {
                        doubles.extend(field.value.take_doubles());
                        kept.push(field);
                    } else {
                        doubles.push(field);
                    }
                }
                kept.reverse();
                *fields = kept;
            }
            Kind::List(values) => doubles.extend(values.iter_mut().flat_map(Value::take_doubles)),
            Kind::Text(_) | Kind::Number(_) | Kind::Bool(_) | Kind::Date(_) | Kind::Null => {}
        }
        doubles
    }

    /// What it is, in words.
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Text(_) => "a text",
            Kind::Number(_) => "a number",
            Kind::Bool(_) => "a truth value",
            Kind::Date(_) => "a date",
            Kind::Null => "null",
            Kind::List(_) => "a list",
            Kind::Table(_) => "an object",
        }
    }
}
