//! What an image is, as one number: the SHA-256 of everything that decides its contents.
//!
//! The preimage is a list of entries, each a path, a value and the place in a configuration that it comes from. It holds the base images'
//! digests, every instruction and every file of the build context, and nothing of the user, the host, the day or silo's own version.
//! It begins with a version; each path and value stands after its length, so no two lists give the same bytes. The places are not hashed.

mod preimage;

use std::collections::BTreeMap;
use std::fmt;

pub use preimage::{Difference, Entry, Preimage, diff, preimage};

use crate::plan::Plan;

/// The identity of an image: 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(String);

impl Identity {
    /// Checks a text; `None` when it is not 64 lower-case hexadecimal digits.
    pub fn new(text: &str) -> Option<Identity> {
        let fits = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        fits.then(|| Identity(text.to_string()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identity of a plan's image.
pub fn identify(plan: &Plan) -> Identity {
    preimage(plan).identity()
}

impl Preimage {
    /// The identity of what it lists.
    pub fn identity(&self) -> Identity {
        Identity(self.hash())
    }
}

/// The image's local reference: `localhost/silo/NAME:IDENTITY`, where the name is the target stage's without `agent-`.
pub fn reference(plan: &Plan, identity: &Identity) -> String {
    let name = plan.target.0.as_str();
    format!("localhost/silo/{}:{identity}", name.strip_prefix("agent-").unwrap_or(name))
}

/// Labels that say which image this is. They are given to the builder beside the Dockerfile, since they cannot be part of what they name.
pub fn labels(identity: &Identity) -> BTreeMap<String, String> {
    BTreeMap::from([("dev.silo.identity".to_string(), identity.to_string())])
}
