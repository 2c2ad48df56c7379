//! What to change in a text so that a problem is mended.

use crate::source::Span;

/// A change of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Where.
    pub span: Span,
    /// What of it is replaced.
    pub part: Part,
    /// What stands there afterwards.
    pub text: String,
}

/// A part of what a span covers. Stages know the span of a whole argument or property; which bytes are its value, the text shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The name of a property, if it is written like this.
    Name(String),
    /// The value of an argument or a property, without its annotation.
    Value,
    /// The value, if it is written like this; else there is no change.
    ValueWritten(String),
    /// These words, if they are written there exactly once; else there is no change.
    Words(String),
}

impl Edit {
    /// Replaces everything in a span.
    pub fn whole(span: Span, text: impl Into<String>) -> Edit {
        Edit { span, part: Part::Whole, text: text.into() }
    }

    /// Gives a property another name.
    pub fn name(span: Span, name: impl Into<String>, text: impl Into<String>) -> Edit {
        Edit { span, part: Part::Name(name.into()), text: text.into() }
    }

    /// Gives an argument or a property another value, in KDL.
    pub fn value(span: Span, text: impl Into<String>) -> Edit {
        Edit { span, part: Part::Value, text: text.into() }
    }

    /// Gives an argument or a property that is written in one way another value, in KDL.
    pub fn value_written(span: Span, written: impl Into<String>, text: impl Into<String>) -> Edit {
        Edit { span, part: Part::ValueWritten(written.into()), text: text.into() }
    }

    /// Replaces words within a span.
    pub fn words(span: Span, words: impl Into<String>, text: impl Into<String>) -> Edit {
        Edit { span, part: Part::Words(words.into()), text: text.into() }
    }
}
