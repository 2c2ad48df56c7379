//! What may stand in the parentheses before a node or a value: how strong it is, what it does, where it stands in a list.
//!
//! `merge-op := "(" op ("," op)* ")"`; [`parse`] is the one reading of it.

/// How much weight a writer gave to a definition. The order is the order of strength.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// `(default)`: weaker than what says nothing.
    Default,
    /// Nothing was said.
    #[default]
    Plain,
    /// `(priority:N)`: stronger than what says nothing; of two, the larger number.
    Level(u32),
    /// `(force)`: stronger than all.
    Force,
}

/// What a node does instead of adding to what weaker files say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `(remove)`: takes it away.
    Remove,
    /// `(replace)`: takes it away and says something new.
    Replace,
}

/// An annotation's words, understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// `default`, `priority:N` or `force`.
    pub priority: Option<Priority>,
    /// `remove` or `replace`.
    pub action: Option<Action>,
    /// Where it stands in a list: what has a smaller number comes first, and what says nothing has 0. `prepend` is -1, `append` is 1.
    pub order: Option<i32>,
    /// `raw`: the text has no placeholders.
    pub raw: bool,
}

/// A word of an annotation that cannot be understood, or not together with those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault<'a> {
    /// There is no such word.
    Unknown(&'a str),
    /// A word that needs a number has another one, or none: what it must look like.
    Number(&'a str, &'static str),
    /// Two words that say different things of the same.
    Both(&'a str),
}

/// The words, as they are written in messages.
pub const WORDS: [&str; 9] = ["default", "priority:N", "force", "remove", "replace", "prepend", "append", "order:N", "raw"];

/// Reads an annotation. What cannot be understood is left out of the operations and listed.
pub fn parse(text: &str) -> (Operations, Vec<Fault<'_>>) {
    let mut operations = Operations::default();
    let mut faults = Vec::new();
    for word in text.split(',').map(str::trim) {
        let fresh = match word {
            "default" => set(&mut operations.priority, Priority::Default),
            "force" => set(&mut operations.priority, Priority::Force),
            "remove" => set(&mut operations.action, Action::Remove),
            "replace" => set(&mut operations.action, Action::Replace),
            "prepend" => set(&mut operations.order, -1),
            "append" => set(&mut operations.order, 1),
            "raw" => !std::mem::replace(&mut operations.raw, true),
            other => match other.split_once(':').map_or((other, ""), |(name, number)| (name, number.trim())) {
                ("priority", number) => match number.parse::<u32>() {
                    Ok(level @ 1..) => set(&mut operations.priority, Priority::Level(level)),
                    Ok(0) | Err(_) => {
                        faults.push(Fault::Number(
                            word,
                            "`(priority:10)`: a whole number from 1; `(default)` is weaker than what says nothing",
                        ));
                        continue;
                    }
                },
                ("order", number) => match number.parse::<i32>() {
                    Ok(number) => set(&mut operations.order, number),
                    Err(_) => {
                        faults.push(Fault::Number(word, "`(order:10)`: a whole number; what says nothing has 0"));
                        continue;
                    }
                },
                (_, _) => {
                    faults.push(Fault::Unknown(word));
                    continue;
                }
            },
        };
        if !fresh {
            faults.push(Fault::Both(word));
        }
    }
    (operations, faults)
}

/// Whether nothing was set before.
fn set<T>(slot: &mut Option<T>, value: T) -> bool {
    slot.replace(value).is_none()
}

impl Operations {
    /// Which of [`WORDS`] the operations come from.
    pub fn words(&self) -> Vec<&'static str> {
        let Operations { priority, action, order, raw } = self;
        let mut words = Vec::new();
        words.extend(priority.map(|priority| match priority {
            Priority::Default => "default",
            Priority::Plain | Priority::Level(_) => "priority:N",
            Priority::Force => "force",
        }));
        words.extend(action.map(|action| match action {
            Action::Remove => "remove",
            Action::Replace => "replace",
        }));
        words.extend(order.map(|order| match order {
            -1 => "prepend",
            1 => "append",
            _ => "order:N",
        }));
        words.extend(raw.then_some("raw"));
        words
    }
}
