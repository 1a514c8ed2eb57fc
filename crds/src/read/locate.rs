//! Which line a path stands on. The parser knows its place only while it reads, so the text is read
//! once more, down to the path, and stopped there: the error then carries the line.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

use super::Defect;

/// How many defects are told of one file: each line costs a reading of the text.
const MOST: usize = 50;

/// Gives each defect its line and puts them in the order of the file.
pub fn lines(text: &str, mut defects: Vec<Defect>) -> Vec<Defect> {
    let more = defects.len().saturating_sub(MOST);
    defects.truncate(MOST);
    let place = |mut defect: Defect| {
        if defect.line.is_none() && !defect.path.is_empty() {
            defect.line = line(text, &defect.path);
        }
        defect
    };
    let mut defects: Vec<Defect> = defects.into_iter().map(place).collect();
    defects.sort();
    defects.dedup();
    if more > 0 {
        defects.push(Defect::of_text(None, format!("and {more} more")));
    }
    defects
}

/// The line of a path, or of the deepest part of it that the text has.
pub fn line(text: &str, path: &str) -> Option<usize> {
    let steps = steps(path);
    (1..=steps.len()).rev().find_map(|depth| {
        let document = serde_yaml::Deserializer::from_str(text);
        let descent = Descent(steps.get(..depth)?);
        let error = descent.deserialize(document).err()?;
        error
            .to_string()
            .contains(HERE)
            .then(|| error.location().map(|location| location.line()))
            .flatten()
    })
}

/// The library puts the path in front of it and the place behind it.
const HERE: &str = "the path stands here";

#[derive(Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Splits `spec.users[2].name`, and `metadata.annotations["a.b/c"]` where a key holds dots.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (key, after) = quoted.split_once("\"]").unwrap_or((quoted, ""));
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        } else if let Some(number) = rest.strip_prefix('[') {
            let (index, after) = number.split_once(']').unwrap_or((number, ""));
            if let Ok(index) = index.parse() {
                steps.push(Step::Index(index));
            }
            rest = after;
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            if !key.is_empty() {
                steps.push(Step::Key(key.to_owned()));
            }
            rest = after;
        }
    }
    steps
}

struct Descent<'a>(&'a [Step]);

impl<'de> DeserializeSeed<'de> for Descent<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.0.is_empty() {
            // Whatever stands here is of the wrong type for this visitor, so the error carries the
            // place of the value itself.
            deserializer.deserialize_any(Stop)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Descent<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping or a sequence")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match self.0.split_first() {
                Some((Step::Key(wanted), rest)) if *wanted == key => {
                    map.next_value_seed(Descent(rest))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let Some((Step::Index(wanted), rest)) = self.0.split_first() else {
            while sequence.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        for _ in 0..*wanted {
            if sequence.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        if sequence.next_element_seed(Descent(rest))?.is_some() {
            while sequence.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }
}

struct Stop;

macro_rules! stop {
    ($($visit:ident: $type:ty),*) => {
        $(fn $visit<E: Error>(self, _: $type) -> Result<(), E> {
            Err(E::custom(HERE))
        })*
    };
}

impl<'de> Visitor<'de> for Stop {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    stop!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Err(E::custom(HERE))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom(HERE))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom(HERE))
    }
}
