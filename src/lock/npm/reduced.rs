//! Leaves of a package's document what is read of it. Registries that know no short form send the long one, most of which is of no use
//! here: scripts, exports, documentation.

use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};
use serde_json::Value;

use super::packument::{Dist, Manifest, Packument};

/// The document with only what [`Packument`] reads; nothing when it is no such document.
pub fn reduced(document: &[u8]) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(document).ok()?;
    keep(&mut value, fields::<Packument>());
    for version in value.get_mut("versions")?.as_object_mut()?.values_mut() {
        keep(version, fields::<Manifest>());
        if let Some(dist) = version.get_mut("dist") {
            keep(dist, fields::<Dist>());
        }
    }
    serde_json::to_vec(&value).ok()
}

fn keep(value: &mut Value, fields: &[&str]) {
    if let Value::Object(map) = value {
        map.retain(|name, _| fields.contains(&name.as_str()));
    }
}

/// The names that a structure is read from, other names of a field included.
fn fields<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    drop(T::deserialize(Names(&mut names)));
    names
}

/// Asks a structure for its names, and gives it nothing.
struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(Self::Error::custom("only its names are asked for"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("it is no structure"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}
