//! Ids.

use nearfield::{Error, IdType, Ids, Result};

use crate::v1;
use crate::v1::ids::Kind;

/// Ids of a collection whose ids are of this type.
///
/// # Errors
/// [`Error::InvalidArgument`] for ids of the other type.
pub fn ids(field: &str, message: Option<v1::Ids>, id_type: IdType) -> Result<Ids> {
    match (message.and_then(|message| message.kind), id_type) {
        (None, IdType::U64) => Ok(Ids::U64(Vec::new())),
        (None, IdType::Str) => Ok(Ids::Str(Vec::new())),
        (Some(Kind::U64(list)), IdType::U64) => Ok(Ids::U64(list.values)),
        (Some(Kind::Str(list)), IdType::Str) => Ok(Ids::Str(list.values)),
        (Some(kind), _) => {
            let found = match kind {
                Kind::U64(_) => "u64 ids",
                Kind::Str(_) => "str ids",
            };
            let fix = "use the kind of id that the collection was created with";
            Err(Error::invalid(field, format!("{id_type} ids"), found, fix))
        }
    }
}

/// The message of these ids.
pub fn ids_message(ids: Ids) -> v1::Ids {
    let kind = match ids {
        Ids::U64(values) => Kind::U64(v1::U64List { values }),
        Ids::Str(values) => Kind::Str(v1::StringList { values }),
    };
    v1::Ids { kind: Some(kind) }
}
