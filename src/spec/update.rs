//! What silo may do by itself to keep agents new. None of it is in an image.

/// What is done about a newer version of an agent, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Update {
    /// Nothing is looked for.
    Never,
    /// The user is told of it.
    Notify,
    /// It is built in the background, and the user's next run starts it.
    Auto,
}

impl Update {
    /// From the word that configurations use.
    pub fn parse(text: &str) -> Option<Update> {
        [Update::Never, Update::Notify, Update::Auto].into_iter().find(|update| update.as_str() == text)
    }

    /// The word that configurations use.
    pub fn as_str(self) -> &'static str {
        match self {
            Update::Never => "never",
            Update::Notify => "notify",
            Update::Auto => "auto",
        }
    }
}

/// What holds for all agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Updates {
    /// The most that is done for any of them.
    pub most: Update,
    /// Hours that lie at least between two looks for a newer version of the same agent.
    pub hours: u64,
}

impl Default for Updates {
    /// What each agent asks for, once a day.
    fn default() -> Updates {
        Updates { most: Update::Auto, hours: 24 }
    }
}
