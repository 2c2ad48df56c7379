//! What becomes of each predicate.

use std::cmp::Ordering;

use super::place::Place;
use super::subject::Item;
use super::{Content, Named, Subject};
use crate::document::Value;
use crate::schema::contract::{Predicate, Test};
use crate::schema::types::{self, ValueType};
use crate::schema::version::Range;
use crate::schema::{Type, nearest};
use crate::source::Span;

/// Whether a predicate is kept.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// It is.
    Holds,
    /// It is not.
    Fails(Reason),
    /// It cannot be asked of such a value.
    Unfit(Reason),
    /// There is no value to ask it of.
    Silent,
}

/// Why a predicate is not kept.
#[derive(Clone, Debug)]
pub(super) struct Reason {
    /// What follows the path: `is 24, which …`.
    pub(super) text: String,
    /// The value, where it is one of several.
    pub(super) place: Option<Span>,
    /// Where it is asked, innermost first.
    pub(super) asked: Vec<Span>,
    /// What to do.
    pub(super) help: Option<String>,
}

/// All that is needed to evaluate.
pub(super) struct Evaluation<'a> {
    pub(super) named: &'a Named<'a>,
}

/// What one value comes to.
enum Answer {
    Yes,
    /// `which …`, and what to do.
    No(String, Option<String>),
    Unfit(String),
}

/// The most characters of a value that a message shows.
const SHOWN: usize = 60;

impl Evaluation<'_> {
    /// `beside` are the predicates of the same block: a `type` there says how limits are read.
    pub(super) fn predicate(&self, predicate: &Predicate, subject: &Subject<'_>, beside: &[Predicate]) -> Verdict {
        let span = predicate.span;
        if let Content::Missing = subject.content {
            return self.missing(predicate, subject);
        }
        match &predicate.test {
            Test::Present => Verdict::Holds,
            Test::Absent => Verdict::Fails(Reason {
                text: "must not be there".into(),
                place: None,
                asked: vec![span],
                help: Some("take it out".into()),
            }),
            Test::Is(name) => self.is(name, span, subject),
            Test::AnyOf(inner) => self.any_of(inner, span, subject),
            Test::Not(inner) => self.not(inner, span, subject),
            Test::Each(inner) => self.each(inner, span, subject),
            Test::Length { min, max } => length(*min, *max, span, subject),
            Test::Type(kind) => of_type(kind, span, subject),
            Test::Enum(words) => values(span, subject, |item| {
                if words.contains(&item.text) {
                    return Answer::Yes;
                }
                let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                let help = match nearest(&item.text, words.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write one of {}", quoted.join(", ")),
                };
                Answer::No(
                    if quoted.len() == 1 {
                        format!("which is not {}", quoted[0])
                    } else {
                        format!("which is none of {}", quoted.join(", "))
                    },
                    Some(help),
                )
            }),
            Test::Matches(pattern) => values(span, subject, |item| {
                if pattern.is_match(&item.text) {
                    Answer::Yes
                } else {
                    Answer::No(format!("which `{}` does not match", pattern.as_str()), None)
                }
            }),
            Test::Min(limit) => values(span, subject, |item| limited(item, limit, End::Least, subject, beside)),
            Test::Max(limit) => values(span, subject, |item| limited(item, limit, End::Most, subject, beside)),
            Test::Satisfies(range, written) => values(span, subject, |item| satisfies(item, range, written)),
            Test::Under(paths) => values(span, subject, |item| {
                let place = Place::parse(&item.text);
                if paths.iter().any(|path| place.is_within(&Place::parse(path))) {
                    return Answer::Yes;
                }
                let quoted: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
                Answer::No(format!("which is not known to be under {}", quoted.join(" or ")), None)
            }),
            Test::NotUnder(paths) => values(span, subject, |item| {
                let place = Place::parse(&item.text);
                let Some(path) = paths.iter().find(|path| place.may_meet(&Place::parse(path))) else { return Answer::Yes };
                let other = Place::parse(path);
                Answer::No(
                    if place.is_within(&other) {
                        format!("which is not to be under `{path}`")
                    } else if other.is_within(&place) {
                        format!("which holds `{path}`")
                    } else {
                        format!("which may be, hold or lie under `{path}`")
                    },
                    None,
                )
            }),
            Test::StartsWith(starts) => values(span, subject, |item| {
                if starts.iter().any(|start| item.text.starts_with(start.as_str())) {
                    return Answer::Yes;
                }
                let quoted: Vec<String> = starts.iter().map(|start| format!("`{start}`")).collect();
                Answer::No(format!("which does not begin with {}", quoted.join(" or ")), None)
            }),
        }
    }

    /// Of nothing, only its presence can be asked.
    fn missing(&self, predicate: &Predicate, subject: &Subject<'_>) -> Verdict {
        match &predicate.test {
            Test::Present => {
                let help = subject.path.segments().last().map(|name| format!("write `{name}`, or take the node out"));
                let help = if subject.span.is_some() { help } else { None };
                Verdict::Fails(Reason { text: "must be there".into(), place: None, asked: vec![predicate.span], help })
            }
            Test::Absent => Verdict::Holds,
            Test::Is(name) => self.is(name, predicate.span, subject),
            Test::AnyOf(inner) => self.any_of(inner, predicate.span, subject),
            Test::Not(inner) => self.not(inner, predicate.span, subject),
            Test::Each(_)
            | Test::Length { min: _, max: _ }
            | Test::Type(_)
            | Test::Enum(_)
            | Test::Matches(_)
            | Test::Min(_)
            | Test::Max(_)
            | Test::Satisfies(_, _)
            | Test::Under(_)
            | Test::NotUnder(_)
            | Test::StartsWith(_) => Verdict::Silent,
        }
    }

    /// All of a block: the first that is not kept decides.
    fn all(&self, predicates: &[Predicate], subject: &Subject<'_>) -> Verdict {
        let mut verdict = Verdict::Silent;
        for predicate in predicates {
            match self.predicate(predicate, subject, predicates) {
                Verdict::Holds => verdict = Verdict::Holds,
                Verdict::Silent => {}
                broken @ (Verdict::Fails(_) | Verdict::Unfit(_)) => return broken,
            }
        }
        verdict
    }

    fn is(&self, name: &str, span: Span, subject: &Subject<'_>) -> Verdict {
        let mut verdict = Verdict::Silent;
        // A name that does not exist was reported.
        for contract in self.named.get(name).into_iter().flatten() {
            let by = |mut reason: Reason| {
                reason.asked.push(span);
                reason.help = contract.doc.as_ref().map(|doc| doc.trim_end().to_string()).or(reason.help);
                reason
            };
            match self.all(&contract.predicates, subject) {
                Verdict::Holds => verdict = Verdict::Holds,
                Verdict::Silent => {}
                Verdict::Fails(reason) => return Verdict::Fails(by(reason)),
                Verdict::Unfit(reason) => return Verdict::Unfit(by(reason)),
            }
        }
        verdict
    }

    fn any_of(&self, inner: &[Predicate], span: Span, subject: &Subject<'_>) -> Verdict {
        let mut reasons = Vec::new();
        let mut silent = false;
        for predicate in inner {
            match self.predicate(predicate, subject, inner) {
                Verdict::Holds => return Verdict::Holds,
                Verdict::Silent => silent = true,
                Verdict::Fails(reason) | Verdict::Unfit(reason) => reasons.push(reason),
            }
        }
        if silent || reasons.is_empty() {
            return Verdict::Silent;
        }
        let place = reasons.iter().find_map(|reason| reason.place);
        let texts: Vec<&str> = reasons.iter().map(|reason| reason.text.as_str()).collect();
        Verdict::Fails(Reason { text: texts.join(", and "), place, asked: vec![span], help: None })
    }

    fn not(&self, inner: &[Predicate], span: Span, subject: &Subject<'_>) -> Verdict {
        match self.all(inner, subject) {
            Verdict::Holds => {
                let (text, place) = match &subject.content {
                    Content::One(item) => (format!("is {}, which it must not be", shown(item)), Some(item.span)),
                    Content::Many(_) | Content::Record(_) => ("is what it must not be".to_string(), None),
                    Content::Missing => ("must be there".to_string(), None),
                };
                Verdict::Fails(Reason { text, place, asked: vec![span], help: None })
            }
            Verdict::Fails(_) => Verdict::Holds,
            Verdict::Unfit(reason) => Verdict::Unfit(reason),
            Verdict::Silent => Verdict::Silent,
        }
    }

    fn each(&self, inner: &[Predicate], span: Span, subject: &Subject<'_>) -> Verdict {
        let items: Vec<&Item> = match &subject.content {
            Content::One(item) => vec![item],
            Content::Many(items) => items.iter().collect(),
            Content::Record(named) if !named.is_empty() => named.iter().map(|(_, item)| item).collect(),
            Content::Record(_) => return Verdict::Unfit(without_value(span)),
            Content::Missing => return Verdict::Silent,
        };
        for item in items {
            let Subject { path, content: _, span: _, kind } = subject;
            let one = Subject { path: path.clone(), content: Content::One(item.clone()), span: Some(item.span), kind: *kind };
            match self.all(inner, &one) {
                Verdict::Holds | Verdict::Silent => {}
                broken @ (Verdict::Fails(_) | Verdict::Unfit(_)) => return broken,
            }
        }
        Verdict::Holds
    }
}

fn shown(item: &Item) -> String {
    if item.secret {
        return "a secret".to_string();
    }
    let mut line: String = item.text.lines().next().unwrap_or("").chars().take(SHOWN).collect();
    if line.len() < item.text.len() {
        line.push('…');
    }
    format!("`{line}`")
}

fn without_value(span: Span) -> Reason {
    let help = Some("name one of its values in `on=`: a property, or what the reference calls its argument".to_string());
    Reason { text: "is a node without a value of its own".into(), place: None, asked: vec![span], help }
}

/// Asks a question of the value, or of all values of a list.
fn values(span: Span, subject: &Subject<'_>, ask: impl Fn(&Item) -> Answer) -> Verdict {
    let items: Vec<&Item> = match &subject.content {
        Content::One(item) => vec![item],
        Content::Many(items) => items.iter().collect(),
        Content::Record(_) => return Verdict::Unfit(without_value(span)),
        Content::Missing => return Verdict::Silent,
    };
    for item in items {
        let reason =
            |why: String, help| Reason { text: format!("is {}, {why}", shown(item)), place: Some(item.span), asked: vec![span], help };
        match ask(item) {
            Answer::Yes => {}
            Answer::No(why, help) => return Verdict::Fails(reason(why, help)),
            Answer::Unfit(why) => return Verdict::Unfit(reason(why, None)),
        }
    }
    Verdict::Holds
}

fn of_type(kind: &ValueType, span: Span, subject: &Subject<'_>) -> Verdict {
    let fails = |text: &str| Verdict::Fails(Reason { text: text.to_string(), place: None, asked: vec![span], help: None });
    let one = |item: &Item| match kind.read(&item.value) {
        Ok(_) => Answer::Yes,
        Err(expected) => Answer::No(format!("which is not {expected}"), None),
    };
    match (kind, &subject.content) {
        (ValueType::Map(inner), Content::Record(named)) => {
            let wrong = named.iter().find(|(_, item)| inner.read(&item.value).is_err());
            wrong.map_or(Verdict::Holds, |(name, item)| {
                let text = format!("has `{name}={}`, which is not {}", item.text, inner.describe());
                Verdict::Fails(Reason { text, place: Some(item.span), asked: vec![span], help: None })
            })
        }
        (ValueType::Map(_), Content::One(_) | Content::Many(_)) => fails("is not values by name"),
        (_, Content::One(_) | Content::Many(_) | Content::Record(_) | Content::Missing) => values(span, subject, one),
    }
}

fn length(min: Option<i128>, max: Option<i128>, span: Span, subject: &Subject<'_>) -> Verdict {
    let (count, what) = match &subject.content {
        Content::One(item) => (item.text.chars().count(), "character"),
        Content::Many(items) => (items.len(), "value"),
        Content::Record(named) if !named.is_empty() => (named.len(), "value"),
        Content::Record(_) => return Verdict::Unfit(without_value(span)),
        Content::Missing => return Verdict::Silent,
    };
    let count = i128::try_from(count).unwrap_or(i128::MAX);
    let wanted = match (min.filter(|min| count < *min), max.filter(|max| count > *max)) {
        (Some(min), _) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => return Verdict::Holds,
    };
    let plural = if count == 1 { "" } else { "s" };
    Verdict::Fails(Reason {
        text: format!("has {count} {what}{plural}, and must have {wanted}"),
        place: None,
        asked: vec![span],
        help: None,
    })
}

fn satisfies(item: &Item, range: &Range, written: &str) -> Answer {
    match Range::parse(&item.text) {
        Some(value) if value.is_within(range) => Answer::Yes,
        Some(_) => Answer::No(format!("which does not satisfy `{written}`"), None),
        None if item.text.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            let help = format!("write a version, or the range itself: `{written}`");
            Answer::No(format!("which can be any version and so does not satisfy `{written}`"), Some(help))
        }
        None => Answer::Unfit("which is not a version".to_string()),
    }
}

/// Which end a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Least,
    Most,
}

/// How a limit is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Number,
    Size,
    Duration,
    Version,
}

fn limited(item: &Item, limit: &Value, end: End, subject: &Subject<'_>, beside: &[Predicate]) -> Answer {
    let limit_text = types::text(limit);
    let Some(scale) = scale(&item.text, &limit_text, limit, subject.kind, beside) else {
        return Answer::Unfit(format!("which cannot be compared with `{limit_text}`"));
    };
    if scale == Scale::Version {
        let range = if end == End::Least { Range::at_least(&limit_text) } else { Range::at_most(&limit_text) };
        return match (Range::parse(&item.text), range) {
            (Some(value), Some(range)) if value.is_within(&range) => Answer::Yes,
            (Some(_), Some(_)) => outside(end, &limit_text),
            (None, Some(_)) if item.text.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                Answer::No(format!("which can be any version, also one beyond `{limit_text}`"), Some("write a version".to_string()))
            }
            (_, _) => Answer::Unfit(format!("which cannot be compared with `{limit_text}`")),
        };
    }
    let order = match scale {
        Scale::Number => numbers(&item.text, &limit_text),
        Scale::Size => both(types::size, &item.text, &limit_text),
        Scale::Duration => both(types::duration, &item.text, &limit_text),
        Scale::Version => None,
    };
    match (order, end) {
        (None, _) => Answer::Unfit(format!("which cannot be compared with `{limit_text}`")),
        (Some(Ordering::Less), End::Least) | (Some(Ordering::Greater), End::Most) => outside(end, &limit_text),
        (Some(Ordering::Less | Ordering::Equal | Ordering::Greater), End::Least | End::Most) => Answer::Yes,
    }
}

fn outside(end: End, limit: &str) -> Answer {
    Answer::No(if end == End::Least { format!("which is less than `{limit}`") } else { format!("which is more than `{limit}`") }, None)
}

/// By what the table or a `type` says of the value, else by what both look like.
fn scale(value: &str, limit_text: &str, limit: &Value, kind: Option<Type>, beside: &[Predicate]) -> Option<Scale> {
    let said = beside.iter().find_map(|predicate| match &predicate.test {
        Test::Type(kind) => of_value_type(kind),
        Test::Is(_)
        | Test::Enum(_)
        | Test::Matches(_)
        | Test::Min(_)
        | Test::Max(_)
        | Test::Satisfies(_, _)
        | Test::Length { min: _, max: _ }
        | Test::Under(_)
        | Test::NotUnder(_)
        | Test::StartsWith(_)
        | Test::Each(_)
        | Test::AnyOf(_)
        | Test::Not(_)
        | Test::Present
        | Test::Absent => None,
    });
    let known = match kind {
        Some(Type::Size) => Some(Scale::Size),
        Some(Type::Duration) => Some(Scale::Duration),
        Some(Type::Version) => Some(Scale::Version),
        Some(Type::Integer | Type::Number) => Some(Scale::Number),
        Some(
            Type::Text
            | Type::Path
            | Type::Url
            | Type::Name
            | Type::EnvName
            | Type::Script
            | Type::Regex
            | Type::Mode
            | Type::Bool
            | Type::Scalar
            | Type::OneOf(_),
        )
        | None => None,
    };
    said.or(known).or_else(|| {
        let is_number = match limit {
            Value::Integer(_) | Value::Decimal(_) => true,
            Value::String(_) | Value::Bool(_) | Value::Null => false,
        };
        if is_number {
            return numbers(value, limit_text).map(|_| Scale::Number);
        }
        let unit = |text: &str| text.ends_with(|c: char| c.is_ascii_alphabetic());
        if unit(limit_text) && both(types::size, value, limit_text).is_some() {
            Some(Scale::Size)
        } else if both(types::duration, value, limit_text).is_some() {
            Some(Scale::Duration)
        } else if !unit(limit_text) && Range::parse(limit_text).is_some() {
            Some(Scale::Version)
        } else {
            None
        }
    })
}

fn of_value_type(kind: &ValueType) -> Option<Scale> {
    match kind.item() {
        ValueType::Int | ValueType::Number | ValueType::Port => Some(Scale::Number),
        ValueType::Size => Some(Scale::Size),
        ValueType::Duration => Some(Scale::Duration),
        ValueType::Version | ValueType::VersionReq => Some(Scale::Version),
        ValueType::String
        | ValueType::Bool
        | ValueType::Identifier
        | ValueType::Path
        | ValueType::AbsPath
        | ValueType::Url
        | ValueType::ImageRef
        | ValueType::Platform
        | ValueType::HostGlob
        | ValueType::RepoGlob
        | ValueType::EnvName
        | ValueType::FileMode
        | ValueType::Regex
        | ValueType::Enum(_)
        | ValueType::List(_)
        | ValueType::Map(_) => None,
    }
}

fn both(read: fn(&str) -> Option<u64>, a: &str, b: &str) -> Option<Ordering> {
    Some(read(a)?.cmp(&read(b)?))
}

/// Whole numbers exactly, others as floating point.
fn numbers(a: &str, b: &str) -> Option<Ordering> {
    if let (Ok(a), Ok(b)) = (a.parse::<i128>(), b.parse::<i128>()) {
        return Some(a.cmp(&b));
    }
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    number(a)?.partial_cmp(&number(b)?)
}
