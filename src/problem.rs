//! What is wrong with what somebody wrote: problems as data, and their picture.
//!
//! Stages return problems beside their values instead of stopping at the first one. A [`Problem`] has a code that never changes, one
//! sentence saying what is wrong, labels at the places concerned (in several files if need be), and help that can be typed.

mod edit;
mod render;

use crate::source::Span;

pub use edit::{Edit, Part};
pub use render::{MAX_SHOWN, RenderOptions, escape, reference, render};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is built or run.
    Error,
    /// silo goes on.
    Warning,
}

/// A place and what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// A few words; empty when underlining is enough.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The stable code.
    pub code: Code,
    /// One sentence, lower case, without a full stop: what is wrong.
    pub message: String,
    /// Where; the first label is the main one.
    pub labels: Vec<Label>,
    /// What to do, in words that can be typed.
    pub help: Option<String>,
    /// What to change in the texts, all of it together, so that the problem is mended; empty when a person has to decide.
    pub fixes: Vec<Edit>,
}

impl Problem {
    /// A problem without a place or help yet.
    pub fn new(code: Code, message: impl Into<String>) -> Problem {
        Problem { code, message: message.into(), labels: Vec::new(), help: None, fixes: Vec::new() }
    }

    /// Adds a place.
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Problem {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Says what to do.
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// Says what to change, when that is certain.
    pub fn fix(mut self, edit: Edit) -> Problem {
        self.fixes.push(edit);
        self
    }

    /// Says what to change, when there is something.
    pub fn fix_if(mut self, edit: Option<Edit>) -> Problem {
        self.fixes.extend(edit);
        self
    }

    /// Its main place.
    pub fn place(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }

    /// Whether it stops the command.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

/// All problems found so far, in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds all of another stage's.
    pub fn extend(&mut self, others: Problems) {
        self.0.extend(others.0);
    }

    /// Adds those of another stage's that are not about a place that has an error already.
    pub fn extend_new(&mut self, others: Problems) {
        let known: Vec<Span> = self.0.iter().filter(|problem| problem.severity() == Severity::Error).filter_map(Problem::place).collect();
        let told = |place: Span| {
            known.iter().any(|span| span.source == place.source && span.start < place.end.max(place.start + 1) && place.start < span.end)
        };
        self.0.extend(others.0.into_iter().filter(|problem| !problem.place().is_some_and(told)));
    }

    /// Whether any of them stops the command.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|problem| problem.severity() == Severity::Error)
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them as a person mends them: errors before warnings, then by file and from its top to its bottom; what has no place comes
    /// first, and what has the same place stays in the order in which it was found.
    pub fn by_place(&self) -> Vec<&Problem> {
        let mut all: Vec<&Problem> = self.0.iter().collect();
        all.sort_by_key(|problem| (problem.severity(), problem.place().map(|span| (span.source, span.start))));
        all
    }

    /// One after the other, as they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

macro_rules! codes {
    ($($variant:ident $code:literal $severity:ident $meaning:literal)*) => {
        /// The stable name of a kind of problem. `docs/errors.md` is generated from this list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $meaning] $variant,)* }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// What is printed: `silo::…`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => concat!("silo::", $code),)* }
            }

            /// One sentence on what the code means.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$variant => $meaning,)* }
            }

            /// Whether it stops the command.
            pub fn severity(self) -> Severity {
                match self { $(Code::$variant => Severity::$severity,)* }
            }
        }
    };
}

// In the order of the stages that find them.
codes! {
    TooLarge "parse::too-large" Error "A file is larger than silo reads."
    TooDeep "parse::too-deep" Error "Braces, comments or slash-dashes are nested deeper than silo reads."
    Unreadable "parse::unreadable" Error "A file exists but cannot be read."
    NotUtf8 "parse::not-utf8" Error "A file is not UTF-8 text."
    Syntax "parse::syntax" Error "A file is not KDL."
    ForeignSyntax "parse::foreign-syntax" Error "A file of another tool is not written as that tool's files are."
    TooNew "check::too-new" Error "A file needs a newer silo than this one."
    UnknownNode "check::unknown-node" Error "A node has a name that silo does not know in this place."
    UnknownProperty "check::unknown-property" Error "A node has a property that silo does not know."
    UnknownAnnotation "check::unknown-annotation" Error "A type annotation is none of silo's."
    MissingArgument "check::missing-argument" Error "A node lacks an argument that it needs."
    ExtraArgument "check::extra-argument" Error "A node has more arguments than it takes."
    DuplicateProperty "check::duplicate-property" Error "A property is given twice on one node."
    DuplicateNode "check::duplicate-node" Error "A node is given twice where there is one of it."
    WrongType "check::wrong-type" Error "A value has the wrong type."
    BadValue "check::bad-value" Error "A value has the right type but cannot be used."
    UnexpectedChildren "check::unexpected-children" Error "A node has a block where it takes none."
    ConditionMisplaced "check::condition" Error "A condition stands where it could depend on itself."
    ImportMissing "import::missing" Error "An imported file does not exist."
    ImportOutside "import::outside" Warning "A project file imports something outside its repository, which is not read until the project is trusted."
    ImportCycle "import::cycle" Error "Files import each other in a circle."
    ImportLimit "import::too-many" Error "A configuration has more files, or deeper imports, than silo reads."
    TooManyConditions "merge::too-many-conditions" Error "More conditions hold at once than silo reads."
    Conflict "merge::conflict" Error "Two definitions of the same strength disagree."
    ForceShadowed "merge::force-shadowed" Warning "A forced value loses to one forced by a file further out."
    RemovesNothing "merge::removes-nothing" Warning "A removal matches nothing."
    UnknownPlaceholder "merge::unknown-placeholder" Error "A placeholder has a name that means nothing here."
    PlaceholderCycle "merge::placeholder-cycle" Error "Values stand for each other in a circle."
    ValueTooLarge "merge::value-too-large" Error "A text becomes too long, or names stand for each other too deep, when its placeholders are filled in."
    VersionFile "detect::version-file" Error "A file of the repository that should say a version does not."
    ContractPath "contract::unknown-path" Error "A contract is about a path that leads to nothing there can be."
    ContractUnmatched "contract::unmatched" Warning "A contract is about something that nobody says, and its path looks like a slip."
    ContractUnknown "contract::unknown-name" Error "A contract refers to another by a name that none has."
    ContractCycle "contract::cycle" Error "Contracts refer to each other in a circle."
    ContractViolated "contract::violated" Error "A value is not what a contract asks for."
    ContractUnfit "contract::unfit" Error "A contract asks of a value what cannot be asked of it."
    UnknownDefinition "spec::unknown-definition" Error "A language, tool, server or agent is in no catalog."
    UnknownSource "spec::unknown-source" Error "A component cannot be installed from the source asked for."
    UnknownOption "spec::unknown-option" Error "An option is not one of its definition's."
    Redefinition "spec::redefinition" Error "A definition has the name of a built-in one."
    DefinitionCycle "spec::definition-cycle" Error "Definitions extend each other in a circle."
    NotTrusted "trust::not-trusted" Warning "A project file asks for something of the host, which it does not get until the project is trusted."
    NotLimited "spec::not-limited" Warning "A limit is asked for that no backend keeps."
    LayerCycle "spec::layer-cycle" Error "Layers wait for each other in a circle."
    UnsafeText "spec::unsafe-text" Error "A text holds a character that cannot be carried through."
    SplitIdentity "spec::split-identity" Warning "A condition of a committed file gives one commit several images."
    LockSyntax "lock::syntax" Error "silo.lock cannot be read."
    LockVersion "lock::version" Error "silo.lock was written by a newer silo."
    LockMissing "lock::missing" Error "There is no silo.lock and the command may not write one."
    LockStale "lock::stale" Error "silo.lock does not match silo.kdl and the command may not update it."
    LockVariants "lock::variants" Error "What is locked depends on a condition, and the lock can hold it only once."
    LockUnsigned "lock::unsigned" Warning "The signature of a distribution's release file cannot be checked on this machine."
    LockMoved "lock::moved" Warning "A locked package of the distribution had to move for one that is new."
    LockFallback "lock::fallback" Warning "The preferred source of a component could not be used."
    PlatformMissing "lock::platform" Warning "A base of a registry has no image for one of the architectures."
    CacheUnwritten "lock::cache" Warning "What servers answer cannot be kept in the cache, so that it is fetched again each time."
    Unresolved "lock::unresolved" Error "A version or checksum could not be found."
    VendorFetch "vendor::fetch" Error "A file that silo.lock pins could not be put into the folder of vendored files."
    VendorMissing "vendor::missing" Error "A file that an offline build needs is not in the folder of vendored files."
    VendorDamaged "vendor::damaged" Error "A vendored file is not what its name says."
    CopySource "plan::copy-source" Error "A file that an image copies is missing or outside the repository."
    BuildStep "build::step" Error "A step of a build failed."
    BuildChecksum "build::checksum" Error "What a build downloaded is not what the lock pins."
    LaunchMissing "launch::missing" Error "Something of this machine that a container needs is not there."
    LaunchTarget "launch::target" Error "A container cannot have that there."
    AppleUnsupported "apple::unsupported" Error "The configuration needs something that Apple's container tool cannot do."
    AppleTooLarge "apple::too-large" Error "The Dockerfile is larger than Apple's builder accepts."
}
