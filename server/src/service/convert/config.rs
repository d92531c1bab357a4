//! What a collection is.

use nearfield::{
    AttributeType, CollectionConfig, Dtype, Durability, Error, IdType, IndexKind, MemoryMode,
    Metric, Profile, Result, Schema,
};

use crate::v1;

/// Joins an enum of the messages to one of the library: both directions from one list. What is
/// unspecified is the first, but for those that have no default.
macro_rules! joined {
    ($to:ident, $from:ident, $field:literal: $message:ident, $word:ident { $($theirs:ident = $ours:ident),+ $(,)? } $unspecified:expr) => {
        fn $to(code: i32) -> Result<$word> {
            let unknown = |found: String| {
                let names = [$(v1::$message::$theirs.as_str_name()),+].join(", ");
                Error::invalid($field, format!("one of {names}"), found, "")
            };
            match v1::$message::try_from(code) {
                $(Ok(v1::$message::$theirs) => Ok($word::$ours),)+
                Ok(v1::$message::Unspecified) => {
                    let default: Option<$word> = $unspecified;
                    default.ok_or_else(|| unknown("none".to_owned()))
                }
                Err(_) => Err(unknown(format!("the unknown number {code}"))),
            }
        }

        fn $from(word: $word) -> i32 {
            match word { $($word::$ours => v1::$message::$theirs.into()),+ }
        }
    };
}

joined!(metric, metric_code, "config.metric": Metric, Metric {
    Cosine = Cosine, Ip = InnerProduct, L2 = L2,
} Some(Metric::Cosine));
joined!(id_type, id_type_code, "config.id_type": IdType, IdType {
    U64 = U64, Str = Str,
} Some(IdType::U64));
joined!(dtype, dtype_code, "config.dtype": Dtype, Dtype {
    F32 = F32, F16 = F16, U8 = U8, I8 = I8,
} Some(Dtype::F32));
joined!(profile, profile_code, "config.profile": Profile, Profile {
    Fast = Fast, Balanced = Balanced, Compact = Compact,
} Some(Profile::Balanced));
joined!(index, index_code, "config.index": Index, IndexKind {
    Graph = Graph, Hnsw = Hnsw,
} Some(IndexKind::Graph));
joined!(durability, durability_code, "config.durability": Durability, Durability {
    Sync = Sync, Buffered = Buffered,
} Some(Durability::Sync));
joined!(memory, memory_code, "config.memory": Memory, MemoryMode {
    Mapped = Mapped, Pinned = Pinned, Heap = Heap,
} Some(MemoryMode::Mapped));
joined!(kind, kind_code, "config.schema.type": AttributeType, AttributeType {
    Keyword = Keyword, KeywordList = KeywordList, I64 = I64, F64 = F64, Bool = Bool,
    Timestamp = Timestamp, Text = Text,
} None);

/// A configuration as the library takes it, checked.
///
/// # Errors
/// [`Error::InvalidArgument`] naming the field.
pub fn config(message: Option<v1::CollectionConfig>) -> Result<CollectionConfig> {
    let Some(message) = message else {
        return Err(Error::invalid("config", "a configuration", "none", "give at least dim"));
    };
    let columns = message.schema.into_iter();
    let columns = columns.map(|column| Ok((column.name, kind(column.r#type)?)));
    let config = CollectionConfig {
        id_type: id_type(message.id_type)?,
        schema: Schema::new(columns.collect::<Result<Vec<_>>>()?)?,
        space: message.space.as_deref().map(str::parse).transpose()?,
        dtype: dtype(message.dtype)?,
        profile: profile(message.profile)?,
        index: index(message.index)?,
        durability: durability(message.durability)?,
        memory: memory(message.memory)?,
        seed: message.seed,
        ..CollectionConfig::new(message.dim as usize, metric(message.metric)?)
    };
    config.validate()?;
    Ok(config)
}

/// The message of a configuration.
pub fn config_message(config: &CollectionConfig) -> v1::CollectionConfig {
    let columns = config.schema.columns().iter();
    v1::CollectionConfig {
        dim: config.dim as u32,
        metric: metric_code(config.metric),
        id_type: id_type_code(config.id_type),
        schema: columns
            .map(|(name, kind)| v1::SchemaColumn { name: name.clone(), r#type: kind_code(*kind) })
            .collect(),
        space: config.space.as_ref().map(ToString::to_string),
        dtype: dtype_code(config.dtype),
        profile: profile_code(config.profile),
        index: index_code(config.index),
        durability: durability_code(config.durability),
        memory: memory_code(config.memory),
        seed: config.seed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_survives_the_way_there_and_back() {
        let mut given = CollectionConfig::new(7, Metric::InnerProduct);
        given.id_type = IdType::Str;
        given.dtype = Dtype::I8;
        given.profile = Profile::Compact;
        given.index = IndexKind::Hnsw;
        given.durability = Durability::Buffered;
        given.memory = MemoryMode::Heap;
        given.seed = u64::MAX;
        given.space = Some("a@1".parse().expect("a space"));
        let columns = AttributeType::ALL.iter().map(|kind| (kind.to_string(), *kind));
        given.schema = Schema::new(columns).expect("a schema");
        assert_eq!(config(Some(config_message(&given))).expect("a configuration"), given);
    }

    #[test]
    fn what_is_unspecified_is_the_default() {
        let message = v1::CollectionConfig { dim: 3, ..v1::CollectionConfig::default() };
        let expected = CollectionConfig::new(3, Metric::Cosine);
        assert_eq!(config(Some(message)).expect("a configuration"), expected);
    }

    #[test]
    fn unknown_numbers_are_named() {
        let message = v1::CollectionConfig { dim: 3, metric: 9, ..Default::default() };
        let error = config(Some(message)).expect_err("unknown").to_string();
        assert!(error.contains("config.metric") && error.contains("METRIC_COSINE"), "{error}");
        let column = v1::SchemaColumn { name: "a".into(), r#type: 0 };
        let message = v1::CollectionConfig { dim: 3, schema: vec![column], ..Default::default() };
        config(Some(message)).expect_err("a column without a type");
    }
}
